/** Claims against what stores hold: place by place, for times and accuracies of different devices do not compare. */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { costsOf, placeOf } from '#results/costs.ts';
import { cellsOf } from '#results/query.ts';
import type { StoredRecord } from '#results/line.ts';
import type { Stored } from '../figure.ts';
import type { Claim, Evidence, Place, Verdict } from './claim.ts';

/** A claim and what came of it at one place. */
export interface Decision {
  readonly claim: Claim;
  /** absent where no place has data */
  readonly place?: Place;
  readonly verdict: Verdict;
}

/** What was measured at each place, in an order that does not depend on that of the records. */
function placesOf({ records, measurements }: Stored): Record<Claim['of'], Evidence[]> {
  const runs = grouped(records, ({ device }) => canonicalJson([device.adapter, device.engine, device.precision])).filter(([, here]) => here.some(isDone));
  const own = measurements.filter(({ measure }) => measure.options['implementation'] === undefined);
  const costs = grouped(own, placeOf).filter(([, here]) => here.some(isDone));
  return {
    runs: runs.map(([, here]) => {
      const [{ device }] = here;
      return { place: { engine: device.engine, adapter: device.adapter, precision: device.precision }, cells: cellsOf(here), costs: [] };
    }),
    costs: costs.map(([, here]) => {
      const [{ device, measure }] = here;
      return { place: { engine: measure.engine, adapter: device.adapter, precision: measure.precision, ...(measure.threads === undefined ? {} : { threads: measure.threads }) }, cells: [], costs: costsOf(here).toSorted((a, b) => (a.key < b.key ? -1 : 1)) };
    }),
  };
}

const isDone = ({ outcome }: StoredRecord): boolean => outcome.state === 'done';

/** Groups by place, in the order of the places. */
const grouped = <T>(items: readonly T[], placeOfItem: (item: T) => string): [place: string, items: T[]][] => [...groupBy(items, placeOfItem)].sort(([a], [b]) => (a < b ? -1 : 1));

/** Every claim decided at every place that has data for it; one without any is undecided once. */
export function decideAll(claims: readonly Claim[], stored: Stored): Decision[] {
  const places = placesOf(stored);
  return claims.flatMap((claim): Decision[] => {
    const decided = places[claim.of].map((at): Decision => ({ claim, place: at.place, verdict: claim.decide(at) }));
    const told = decided.filter(({ verdict }) => verdict.cells.length > 0);
    if (told.length > 0) return told;
    const { verdict } = decided[0] ?? { verdict: claim.decide({ place: NOWHERE, cells: [], costs: [] }) };
    return [{ claim, verdict }];
  });
}

const NOWHERE: Place = { engine: 'none', adapter: 'none', precision: 'fp32' };

/** "Of 12 claims 5 are confirmed somewhere, 2 refuted somewhere and 6 not decided anywhere" */
export function counts(decisions: readonly Decision[]): string {
  const names = (state: Verdict['state']) => new Set(decisions.filter(({ verdict }) => verdict.state === state).map(({ claim }) => claim.name));
  const all = new Set(decisions.map(({ claim }) => claim.name));
  const [confirmed, refuted] = [names('confirmed'), names('refuted')];
  const both = [...confirmed].filter((name) => refuted.has(name)).length;
  const open = [...all].filter((name) => !confirmed.has(name) && !refuted.has(name)).length;
  return `Of ${all.size} claims ${confirmed.size} ${confirmed.size === 1 ? 'is' : 'are'} confirmed, ${refuted.size} refuted${both === 0 ? '' : ` (${both} confirmed at one place and refuted at another)`}, and for ${open} there is not enough data`;
}
