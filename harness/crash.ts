/** The record of a run whose process died: everything that is known without it. */
import { pointId, type Point } from '#results/point.ts';
import { SCHEMA_VERSION, type RunRecord } from '#results/record.ts';
import { codeVersion, fingerprint } from './fingerprint.ts';
import { openPoint } from './open-point.ts';

export function crashRecord(point: Point, about: { sweep: string; reason: string; startedAt: Date }): RunRecord {
  const open = openPoint(point);
  const finishedAt = new Date();
  return {
    schema: SCHEMA_VERSION,
    id: pointId(point),
    point,
    sweep: about.sweep,
    outcome: { state: 'crashed', reason: about.reason },
    appearance: open.appearance,
    curve: [],
    steps: { run: 0, planned: open.steps },
    stepsTo99: null,
    parameters: open.model.parameterCount,
    stateBytes: open.model.stateBytes(open.testLength),
    tokensPerSecond: null,
    trainSeconds: 0,
    totalSeconds: (finishedAt.getTime() - about.startedAt.getTime()) / 1000,
    peakBytes: 0,
    notes: [...open.model.notes],
    device: fingerprint({ engine: 'unknown', adapter: 'unknown', precision: point.precision, features: [], versions: {} }),
    code: codeVersion(),
    startedAt: about.startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
  };
}
