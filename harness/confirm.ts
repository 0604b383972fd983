/** What is run again to confirm a comparison: the suspicious cells alone, with the code that is here. */
import { RecallbenchError } from '#core/errors.ts';
import { openEngine } from '#engine/index.ts';
import type { Comparison, Row } from '#results/comparison.ts';
import { deviceKey, differences } from '#results/device-match.ts';
import type { StoredRecord } from '#results/line.ts';
import { measureId, type Measurement } from '#results/measurement.ts';
import type { Device, RunRecord } from '#results/record.ts';
import { fingerprint } from './fingerprint.ts';
import { trainingJobs, type Job } from './launch.ts';
import { measuringJobs, type PlannedMeasure } from './throughput.ts';

export interface Rerun {
  readonly jobs: readonly Job<StoredRecord>[];
  /** ids of measurements that are added to those of the candidate; others replace a record of the candidate */
  readonly fresh: ReadonlySet<string>;
  /** devices that the candidate's records were made on */
  readonly devices: readonly Device[];
}

export interface RerunOptions {
  /** of each time, fresh and in turn */
  readonly repetitions: number;
  /** of sampling for each measurement */
  readonly seconds: number;
}

/** Whether a row is to be run again: times that are or may be slower, and whatever failed or got worse. (A rerun of a point replaces its run, so it adds nothing to a training speed.) */
function wanted(row: Row): boolean {
  return row.verdict === 'failed' || row.verdict === 'worse' || row.metrics.some((m) => m.noisy?.suspicious);
}

/** The jobs that confirm a comparison; none where nothing is suspicious. `candidate` is what was compared. */
export function rerunOf({ rows }: Comparison, candidate: { readonly records: readonly RunRecord[]; readonly measurements: readonly Measurement[] }, { repetitions, seconds }: RerunOptions): Rerun {
  const ids = (kind: Row['kind']) => new Set(rows.flatMap((r) => (r.kind === kind && wanted(r) ? r.ids : [])));
  const costIds = ids('cost');
  const suspects = candidate.measurements.filter((m) => costIds.has(m.id));
  const failed = suspects.filter((m) => m.outcome.state !== 'done').map(({ id, measure }): PlannedMeasure => ({ id, measure }));
  const costs = rows.filter((r) => r.kind === 'cost' && r.metrics.some((m) => m.metric === 'time' && (m.verdict === 'worse' || m.noisy?.suspicious)));
  const lists = costs.map((row) => candidate.measurements.filter((m) => row.ids.includes(m.id)).map((m) => m.measure));
  const fresh = Array.from({ length: repetitions }, (_, i) =>
    lists.map((measures): PlannedMeasure => {
      const measure = { ...measures[0], repetition: Math.max(...measures.map((m) => m.repetition)) + 1 + i };
      return { id: measureId(measure), measure };
    }),
  ).flat();
  // the same engine for as long as possible, and in it repetition after repetition
  const settings = new Map<string, PlannedMeasure[]>();
  for (const planned of [...failed, ...fresh]) {
    const at = JSON.stringify([planned.measure.engine, planned.measure.threads ?? null]);
    settings.set(at, [...(settings.get(at) ?? []), planned]);
  }
  const measuring = [...settings.values()].flatMap((planned) => {
    const { engine, threads } = planned[0].measure;
    return measuringJobs(planned, { sweep: 'confirm', engine, engineOptions: threads === undefined ? {} : { threads } }, seconds);
  });
  const runIds = ids('run');
  const runs = candidate.records.filter((r) => runIds.has(r.id));
  const training = runs.flatMap((r) => {
    const { engine, threads } = r.device.engine === 'unknown' ? (candidate.records.find((o) => o.device.engine !== 'unknown')?.device ?? { engine: 'auto', threads: undefined }) : r.device;
    return trainingJobs([{ id: r.id, point: r.point }], { sweep: r.sweep ?? 'confirm', engine, engineOptions: threads === undefined ? {} : { threads } });
  });
  return { jobs: [...measuring, ...training], fresh: new Set(fresh.map((p) => p.id)), devices: [...suspects, ...runs].map((r: StoredRecord) => r.device) };
}

/** Makes sure that reruns happen where the candidate was made. Throws E_COMPARE where they would not, and what `openEngine` throws. */
export async function checkHere({ devices, jobs }: Rerun): Promise<void> {
  const known = new Map(devices.flatMap((d) => (d.adapter === 'unknown' ? [] : [[deviceKey(d), d] as const])));
  if (jobs.length === 0) return;
  for (const device of known.values()) {
    const engine = await openEngine(device.engine, { ...(device.threads === undefined ? {} : { threads: device.threads }), precision: device.precision === 'mixed' ? 'mixed' : 'fp32' });
    const here = fingerprint(engine.describe());
    await engine.close();
    const other = differences(device, here);
    if (other.length > 0) throw new RecallbenchError('E_COMPARE', `--confirm reruns cells of the candidate here, and the candidate was made elsewhere: ${other.join(', ')}. Confirm on the device of the candidate, or leave --confirm out.`);
  }
}
