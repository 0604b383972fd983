/** The table of figures. */
import { table } from '#core/config.ts';
import { accuracyBySlice } from './accuracy-by-slice.ts';
import { accuracyVsCost } from './accuracy-vs-cost.ts';
import { accuracyVsWidth } from './accuracy-vs-width.ts';
import { decodeLatency } from './decode-latency.ts';
import { learningCurves } from './learning-curves.ts';
import { lrSensitivity } from './lr-sensitivity.ts';
import { memoryVsLength } from './memory-vs-length.ts';
import { recallVsState } from './recall-vs-state.ts';
import { roofline } from './roofline.ts';
import { stepsToRecall } from './steps-to-recall.ts';
import { timeVsLength } from './time-vs-length.ts';
import { timeVsState } from './time-vs-state.ts';
import { tokensPerSecond } from './tokens-per-second.ts';

export const figures = table({
  'recall-vs-state': recallVsState,
  'accuracy-vs-width': accuracyVsWidth,
  'accuracy-by-slice': accuracyBySlice,
  'accuracy-vs-cost': accuracyVsCost,
  'learning-curves': learningCurves,
  'steps-to-recall': stepsToRecall,
  'lr-sensitivity': lrSensitivity,
  'time-vs-length': timeVsLength,
  'time-vs-state': timeVsState,
  'tokens-per-second': tokensPerSecond,
  'decode-latency': decodeLatency,
  'memory-vs-length': memoryVsLength,
  roofline,
});
