import { deltanet } from './deltanet.ts';
import { mixerLaws } from './laws.ts';

mixerLaws(deltanet, [{}, { heads: 1, allowNegativeEigenvalues: true }, { heads: 4, convSize: 1 }]);
