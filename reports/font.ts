/**
 * The font of the figures. It ships with the package (Inter, SIL Open Font License, npm `@fontsource/inter`): a server or
 * a container often has no font at all, and then text would be drawn as nothing. One font everywhere also makes a figure
 * the same file on every machine.
 */
import { createRequire } from 'node:module';
import { GlobalFonts } from '@napi-rs/canvas';

const FAMILY = 'Recallbench Sans';
/** Subsets of the font, each a family of its own; the first that has a character draws it. */
const subsets = ['latin', 'latin-ext', 'greek', 'cyrillic'] as const;
const weights = [400, 600] as const;

let registered = false;

/** The font families for a canvas, in order of choice; registers the bundled ones on first use. Throws if one cannot be read. */
export function fontFamily(): string {
  if (!registered) {
    const { resolve } = createRequire(import.meta.url);
    for (const subset of subsets) {
      for (const weight of weights) {
        const path = resolve(`@fontsource/inter/files/inter-${subset}-${weight}-normal.woff2`);
        if (GlobalFonts.registerFromPath(path, `${FAMILY} ${subset}`) === null) throw new Error(`the font ${path} cannot be read. Install the package again`);
      }
    }
    registered = true;
  }
  return [...subsets.map((subset) => `"${FAMILY} ${subset}"`), 'sans-serif'].join(', ');
}
