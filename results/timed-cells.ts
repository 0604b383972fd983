/** From records to cells whose times can be tested: which samples belong together, and what the machine did meanwhile. */
import { canonicalJson } from '#core/content-id.ts';
import { median, type Interval } from '#core/statistics.ts';
import type { Drift, MetricName } from './comparison.ts';
import { placeOf, type Cost, type DoneCost } from './costs.ts';
import { placeName } from './device-match.ts';
import { commonShift, fasterHalf, isReferenced, prepare, sampleOf, type Prepared, type TimedCell } from './judge-times.ts';
import type { RunRecord } from './record.ts';

/** A noisy metric before it is judged. */
export interface Timed {
  readonly key: string;
  readonly metric: MetricName;
  readonly baseline: number | null;
  readonly candidate: number | null;
  /** of the candidate */
  readonly range?: Interval;
  readonly cell: Prepared;
  readonly why?: string;
}

interface Both<T> {
  readonly key: string;
  readonly baseline: T | undefined;
  readonly candidate: T | undefined;
}

/** cells from which on what they have in common is not mistaken for any one of them */
const ENOUGH = 4;

const roofs = new Set(['gemm', 'copy', 'launch']);

interface CostCell {
  readonly key: string;
  readonly baseline: DoneCost;
  readonly candidate: DoneCost;
  readonly cell: TimedCell;
}

/**
 * The costs that were done on both sides, place by place. Where a place has a cell without the reference loop, what its cells have in
 * common is removed from those, and the common shift against the roofs' is a cell of its own: `machines`.
 */
export function timeCells(costs: readonly Both<Cost>[], fresh: ReadonlySet<string>): { timed: Timed[]; drifts: Drift[]; machines: { key: string; place: string }[] } {
  const places = new Map<string, CostCell[]>();
  for (const { key, baseline, candidate } of costs) {
    if (baseline?.state !== 'done' || candidate?.state !== 'done') continue;
    const samples = (cost: DoneCost) => cost.measurements.filter((m) => m.outcome.state === 'done' && m.samples.length > 0).map((m) => ({ ...sampleOf(m), fresh: fresh.has(m.id) }));
    const at = placeOf(candidate);
    places.set(at, [...(places.get(at) ?? []), { key, baseline, candidate, cell: { baseline: samples(baseline), candidate: samples(candidate) } }]);
  }
  const timed: Timed[] = [];
  const drifts: Drift[] = [];
  const machines: { key: string; place: string }[] = [];
  for (const [at, cells] of places) {
    const place = placeName({ ...cells[0].candidate.device, precision: cells[0].candidate.measure.precision });
    const bare = cells.filter(({ cell }) => !isReferenced(cell));
    const shift = bare.length >= ENOUGH ? commonShift(bare.map((c) => c.cell)) : 0;
    for (const { key, baseline, candidate, cell } of cells) timed.push({ key, metric: 'time', baseline: baseline.ms, candidate: candidate.ms, range: { low: candidate.low, high: candidate.high }, cell: prepare(cell, shift) });
    const [floor, rest] = [bare.filter(isRoof), bare.filter((c) => !isRoof(c))];
    if (bare.length >= ENOUGH && rest.length > 0) {
      const key = canonicalJson(['machine', at]);
      timed.push({ key, metric: 'time', baseline: null, candidate: null, cell: together(rest, floor), why: floor.length > 0 ? 'all cells together, against the roofs measured beside them' : 'all cells together; no roofs were measured beside them' });
      machines.push({ key, place });
    }
    drifts.push({ place, machine: referenceShift(cells), cells: Math.exp(commonShift(cells.filter((c) => !isRoof(c)).map((c) => c.cell))), roofs: cells.filter(isRoof).map((c) => ({ name: c.candidate.appearance.label, ratio: Math.exp(commonShift([c.cell])) })), removed: false });
  }
  return { timed, drifts, machines };
}

const isRoof = ({ candidate }: CostCell) => roofs.has(candidate.measure.workload);

/** Candidate over baseline of the time of the reference loop; null where it was not measured. */
function referenceShift(cells: readonly CostCell[]): number | null {
  const of = (side: 'baseline' | 'candidate') => cells.flatMap((c) => c[side].measurements.flatMap((m) => (m.reference === undefined ? [] : [fasterHalf(m.reference)])));
  const [b, c] = [of('baseline'), of('candidate')];
  return b.length === 0 || c.length === 0 ? null : Math.exp(median(c) - median(b));
}

/** By repetition: how far the cells are above where the baseline has them, less how far the roofs are. */
function together(cells: readonly CostCell[], roofs: readonly CostCell[]): Prepared {
  const centres = new Map([...cells, ...roofs].map((c) => [c, median(c.cell.baseline.map((s) => s.raw))]));
  const level = (among: readonly CostCell[], side: 'baseline' | 'candidate', repetition: number) => {
    const off = among.flatMap((c) => (repetition < c.cell[side].length ? [c.cell[side][repetition].raw - centres.get(c)!] : []));
    return off.length === 0 ? 0 : median(off);
  };
  const side = (of: 'baseline' | 'candidate') => Array.from({ length: Math.min(...cells.map((c) => c.cell[of].length)) }, (_, r) => level(cells, of, r) - level(roofs, of, r));
  return { raw: Math.exp(commonShift(cells.map((c) => c.cell))), baseline: side('baseline'), candidate: side('candidate'), fresh: [] };
}

/** A cell of training runs: learning rate and seed do not change how fast they are. */
export interface SpeedCell {
  readonly key: string;
  readonly run: RunRecord;
  readonly ids: readonly string[];
}

/** Training speeds of the runs that were done on both sides. Nothing is measured beside them, so each cell is judged against the others. */
export function speedCells(runs: readonly Both<readonly RunRecord[]>[]): { timed: Timed[]; cells: SpeedCell[]; drifts: Drift[] } {
  const groups = new Map<string, { baseline: RunRecord[]; candidate: RunRecord[] }>();
  for (const { baseline = [], candidate = [] } of runs) {
    const fast = (all: readonly RunRecord[], others: readonly RunRecord[]) => all.filter((r) => r.tokensPerSecond !== null && r.tokensPerSecond > 0 && r.outcome.state === 'done' && others.some((o) => o.id === r.id));
    const [b, c] = [fast(baseline, candidate), fast(candidate, baseline)];
    if (b.length === 0 || c.length === 0) continue;
    const { lr: _lr, seed: _seed, ...point } = c[0].point;
    const key = canonicalJson(['speed', point]);
    const group = groups.get(key) ?? { baseline: [], candidate: [] };
    group.baseline.push(...b);
    group.candidate.push(...c);
    groups.set(key, group);
  }
  const cells = [...groups].map(([key, { baseline, candidate }]) => {
    const samples = (all: readonly RunRecord[]) => all.map((r) => ({ raw: -Math.log(r.tokensPerSecond!) }));
    return { key, baseline, candidate, cell: { baseline: samples(baseline), candidate: samples(candidate) } };
  });
  const removed = cells.length >= ENOUGH;
  const shift = commonShift(cells.map((c) => c.cell));
  const rangeOf = (all: readonly RunRecord[]) => ({ low: Math.min(...all.map((r) => r.tokensPerSecond!)), high: Math.max(...all.map((r) => r.tokensPerSecond!)) });
  const speed = (all: readonly RunRecord[]) => median(all.map((r) => r.tokensPerSecond!));
  return {
    timed: cells.map(({ key, baseline, candidate, cell }) => ({ key, metric: 'speed', baseline: speed(baseline), candidate: speed(candidate), range: rangeOf(candidate), cell: prepare(cell, removed ? shift : 0) })),
    cells: cells.map(({ key, candidate }) => ({ key, run: candidate[0], ids: candidate.map((r) => r.id) })),
    drifts: cells.length === 0 ? [] : [{ place: `training on ${placeName(cells[0].candidate[0].device)}`, machine: null, cells: Math.exp(shift), roofs: [], removed }],
  };
}
