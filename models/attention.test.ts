import { mixerLaws } from './laws.ts';
import { attention } from './attention.ts';

mixerLaws(attention, [{}, { heads: 4 }]);
