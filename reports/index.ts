/** The table of figures. */
import { table } from '#core/config.ts';
import { accuracyVsWidth } from './accuracy-vs-width.ts';
import { learningCurves } from './learning-curves.ts';
import { recallVsState } from './recall-vs-state.ts';

export const figures = table({
  'recall-vs-state': recallVsState,
  'accuracy-vs-width': accuracyVsWidth,
  'learning-curves': learningCurves,
});
