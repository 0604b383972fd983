import { gla } from './gla.ts';
import { mixerLaws } from './laws.ts';

mixerLaws(gla, [{}, { heads: 1, gateRank: 3, gateNormalizer: 1 }, { heads: 4, expandK: 1, expandV: 1.5, convSize: 3 }]);
