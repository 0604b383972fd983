import type { ThroughputInput } from '../throughput.ts';

/** 2^from … 2^to */
const powers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));
const both = ['forward', 'forward-backward'];

/** One op over lengths: `width` channels in all. */
const overLength = (workload: string, options: Record<string, unknown>, seqLen: number[], direction = both) => ({
  base: { workload, options },
  axes: [{ 'options.direction': direction }, { 'options.seqLen': seqLen }],
});

/** Heads of 64 channels, or as many channels: the same width for every op. */
const lengths = (heads: number, dState: number, to: { ssd: number; attention: number; scan: number; conv: number; quadratic: number; linear: number; naive: number }) => [
  overLength('ssd', { heads, headDim: 64, dState }, powers(9, to.ssd)),
  overLength('causal-attention', { heads, headDim: 64 }, powers(9, to.attention)),
  overLength('selective-scan', { channels: 64 * heads, dState }, powers(9, to.scan)),
  overLength('long-conv', { channels: 64 * heads }, powers(9, to.conv)),
  // the duality: the same op as a recurrence, and as masked attention
  overLength('ssd', { heads, headDim: 64, dState, form: 'linear' }, powers(9, to.linear)),
  overLength('ssd', { heads, headDim: 64, dState, form: 'quadratic' }, powers(9, to.quadratic)),
  // the scan without a fused op
  overLength('naive-scan', { channels: 64 * heads, dState }, powers(9, to.naive), ['forward']),
];

/** Figure 10, left, of the Mamba-2 paper (arXiv 2405.21060): time against length at N = 64. */
export const fig10Length = {
  name: 'fig10-length' as const,
  summary: 'time of each op against length at N=64: SSD in its three forms, selective scan, attention, FFT convolution, a scan in tfjs ops',
  repetitions: 3,
  seconds: 0.3,
  figures: ['time-vs-length', 'memory-vs-length', 'roofline'],
  grids: {
    cpu: [
      ...lengths(4, 64, { ssd: 15, attention: 13, scan: 14, conv: 15, quadratic: 12, linear: 14, naive: 10 }),
      // where the paper has SSD at a sixth of attention's time
      overLength('causal-attention', { heads: 4, headDim: 64 }, [16384], ['forward']),
    ],
    // 512 channels: with 1024, half a million tokens of them are more than WebGPU binds at once
    gpu: lengths(8, 64, { ssd: 19, attention: 16, scan: 19, conv: 19, quadratic: 14, linear: 19, naive: 10 }),
  },
} satisfies ThroughputInput;

const states = (heads: number, seqLen: number, dState: number[]) => [
  { base: { workload: 'ssd', options: { heads, headDim: 64, seqLen } }, axes: [{ 'options.direction': both }, { 'options.dState': dState }] },
  { base: { workload: 'selective-scan', options: { channels: 64 * heads, seqLen } }, axes: [{ 'options.direction': both }, { 'options.dState': dState }] },
  { base: { workload: 'causal-attention', options: { heads, headDim: 64, seqLen } }, axes: [{ 'options.direction': both }] },
];

/** Figure 10, right, of the Mamba-2 paper: time against the state size at L = 4096. */
export const fig10State = {
  name: 'fig10-state' as const,
  summary: 'time of SSD and of the selective scan against state size N at length 4096, beside attention',
  repetitions: 3,
  seconds: 0.3,
  figures: ['time-vs-state', 'roofline'],
  grids: { cpu: states(4, 4096, powers(2, 8)), gpu: states(16, 4096, powers(2, 8)) },
} satisfies ThroughputInput;
