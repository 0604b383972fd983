/** Figures from what stores hold to files. */
import { lookUp } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { DrawOptions } from '#reports/draw.ts';
import type { FigureOptions, Stored } from '#reports/figure.ts';
import { figures } from '#reports/index.ts';

export interface Drawn {
  /** paths */
  readonly written: string[];
  readonly skipped: { readonly figure: string; readonly why: string }[];
}

/** Throws E_NAME, with the nearest known figure, when one does not exist. */
export function checkFigures(names: readonly string[]): void {
  for (const name of names) lookUp(figures, 'figure', name);
}

export interface Drawing {
  readonly folder: string;
  /** all that there are when left out */
  readonly formats?: readonly string[];
  readonly options?: FigureOptions;
  /** how they are drawn */
  readonly draw?: DrawOptions;
}

/** Draws the figures of these names, or all of what there is; those without data are skipped. Throws E_CONFIG on an unknown format, E_OUTPUT. */
export async function drawFigures(names: readonly string[] | undefined, stored: Stored, { folder, formats, options, draw }: Drawing): Promise<Drawn> {
  const { writeFigure } = await import('#reports/write.ts');
  const drawn: Drawn = { written: [], skipped: [] };
  for (const name of names ?? Object.values(figures).flatMap((kind) => ((kind.of === 'runs' ? stored.records : stored.measurements).length > 0 ? [kind.name] : []))) {
    try {
      const figure = lookUp(figures, 'figure', name).build(stored, options);
      drawn.written.push(...writeFigure(figure, folder, formats, draw));
    } catch (error) {
      if (!(error instanceof RecallbenchError) || error.code !== 'E_STORE') throw error;
      drawn.skipped.push({ figure: name, why: error.message.replace(/^E_STORE: /, '') });
    }
  }
  return drawn;
}
