/** Where a task meets a model: a point with everything it names looked up, checked and opened. */
import { lookUp } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { EngineDescription } from '#engine/engine.ts';
import { buildLanguageModel, type LanguageModel } from '#models/language-model.ts';
import { openStack } from '#models/stack.ts';
import type { Appearance } from '#results/record.ts';
import type { Point, Segment } from '#results/point.ts';
import { tasks } from '#tasks/known-tasks.ts';
import type { OpenTask } from '#tasks/task.ts';

export interface OpenSegment {
  readonly task: OpenTask;
  readonly examples: number;
  /** sequences per batch */
  readonly batch: number;
  readonly batches: number;
}

export interface OpenPoint {
  readonly point: Point;
  readonly vocabSize: number;
  readonly train: readonly OpenSegment[];
  readonly test: readonly OpenSegment[];
  /** longest test sequence: where state bytes are counted */
  readonly testLength: number;
  readonly stepsPerEpoch: number;
  readonly steps: number;
  readonly model: LanguageModel;
  readonly appearance: Appearance;
}

/** Fills in the defaults of the task and model options, so that a point and its id say all. Errors: E_NAME, E_CONFIG, E_SIZE. */
export function checkPoint(point: Point): Point {
  const task = lookUp(tasks, 'task', point.task);
  const { model, options } = openStack(point.model, point.modelOptions, point.layers);
  const resolve = (segments: Segment[]) => segments.map((s) => ({ ...s, options: task.resolve(s.options) }));
  const checked = { ...point, train: resolve(point.train), test: resolve(point.test), model, modelOptions: options };
  openPoint(checked);
  return checked;
}

/** Opens a checked point. */
export function openPoint(point: Point): OpenPoint {
  const task = lookUp(tasks, 'task', point.task);
  const stack = openStack(point.model, point.modelOptions, point.layers);
  if ((point.batch === undefined) === (point.batchTokens === undefined)) {
    throw new RecallbenchError('E_CONFIG', 'give either "batch" (sequences per step) or "batchTokens" (tokens per step), and not both');
  }
  const open = (segments: readonly Segment[], split: string): OpenSegment[] =>
    segments.map((s, i) => {
      const opened = task.open(s.options);
      const batch = point.batch ?? Math.max(1, Math.floor(point.batchTokens! / opened.seqLen));
      if (split === 'train' && s.examples < batch) {
        throw new RecallbenchError('E_SIZE', `train segment ${i + 1} has ${s.examples} examples, fewer than one batch of ${batch}. Remedy: at least ${batch} examples, or a batch of at most ${s.examples}.`);
      }
      return { task: opened, examples: s.examples, batch, batches: split === 'train' ? Math.floor(s.examples / batch) : Math.ceil(s.examples / batch) };
    });
  const train = open(point.train, 'train');
  const test = open(point.test, 'test');
  const all = [...train, ...test];
  const vocabSize = all[0].task.vocabSize;
  const odd = all.find((s) => s.task.vocabSize !== vocabSize);
  if (odd !== undefined) throw new RecallbenchError('E_SIZE', `all segments share one vocabulary, but there are ${vocabSize} and ${odd.task.vocabSize}`);
  const { readout } = all[0].task;
  if (all.some((s) => s.task.readout !== readout)) throw new RecallbenchError('E_CONFIG', 'all segments share one model, but some want an auto-encoder and some do not');
  const stepsPerEpoch = train.reduce((n, s) => n + s.batches, 0);
  const model = buildLanguageModel({
    vocabSize,
    maxLength: Math.max(...all.map((s) => s.task.seqLen)),
    dModel: point.dModel,
    layers: point.layers,
    mlp: point.mlp,
    ...(point.glu === undefined ? {} : { glu: point.glu }),
    positions: point.positions,
    ...(readout === undefined ? {} : { readout }),
    round: stack.round,
  });
  return {
    point,
    vocabSize,
    train,
    test,
    testLength: Math.max(...test.map((s) => s.task.seqLen)),
    stepsPerEpoch,
    steps: stepsPerEpoch * point.epochs,
    model,
    appearance: stack.appearance,
  };
}

/** The loss scale for an engine's precision: 1, but in mixed a power of two near the number of scored rows, which gives each row's gradient the size that it has alone. */
export function lossScaleOf({ train }: OpenPoint, { precision }: Pick<EngineDescription, 'precision'>): number {
  return precision !== 'mixed' ? 1 : 2 ** Math.round(Math.log2(Math.max(1, ...train.map((s) => s.batch * s.task.maxScored))));
}
