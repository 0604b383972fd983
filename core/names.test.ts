import { expect, test } from 'vitest';
import { namesIn } from './names.ts';

test('names between commas, the longest known one first', () => {
  const known = ['attention', 'gated-conv', 'gated-conv,attention', 'mamba2*5,attention'];
  expect(namesIn('attention, gated-conv', known)).toEqual(['attention', 'gated-conv']);
  expect(namesIn('gated-conv,attention', known)).toEqual(['gated-conv,attention']);
  expect(namesIn('gated-conv,mamba2*5,attention,other', known)).toEqual(['gated-conv', 'mamba2*5,attention', 'other']);
  expect(namesIn('attentions,', known)).toEqual(['attentions']);
});
