/**
 * A store: an append-only `.jsonl` file of records, one a line, to which many processes may append at once.
 *
 * - A record is written as one line by one write to a file opened with O_APPEND, and synced: lines of different
 *   processes never mix, and a crash tears at most the line that was being written.
 * - A torn last line is reported when the store is opened. The next append starts on a line of its own; only then, when
 *   nobody can still be writing the torn one, is its text moved to `<store>.torn` and blanked in the store.
 * - Lines that are no records (foreign, damaged, of another schema version) are reported and stay where they are.
 * - Stores concatenate: `cat a.jsonl b.jsonl > c.jsonl` is a store, and duplicates collapse by id on reading; but what was measured on
 *   several devices stays, once for each.
 */
import { closeSync, openSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { canonicalJson } from '#core/content-id.ts';
import { RecallbenchError } from '#core/errors.ts';
import { FileSlice } from './file-slice.ts';
import { makeFolder } from './folder.ts';
import { deviceKey } from './device-match.ts';
import { formatLine, isMeasurement, readBytes, readLine, type StoredRecord } from './line.ts';
import type { Measurement } from './measurement.ts';
import { appendLine, exists, linesOf, notWritable, openLines } from './store-file.ts';
import type { RunRecord } from './record.ts';

/** A line that is no record, or a file of a folder that is no store. */
export interface Problem {
  path: string;
  /** counted from 1; absent when the whole file is meant */
  line?: number;
  why: string;
}

/** `store.jsonl:12: torn: …` */
export function describeProblem(problem: Problem): string {
  return `${problem.path}${problem.line === undefined ? '' : `:${problem.line}`}: ${problem.why}`;
}

/** What one or several files hold: one run an id, one measurement an id and device, in the order in which the ids first appear. */
export interface Contents {
  readonly records: readonly RunRecord[];
  readonly measurements: readonly Measurement[];
  readonly problems: readonly Problem[];
  /** the id of each record that gave way to another of the same id */
  readonly repeated: readonly string[];
}

export interface Store extends Contents {
  readonly path: string;
  /** The run of an id, if there is one. */
  find(id: string): RunRecord | undefined;
  /** The measurement of an id, if there is one. */
  findMeasurement(id: string): Measurement | undefined;
  /**
   * Adds a record to the file and to `records` or `measurements`; returns when it is on disk. Throws E_STORE when the record breaks the
   * schema (NaN included) and E_OUTPUT when the file cannot be written.
   */
  append(record: StoredRecord): void;
}

/** Opens a store and reads it; a file that does not exist yet is an empty store. Throws E_STORE on what is no store. */
export function openStore(path: string): Store {
  const records = new Records();
  const problems: Problem[] = [];
  if (exists(path)) readFile(path, records, problems);
  return {
    path,
    problems,
    get repeated() {
      return records.repeated();
    },
    get records() {
      return records.runs.list();
    },
    get measurements() {
      return records.measurements.list();
    },
    find: (id) => records.runs.find(id),
    findMeasurement: (id) => records.measurements.find(id),
    append(record) {
      const line = formatLine(record);
      appendLine(path, line);
      records.add(readLine(line) as StoredRecord);
    },
  };
}

export interface ReadOptions {
  /** keep a record of each device for an id, where there are several, instead of one an id */
  readonly perDevice?: boolean;
}

/**
 * Reads several stores as one: files, and folders, of which every `*.jsonl` inside is read, in folders in it too. Throws E_STORE
 * when a path does not exist, a named file is no store, or a folder has no `.jsonl` file; a foreign `.jsonl` file
 * inside a folder is a problem and is passed over.
 */
export function readStores(paths: readonly string[], { perDevice = false }: ReadOptions = {}): Contents {
  const records = new Records(perDevice);
  const problems: Problem[] = [];
  for (const path of new Set(paths.flatMap(storesAt))) {
    try {
      readFile(path, records, problems);
    } catch (error) {
      const named = paths.some((p) => exists(p) && realpathSync(p) === path);
      if (named || !(error instanceof RecallbenchError)) throw error;
      problems.push({ path, why: error.message });
    }
  }
  return { records: records.runs.list(), measurements: records.measurements.list(), problems, repeated: records.repeated() };
}

/** A file itself, or the `.jsonl` files of a folder, by their real paths. */
function storesAt(path: string): string[] {
  if (!exists(path)) throw new RecallbenchError('E_STORE', `${path} does not exist. Make a store with: recallbench sweep <preset> --out ${path}`);
  if (!statSync(path).isDirectory()) return [realpathSync(path)];
  const names = readdirSync(path, { recursive: true }).map(String).filter((name) => name.endsWith('.jsonl')).sort();
  if (names.length === 0) throw new RecallbenchError('E_STORE', `the folder ${path} has no .jsonl file. Name a store, or a folder of stores`);
  return names.map((name) => realpathSync(join(path, name)));
}

/**
 * Makes sure, before any run starts, that records can be appended: makes the folder and an empty file where there is
 * none. Throws E_STORE on a file that is no store, E_OUTPUT on one that cannot be written.
 */
export function checkWritable(path: string): void {
  if (exists(path)) closeSync(openLines(path));
  try {
    makeFolder(dirname(path));
    closeSync(openSync(path, 'a'));
  } catch (error) {
    throw notWritable(path, error);
  }
}

/**
 * Records by id; a finished one beats one that is not, and among equals the latest wins, in whatever order they come. Where `apart` says so, two of
 * an id are two and not one twice.
 */
class ById<R extends StoredRecord> {
  readonly #byId = new Map<string, readonly R[]>();
  readonly #apart: (a: R, b: R) => boolean;
  readonly repeated: string[] = [];
  #list: R[] | undefined;

  constructor(apart: (a: R, b: R) => boolean) {
    this.#apart = apart;
  }

  add(record: R): void {
    this.#list = undefined;
    const found = this.#byId.get(record.id);
    if (found === undefined) {
      this.#byId.set(record.id, [record]);
      return;
    }
    const stay = found.filter((other) => this.#apart(record, other));
    if (found.length > stay.length) this.repeated.push(record.id);
    if (found.some((other) => !stay.includes(other) && !beats(record, other))) return;
    this.#byId.set(record.id, [...stay, record]);
  }

  find(id: string): R | undefined {
    return this.#byId.get(id)?.at(-1);
  }

  list(): readonly R[] {
    return (this.#list ??= [...this.#byId.values()].flat());
  }
}

class Records {
  readonly runs: ById<RunRecord>;
  readonly measurements: ById<Measurement>;

  constructor(perDevice = false) {
    const otherDevice = (a: StoredRecord, b: StoredRecord) => deviceKey(a.device) !== deviceKey(b.device);
    // what a model learns does not depend on the device; what it costs does
    this.runs = new ById<RunRecord>(perDevice ? otherDevice : () => false);
    this.measurements = new ById<Measurement>(perDevice ? otherDevice : (a, b) => isDone(a) && isDone(b) && a.device.adapter !== b.device.adapter);
  }

  add(record: StoredRecord): void {
    if (isMeasurement(record)) this.measurements.add(record);
    else this.runs.add(record);
  }

  repeated(): string[] {
    return [...this.runs.repeated, ...this.measurements.repeated];
  }
}

const isDone = ({ outcome }: StoredRecord): boolean => outcome.state === 'done';

function beats(a: StoredRecord, b: StoredRecord): boolean {
  const [aDone, bDone] = [isDone(a), isDone(b)];
  if (aDone !== bDone) return aDone;
  const [aTime, bTime] = [Date.parse(a.finishedAt), Date.parse(b.finishedAt)];
  if (aTime !== bTime) return aTime > bTime;
  // no reason to prefer either, so prefer the same one in any order of files
  return headText(a) > headText(b);
}

/** All of a record but the curve, which may be in a file still; in any order of its keys the same. */
function headText(record: StoredRecord): string {
  return canonicalJson(Object.fromEntries(Object.keys(record).flatMap((key) => (key === 'curve' ? [] : [[key, record[key as keyof StoredRecord]]]))));
}

/** bytes of a store in which curves are checked as they are read: beyond, of ten thousand records and more, when somebody asks for them */
const CHECKED = 256 * 2 ** 20;

function readFile(path: string, records: Records, problems: Problem[]): void {
  const file = openLines(path);
  try {
    let line = 0;
    for (const { bytes, position } of linesOf(file)) {
      line++;
      const slice = (from: number, length: number) => new FileSlice(path, position + from, length);
      for (const read of readBytes(bytes, slice, position < CHECKED)) {
        if ('why' in read) {
          problems.push({ path, line, why: read.why });
          continue;
        }
        records.add(read);
      }
    }
  } finally {
    closeSync(file);
  }
}
