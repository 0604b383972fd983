import type { SweepInput } from '../sweep.ts';

const options = { vocabSize: 256, seqLen: 32, pairs: 4 };

/**
 * Minutes on two cores: attention, Mamba-1 and Mamba-2 at three state sizes on MQAR at a vocabulary and length where the
 * state size decides how much is recalled within the budget. Learning rates are the best of a few for each mixer.
 */
export const quick = {
  name: 'quick' as const,
  summary: 'a few minutes on two cores: recall against state size for attention, Mamba-1 and Mamba-2 at three state sizes',
  figures: ['recall-vs-state', 'learning-curves'],
  base: {
    task: 'mqar',
    train: [{ options, examples: 2400 * 64 }],
    test: [{ options, examples: 1000 }],
    batch: 64,
    dModel: 64,
    schedule: 'cosine',
    warmup: 0.05,
    evalEvery: 100,
  },
  axes: [
    [
      // the longest first, so that two workers end at about the same time
      { model: 'mamba1', modelOptions: { dState: 16 }, lr: 3e-3, schedule: 'constant' },
      { model: 'mamba2', modelOptions: { dState: 64 }, lr: 1e-2 },
      { model: 'mamba2', modelOptions: { dState: 16 }, lr: 1e-2 },
      { model: 'mamba2', modelOptions: { dState: 4 }, lr: 1e-2 },
      { model: 'attention', positions: true, lr: 2e-3 },
    ],
  ],
} satisfies SweepInput;
