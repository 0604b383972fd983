/** The looks of the series of a figure: colour and marker of the mixer, shade and dash of its variants. */
import type { Appearance } from '#results/record.ts';
import { compareAppearance } from '#results/query.ts';
import { mix } from './color.ts';
import type { Look } from './figure.ts';

const markers = ['circle', 'rect', 'triangle', 'rectRot', 'star', 'crossRot', 'cross', 'rectRounded'];
const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

export interface Family {
  appearance: Appearance;
  /** names of its series, from the least to the greatest */
  variants: readonly string[];
}

/**
 * A look for each variant of each family, by its name. The greatest variant has the family's own colour, a full marker and
 * a solid line; the others are paler, with other dashes and fillings. Families that claim the same marker get another one,
 * so that no two of up to eight families with up to eight variants look alike without colour.
 */
export function looksOf(families: readonly Family[]): Map<string, Look> {
  const looks = new Map<string, Look>();
  const taken = new Set<string>();
  for (const { appearance, variants } of families.toSorted((a, b) => compareAppearance(a.appearance, b.appearance))) {
    const marker = taken.has(appearance.marker) ? (markers.find((m) => !taken.has(m)) ?? appearance.marker) : appearance.marker;
    taken.add(marker);
    variants.forEach((name, i) => {
      const rank = variants.length - 1 - i;
      looks.set(name, {
        color: mix(appearance.color, '#ffffff', variants.length === 1 ? 0 : (0.5 * rank) / (variants.length - 1)),
        marker,
        filled: (rank + Math.floor(rank / dashes.length)) % 2 === 0,
        dash: [...dashes[rank % dashes.length]],
      });
    });
  }
  return looks;
}
