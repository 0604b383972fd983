/** The table of figures. */
import { table } from '#core/config.ts';
import { accuracyVsWidth } from './accuracy-vs-width.ts';
import { decodeLatency } from './decode-latency.ts';
import { learningCurves } from './learning-curves.ts';
import { memoryVsLength } from './memory-vs-length.ts';
import { recallVsState } from './recall-vs-state.ts';
import { roofline } from './roofline.ts';
import { timeVsLength } from './time-vs-length.ts';
import { timeVsState } from './time-vs-state.ts';
import { tokensPerSecond } from './tokens-per-second.ts';

export const figures = table({
  'recall-vs-state': recallVsState,
  'accuracy-vs-width': accuracyVsWidth,
  'learning-curves': learningCurves,
  'time-vs-length': timeVsLength,
  'time-vs-state': timeVsState,
  'tokens-per-second': tokensPerSecond,
  'decode-latency': decodeLatency,
  'memory-vs-length': memoryVsLength,
  roofline,
});
