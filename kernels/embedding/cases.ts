/** Cases for the judge of the embedding. */
import { rng } from '#core/random.ts';
import { gaussian, type Case } from '../judge.ts';
import { embedding } from './op.ts';
import * as oracle from './oracle.ts';

/** V, D, shape of the ids, ids are drawn below */
const sizes: [number, number, number[], number][] = [
  [1, 1, [1], 1],
  [3, 5, [2, 2], 3],
  [256, 7, [3, 65], 256],
  [100, 64, [2, 130], 3],
  [500, 33, [1, 63], 520],
  [4500, 16, [130], 4500],
  // long runs of one id; rows longer than a workgroup; more positions than are ranked at once
  [3, 8, [2, 1000], 2],
  [5, 301, [1, 301], 1],
  [70, 2, [33, 1001], 71],
];

export const cases: readonly Case[] = sizes.map(([V, D, shape, below]) => {
  const stream = rng(V + D);
  // −1 and ids past the table are among those of the case with `below` > V
  const data = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.below(below) - (below > V ? 1 : 0));
  return {
    name: `V=${V} D=${D} ids=[${shape}] below ${below}`,
    inputs: [gaussian(1, V, D), { shape, data }],
    call: ([table, ids]) => [embedding(table, ids)],
    oracle: ([table, ids]) => [oracle.embedding(table, ids)],
    oracleGradient: ([, ids], dy) => [oracle.embeddingGradient(ids, dy, V), null],
  };
});
