import type { SweepInput } from '../sweep.ts';
import { segment } from './segments.ts';

const lengths = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));

/** Adam, constant learning rate, fresh data. */
const protocol = { layers: 2, weightDecay: 0, schedule: 'constant' };

/** Selective copying as in §4.1 and appendix E.1 of the Mamba paper (arXiv 2312.00752); markers inside the length, which the paper leaves open. */
export const selectiveCopying = {
  name: 'selective-copying' as const,
  summary: 'Mamba paper, Table 1: selective copying of 16 tokens among 4096, 400,000 steps (needs a GPU)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { ...protocol, task: 'selective-copying', dModel: 64, batch: 64, lr: 1e-4, train: [segment({}, 64 * 400_000)], test: [segment({}, 1024)], evalEvery: 10_000 },
  axes: [[
    { model: 'mamba1', modelOptions: { dState: 16 } },
    { model: 'mamba2', modelOptions: { dState: 64 } },
    { model: 's4d', modelOptions: { block: 's4' } },
    { model: 's4d', modelOptions: { block: 'mamba' } },
    { model: 'h3' },
    { model: 'hyena' },
  ]],
} satisfies SweepInput;

/** The same question in minutes on two cores: does the mixer choose by content? S4D in Mamba's own block differs from it in nothing else. */
export const selectiveCopyingSmall = {
  name: 'selective-copying-small' as const,
  summary: 'selective copying of 8 tokens among 128, in minutes on two cores: Mamba-1 and Mamba-2 against S4D in the same block and in its own',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { ...protocol, schedule: 'cosine', task: 'selective-copying', dModel: 64, batch: 64, lr: 3e-3, train: [segment({ seqLen: 128, toCopy: 8 }, 64 * 3000)], test: [segment({ seqLen: 128, toCopy: 8 }, 500)], evalEvery: 250, earlyStop: 0.99 },
  axes: [[
    { model: 'mamba1', modelOptions: { dState: 16 } },
    { model: 'mamba2', modelOptions: { dState: 64 } },
    // as much state as Mamba-1 has; and S4D as it was published
    { model: 's4d', modelOptions: { dState: 16, block: 'mamba' } },
    { model: 's4d', modelOptions: { block: 's4' } },
  ]],
} satisfies SweepInput;

const inductionTest = (to: number) => lengths(6, to).map((seqLen) => segment({ seqLen }, seqLen > 2 ** 14 ? 8 : 64));

/**
 * Induction heads as in §4.1 and appendix E.1 of the Mamba paper: trained at 256 in batches of 8, tested to 2^20 (attention to 2^14, as there);
 * 25 epochs of 8192 steps, ended by an epoch after which no test is missed. Tests keep the tokens of a batch, so that a long one takes no more memory.
 */
export const inductionHeads = {
  name: 'induction-heads' as const,
  summary: 'Mamba paper, Table 2: induction heads trained at length 256 and tested to 2^20, 204,800 steps (needs a GPU)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { ...protocol, task: 'induction-heads', batchTokens: 8 * 256, train: [segment({}, 8 * 8192)], epochs: 25, test: inductionTest(20), earlyStop: 0.999 },
  axes: [
    [
      { model: 'mamba1', modelOptions: { dState: 16 }, dModel: 64 },
      { model: 'mamba2', modelOptions: { dState: 64 }, dModel: 64 },
      { model: 'hyena', dModel: 128 },
      { model: 'h3', dModel: 128 },
      { model: 'attention', modelOptions: { heads: 8 }, positions: true, dModel: 128, test: inductionTest(14) },
      { model: 'attention', modelOptions: { heads: 8, rope: true }, dModel: 128, test: inductionTest(14) },
    ],
    { lr: [2e-4, 1e-3] },
  ],
} satisfies SweepInput;

/** Does what was learnt at 256 hold at 4096? Mamba tells in minutes on two cores; attention takes so many steps to learn it that it wants an hour or two there. */
export const inductionHeadsSmall = {
  name: 'induction-heads-small' as const,
  summary: 'induction heads trained at 256 and tested to 4096: Mamba-1 and Mamba-2 (minutes on two cores) against attention with learned positions (an hour or two)',
  figures: ['learning-curves', 'recall-vs-state', 'accuracy-by-slice'],
  base: { ...protocol, task: 'induction-heads', dModel: 64, batch: 16, test: [256, 512, 1024, 4096].map((seqLen) => segment({ seqLen }, seqLen > 1024 ? 100 : 200)), evalEvery: 250, earlyStop: 0.99 },
  axes: [[
    { model: 'mamba1', modelOptions: { dState: 16 }, lr: 3e-3, train: [segment({}, 16 * 4000)] },
    { model: 'mamba2', modelOptions: { dState: 64 }, lr: 3e-3, train: [segment({}, 16 * 4000)] },
    // as wide as in the paper, which found that attention does not learn this at 1e-3
    { model: 'attention', modelOptions: { heads: 8 }, positions: true, dModel: 128, lr: 2e-4, batch: 64, train: [segment({}, 64 * 8000)] },
  ]],
} satisfies SweepInput;
