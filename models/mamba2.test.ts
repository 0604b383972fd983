import { mixerLaws } from './laws.ts';
import { mamba2 } from './mamba2.ts';

mixerLaws(mamba2, [
  { chunk: 4 },
  { dState: 5, headDim: 2, nGroups: 4, chunk: 3 },
  { dState: 3, dConv: 2, expand: 1, nGroups: 2, form: 'linear' },
  { dState: 4, headDim: 4, dConv: 1, expand: 3, form: 'quadratic' },
]);
