/** What every form of cached attention is judged by. */
import { gaussian, type Case } from '../judge.ts';
import { cachedAttention } from './op.ts';
import * as oracle from './oracle.ts';

/** H, C, K, the place of each sequence */
const sizes: readonly (readonly [number, number, number, readonly number[]])[] = [
  [1, 1, 4, [0]],
  [1, 1, 1, [0]],
  [3, 5, 7, [0, 4]],
  [2, 70, 16, [0, 35, 69]],
  // contexts in several parts, some of which have no rows, or one
  [1, 1001, 8, [1000]],
  [1, 1001, 8, [400]],
  [1, 300, 64, [128, 0, 299]],
  [2, 900, 36, [899, 127, 500]],
  [1, 130, 67, [129, 64]],
  // rows wider than those who read them
  [1, 70, 150, [69, 3]],
  [2, 131, 260, [130, 128]],
  // as many heads as tasks: contexts stay whole
  [8, 200, 12, [3, 199, 0, 100, 131]],
  [150, 70, 5, [69, 20]],
  // beside the cache
  [2, 9, 4, [-1, 9, 3, 2 ** 31 - 1]],
  [1, 600, 4, [600, 599, -5]],
];

/** q, k, v, keys, values, places */
export const operands = (H: number, C: number, K: number, places: readonly number[]): Case['inputs'] => {
  const B = places.length;
  return [gaussian(1, B, H, K), gaussian(2, B, H, K), gaussian(3, B, H, K), gaussian(4, B, H, C, K), gaussian(5, B, H, C, K), { shape: [B], data: Int32Array.from(places) }];
};

export const cases: readonly Case[] = sizes.map(([H, C, K, places]) => ({
  name: `H=${H} C=${C} K=${K} places ${places.join(', ')}`,
  inputs: operands(H, C, K, places),
  call: ([q, k, v, keys, values, at]) => Object.values(cachedAttention(q, k, v, keys, values, at)),
  oracle: ([q, k, v, keys, values, at]) => Object.values(oracle.cachedAttention(q, k, v, keys, values, at)),
}));
