import type { ThroughputInput } from '../throughput.ts';

const direction = ['forward', 'forward-backward'];
const lengths = [64, 128, 256, 512];
const models = [
  { 'options.model': 'attention' },
  { 'options.model': 'mamba1', 'options.modelOptions': { dState: 16 } },
  { 'options.model': 'mamba2', 'options.modelOptions': { dState: 16 } },
];

/** What `compare` wants: many cells, all of them short, as often as it takes to tell a change from noise. */
export const ci = {
  name: 'ci' as const,
  summary: 'two minutes on one core: 40 small ops and models, ten times each, for "recallbench compare"',
  repetitions: 10,
  seconds: 0.03,
  figures: [],
  grids: [
    { base: { workload: 'ssd', options: { heads: 2, dState: 16 } }, axes: [{ 'options.direction': direction }, { 'options.seqLen': lengths }] },
    { base: { workload: 'selective-scan', options: { channels: 64, dState: 16 } }, axes: [{ 'options.direction': direction }, { 'options.seqLen': lengths }] },
    { base: { workload: 'causal-attention', options: { heads: 2 } }, axes: [{ 'options.direction': direction }, { 'options.seqLen': lengths }] },
    { base: { workload: 'long-conv', options: { channels: 64 } }, axes: [{ 'options.seqLen': [128, 256, 512, 1024] }] },
    { base: { workload: 'train', options: { dModel: 32, batch: 4, vocabSize: 128 } }, axes: [models, { 'options.seqLen': [32, 64] }] },
    { base: { workload: 'decode', options: { dModel: 64, vocabSize: 256, context: 256 } }, axes: [models] },
    { base: { workload: 'prefill', options: { dModel: 64, vocabSize: 256, seqLen: 256 } }, axes: [models] },
  ],
} satisfies ThroughputInput;
