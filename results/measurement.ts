/** A measurement: what one repetition of one workload cost on one engine, as a line of a store. */
import { contentId } from '#core/content-id.ts';
import { parseConfig, z } from '#core/config.ts';
import { appearanceSchema, deviceSchema, outcomes, SCHEMA_VERSION } from './record.ts';

/** Everything that decides what is measured, as closed data. */
export const measureSchema = z.strictObject({
  /** "ssd", "selective-scan", "decode": an entry of the harness's table, or of a peer's */
  workload: z.string(),
  /** the workload's options, shapes among them, with all defaults filled in */
  options: z.record(z.string(), z.unknown()).default({}),
  /** "wasm", "webgpu", or a peer such as "pytorch" */
  engine: z.string(),
  /** of a CPU engine */
  threads: z.int().positive().optional(),
  precision: z.enum(['fp32', 'mixed', 'bf16']).default('fp32'),
  /** which of the interleaved repetitions, from 0 */
  repetition: z.int().min(0).default(0),
});
export type Measure = z.output<typeof measureSchema>;
export type MeasureInput = z.input<typeof measureSchema>;

/** Checks a raw measure and fills in defaults. Throws E_CONFIG. */
export function parseMeasure(raw: unknown, where = 'measure'): Measure {
  return parseConfig(measureSchema, raw, where);
}

/** The identity of a measure. */
export function measureId(measure: Measure): string {
  return contentId(measure);
}

/** Counted work of one call: arithmetic operations, exponentials and their like, and bytes that must at least be moved. */
export const workSchema = z.strictObject({ flops: z.number().min(0), exps: z.number().min(0), bytes: z.number().min(0) });
export type Work = z.output<typeof workSchema>;

export const measurementSchema = z.strictObject({
  schema: z.literal(SCHEMA_VERSION),
  /** measureId(measure) */
  id: z.string(),
  measure: measureSchema,
  /** the preset or file that asked for it */
  sweep: z.string().optional(),
  outcome: z.strictObject({ state: z.enum(outcomes), reason: z.string().optional() }),
  appearance: appearanceSchema,
  /** milliseconds of one call; each sample is the mean over calls that followed one another closely, in the order taken. Empty unless done */
  samples: z.array(z.number().positive()),
  /** milliseconds of a fixed loop in plain JavaScript, run before, between and after the samples: how fast the processor was, whatever code is measured. Absent with a device's clock */
  reference: z.array(z.number().positive()).optional(),
  /** device: an accelerator's own clock; host: that of the processor */
  clock: z.enum(['device', 'host']),
  /** the first call: capture, compilation, first touch of memory */
  firstMs: z.number().min(0).nullable(),
  /** wall time of one call by itself, from the host's call to the results in its hands: what a single request waits for */
  latencyMs: z.number().min(0).nullable(),
  /** names of the kernels launched, in order of first launch: which form ran */
  kernels: z.array(z.strictObject({ name: z.string(), launches: z.int().positive() })),
  /** of one call; null where nobody counted */
  work: workSchema.nullable(),
  /** tokens that one call takes in (or gives out, decoding); 0 for roofs */
  tokens: z.int().min(0),
  /** what decoding carries for one sequence, all layers */
  stateBytes: z.int().min(0).nullable(),
  /**
   * of a workload that compares ways to compute the same: the root mean square of the difference over that of the second, by what was compared,
   * such as "chunked and linear: y"
   */
  differences: z.array(z.strictObject({ of: z.string(), rms: z.number().min(0) })).optional(),
  /** device bytes planned */
  peakBytes: z.int().min(0),
  notes: z.array(z.string()).default([]),
  device: deviceSchema,
  code: z.strictObject({ version: z.string(), commit: z.string().optional() }),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
});
/** One line of a store that tells a cost. */
export type Measurement = z.output<typeof measurementSchema>;
