/** A throughput sweep as data: grids of workloads, their roofs, and how often everything is repeated in turn. */
import { parseConfig, z } from '#core/config.ts';
import { measureId, parseMeasure, type Measure, type Measurement } from '#results/measurement.ts';
import { checkMeasure, withoutSamples } from './measure.ts';
import type { Job, Setting } from './launch.ts';
import { gridSchema, named, nameSchema, product } from './sweep.ts';

const grids = z.array(gridSchema).min(1);

export const throughputSchema = z.strictObject({
  name: nameSchema,
  summary: z.string().default(''),
  /** how often everything is measured, all of it in turn, so that a slow minute of the machine falls on all alike */
  repetitions: z.int().positive().max(100).default(3),
  /** of sampling for each measurement */
  seconds: z.number().positive().max(3600).default(0.3),
  /** what is measured: everywhere the same, or a grid for processors and one for GPUs */
  grids: z.union([grids, z.strictObject({ cpu: grids, gpu: grids })]),
  /** measure a matrix product, a copy and an empty call as well, which bound all others */
  roofs: z.boolean().default(true),
  /** figures to draw from the results; all that have data when left out */
  figures: z.array(z.string()).optional(),
});
export type ThroughputInput = z.input<typeof throughputSchema>;
export type Throughput = z.output<typeof throughputSchema>;

/** Checks a throughput sweep read from a file. Throws E_CONFIG. */
export function parseThroughput(raw: unknown, where: string): Throughput {
  return parseConfig(throughputSchema, raw, where);
}

/** Where a sweep is measured. */
export interface Place {
  readonly engine: string;
  /** of a CPU engine */
  readonly threads?: number;
  readonly kind: 'cpu' | 'gpu';
  /** instead of what the sweep says */
  readonly precision?: 'fp32' | 'mixed';
}

export interface PlannedMeasure {
  readonly id: string;
  readonly measure: Measure;
}

const roofs = {
  cpu: [{ workload: 'gemm', options: { size: 1024 } }, { workload: 'copy', options: { elements: 2 ** 24 } }, { workload: 'launch' }],
  gpu: [{ workload: 'gemm', options: { size: 4096 } }, { workload: 'copy', options: { elements: 2 ** 28 } }, { workload: 'launch' }],
};

/** The measures of a sweep, repetition after repetition, each checked against its workload. Errors: E_CONFIG, E_NAME, E_SIZE. */
export function expandThroughput(sweep: Throughput, place: Place): PlannedMeasure[] {
  const chosen = Array.isArray(sweep.grids) ? sweep.grids : sweep.grids[place.kind];
  const raws = [...(sweep.roofs ? roofs[place.kind] : []), ...chosen.flatMap(product)];
  const where = { engine: place.engine, ...(place.threads === undefined ? {} : { threads: place.threads }), ...(place.precision === undefined ? {} : { precision: place.precision }) };
  const measures = new Map<string, Measure>();
  raws.forEach((raw, i) => {
    const measure = named(`throughput ${sweep.name}, measure ${i + 1} of ${raws.length}`, () => checkMeasure(parseMeasure({ ...raw, ...where })));
    measures.set(measureId(measure), measure);
  });
  return Array.from({ length: sweep.repetitions }, (_, repetition) => [...measures.values()].map((m): PlannedMeasure => ({ id: measureId({ ...m, repetition }), measure: { ...m, repetition } }))).flat();
}

/** Measures as jobs. */
export function measuringJobs(planned: readonly PlannedMeasure[], { sweep, engine, engineOptions }: Setting, seconds: number): Job<Measurement>[] {
  return planned.map(({ id, measure }) => ({
    id,
    order: { measure, seconds, sweep, engine, engineOptions: { ...engineOptions, timed: true, precision: measure.precision === 'mixed' ? 'mixed' : 'fp32' } },
    crashed: ({ reason, startedAt }) => withoutSamples(measure, { sweep, outcome: { state: 'crashed', reason }, startedAt }),
  }));
}
