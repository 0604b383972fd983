import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

const options = { vocabSize: 256, seqLen: 64, pairs: 8 };

/** Every mixer at one setting of MQAR: what it has to keep, what it costs to train, what it recalls. Attention's kin stands behind a gated convolution. */
export const mixers = {
  name: 'mixers' as const,
  summary: 'every mixer at one MQAR setting (8 pairs in 64 tokens, width 64): parameters, state, training speed, recall; an hour or so on two cores',
  figures: ['recall-vs-state', 'learning-curves'],
  base: { task: 'mqar', train: [segment(options, 64 * 2000)], test: [segment(options, 1000)], batch: 64, dModel: 64, layers: 2, schedule: 'cosine', warmup: 0.05, evalEvery: 250, earlyStop: 0.99 },
  axes: [
    [
      { model: 'gated-conv,attention' },
      { model: 'gated-conv,sliding-window', modelOptions: { 'sliding-window': { window: 16 } } },
      { model: 'gated-conv,linear-attention' },
      { model: 'gated-conv,based' },
      { model: 'gated-conv,retnet' },
      { model: 'attention', positions: true },
      { model: 'mamba1', modelOptions: { dState: 16 } },
      { model: 'mamba2', modelOptions: { dState: 64 } },
      { model: 'mamba3', modelOptions: { dState: 64 } },
      { model: 's4d' },
      { model: 'h3' },
      { model: 'hyena', modelOptions: { embDim: 5 } },
      { model: 'gla' },
      { model: 'deltanet' },
      { model: 'gated-deltanet' },
      { model: 'rwkv7' },
    ],
    { lr: [3e-3, 1e-2] },
  ],
} satisfies SweepInput;
