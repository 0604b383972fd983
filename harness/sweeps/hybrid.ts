import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

const options = { vocabSize: 256, seqLen: 64, pairs: 16 };
const small = { dState: 8 };

/**
 * How many layers of attention does Mamba-2 want? The question of §9.2.3 of the Mamba-2 paper (arXiv 2405.21060), tables 2 and 3, in small and on
 * recall instead of language: ten layers, of which none, one, two, five or all are attention, spread out and neither first nor last, with a
 * state too small for all of the pairs.
 */
export const hybridSmall = {
  name: 'hybrid-small' as const,
  summary: 'ten layers of Mamba-2 with none, one, two, five or all of them attention, on MQAR with a state too small for its pairs; an hour or so on two cores',
  figures: ['recall-vs-state', 'learning-curves'],
  base: { task: 'mqar', train: [segment(options, 64 * 1500)], test: [segment(options, 1000)], batch: 64, dModel: 32, layers: 10, schedule: 'cosine', warmup: 0.05, evalEvery: 250, earlyStop: 0.99 },
  axes: [
    [
      { model: 'mamba2', modelOptions: small },
      { model: 'mamba2*5,attention,mamba2*4', modelOptions: { mamba2: small } },
      { model: 'mamba2*2,attention,mamba2*2', modelOptions: { mamba2: small } },
      { model: 'mamba2,attention', modelOptions: { mamba2: small } },
      { model: 'attention', positions: true },
    ],
    { lr: [1e-3, 3e-3], seed: [0, 1] },
  ],
} satisfies SweepInput;
