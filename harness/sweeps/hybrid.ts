import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

const options = { vocabSize: 64, seqLen: 32, pairs: 8 };
const small = { dState: 4 };

/**
 * How many layers of attention does Mamba-2 want? The question of §9.2.3 of the Mamba-2 paper (arXiv 2405.21060), tables 2 and 3, in small and on
 * recall instead of language: eight layers, of which none, one, two, four or all are attention, spread out and not first, and a small state.
 */
export const hybridSmall = {
  name: 'hybrid-small' as const,
  summary: 'eight layers of Mamba-2 with none, one, two, four or all of them attention, on MQAR with a small state; some two hours on two cores',
  figures: ['recall-vs-state', 'learning-curves'],
  base: { task: 'mqar', train: [segment(options, 64 * 2500)], test: [segment(options, 1000)], batch: 64, dModel: 64, layers: 8, schedule: 'cosine', warmup: 0.05, evalEvery: 250, earlyStop: 0.99 },
  axes: [
    [
      { model: 'mamba2', modelOptions: small },
      { model: 'mamba2*4,attention,mamba2*3', modelOptions: { mamba2: small } },
      { model: 'mamba2*2,attention,mamba2', modelOptions: { mamba2: small } },
      { model: 'mamba2,attention', modelOptions: { mamba2: small } },
      { model: 'attention', positions: true },
    ],
    { lr: [5e-4, 1e-3], seed: [0, 1] },
  ],
} satisfies SweepInput;
