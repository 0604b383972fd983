import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

type Options = Record<string, number | string>;

/** One task of MAD: its baseline, and what is varied, one factor at a time; train and test may differ in what is scored. */
function settings(task: string, baseline: Options, varied: Record<string, readonly number[]>, split: { train?: Options; test?: Options } = {}, size = 12_800) {
  const point = (options: Options, examples: number) => ({
    task,
    train: [segment({ ...baseline, ...options, ...split.train }, examples)],
    test: [segment({ ...baseline, ...options, ...split.test }, 1280)],
  });
  const { examples = [], ...factors } = varied;
  return [
    point({}, size),
    ...Object.entries(factors).flatMap(([key, values]) => values.map((value) => point({ [key]: value }, size))),
    ...examples.map((n) => point({}, n)),
  ];
}

const fewer = [6400, 3200, 1600, 800];
const recall = { train: { scored: 'all' }, test: { scored: 'recalled' } };
const lengths = { seqLen: [256, 512, 1024] };

/**
 * MAD (Poli et al. 2024, arXiv 2403.17844; mad-lab): six tasks, each baseline and one factor varied at a time, every setting at six optimiser
 * settings. Two blocks of mixer and SwiGLU, width 128. Differences: the cosine ends at 0 instead of 1e-6, fp32 instead of bf16.
 */
export const mad = {
  name: 'mad' as const,
  summary: 'MAD in full: six tasks, one factor varied at a time, 66 settings × 6 optimiser settings for each model (needs a GPU)',
  figures: ['learning-curves'],
  base: { data: 'fixed', order: 'interleaved', epochs: 200, batch: 128, dModel: 128, layers: 2, mlp: 2.75, glu: 'swiglu', schedule: 'cosine-per-epoch', earlyStop: 0.999 },
  axes: [
    [
      ...settings('mad-recall', { vocabSize: 16, seqLen: 128 }, { vocabSize: [32, 64, 128], ...lengths, examples: fewer }, recall),
      ...settings('mad-fuzzy-recall', { vocabSize: 16, seqLen: 128 }, { vocabSize: [32, 64, 128], ...lengths, examples: fewer }, { train: { scored: 'all', keyLengths: 'any' }, test: { scored: 'recalled', keyLengths: 'longest' } }),
      ...settings('mad-noisy-recall', { vocabSize: 32, seqLen: 128 }, { vocabSize: [48, 80, 144], ...lengths, noise: [0.4, 0.6, 0.8], examples: fewer }, recall),
      ...settings('mad-selective-copying', { vocabSize: 16, seqLen: 256 }, { vocabSize: [32, 64, 128], seqLen: [512, 1024], toCopy: [32, 64, 96], examples: fewer }),
      ...settings('mad-compression', { vocabSize: 16, seqLen: 32 }, { vocabSize: [32, 64, 128], seqLen: [64, 128, 256], examples: fewer }),
      ...settings('mad-memorization', { vocabSize: 256, seqLen: 32 }, { vocabSize: [512, 1024, 2048, 4096, 8192] }, {}, 256),
    ],
    [
      { model: 'attention', modelOptions: { heads: 8, rope: true } },
      { model: 'mamba1', modelOptions: { dState: 4 } },
      { model: 'mamba2', modelOptions: { dState: 16 } },
      { model: 'hyena' },
    ],
    { lr: [1e-4, 5e-4, 1e-3], weightDecay: [0, 0.1] },
  ],
} satisfies SweepInput;
