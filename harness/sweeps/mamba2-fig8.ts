import type { SweepInput } from '../sweep.ts';

/** The mixers of Figure 8 that this suite has; each overlay is one line of the figure. */
const lines = [
  { model: 'attention', positions: true },
  { model: 'mamba1', modelOptions: { dState: 16 } },
  { model: 'mamba2', modelOptions: { dState: 16 } },
  { model: 'mamba2', modelOptions: { dState: 64 } },
  { model: 'mamba2', modelOptions: { dState: 256 } },
];

/** Training cycles through T/32, T/16, T/8 and T/4 pairs in every epoch; tested at T/4. */
function panel(length: number, vocabSize: number, examplesPerSet: number, testExamples: number) {
  const options = (pairs: number) => ({ vocabSize, seqLen: length, pairs });
  return {
    train: [32, 16, 8, 4].map((share) => ({ options: options(length / share), examples: examplesPerSet })),
    test: [{ options: options(length / 4), examples: testExamples }],
  };
}

const protocol = { task: 'mqar', epochs: 8, data: 'fixed', order: 'sequential', schedule: 'linear-per-epoch', layers: 2 };

/**
 * MQAR as in Figure 8 and appendix D.1 of the Mamba-2 paper (arXiv 2405.21060). Not stated there, so ours: AdamW with weight
 * decay 0.1, no MLP, one attention head, 1024 test examples.
 */
export const mamba2Fig8 = {
  name: 'mamba2-fig8' as const,
  summary: 'Mamba-2 paper, Figure 8, in full: MQAR at T = 256, 512, 1024, widths 32 … 256 (needs a GPU: 2^31 tokens and more a run)',
  figures: ['accuracy-vs-width', 'recall-vs-state', 'learning-curves', 'lr-sensitivity', 'steps-to-recall'],
  base: { ...protocol, batchTokens: 2 ** 18 },
  axes: [
    [256, 512, 1024].map((length) => panel(length, 8192, 2 ** 18, 1024)),
    lines,
    { dModel: [32, 64, 128, 256] },
    { lr: [10 ** -3.5, 10 ** -2.5, 10 ** -2] },
  ],
} satisfies SweepInput;

/** The same shape for two CPU cores and a night: shorter, narrower, a smaller vocabulary, fewer examples. */
export const mamba2Fig8Small = {
  name: 'mamba2-fig8-small' as const,
  summary: 'the shape of mamba2-fig8 scaled to one night on two cores: T = 64, 128, widths 32 and 64, vocabulary 512',
  figures: ['accuracy-vs-width', 'recall-vs-state', 'learning-curves', 'lr-sensitivity', 'steps-to-recall'],
  base: { ...protocol, batchTokens: 2 ** 12 },
  axes: [
    [64, 128].map((length) => panel(length, 512, 2 ** 13, 512)),
    lines,
    { dModel: [32, 64] },
    { lr: [10 ** -3.5, 10 ** -2.5, 10 ** -2] },
  ],
} satisfies SweepInput;
