import { mixerLaws } from './laws.ts';
import { rwkv7 } from './rwkv7.ts';

mixerLaws(rwkv7, [{}, { headDim: 2 }]);
