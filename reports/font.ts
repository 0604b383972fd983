/**
 * The font of the figures. It ships with the package (Inter, SIL Open Font License, npm `@fontsource/inter`): a server or
 * a container often has no font at all, and then text would be drawn as nothing. One font everywhere also makes a figure
 * the same file on every machine.
 */
import { createRequire } from 'node:module';
import { GlobalFonts } from '@napi-rs/canvas';
import { RecallbenchError } from '#core/errors.ts';

const FAMILY = 'Recallbench Sans';
/** Subsets of the font, each a family of its own; the first that has a character draws it. */
const subsets = ['latin', 'latin-ext', 'greek', 'cyrillic'] as const;
const weights = [400, 600] as const;

let registered = false;

/** The font families for a canvas, in order of choice; registers the bundled ones on first use. Throws E_OUTPUT if one cannot be read. */
export function fontFamily(): string {
  if (!registered) {
    for (const subset of subsets) for (const weight of weights) register(subset, weight);
    registered = true;
  }
  return [...subsets.map((subset) => `"${FAMILY} ${subset}"`), 'sans-serif'].join(', ');
}

function register(subset: (typeof subsets)[number], weight: (typeof weights)[number]): void {
  const file = `@fontsource/inter/files/inter-${subset}-${weight}-normal.woff2`;
  const unreadable = (cause?: unknown) => new RecallbenchError('E_OUTPUT', `the font of the figures, ${file}, cannot be read. Install recallbench again: npm install`, { cause });
  let path: string;
  try {
    path = createRequire(import.meta.url).resolve(file);
  } catch (error) {
    throw unreadable(error);
  }
  if (GlobalFonts.registerFromPath(path, `${FAMILY} ${subset}`) === null) throw unreadable();
}
