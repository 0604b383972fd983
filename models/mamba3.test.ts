import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { mixerLaws } from './laws.ts';
import { mamba3 } from './mamba3.ts';

mixerLaws(mamba3, [
  { dState: 4, chunk: 4 },
  { dState: 6, headDim: 4, nGroups: 2, ropeFraction: 1, chunk: 3 },
  { dState: 10, headDim: 2, expand: 1, nGroups: 4 },
]);

test('shapes are those of the reference', () => {
  const shapes = Object.fromEntries(Object.entries(mamba3.open({}, { dModel: 64, layers: 2 }).init(rng(0))).map(([name, { shape }]) => [name, shape]));
  expect(shapes).toEqual({
    'in_proj.weight': [2 * 128 + 2 * 128 + 3 * 2 + 32, 64],
    dt_bias: [2],
    B_bias: [2, 1, 128],
    C_bias: [2, 1, 128],
    'B_norm.weight': [128],
    'C_norm.weight': [128],
    D: [2],
    'out_proj.weight': [64, 128],
  });
  expect(Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0)).toBe(64 * 550 + 2 + 2 * 256 + 2 * 128 + 2 + 64 * 128);
});

test('a state of which nothing can turn is refused', () => {
  expect(() => mamba3.open({ dState: 3 }, { dModel: 64, layers: 2 })).toThrow('E_SIZE: model mamba3: dState 3 has no pairs to turn at ropeFraction 0.5. Nearest legal dState: 4.');
  expect(() => mamba3.open({ dState: 2 }, { dModel: 64, layers: 2 })).toThrow('Nearest legal dState: 4.');
});
