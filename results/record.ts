/** A record: one line of JSON that tells how one point ended and what was measured. */
import { z } from '#core/config.ts';
import { pointSchema } from './point.ts';

export const SCHEMA_VERSION = 1;

/** How a run ended. */
export const outcomes = ['done', 'diverged', 'unsupported', 'out-of-memory', 'crashed', 'interrupted'] as const;
export type OutcomeState = (typeof outcomes)[number];

/** Accuracy and loss over the scored positions of one slice. */
export const sliceSchema = z.strictObject({
  slice: z.record(z.string(), z.union([z.number(), z.string()])),
  /** share of scored positions whose arg-max is right */
  accuracy: z.number(),
  /** share of examples whose scored positions are all right; records made before it was counted have none */
  sequenceAccuracy: z.number().optional(),
  /** mean cross-entropy in nats over scored positions */
  loss: z.number(),
  examples: z.int(),
  scored: z.int(),
});

/** The mean over all examples of all slices, and each slice. */
export const evaluationSchema = z.strictObject({
  accuracy: z.number(),
  sequenceAccuracy: z.number().optional(),
  loss: z.number(),
  slices: z.array(sliceSchema),
});
export type Evaluation = z.output<typeof evaluationSchema>;

/** How a mixer is drawn; it belongs to the mixer and travels in the record. */
export const appearanceSchema = z.strictObject({
  /** "Mamba-2 (N=64)": the line a run belongs to */
  label: z.string(),
  /** position in legends */
  order: z.number(),
  /** #rrggbb */
  color: z.string(),
  /** Chart.js point style */
  marker: z.string(),
});
export type Appearance = z.output<typeof appearanceSchema>;

/** Where and with what a run was measured. */
export const deviceSchema = z.strictObject({
  engine: z.string(),
  adapter: z.string(),
  driver: z.string().optional(),
  threads: z.int().optional(),
  precision: z.string(),
  features: z.array(z.string()).default([]),
  versions: z.record(z.string(), z.string()),
  host: z.strictObject({ cpu: z.string(), cores: z.int(), memoryBytes: z.int(), os: z.string() }),
});
export type Device = z.output<typeof deviceSchema>;

export const recordSchema = z.strictObject({
  schema: z.literal(SCHEMA_VERSION),
  /** pointId(point) */
  id: z.string(),
  point: pointSchema,
  /** the sweep that asked for it */
  sweep: z.string().optional(),
  outcome: z.strictObject({ state: z.enum(outcomes), reason: z.string().optional() }),
  appearance: appearanceSchema,
  /** absent when the run ended before it could be evaluated */
  test: evaluationSchema.optional(),
  /** the split on which the learning rate and the stopping point may be chosen */
  validation: evaluationSchema.optional(),
  /** accuracy is on the validation split and null between evaluations; loss is the mean training loss since the last row */
  curve: z.array(z.strictObject({ step: z.int(), tokens: z.int(), loss: z.number().nullable(), accuracy: z.number().nullable(), lr: z.number(), seconds: z.number() })),
  /** steps run, and steps planned */
  steps: z.strictObject({ run: z.int(), planned: z.int() }),
  /** the first evaluated step with validation accuracy ≥ 0.99 */
  stepsTo99: z.int().nullable(),
  parameters: z.int(),
  /** what decoding carries from step to step, for one sequence of the longest test length, all layers, in bytes */
  stateBytes: z.int(),
  /** training speed, without compilation and evaluation */
  tokensPerSecond: z.number().nullable(),
  trainSeconds: z.number(),
  totalSeconds: z.number(),
  /** bytes of the engine's arena at its largest */
  peakBytes: z.int(),
  /** things a reader should know, such as a head dim that was chosen for a small width */
  notes: z.array(z.string()).default([]),
  device: deviceSchema,
  code: z.strictObject({ version: z.string(), commit: z.string().optional() }),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
});
/** One line of a store. */
export type RunRecord = z.output<typeof recordSchema>;
