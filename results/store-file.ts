/** The file under a store: finding its lines, and adding one so that nothing is lost when others add theirs or a crash comes between. */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RecallbenchError } from '#core/errors.ts';
import { readPieces } from './line.ts';

const NEWLINE = 10;
const BLANK = 32;
/** bytes read at once */
const CHUNK = 4 * 2 ** 20;
/** bytes in which the first line must end for its keys to stand in another order than ours */
const BEGIN = 64 * 2 ** 10;

/** Whether there is anything at a path. Throws E_STORE when that cannot be found out. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw new RecallbenchError('E_STORE', `${path} cannot be read: ${(error as Error).message}. Check the permissions of the folders above it`, { cause: error });
  }
}

/** Opens a file for `linesOf` and makes sure that it is a store, or empty; the caller closes it. Throws E_STORE, and leaves a foreign file as it is. */
export function openLines(path: string): number {
  const foreign = (why: string) =>
    new RecallbenchError('E_STORE', `${path} is not a store: ${why}. It was left as it is; name a .jsonl file that recallbench wrote, or a new one`);
  if (statSync(path).isDirectory()) throw foreign(`it is a folder (a file inside it could be ${join(path, 'results.jsonl')})`);
  if (!statSync(path).isFile()) throw foreign('it is not a regular file');
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new RecallbenchError('E_STORE', `${path} cannot be read: ${(error as Error).message}. Check its permissions`, { cause: error });
  }
  const begin = Buffer.alloc(BEGIN);
  const text = begin.toString('utf8', 0, readFully(file, begin, 0)).trimStart();
  const newline = text.indexOf('\n');
  const first = newline < 0 ? text : text.slice(0, newline);
  const read = readPieces(first);
  if (read.length === 0 || read.some((piece) => !('why' in piece) || piece.ours)) return file;
  closeSync(file);
  throw foreign(`its first line is no record (${JSON.stringify(first.slice(0, 40))}${first.length > 40 ? '…' : ''})`);
}

/** A line without its newline. */
export interface Line {
  /** until the next line is asked for: the memory is used again */
  readonly bytes: Buffer;
  /** of its first byte in the file */
  readonly position: number;
}

/** The lines of a file; what follows the last newline is a line if it is not empty. */
export function* linesOf(file: number): Generator<Line> {
  let buffer = Buffer.allocUnsafe(CHUNK);
  // where the buffer begins in the file, and how many of its bytes are the beginning of a line without its end
  for (let [start, held] = [0, 0]; ; ) {
    if (held === buffer.length) buffer = Buffer.concat([buffer], 2 * held);
    const wanted = buffer.length - held;
    const read = readFully(file, buffer.subarray(held), start + held);
    const filled = buffer.subarray(0, held + read);
    let from = 0;
    for (let to = filled.indexOf(NEWLINE, held); to >= 0; to = filled.indexOf(NEWLINE, from)) {
      yield { bytes: filled.subarray(from, to), position: start + from };
      from = to + 1;
    }
    held = filled.length - from;
    if (read < wanted) {
      if (held > 0) yield { bytes: filled.subarray(from), position: start + from };
      return;
    }
    buffer.copyWithin(0, from);
    start += from;
  }
}

function readFully(file: number, buffer: Buffer, position: number): number {
  let length = 0;
  while (length < buffer.length) {
    const n = readSync(file, buffer, length, buffer.length - length, position + length);
    if (n === 0) break;
    length += n;
  }
  return length;
}

/** E_OUTPUT with its cause and the remedy. */
export function notWritable(path: string, error: unknown): RecallbenchError {
  return new RecallbenchError('E_OUTPUT', `cannot write ${path}: ${(error as Error).message}. Check the permissions and the space left, or write elsewhere with --out`, { cause: error });
}

/** Appends by one write of one whole line, and syncs; a torn line before it is ended first and set aside after. Throws E_STORE, E_OUTPUT. */
export function appendLine(path: string, line: string): void {
  if (exists(path)) closeSync(openLines(path)); // refuses to append to what is no store
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o666);
    const size = fstatSync(file).size;
    const last = Buffer.alloc(1);
    const ended = size === 0 || (readSync(file, last, 0, 1, size - 1) === 1 && last[0] === NEWLINE);
    const bytes = Buffer.from(`${ended ? '' : '\n'}${line}\n`);
    const written = writeSync(file, bytes);
    if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes could be written (no space left?)`);
    fsyncSync(file);
    if (!ended) setAside(path, file, size);
  } catch (error) {
    throw notWritable(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Moves the torn line that reached to `end` or beyond into `<path>.torn`. Our own line now lies behind it, so whoever
 * was still writing has finished: if the line is, or ends in, a record by now, it stays.
 */
function setAside(path: string, file: number, end: number): void {
  let from = end;
  const step = Buffer.alloc(65536);
  for (let found = false; from > 0 && !found; ) {
    const start = Math.max(0, from - step.length);
    const length = readFully(file, step.subarray(0, from - start), start);
    const newline = step.subarray(0, length).lastIndexOf(NEWLINE);
    found = newline >= 0;
    from = found ? start + newline + 1 : start;
  }
  const torn: Buffer[] = [];
  for (let at = from; ; at += step.length) {
    const length = readFully(file, step, at);
    const newline = step.subarray(0, length).indexOf(NEWLINE);
    torn.push(Buffer.from(step.subarray(0, newline < 0 ? length : newline)));
    if (newline >= 0 || length < step.length) break;
  }
  const bytes = Buffer.concat(torn);
  const text = bytes.toString('utf8');
  if (text.trim() === '' || readPieces(text).some((read) => !('why' in read))) return;
  try {
    const aside = openSync(`${path}.torn`, 'a');
    try {
      if (writeSync(aside, Buffer.concat([bytes, Buffer.of(NEWLINE)])) <= bytes.length) return;
      fsyncSync(aside);
    } finally {
      closeSync(aside);
    }
    const inPlace = openSync(path, 'r+'); // O_APPEND would write at the end whatever the position
    try {
      writeSync(inPlace, Buffer.alloc(bytes.length, BLANK), 0, bytes.length, from);
      fsyncSync(inPlace);
    } finally {
      closeSync(inPlace);
    }
  } catch {
    // the record is safe; the torn line stays where it is and is reported again by whoever reads the store next
  }
}
