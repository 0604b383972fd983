import { everyMixer, setting } from '../sweeps/mixers.ts';
import type { ThroughputInput } from '../throughput.ts';

/** What a training step of every mixer costs where the sweep of this name asks what it recalls, in turn: speeds to be compared. */
export const mixers = {
  name: 'mixers' as const,
  summary: 'a training step of every mixer at the setting of the sweep "mixers", in turn; a few minutes on two cores',
  repetitions: 3,
  seconds: 1,
  figures: ['tokens-per-second', 'roofline'],
  grids: [{ base: { workload: 'train', options: { ...setting, batch: 64, dModel: 64 } }, axes: [everyMixer.map(({ model, modelOptions = {} }) => ({ 'options.model': model, 'options.modelOptions': modelOptions }))] }],
} satisfies ThroughputInput;
