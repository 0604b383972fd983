import { gatedDeltanet } from './gated-deltanet.ts';
import { mixerLaws } from './laws.ts';

mixerLaws(gatedDeltanet, [{}, { heads: 1, expandV: 1, allowNegativeEigenvalues: true }, { heads: 3, headDim: 5, convSize: 2 }]);
