/** Figures as files. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RecallbenchError, unknownName } from '#core/errors.ts';
import { makeFolder } from '#results/folder.ts';
import { drawCsv } from './csv.ts';
import { drawPdf, drawPng, drawSvg, type DrawOptions } from './draw.ts';
import type { Figure } from './figure.ts';

/** The file formats of a figure, each a function to the content of the file. */
export const formats = {
  png: drawPng,
  svg: drawSvg,
  pdf: drawPdf,
  csv: (figure: Figure, _options: DrawOptions) => drawCsv(figure),
};
export type Format = keyof typeof formats;

/** Not a file a figure, but a page of all of them and what they were made from. */
const HTML = 'html';

/** Checks names of formats of figures, "png" or "png,svg". Throws E_CONFIG on one that is not known. */
export function parseFormats(names: readonly string[]): Format[] {
  return known(names, Object.keys(formats)) as Format[];
}

/** The same where "html" is one more. */
export function parseReportFormats(names: readonly string[]): { figure: Format[]; html: boolean } {
  const all = known(names, [...Object.keys(formats), HTML]);
  return { figure: all.filter((name) => name !== HTML) as Format[], html: all.includes(HTML) };
}

function known(names: readonly string[], all: readonly string[]): string[] {
  const asked = names.flatMap((name) => name.split(',')).map((name) => name.trim().toLowerCase());
  for (const name of asked) if (!all.includes(name)) throw new RecallbenchError('E_CONFIG', unknownName('figure format', name, all));
  return [...new Set(asked)];
}

/** Named widths in print, in millimetres: one column of a two-column page, and the whole page. */
export const widths = { column: 85, wide: 180 } as const;

/** A width in millimetres: a name, or a number from 60 to 400. Throws E_CONFIG. */
export function parseWidth(text: string): number {
  if (Object.hasOwn(widths, text)) return widths[text as keyof typeof widths];
  const mm = Number(text);
  if (mm >= 60 && mm <= 400) return mm;
  throw new RecallbenchError('E_CONFIG', `the width of a figure is ${Object.entries(widths).map(([name, value]) => `${name} (${value} mm)`).join(', ')}, or a number of millimetres from 60 to 400, not "${text}".`);
}

/**
 * Writes a figure as `<dir>/<figure.name>.<format>` for every format of figures and returns the paths; everything is drawn
 * before anything is written. Throws E_CONFIG on an unknown format and E_OUTPUT when a file cannot be written.
 */
export function writeFigure(figure: Figure, dir: string, names: readonly string[] = ['png', 'svg', 'csv'], options: DrawOptions = {}): string[] {
  return writeFiles(dir, parseFormats(names).map((format) => [`${figure.name}.${format}`, formats[format](figure, options)]));
}

/** Writes files into a folder and returns their paths. They appear whole: each is written beside its place and renamed. Throws E_OUTPUT. */
export function writeFiles(dir: string, files: readonly (readonly [name: string, content: string | Buffer])[]): string[] {
  const contents = files.map(([name, content]) => [join(dir, name), content] as const);
  const beside = contents.map(([path]) => `${path}.${process.pid}.part`);
  try {
    makeFolder(dir);
    contents.forEach(([, content], i) => writeFileSync(beside[i], content, { flush: true }));
    contents.forEach(([path], i) => renameSync(beside[i], path));
  } catch (error) {
    for (const path of beside) {
      try {
        rmSync(path, { force: true });
      } catch {
        // there is no such folder, or it cannot be written: then there is nothing to remove
      }
    }
    throw new RecallbenchError('E_OUTPUT', `cannot write ${files.map(([name]) => name).join(', ')} into ${dir}: ${(error as Error).message}. Check the permissions and the space left, or name another folder with --out`, { cause: error });
  }
  return contents.map(([path]) => path);
}
