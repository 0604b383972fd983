/** A baseline: a store of the records that later versions of the code are compared with, one an id and device. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { canonicalJson } from '#core/content-id.ts';
import { RecallbenchError } from '#core/errors.ts';
import { deviceKey } from './device-match.ts';
import { makeFolder } from './folder.ts';
import { formatLine, isMeasurement, type StoredRecord } from './line.ts';
import { exists, notWritable } from './store-file.ts';
import { describeProblem, readStores, type Contents } from './store.ts';

export interface Updated {
  /** records that the baseline did not have, that it has anew, and that it had already just so */
  readonly added: number;
  readonly replaced: number;
  readonly unchanged: number;
  /** records of the baseline that nothing new was found for */
  readonly kept: number;
  /** older repetitions of costs that were measured anew with fewer: another code's times do not stand among the new ones */
  readonly dropped: number;
}

const all = ({ records, measurements }: Contents): readonly StoredRecord[] => [...records, ...measurements];
/** the repetitions of one measure on one device are replaced together */
const costKey = (record: StoredRecord) => {
  if (!isMeasurement(record)) return undefined;
  const { repetition: _, ...measure } = record.measure;
  return `${canonicalJson(measure)} ${deviceKey(record.device)}`;
};
const keyOf = (record: StoredRecord) => `${record.id} ${deviceKey(record.device)}`;

/** Endings that are a result: a baseline may say that a point diverges or does not fit. */
const results: ReadonlySet<StoredRecord['outcome']['state']> = new Set(['done', 'diverged', 'unsupported', 'out-of-memory']);

/**
 * Puts the records found at `from` (stores and folders of them) into the store `to`, in place of those of the same id and device. The
 * file is replaced whole, so that a reader sees the old baseline or the new one. Throws E_STORE, and writes nothing, when a line of
 * either side is damaged, a run crashed or was interrupted, or there is nothing to take; E_OUTPUT when the file cannot be written.
 */
export function updateBaseline(from: readonly string[], to: string): Updated {
  const found = readStores(from, { perDevice: true });
  const before = exists(to) ? readStores([to], { perDevice: true }) : undefined;
  const damaged = [...found.problems, ...(before?.problems ?? [])];
  if (damaged.length > 0) throw new RecallbenchError('E_STORE', `${damaged.length === 1 ? 'a line is' : `${damaged.length} lines are`} damaged or no record, and a baseline has to be whole: ${describeProblem(damaged[0])}. Mend or remove it; nothing was written.`);
  const fresh = all(found);
  if (fresh.length === 0) throw new RecallbenchError('E_STORE', `there is no record in ${from.join(', ')}. Make some with: recallbench sweep quick.`);
  const failed = fresh.filter((r) => !results.has(r.outcome.state));
  if (failed.length > 0) throw new RecallbenchError('E_STORE', `${failed.length} of ${fresh.length} records did not end well (${failed[0].id}: ${failed[0].outcome.state}${failed[0].outcome.reason === undefined ? '' : `, ${failed[0].outcome.reason}`}), and a baseline must not hold a failure as what is expected. Run them again; nothing was written.`);

  const had = before === undefined ? [] : all(before);
  const old = new Map(had.map((r) => [keyOf(r), formatLine(r)]));
  const [renewed, anew] = [new Set(fresh.map(costKey)), new Set(fresh.map(keyOf))];
  const stale = had.filter((r) => isMeasurement(r) && renewed.has(costKey(r)) && !anew.has(keyOf(r)));
  const lines = new Map(old);
  for (const record of stale) lines.delete(keyOf(record));
  let [added, replaced, unchanged] = [0, 0, 0];
  for (const record of fresh) {
    const key = keyOf(record);
    const line = formatLine(record);
    const was = old.get(key);
    if (was === undefined) added++;
    else if (was === line) unchanged++;
    else replaced++;
    lines.set(key, line);
  }
  replaceFile(to, [...lines.values()].map((line) => `${line}\n`).join(''));
  return { added, replaced, unchanged, kept: lines.size - fresh.length, dropped: stale.length };
}

/** Writes beside the file, syncs, and renames: there is never half a file. */
function replaceFile(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`;
  try {
    makeFolder(dirname(path));
    const file = openSync(beside, 'w');
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
  } catch (error) {
    if (exists(beside)) rmSync(beside);
    throw notWritable(path, error);
  }
}
