import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

/** Eigenvalues of the state's transition within [0, 1], or within [−1, 1]. */
const eigenvalues = ['deltanet', 'gated-deltanet'].flatMap((model) => [false, true].map((allowNegativeEigenvalues) => ({ model, modelOptions: { allowNegativeEigenvalues } })));

/** Parity as in Grazzi et al. 2025 (arXiv 2411.12537): trained on 3 to 40 bits, tested on 40 to 256. */
export const parity = {
  name: 'parity' as const,
  summary: 'parity of 3–40 bits, tested to 256: eigenvalues in [0, 1] against [−1, 1], 20,000 steps (needs a GPU)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { task: 'parity', train: [segment({ seqLen: 41, minLength: 3 }, 256 * 20_000)], test: [segment({ seqLen: 41, minLength: 3 }, 1024), segment({ seqLen: 257, minLength: 40 }, 8192)], batch: 256, lr: 1e-3, schedule: 'cosine', warmup: 0.1, weightDecay: 0, dModel: 128, layers: 2, evalEvery: 500 },
  axes: [[...eigenvalues, { model: 'mamba1', modelOptions: { dState: 16 } }, { model: 'mamba2', modelOptions: { dState: 64 } }]],
} satisfies SweepInput;

/** The same question in minutes on two cores. */
export const paritySmall = {
  name: 'parity-small' as const,
  summary: 'parity of 3–20 bits, tested to 40, in minutes on two cores: eigenvalues in [0, 1] against [−1, 1]',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { task: 'parity', train: [segment({ seqLen: 21, minLength: 3 }, 128 * 3000)], test: [segment({ seqLen: 21, minLength: 3 }, 500), segment({ seqLen: 41, minLength: 20 }, 500)], batch: 128, lr: 3e-3, schedule: 'cosine', warmup: 0.1, weightDecay: 0, dModel: 32, layers: 2, evalEvery: 250, earlyStop: 0.999 },
  axes: [eigenvalues],
} satisfies SweepInput;

/** Products in groups as in Merrill et al. 2024 (arXiv 2404.08819; jopetty/word-problem), every prefix scored. */
export const wordProblem = {
  name: 'word-problem' as const,
  summary: 'word problems of groups (A5, S5, Z60, A4×Z5) at lengths to 20 and 1 to 4 layers (needs a GPU)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { task: 'word-problem', data: 'fixed', order: 'interleaved', batch: 512, lr: 1e-4, weightDecay: 0.01, dModel: 512, epochs: 500, earlyStop: 0.99 },
  axes: [
    ['A5', 'S5', 'Z60', 'A4xZ5'].flatMap((group) => [5, 10, 20].map((seqLen) => ({ train: [segment({ group, seqLen }, 800_000)], test: [segment({ group, seqLen }, 10_000)] }))),
    [{ model: 'attention', positions: true, modelOptions: { heads: 8 } }, { model: 'mamba1', modelOptions: { dState: 16 } }, { model: 'mamba2', modelOptions: { dState: 64 } }, { model: 'deltanet', modelOptions: { allowNegativeEigenvalues: true } }],
    { layers: [1, 2, 4] },
  ],
} satisfies SweepInput;
