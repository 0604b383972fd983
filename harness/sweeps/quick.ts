import type { SweepInput } from '../sweep.ts';

const options = { vocabSize: 256, seqLen: 32, pairs: 4 };
/** `steps` batches of 64 fresh examples. */
const train = (steps: number) => [{ options, examples: 64 * steps }];

/**
 * Minutes on two cores: attention, Mamba-1 and Mamba-2 at three state sizes on MQAR, at a vocabulary and length where each of
 * them learns and the state size decides how much. Every mixer has the budget in which it leaves the plateau of guessing among
 * the values seen (Mamba-1 the longest); Mamba-2 takes the better of two learning rates.
 */
export const quick = {
  name: 'quick' as const,
  summary: 'a few minutes on two cores: recall against state size for attention, Mamba-1 and Mamba-2 at three state sizes',
  figures: ['recall-vs-state', 'learning-curves'],
  base: { task: 'mqar', test: [{ options, examples: 1000 }], batch: 64, dModel: 64, schedule: 'cosine', warmup: 0.05, evalEvery: 100 },
  axes: [
    [
      // the longest first, so that two workers end at about the same time
      { model: 'mamba1', modelOptions: { dState: 16 }, lr: 3e-3, schedule: 'constant', train: train(2400) },
      ...[64, 16, 8].flatMap((dState) => [1e-2, 5e-3].map((lr) => ({ model: 'mamba2', modelOptions: { dState }, lr, train: train(1200) }))),
      { model: 'attention', positions: true, lr: 2e-3, train: train(1500) },
    ],
  ],
} satisfies SweepInput;
