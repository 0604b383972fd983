import { expect, test } from 'vitest';
import { attention } from './attention.ts';
import { mixerLaws } from './laws.ts';

mixerLaws(attention, [{}, { heads: 4 }, { rope: true }, { heads: 2, rope: true }]);

test('without rope the options are what they were before there was a choice', () => {
  expect([attention.resolve({}), attention.resolve({ rope: false }), attention.resolve({ rope: true })].map((o) => JSON.stringify(o))).toEqual(['{"heads":1}', '{"heads":1}', '{"heads":1,"rope":true}']);
  expect([attention.orderless({}), attention.orderless({ rope: true })]).toEqual([true, false]);
  expect(() => attention.open({ heads: 8, rope: true }, { dModel: 8, layers: 1 })).toThrow('E_SIZE: model attention: rotary positions turn pairs of channels');
});
