import type { SweepInput } from '../sweep.ts';
import { logspace } from './segments.ts';

/** seqLen, pairs and examples of each segment. */
type Row = readonly [seqLen: number, pairs: number, examples: number];
const segments = (rows: readonly Row[], options: object) => rows.map(([seqLen, pairs, examples]) => ({ options: { vocabSize: 8192, powerA: 0.01, seqLen, pairs, ...options }, examples }));

const protocol = { task: 'mqar', data: 'fixed', order: 'sequential', schedule: 'cosine-per-epoch', weightDecay: 0.1, layers: 2, earlyStop: 0.99 };

/**
 * Figure 2 of the Zoology paper by its released configuration (two layers for all, no MLP, blanks stay 0). Of its mixers,
 * those that this suite has. Differences: RMSNorm instead of LayerNorm, no dropout.
 */
export const zoologyFig2 = {
  name: 'zoology-fig2' as const,
  summary: 'Zoology paper, Figure 2: MQAR at four lengths, widths 64 … 512, four learning rates, 64 epochs (needs a GPU)',
  figures: ['accuracy-vs-width', 'recall-vs-state', 'learning-curves', 'accuracy-by-slice'],
  base: { ...protocol, epochs: 64 },
  axes: [
    ([[64, 4, 512], [128, 8, 512], [256, 16, 256], [512, 64, 128]] as const).map(([length, pairs, batch]) => ({
      train: segments([[length, pairs, 100_000]], { randomNonQueries: false }),
      test: segments([[length, pairs, 3_000]], { randomNonQueries: false }),
      batch,
    })),
    [
      { model: 'attention', positions: true },
      { model: 'mamba1', modelOptions: { dState: 16 } },
      { model: 'hyena' },
      { model: 'h3', modelOptions: { headDim: 2 } },
      { model: 'gated-conv,based', modelOptions: { based: { featureDim: 8 } } },
    ],
    { dModel: [64, 128, 256, 512] },
    { lr: logspace(-4, -2, 4) },
  ],
} satisfies SweepInput;

/**
 * Figure 2 of the Based paper: recall against state size, trained on a mixture and tested up to 1024 tokens. Of its mixers,
 * those that this suite has, with a gated convolution in front of attention, sliding window and Based. Difference: RMSNorm instead of LayerNorm.
 */
export const basedFig2 = {
  name: 'based-fig2' as const,
  summary: 'Based paper, Figure 2: recall against state size after a mixture of lengths, tested to 1024 tokens (needs a GPU)',
  figures: ['recall-vs-state', 'learning-curves'],
  base: {
    ...protocol,
    epochs: 32,
    batch: 256,
    train: segments([[64, 4, 100_000], [128, 8, 20_000], [256, 16, 20_000], [256, 32, 20_000], [256, 64, 20_000]], {}),
    test: segments([[64, 4, 1_000], [64, 8, 1_000], [64, 16, 1_000], [128, 32, 1_000], [256, 64, 1_000], [512, 128, 1_000], [1024, 256, 1_000]], {}),
  },
  axes: [
    [
      ...[64, 128].map((dModel) => ({ model: 'gated-conv,attention', dModel })),
      ...[48, 64, 128].flatMap((dModel) => [8, 16, 24].map((featureDim) => ({ model: 'gated-conv,based', dModel, modelOptions: { based: { featureDim } } }))),
      ...[8, 16, 32, 64, 128, 256, 512, 1024].map((window) => ({ model: 'gated-conv,sliding-window', dModel: 128, modelOptions: { 'sliding-window': { window } } })),
      ...[64, 128, 256].flatMap((dModel) => [{ model: 'hyena', dModel }, { model: 'h3', dModel, modelOptions: { dState: dModel / 4, headDim: 2 } }]),
      ...['mamba1', 'mamba2'].flatMap((model) => [64, 128, 256].flatMap((dModel) => [8, 16, 24].map((dState) => ({ model, dModel, modelOptions: { dState } })))),
    ],
    { lr: logspace(-3, -1.5, 4) },
  ],
} satisfies SweepInput;
