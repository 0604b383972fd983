/** Made-up records: whole and valid, and measured by nobody. For tests and for trying out figures; never for a store of results. */
import { rng } from '#core/random.ts';
import { measureId, parseMeasure, type MeasureInput, type Measurement } from './measurement.ts';
import { parsePoint, pointId, type PointInput } from './point.ts';
import { SCHEMA_VERSION, type Appearance, type Device, type Evaluation, type OutcomeState, type RunRecord } from './record.ts';

const device: Device = {
  engine: 'made-up',
  adapter: 'no device',
  precision: 'fp32',
  features: [],
  versions: { node: '20' },
  host: { cpu: 'none', cores: 1, memoryBytes: 1, os: 'none' },
};

/** What a made-up run is given; everything else follows from it. */
export interface MadeUp {
  point: Partial<PointInput> & { model: string };
  appearance?: Partial<Appearance>;
  state?: OutcomeState;
  reason?: string;
  /** test accuracy; validation is the same unless given */
  accuracy?: number;
  validation?: number;
  stateBytes?: number;
  parameters?: number;
  sweep?: string;
  steps?: number;
  /** rows of the learning curve */
  rows?: number;
  finishedAt?: string;
}

/** A valid record. Equal arguments give equal records. */
export function madeUpRecord(given: MadeUp): RunRecord {
  const point = parsePoint({
    task: 'mqar',
    train: [{ options: { seqLen: 64, pairs: 8 }, examples: 1024 }],
    test: [{ options: { seqLen: 64, pairs: 8 }, examples: 128 }],
    batch: 64,
    dModel: 64,
    lr: 1e-3,
    ...given.point,
  });
  const state = given.state ?? 'done';
  const accuracy = given.accuracy ?? 0.5;
  const validation = given.validation ?? accuracy;
  const planned = given.steps ?? 1000;
  const run = state === 'done' ? planned : Math.floor(planned / 3);
  const rows = given.rows ?? 10;
  const tokensPerStep = 64 * 64;
  const noise = rng(point.seed).fork(pointId(point));
  const evaluate = (share: number): Evaluation => ({
    accuracy: share,
    loss: 8 * (1 - share),
    slices: point.test.map((segment) => ({
      slice: segment.options as Record<string, number | string>,
      accuracy: share,
      loss: 8 * (1 - share),
      examples: segment.examples,
      scored: 8 * segment.examples,
    })),
  });
  return {
    schema: SCHEMA_VERSION,
    id: pointId(point),
    point,
    ...(given.sweep === undefined ? {} : { sweep: given.sweep }),
    outcome: { state, ...(given.reason === undefined ? {} : { reason: given.reason }) },
    appearance: { label: point.model, order: 0, color: '#1f77b4', marker: 'circle', ...given.appearance },
    ...(state === 'done' ? { test: evaluate(accuracy), validation: evaluate(validation) } : {}),
    // a plateau, then a fall within a few hundred steps
    curve: Array.from({ length: rows }, (_, i) => {
      const t = (i + 1) / rows;
      const learned = 1 / (1 + Math.exp(-14 * (t - 0.55 + 0.01 * noise.normal())));
      return {
        step: Math.round(run * t),
        tokens: Math.round(run * t) * tokensPerStep,
        loss: Math.round(1e4 * (0.02 + 8 * (1 - validation * learned) + 0.05 * noise.uniform())) / 1e4,
        accuracy: Math.round(1e4 * validation * learned) / 1e4,
        lr: point.lr,
        seconds: i + 1,
      };
    }),
    steps: { run, planned },
    stepsTo99: null,
    parameters: given.parameters ?? 100_000,
    stateBytes: given.stateBytes ?? 16_384,
    tokensPerSecond: 1e5,
    trainSeconds: 60,
    totalSeconds: 65,
    peakBytes: 1_000_000,
    notes: [],
    device,
    code: { version: '0.0.0' },
    startedAt: '2024-01-01T00:00:00.000Z',
    finishedAt: given.finishedAt ?? '2024-01-01T00:01:05.000Z',
  };
}

/** What a made-up measurement is given; everything else follows from it. */
export interface MadeUpMeasurement {
  measure: MeasureInput;
  samples: number[];
  /** of the reference loop; none when left out */
  reference?: number[];
  appearance?: Partial<Appearance>;
  adapter?: string;
  state?: OutcomeState;
  reason?: string;
  work?: Measurement['work'];
  tokens?: number;
  stateBytes?: number;
  peakBytes?: number;
  clock?: Measurement['clock'];
  sweep?: string;
}

/** A valid measurement, unless its samples are not. Equal arguments give equal ones. */
export function madeUpMeasurement(given: MadeUpMeasurement): Measurement {
  const measure = parseMeasure(given.measure);
  return {
    schema: SCHEMA_VERSION,
    id: measureId(measure),
    measure,
    ...(given.sweep === undefined ? {} : { sweep: given.sweep }),
    outcome: { state: given.state ?? 'done', ...(given.reason === undefined ? {} : { reason: given.reason }) },
    appearance: { label: measure.workload, order: 0, color: '#4c72b0', marker: 'circle', ...given.appearance },
    samples: given.samples,
    ...(given.reference === undefined ? {} : { reference: given.reference }),
    clock: given.clock ?? 'host',
    firstMs: 100,
    latencyMs: given.samples[0] ?? null,
    kernels: [{ name: measure.workload.replaceAll('-', '_'), launches: 1 }],
    work: given.work ?? null,
    tokens: given.tokens ?? 0,
    stateBytes: given.stateBytes ?? null,
    peakBytes: given.peakBytes ?? 1024,
    notes: [],
    device: { ...device, engine: measure.engine, precision: measure.precision, ...(measure.threads === undefined ? {} : { threads: measure.threads }), ...(given.adapter === undefined ? {} : { adapter: given.adapter }) },
    code: { version: '0.0.0' },
    startedAt: '2024-01-01T00:00:00Z',
    finishedAt: '2024-01-01T00:00:01Z',
  };
}
