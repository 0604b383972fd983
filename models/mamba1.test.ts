import { mixerLaws } from './laws.ts';
import { mamba1 } from './mamba1.ts';

mixerLaws(mamba1, [{}, { dState: 3, dConv: 2, expand: 1, dtRank: 3 }, { dState: 5, dConv: 1 }]);
