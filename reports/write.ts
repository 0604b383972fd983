/** Figures as files. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RecallbenchError, unknownName } from '#core/errors.ts';
import { makeFolder } from '#results/folder.ts';
import { drawCsv } from './csv.ts';
import { drawPng, drawSvg, type DrawOptions } from './draw.ts';
import type { Figure } from './figure.ts';

/** The file formats of a figure, each a function to the content of the file. */
export const formats = {
  png: drawPng,
  svg: drawSvg,
  csv: (figure: Figure, _options: DrawOptions) => drawCsv(figure),
};
export type Format = keyof typeof formats;

/** Not a file a figure, but one for all of them and what they were made from. */
export const HTML = 'html';

/** Checks names of formats, "png" or "png,html". Throws E_CONFIG on one that is not known. */
export function parseFormats(names: readonly string[]): { figure: Format[]; html: boolean } {
  const all = names.flatMap((name) => name.split(',')).map((name) => name.trim().toLowerCase());
  for (const name of all) if (name !== HTML && !Object.hasOwn(formats, name)) throw new RecallbenchError('E_CONFIG', unknownName('figure format', name, [...Object.keys(formats), HTML]));
  return { figure: [...new Set(all.filter((name) => name !== HTML))] as Format[], html: all.includes(HTML) };
}

/**
 * Writes a figure as `<dir>/<figure.name>.<format>` for every format of figures and returns the paths; everything is drawn
 * before anything is written. Throws E_CONFIG on an unknown format and E_OUTPUT when a file cannot be written.
 */
export function writeFigure(figure: Figure, dir: string, names: readonly string[] = ['png', 'svg', 'csv'], options: DrawOptions = {}): string[] {
  return writeFiles(dir, parseFormats(names).figure.map((format) => [`${figure.name}.${format}`, formats[format](figure, options)]));
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
