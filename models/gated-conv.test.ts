import { gatedConv } from './gated-conv.ts';
import { mixerLaws } from './laws.ts';

mixerLaws(gatedConv, [{}, { kernel: 4 }, { kernel: 12 }]);
