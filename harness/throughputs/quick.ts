import type { ThroughputInput } from '../throughput.ts';

const direction = 'forward-backward';
const lengths = [512, 1024, 2048, 4096];
const states = [16, 64, 128];
const contexts = [256, 1024, 4096];
const models = [
  { 'options.model': 'attention' },
  { 'options.model': 'mamba1', 'options.modelOptions': { dState: 16 } },
  { 'options.model': 'mamba2', 'options.modelOptions': { dState: 64 } },
];

/** Two minutes on two cores: a few lengths, state sizes and contexts of everything. */
export const quick = {
  name: 'quick' as const,
  summary: 'two minutes on two cores: ops against length and state size, training, prefill and decoding of small models',
  repetitions: 2,
  seconds: 0.2,
  grids: [
    { base: { workload: 'ssd', options: { heads: 4, dState: 64, direction } }, axes: [{ 'options.seqLen': lengths }] },
    { base: { workload: 'selective-scan', options: { channels: 256, dState: 64, direction } }, axes: [{ 'options.seqLen': lengths }] },
    { base: { workload: 'causal-attention', options: { heads: 4, direction } }, axes: [{ 'options.seqLen': lengths }] },
    { base: { workload: 'ssd', options: { heads: 4, seqLen: 1024, direction } }, axes: [{ 'options.dState': states }] },
    { base: { workload: 'selective-scan', options: { channels: 256, seqLen: 1024, direction } }, axes: [{ 'options.dState': states }] },
    { base: { workload: 'train' }, axes: [models] },
    { base: { workload: 'decode' }, axes: [models, { 'options.context': contexts }] },
    { base: { workload: 'prefill' }, axes: [models, { 'options.seqLen': contexts }] },
  ],
} satisfies ThroughputInput;
