import type { ThroughputInput } from '../throughput.ts';

/** attention of so many heads, and the rest */
const models = (heads: number) => [
  { 'options.model': 'attention', 'options.modelOptions': { heads } },
  { 'options.model': 'mamba1', 'options.modelOptions': { dState: 16 } },
  { 'options.model': 'mamba2', 'options.modelOptions': { dState: 64 } },
  { 'options.model': 'mamba2', 'options.modelOptions': { dState: 128 } },
];

const inference = (heads: number, base: Record<string, unknown>, { context, batch, seqLen }: Record<'context' | 'batch' | 'seqLen', number[]>) => [
  { base: { workload: 'decode', options: base }, axes: [models(heads), { 'options.batch': batch.slice(0, 1) }, { 'options.context': context }] },
  // many sequences side by side, at one context
  { base: { workload: 'decode', options: { ...base, context: context[Math.floor(context.length / 2)] } }, axes: [models(heads), { 'options.batch': batch.slice(1) }] },
  { base: { workload: 'prefill', options: base }, axes: [models(heads), { 'options.seqLen': seqLen }] },
];

/** What serving costs: a token against the context and the batch, and the time to the first one. */
export const decode = {
  name: 'decode' as const,
  summary: 'milliseconds a token against context and batch, with the state or KV cache carried; prefill and time to first token',
  repetitions: 3,
  seconds: 0.3,
  figures: ['decode-latency', 'tokens-per-second', 'memory-vs-length', 'roofline'],
  grids: {
    cpu: inference(4, { dModel: 256 }, { context: [256, 1024, 4096, 16384, 65536], batch: [1, 4, 16, 64, 256], seqLen: [256, 1024, 4096] }),
    gpu: inference(16, { dModel: 1024, vocabSize: 8192 }, { context: [256, 1024, 4096, 16384, 65536], batch: [1, 4, 16, 64, 256], seqLen: [256, 1024, 4096, 16384] }),
  },
} satisfies ThroughputInput;
