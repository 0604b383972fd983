/** The table of tasks. */
import { table } from '#core/config.ts';
import { madNoisyRecall } from './mad-noisy-recall.ts';
import { madRecall } from './mad-recall.ts';
import { mqar } from './mqar.ts';

export const tasks = table({
  mqar,
  'mad-recall': madRecall,
  'mad-noisy-recall': madNoisyRecall,
});
