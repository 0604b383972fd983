/** Names for cells: as short as possible, and different wherever two cells would stand for one another. */
import { canonicalJson, contentId } from '#core/content-id.ts';
import { compareAppearance, type Cell, type CellPoint } from '#results/query.ts';
import type { Appearance } from '#results/record.ts';
import type { Family } from './look.ts';
import { formatNumber } from './ticks.ts';

/** The name of a cell within its series: "Mamba-2 (N=64), d=128". */
export function cellName(cell: Cell): string {
  return `${withOptions(cell.appearance.label, stateOf(cell.point))}, d=${cell.point.dModel}`;
}

/** Series names and the families that they form. */
export interface Naming {
  nameOf(cell: Cell): string;
  families: Family[];
}

/**
 * Names series by label and the options `always` that it has, "Mamba-2 (N=64)". Where cells of one name would share a place (`at` gives equal
 * texts for them) the options in which they differ join the name of every series of that label.
 */
export function nameSeries(cells: readonly Cell[], at: (cell: Cell) => string, always: readonly string[] = ['dState']): Naming {
  const appearances = new Map<string, Appearance>();
  const names = new Map<Cell, string>();
  const families: Family[] = [];
  for (const cell of cells) appearances.set(cell.appearance.label, cell.appearance);
  for (const [label, appearance] of appearances) {
    const own = cells.filter((cell) => cell.appearance.label === label);
    const keys = distinguishing(own, at, always);
    const variants = new Map<string, unknown[]>();
    for (const cell of own) {
      const all = optionsOf(cell.point);
      const shown = keys.filter((key) => all[key] !== undefined);
      const name = withOptions(label, Object.fromEntries(shown.map((key) => [key, all[key]])));
      names.set(cell, name);
      variants.set(name, keys.map((key) => all[key]));
    }
    const sorted = [...variants].sort(([, a], [, b]) => compareValues(a, b));
    families.push({ appearance, variants: sorted.map(([name]) => name) });
  }
  families.sort((a, b) => compareAppearance(a.appearance, b.appearance));
  return { nameOf: (cell) => names.get(cell)!, families };
}

/** The options that keep cells of one label apart wherever they share a place, and `always` those. */
function distinguishing(cells: readonly Cell[], at: (cell: Cell) => string, always: readonly string[]): string[] {
  const keys = always.filter((key) => cells.some((cell) => optionsOf(cell.point)[key] !== undefined));
  for (;;) {
    const places = new Map<string, Cell[]>();
    for (const cell of cells) {
      const all = optionsOf(cell.point);
      const place = canonicalJson([at(cell), keys.map((key) => all[key] ?? null)]);
      places.set(place, [...(places.get(place) ?? []), cell]);
    }
    const differing = new Set<string>();
    for (const group of places.values()) {
      const options = group.map((cell) => optionsOf(cell.point));
      for (const key of new Set(options.flatMap((o) => Object.keys(o)))) {
        if (new Set(options.map((o) => canonicalJson(o[key] ?? null))).size > 1) differing.add(key);
      }
    }
    if (differing.size === 0) return keys;
    keys.push(...[...differing].sort());
  }
}

/** Everything in a point that may tell two cells of a label apart, flat. */
function optionsOf(point: CellPoint): Record<string, unknown> {
  const { modelOptions, ...rest } = point;
  return { ...rest, ...modelOptions };
}

function stateOf(point: CellPoint): Record<string, unknown> {
  const { dState } = point.modelOptions;
  return dState === undefined ? {} : { dState };
}

/** `label (N=64, headDim=32)`; a label that has an option in brackets already keeps them. */
function withOptions(label: string, options: Record<string, unknown>): string {
  const words = Object.entries(options)
    .map(([key, value]) => `${shortNames[key] ?? key}=${word(value)}`)
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
