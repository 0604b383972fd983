/** Names for series: as short as possible, and different wherever two things would stand for one another. */
import { canonicalJson, contentId } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { flatOptions } from '#results/point.ts';
import { compareAppearance, type Cell, type CellPoint } from '#results/query.ts';
import type { Appearance } from '#results/record.ts';
import type { Family } from './look.ts';
import { formatNumber } from './ticks.ts';

/** The name of a cell within its series: "Mamba-2 (N=64), d=128". */
export function cellName(cell: Cell): string {
  return `${withOptions(cell.appearance.label, stateOf(cell.point))}, d=${cell.point.dModel}`;
}

/** Everything that may tell two things of a label apart, flat. */
export type Traits = Readonly<Record<string, unknown>>;

/** Series names and the families that they form. */
export interface Naming<T> {
  nameOf(item: T): string;
  families: Family[];
}

/**
 * Names series by label and the traits `always` that it has, "Mamba-2 (N=64)". Where things of one name would share a place (`at` gives equal
 * texts for them) the traits in which they differ join the name of every series of that label, those of the model before its circumstances.
 */
export function nameSeries<T extends { readonly appearance: Appearance }>(items: readonly T[], traitsOf: (item: T) => Traits, at: (item: T) => string, always: readonly string[] = ['dState']): Naming<T> {
  const labelled = groupBy(items, (item) => item.appearance.label);
  const names = new Map<T, string>();
  const families: Family[] = [];
  for (const [label, items] of labelled) {
    const appearance = items.at(-1)!.appearance;
    const own = items.map((item) => ({ item, traits: traitsOf(item), place: at(item) }));
    const keys = distinguishing(own, always);
    const variants = new Map<string, unknown[]>();
    for (const { item, traits } of own) {
      const shown = keys.filter((key) => traits[key] !== undefined);
      const name = withOptions(label, Object.fromEntries(shown.map((key) => [key, traits[key]])));
      names.set(item, name);
      variants.set(name, keys.map((key) => traits[key]));
    }
    const sorted = [...variants].sort(([, a], [, b]) => compareValues(a, b));
    families.push({ appearance, variants: sorted.map(([name]) => name) });
  }
  families.sort((a, b) => compareAppearance(a.appearance, b.appearance));
  return { nameOf: (item) => names.get(item)!, families };
}

/** How a thing was trained or measured, and not what it is: tells things of one name apart only where nothing else does. */
const circumstances = new Set(['train', 'epochs', 'data', 'order', 'batch', 'batchTokens', 'weightDecay', 'schedule', 'warmup', 'evalEvery', 'earlyStop', 'vocabSize', 'pairs']);

/** The traits that keep things of one label apart wherever they share a place, and `always` those. */
function distinguishing(items: readonly { readonly traits: Traits; readonly place: string }[], always: readonly string[]): string[] {
  const keys = always.filter((key) => items.some(({ traits }) => traits[key] !== undefined));
  for (;;) {
    const places = groupBy(items, ({ traits, place }) => canonicalJson([place, keys.map((k) => traits[k] ?? null)]));
    const differing = new Set<string>();
    for (const items of places.values()) {
      const group = items.map(({ traits }) => traits);
      for (const key of new Set(group.flatMap((traits) => Object.keys(traits)))) {
        if (new Set(group.map((traits) => canonicalJson(traits[key] ?? null))).size > 1) differing.add(key);
      }
    }
    if (differing.size === 0) return keys;
    const sorted = [...differing].sort();
    const own = sorted.filter((key) => !circumstances.has(key));
    keys.push(...(own.length > 0 ? own : sorted));
  }
}

/** What may tell two cells of a label apart. */
export function cellTraits({ point: { modelOptions, ...rest } }: Cell): Traits {
  return { ...rest, ...flatOptions(modelOptions) };
}

function stateOf(point: CellPoint): Record<string, unknown> {
  const { dState } = point.modelOptions;
  return dState === undefined ? {} : { dState };
}

/** `label (N=64, headDim=32)`; a label that has an option in brackets already keeps them. */
export function withOptions(label: string, options: Record<string, unknown>): string {
  const words = Object.entries(options)
    // a place is a word of its own
    .map(([key, value]) => (key === 'on' ? word(value) : `${shortNames[key] ?? key}=${word(value)}`))
    .filter((w) => !label.includes(w));
  return words.length === 0 ? label : `${label} (${words.join(', ')})`;
}

const shortNames: Record<string, string> = { dState: 'N', dModel: 'd' };

function word(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : formatNumber(value);
  return typeof value === 'object' && value !== null ? `#${contentId(value).slice(0, 4)}` : String(value);
}

function compareValues(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i];
    if (typeof x === 'number' && typeof y === 'number' && x !== y) return x - y;
    const [s, t] = [String(x), String(y)];
    if (s !== t) return s < t ? -1 : 1;
  }
  return 0;
}
