/** Where words go: results to stdout, everything about the way there to stderr. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Table from 'cli-table3';
import { RecallbenchError } from '#core/errors.ts';
import { makeFolder } from '#results/folder.ts';

/** A result, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A result for machines: one line of JSON on stdout. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** A remark, on stderr. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A result as a file, with the folders above it; `append` goes on with one that is there. Throws E_OUTPUT. */
export function writeText(path: string, text: string, append = false): void {
  try {
    makeFolder(dirname(path));
    if (append) appendFileSync(path, text);
    else writeFileSync(path, text);
  } catch (error) {
    throw new RecallbenchError('E_OUTPUT', `cannot write ${path}: ${(error as Error).message}. Check the permissions and the space left, or write elsewhere`, { cause: error });
  }
}

/** A table of rows under heads; columns that hold numbers in every row are set to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const numeric = head.map((_, c) => rows.length > 0 && rows.every((row) => /^([-−+]?[\d.,]|—?$)/.test(row[c])));
  const t = new Table({ head: [...head], colAligns: numeric.map((n) => (n ? 'right' : 'left')), style: { head: [], border: [], compact: true } });
  for (const row of rows) t.push([...row]);
  return t.toString();
}

/** A table of names and what belongs to them. */
export function pairs(rows: readonly (readonly [string, string])[]): string {
  const t = new Table({ style: { head: [], border: [], compact: true } });
  for (const row of rows) t.push([...row]);
  return t.toString();
}

/** A reader that goes away, as `| head` does, ends nobody's work. */
export function quietPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** Resolves when all that was written has left. */
export async function flush(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength > 0 && !stream.destroyed) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
}
