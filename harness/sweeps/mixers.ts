import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

interface Chosen {
  readonly model: string;
  readonly modelOptions?: Readonly<Record<string, unknown>>;
  readonly positions?: boolean;
}

/** What has no short convolution or token shift of its own stands behind a gated convolution, but for plain attention and S4D. */
const behind: readonly Chosen[] = [
  { model: 'gated-conv,attention' },
  { model: 'gated-conv,sliding-window', modelOptions: { 'sliding-window': { window: 16 } } },
  { model: 'gated-conv,linear-attention' },
  { model: 'gated-conv,based' },
  { model: 'gated-conv,retnet' },
  { model: 'mamba1', modelOptions: { dState: 16 } },
  { model: 'mamba2', modelOptions: { dState: 64 } },
  { model: 'gated-conv,mamba3', modelOptions: { mamba3: { dState: 64 } } },
  { model: 's4d' },
  { model: 'h3', modelOptions: { dState: 16, headDim: 8 } },
  { model: 'hyena', modelOptions: { embDim: 5 } },
  { model: 'gated-conv,gla' },
  { model: 'deltanet' },
  { model: 'gated-deltanet' },
  { model: 'rwkv7' },
];
const plain: Chosen = { model: 'attention', positions: true };

/** Every mixer, as it is compared with the others. */
export const everyMixer: readonly Chosen[] = [...behind, plain];

const at = (rates: readonly number[], mixers: readonly Chosen[]) => mixers.flatMap((mixer) => rates.map((lr) => ({ ...mixer, lr })));

export const setting = { vocabSize: 256, seqLen: 64, pairs: 8 };

/** Every mixer at one setting of MQAR: what it has to keep, what it costs to train, what it recalls. */
export const mixers = {
  name: 'mixers' as const,
  summary: 'every mixer at one MQAR setting (8 pairs in 64 tokens, width 64): parameters, state, training speed, recall; an hour or so on two cores',
  figures: ['recall-vs-state', 'learning-curves'],
  base: { task: 'mqar', train: [segment(setting, 64 * 2000)], test: [segment(setting, 1000)], batch: 64, dModel: 64, layers: 2, schedule: 'cosine', warmup: 0.05, evalEvery: 250, earlyStop: 0.99 },
  axes: [
    [
      ...at([3e-3, 1e-2], behind),
      // which leaves its plateau at lower rates
      ...at([1e-3, 3e-3], [plain]),
    ],
  ],
} satisfies SweepInput;
