/** Figures from what stores hold to files. */
import { lookUp } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { DrawOptions } from '#reports/draw.ts';
import type { Figure, FigureOptions, Stored } from '#reports/figure.ts';
import type { HtmlExtras } from '#reports/html/report.ts';
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
  /** all those of figures when left out; html is one file for them and all that the stores hold */
  readonly formats?: readonly string[];
  readonly options?: FigureOptions;
  /** how they are drawn */
  readonly draw?: DrawOptions;
  /** what else the HTML report says */
  readonly more?: HtmlExtras;
}

/** Draws the figures of these names, or all of what there is; those without data are skipped. Throws E_CONFIG on an unknown format, E_OUTPUT. */
export async function drawFigures(names: readonly string[] | undefined, stored: Stored, { folder, formats, options, draw, more }: Drawing): Promise<Drawn> {
  const { parseReportFormats, writeFigure, writeFiles } = await import('#reports/write.ts');
  const asked = formats && parseReportFormats(formats);
  const built: Figure[] = [];
  const drawn: Drawn = { written: [], skipped: [] };
  for (const name of names ?? Object.values(figures).flatMap((kind) => ((kind.of === 'runs' ? stored.records : stored.measurements).length > 0 ? [kind.name] : []))) {
    try {
      const figure = lookUp(figures, 'figure', name).build(stored, options);
      drawn.written.push(...writeFigure(figure, folder, asked?.figure, draw));
      built.push(figure);
    } catch (error) {
      if (!(error instanceof RecallbenchError) || error.code !== 'E_STORE') throw error;
      drawn.skipped.push({ figure: name, why: error.message.replace(/^E_STORE: /, '') });
    }
  }
  if (asked?.html) {
    const [{ htmlReport }, { chosen }, { decideClaims }, { claimsHtml }] = await Promise.all([import('#reports/html/report.ts'), import('#reports/selection.ts'), import('#reports/claims/index.ts'), import('#reports/claims/html.ts')]);
    const shown = chosen(stored, options ?? {});
    // what was claimed is asked of all that there is, not beside a single figure
    const sections = names === undefined ? [claimsHtml(decideClaims(shown))] : [];
    const html = htmlReport(shown, built, { sections, ...more, skipped: drawn.skipped });
    drawn.written.push(...writeFiles(folder, [['report.html', html]]));
  }
  return drawn;
}
