import type { SweepInput } from '../sweep.ts';

const options = (pairs: number) => ({ vocabSize: 128, seqLen: 64, pairs });

/**
 * Minutes on two cores, and really learned: attention, Mamba-1 and Mamba-2 at three state sizes on MQAR with a small
 * vocabulary, from few pairs to many, at a width where the state is what limits recall.
 */
export const quick = {
  name: 'quick' as const,
  summary: 'a few minutes on two cores: recall against state size for attention, Mamba-1 and Mamba-2 at three state sizes',
  figures: ['recall-vs-state', 'learning-curves'],
  base: {
    task: 'mqar',
    train: [2, 4, 8, 16].map((pairs) => ({ options: options(pairs), examples: 300 * 64 })),
    test: [4, 8, 16].map((pairs) => ({ options: options(pairs), examples: 512 })),
    batch: 64,
    dModel: 32,
    schedule: 'cosine',
    warmup: 0.05,
  },
  axes: [
    [
      { model: 'attention', positions: true, lr: 2e-3 },
      { model: 'mamba1', modelOptions: { dState: 16 }, lr: 1e-2 },
      { model: 'mamba2', modelOptions: { dState: 4 }, lr: 1e-2 },
      { model: 'mamba2', modelOptions: { dState: 16 }, lr: 1e-2 },
      { model: 'mamba2', modelOptions: { dState: 64 }, lr: 1e-2 },
    ],
  ],
} satisfies SweepInput;
