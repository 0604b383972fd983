import type { ThroughputInput } from '../throughput.ts';

const shapes = [{ 'options.batch': 64, 'options.seqLen': 64 }, { 'options.batch': 16, 'options.seqLen': 256 }];
const op = (workload: string, options: Record<string, unknown>) => ({ base: { workload, options: { ...options, direction: 'forward-backward' } }, axes: [shapes] });

/** The ops of the MQAR models of width 64, at the shapes at which they train. */
export const mqarOps = {
  name: 'mqar-ops' as const,
  summary: 'the ops of MQAR training at width 64, forward and backward: what peers/ops.js compares with PyTorch',
  repetitions: 5,
  seconds: 0.5,
  figures: ['roofline'],
  grids: [op('causal-attention', { heads: 1, headDim: 64 }), op('ssd', { heads: 2, headDim: 64, dState: 64 }), op('selective-scan', { channels: 128, dState: 16 })],
} satisfies ThroughputInput;
