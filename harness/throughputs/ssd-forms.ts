import type { ThroughputInput } from '../throughput.ts';

/** Whether SSD in chunks, as a recurrence and as masked attention is one function: lengths that chunks divide and do not divide, state sizes, chunks. */
export const ssdForms = {
  name: 'ssd-forms' as const,
  summary: 'how far the three forms of SSD are apart, results and gradients, over lengths, state sizes and chunks',
  repetitions: 1,
  seconds: 0.01,
  roofs: false,
  figures: [],
  grids: [
    { base: { workload: 'ssd-forms' }, axes: [{ 'options.seqLen': [63, 500, 1024, 2048] }, { 'options.dState': [16, 64] }] },
    { base: { workload: 'ssd-forms', options: { seqLen: 500, dState: 16 } }, axes: [{ 'options.chunk': [16, 100, 256] }] },
  ],
} satisfies ThroughputInput;
