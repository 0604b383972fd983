/** A training step of a language model on MQAR, as `train` runs it, on one batch again and again. */
import { z } from '#core/config.ts';
import { rng } from '#core/random.ts';
import { adamWHyper, trainingProgram } from '#models/optimizer.ts';
import { openStack } from '#models/stack.ts';
import { parsePoint } from '#results/point.ts';
import type { Batch } from '../batch.ts';
import { batchMaker } from '../batches.ts';
import { checkPoint, lossScaleOf, openPoint } from '../open-point.ts';
import { defineWorkload } from './workload.ts';

export const trainWorkload = defineWorkload({
  name: 'train',
  summary: 'one training step of a language model on MQAR: forward, gradients, AdamW',
  kind: 'model',
  config: z.strictObject({
    model: z.string().describe('a model, or a pattern such as mamba2*5,attention; see: recallbench list models'),
    modelOptions: z.record(z.string(), z.unknown()).default({}).describe('its options, such as {"dState":64}; of a pattern by mixer'),
    dModel: z.int().positive().max(16384).default(64).describe('width D'),
    layers: z.int().positive().max(1024).default(2).describe('number of layers'),
    batch: z.int().positive().default(64).describe('sequences of a step'),
    seqLen: z.int().positive().default(64).describe('tokens of each'),
    vocabSize: z.int().positive().default(256).describe('size of the vocabulary'),
    pairs: z.int().positive().default(8).describe('key-value pairs, each asked for once'),
  }),
  open({ model, modelOptions, dModel, layers, batch, seqLen, vocabSize, pairs }, { precision }) {
    const options = { vocabSize, seqLen, pairs };
    const point = checkPoint(
      parsePoint({ task: 'mqar', train: [{ options, examples: batch }], test: [{ options, examples: 1 }], batch, model, modelOptions, dModel, layers, positions: openStack(model, modelOptions, layers).orderless, lr: 1e-3, precision }),
    );
    const open = openPoint(point);
    let data: Batch | undefined;
    return {
      appearance: open.appearance,
      tokens: batch * seqLen,
      stateBytes: open.model.stateBytes(seqLen),
      program: () => trainingProgram(open.model, open.model.parameters(rng(0)), { weightDecay: 0.1, lossScale: lossScaleOf(open, { precision }) }),
      call: 'train',
      inputs: (i) => ({ ...(data ??= batchMaker(open)({ epoch: 0, segment: 0, index: 0 })), hyper: adamWHyper(1e-3, i + 1) }),
      notes: open.model.notes,
    };
  },
});
