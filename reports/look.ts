/** The looks of the series of a figure: colour and marker of the mixer, shade and dash of its variants. */
import type { Appearance } from '#results/record.ts';
import { compareAppearance } from '#results/query.ts';
import { contrast, distance, mix } from './color.ts';
import type { Look } from './figure.ts';

/** Markers with an inside, which can be full or hollow, and markers of lines alone. */
const closed = ['circle', 'rect', 'triangle', 'rectRot', 'triangleDown', 'triangleLeft', 'triangleRight', 'rectRounded'];
const open = ['star', 'crossRot', 'cross'];
const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

/** Colours that most people can tell apart, of Okabe and Ito and of Paul Tol, for families whose own is taken. */
const spare = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#332288', '#AA4499', '#882255', '#999933', '#44AA99', '#117733', '#8C6D31', '#661100', '#000000', '#EE3377', '#CC3311', '#004488', '#997700', '#6699CC', '#994455', '#EE8866'];

/** The palest that a variant may be on white; and how much of it is white at the most. */
const PALEST = 2;
const WHITEST = 0.45;

export interface Family {
  appearance: Appearance;
  /** names of its series, from the least to the greatest */
  variants: readonly string[];
  /** families of other kinds may have the same colour: an op has that of the mixer that it is for */
  kind?: string;
}

/**
 * A look for each variant of each family, by its name. The greatest variant has the family's own colour, a full marker and
 * a solid line; the others are paler, with other dashes and fillings. A family whose marker or colour is taken by one before
 * it gets another: a hybrid has those of its first mixer. No two series look alike without colour, as long as there are looks.
 */
export function looksOf(families: readonly Family[]): Map<string, Look> {
  const looks = new Map<string, Look>();
  const sorted = families.toSorted((a, b) => compareAppearance(a.appearance, b.appearance));
  const claimed = new Set(sorted.map((family) => family.appearance.marker));
  const uses = new Map<string, number>();
  const colors = new Map<string, string>();
  const taken = new Set<string>();
  for (const { appearance, variants, kind = '' } of sorted) {
    const marker = markerFor(appearance.marker, variants.length, uses, claimed);
    uses.set(marker, (uses.get(marker) ?? 0) + variants.length);
    const claim = `${kind} ${appearance.color.toUpperCase()}`;
    const color = colors.has(claim) ? farthest(spare, [...sorted.map((f) => f.appearance.color), ...colors.values()]) : appearance.color;
    colors.set(`${kind} ${color.toUpperCase()}`, color);
    variants.toReversed().forEach((name, rank) => {
      const forms = [0, 1, 2, 3].flatMap((turn) => dashes.map((dash, d) => ({ filled: (d + turn) % 2 === 0, dash })));
      const without = ({ filled, dash }: (typeof forms)[number]) => [marker, filled || open.includes(marker), dash.join()].join(' ');
      const form = [...forms.slice(rank), ...forms].find((f) => !taken.has(without(f))) ?? forms[rank % forms.length];
      taken.add(without(form));
      looks.set(name, { color: paler(color, variants.length === 1 ? 0 : (WHITEST * rank) / (variants.length - 1)), marker, filled: form.filled, dash: [...form.dash] });
    });
  }
  return looks;
}

/** A family's own marker if it is free, else a free one, and rather one that no family claims; markers with an inside where variants are to be told apart by it. */
function markerFor(own: string, variants: number, uses: ReadonlyMap<string, number>, claimed: ReadonlySet<string>): string {
  if (!uses.has(own) && (variants === 1 || !open.includes(own))) return own;
  const free = [...closed, ...(variants === 1 ? open : [])].filter((marker) => !uses.has(marker));
  return free.find((marker) => !claimed.has(marker)) ?? free[0] ?? closed.toSorted((a, b) => uses.get(a)! - uses.get(b)!)[0];
}

/** With a share of white, but not so much that it cannot be seen on white; what is that pale itself stays as it is. */
function paler(color: string, share: number): string {
  const shares = Array.from({ length: 10 }, (_, i) => (share * (9 - i)) / 9);
  return mix(color, '#ffffff', shares.find((s) => contrast(mix(color, '#ffffff', s), '#ffffff') >= PALEST) ?? 0);
}

/** Of some colours the one that is farthest from all of the others. */
function farthest(candidates: readonly string[], others: readonly string[]): string {
  const nearest = (color: string) => Math.min(...others.map((other) => distance(color, other)));
  return candidates.reduce((a, b) => (nearest(b) > nearest(a) ? b : a));
}
