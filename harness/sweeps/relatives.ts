import type { SweepInput } from '../sweep.ts';
import { logspace, segment } from './segments.ts';

/** [length, pairs, examples] of each segment */
type Row = readonly [seqLen: number, pairs: number, examples: number];
const segments = (rows: readonly Row[]) => rows.map(([seqLen, pairs, examples]) => segment({ vocabSize: 8192, seqLen, pairs }, examples));

/** Square numbers of pairs, as two-token keys on a grid want them. */
const mixture = {
  train: segments([[64, 4, 100_000], [128, 9, 20_000], [256, 16, 20_000], [256, 25, 20_000], [256, 36, 20_000]]),
  test: segments([[64, 4, 1000], [64, 9, 1000], [128, 16, 1000], [256, 36, 1000], [512, 64, 1000], [1024, 144, 1000], [2048, 256, 1000]]),
};
const lines = [
  ...[64, 128].map((dModel) => ({ model: 'gated-conv,attention', dModel })),
  ...['mamba1', 'mamba2'].flatMap((model) => [64, 128, 256].map((dModel) => ({ model, dModel, modelOptions: { dState: 16 } }))),
  ...[64, 128].map((dModel) => ({ model: 'gated-conv,based', dModel })),
];
const figures = ['recall-vs-state', 'learning-curves'];
const protocol = { ...mixture, data: 'fixed', order: 'sequential', schedule: 'cosine-per-epoch', weightDecay: 0.1, layers: 2, epochs: 32, batch: 256, earlyStop: 0.99 };
const axes = [lines, { lr: logspace(-3, -1.5, 4) }];

/** Keys that are bound again: zoology's forgetting task, with its mixture (and the protocol of the Based paper's figure 2). */
export const forgettingMqar = {
  name: 'forgetting-mqar' as const,
  summary: 'zoology: MQAR with updated keys, trained on a mixture and tested to length 2048 (needs a GPU)',
  figures,
  base: { ...protocol, task: 'forgetting-mqar' },
  axes,
} satisfies SweepInput;

/** Keys of two tokens. The lengths of the mixture are those at which three-token slots fit. */
export const compositionalMqar = {
  name: 'compositional-mqar' as const,
  summary: 'zoology: MQAR with two-token keys, trained on a mixture and tested to length 2048 (needs a GPU)',
  figures,
  base: { ...protocol, task: 'compositional-mqar' },
  axes,
} satisfies SweepInput;

/** Multi-query recall under contexts (Zhan et al. 2025); its generator's sizes are not public, so ours. 400,000 steps. */
export const jointRecall = {
  name: 'joint-recall' as const,
  summary: 'joint recall: values that depend on context and key, 400,000 steps (needs a GPU)',
  figures,
  base: { task: 'joint-recall', train: [segment({}, 64 * 400_000)], test: [segment({}, 14_400)], batch: 64, lr: 2e-3, warmup: 0.0125, layers: 2, evalEvery: 500 },
  axes: [[
    { model: 'attention', dModel: 64, positions: true },
    { model: 'mamba2', dModel: 64, modelOptions: { dState: 32, headDim: 16 } },
    { model: 'mamba2', dModel: 128, modelOptions: { dState: 32, headDim: 32 } },
  ]],
} satisfies SweepInput;

/** Single-query associative recall as in the H3 paper (arXiv 2212.14052; safari): 400 epochs of 5000 fixed examples, all next values scored. */
export const associativeRecall = {
  name: 'associative-recall' as const,
  summary: 'H3 paper: single-query associative recall, 400 epochs of 5,000 examples at width 32',
  figures,
  base: { task: 'associative-recall', data: 'fixed', train: [segment({ answers: 'all' }, 5000)], test: [segment({}, 500)], epochs: 400, batch: 32, lr: 5e-4, weightDecay: 0.1, warmup: 0.1, dModel: 32, layers: 2, order: 'interleaved' },
  axes: [[{ model: 'attention', positions: true }, { model: 'h3' }, { model: 'hyena' }, { model: 'mamba1', modelOptions: { dState: 16 } }, { model: 'mamba2', modelOptions: { dState: 16 } }]],
} satisfies SweepInput;
