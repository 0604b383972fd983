/** A point: everything that decides one training run, as closed data. Its id is the hash of its canonical content. */
import { contentId } from '#core/content-id.ts';
import { parseConfig, z } from '#core/config.ts';

/** One kind of example inside a training or test mixture. */
export const segmentSchema = z.strictObject({
  /** task options, checked by the task itself */
  options: z.record(z.string(), z.unknown()),
  /** how many examples: per epoch when training, in all when testing */
  examples: z.int().positive(),
});
export type Segment = z.output<typeof segmentSchema>;

export const schedules = ['constant', 'linear', 'cosine', 'linear-per-epoch', 'cosine-per-epoch'] as const;

export const glus = ['glu', 'geglu', 'swiglu'] as const;

export const pointSchema = z.strictObject({
  task: z.string(),
  /** an epoch runs these segments in order; batches never mix segments */
  train: z.array(segmentSchema).min(1),
  /** test and validation use the same segments with different random streams */
  test: z.array(segmentSchema).min(1),
  epochs: z.int().positive().default(1),
  /** fresh: new examples in every epoch; fixed: the same ones again */
  data: z.enum(['fresh', 'fixed']).default('fresh'),
  /** sequential: segment by segment within an epoch; interleaved: batches of all segments in a shuffled order */
  order: z.enum(['sequential', 'interleaved']).default('sequential'),
  /** sequences per step, or tokens per step */
  batch: z.int().positive().optional(),
  batchTokens: z.int().positive().optional(),

  /** a mixer, or a pattern of several that is repeated to `layers`: "mamba2*5,attention" */
  model: z.string(),
  /** mixer options, checked by the mixer itself; of a pattern by mixer, { "mamba2": { "dState": 64 } } */
  modelOptions: z.record(z.string(), z.unknown()).default({}),
  dModel: z.int().positive().max(16384),
  layers: z.int().positive().max(1024).default(2),
  /** hidden width of the MLP after each mixer as a multiple of dModel; 0 is no MLP */
  mlp: z.number().min(0).default(0),
  /** a gated linear unit of that hidden width in the MLP's place (Shazeer 2020); left out, it is an MLP with a GELU */
  glu: z.enum(glus).optional(),
  /** learned absolute positions added to the embedding */
  positions: z.boolean().default(false),

  lr: z.number().positive(),
  weightDecay: z.number().min(0).default(0.1),
  schedule: z.enum(schedules).default('constant'),
  /** share of all steps spent in linear warm-up */
  warmup: z.number().min(0).max(1).default(0),
  /** evaluate every so many steps; 0 is once per epoch */
  evalEvery: z.int().min(0).default(0),
  /** stop once validation accuracy exceeds this */
  earlyStop: z.number().min(0).max(1).optional(),
  seed: z.int().min(0).default(0),
  precision: z.enum(['fp32', 'mixed']).default('fp32'),
});

/** A closed point. */
export type Point = z.output<typeof pointSchema>;
/** A point as people write it: defaults may be left out. */
export type PointInput = z.input<typeof pointSchema>;

/** Checks a raw point and fills in defaults. Throws E_CONFIG. */
export function parsePoint(raw: unknown, where = 'point'): Point {
  return parseConfig(pointSchema, raw, where);
}

/** The identity of a point. */
export function pointId(point: Point): string {
  return contentId(point);
}

export { flatOptions } from './flat-options.ts';
