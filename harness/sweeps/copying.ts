import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

const models = [{ model: 'attention', modelOptions: { heads: 16, rope: true } }, { model: 'mamba1', modelOptions: { dState: 32 } }, { model: 'mamba2', modelOptions: { dState: 128 } }];
/** Defaults of the published script: 12 layers, width 1024, 2000 steps. */
const protocol = { layers: 12, dModel: 1024, mlp: 0, batch: 8, lr: 1e-5, schedule: 'linear', warmup: 0.05, weightDecay: 0.1 };
const steps = 8 * 2000;

/** Copying and n-gram look-up as in Jelassi et al. 2024 (arXiv 2402.01032). Difference: no clipping of gradients. */
export const copying = {
  name: 'copying' as const,
  summary: 'Repeat After Me: copying strings of 5–20 letters, and n-gram look-up from prefix and suffix (needs a GPU)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: protocol,
  axes: [
    [
      { task: 'copying', train: [segment({}, steps)], test: [10, 15, 19].map((length) => segment({ minLength: length, maxLength: length, packed: false, seqLen: 220 }, 24)) },
      ...['prefix', 'suffix'].map((side) => ({ task: 'ngram-lookup', train: [segment({ side }, steps)], test: [segment({ side }, 24)] })),
    ],
    models,
  ],
} satisfies SweepInput;

/** In-context language learning as in Akyürek et al. 2024 (arXiv 2401.12973): 5000 automata, next-token prediction. */
export const regbench = {
  name: 'regbench' as const,
  summary: 'RegBench: in-context learning of random automata, 5,000 documents and 200 epochs (needs a GPU)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { task: 'regbench', data: 'fixed', order: 'interleaved', train: [segment({}, 5000)], test: [segment({}, 500)], epochs: 200, batch: 32, weightDecay: 0.1, warmup: 0.1, schedule: 'cosine', layers: 4, dModel: 128 },
  axes: [[{ model: 'attention', modelOptions: { heads: 4 }, positions: true }, { model: 'mamba1', modelOptions: { dState: 16 } }, { model: 'mamba2', modelOptions: { dState: 64 } }], { lr: [2.5e-4, 5e-4] }],
} satisfies SweepInput;
