import type { ThroughputInput } from '../throughput.ts';

const models = [
  { 'options.model': 'attention' },
  { 'options.model': 'mamba1', 'options.modelOptions': { dState: 16 } },
  ...[16, 64, 128, 256].map((dState) => ({ 'options.model': 'mamba2', 'options.modelOptions': { dState } })),
];

const training = (vocabSize: number, shapes: { seqLen: number; batch: number; pairs: number }[], dModel: number[]) => [
  { base: { workload: 'train', options: { vocabSize } }, axes: [models, shapes.map((s) => ({ options: s })), { 'options.dModel': dModel }] },
];

/** What MQAR costs to train: tokens a second of whole steps at the lengths of the published sweeps, state sizes and widths. */
export const trainMqar = {
  name: 'train-mqar' as const,
  summary: 'training steps on MQAR: tokens a second of attention, Mamba-1 and Mamba-2 over lengths, widths and state sizes',
  repetitions: 3,
  seconds: 1,
  figures: ['tokens-per-second', 'roofline'],
  grids: {
    cpu: training(1024, [{ seqLen: 64, batch: 64, pairs: 8 }, { seqLen: 128, batch: 32, pairs: 16 }, { seqLen: 256, batch: 16, pairs: 32 }, { seqLen: 512, batch: 8, pairs: 64 }], [64, 128]),
    gpu: training(8192, [{ seqLen: 64, batch: 4096, pairs: 8 }, { seqLen: 256, batch: 1024, pairs: 64 }, { seqLen: 1024, batch: 256, pairs: 256 }], [64, 128, 256]),
  },
} satisfies ThroughputInput;
