/** What every form of causal attention is judged by. */
import { callFused } from '#engine/fused-op.ts';
import { gaussian, type Case } from '../judge.ts';
import { CausalAttention } from './op.ts';
import * as oracle from './oracle.ts';

/** B, L, H, K, P */
const sizes: readonly (readonly [number, number, number, number, number])[] = [
  [1, 1, 1, 4, 4],
  [1, 1, 1, 1, 1],
  [2, 2, 3, 5, 7],
  [1, 63, 2, 16, 8],
  [2, 64, 1, 8, 8],
  [3, 65, 1, 7, 9],
  [1, 130, 2, 8, 12],
  [9, 66, 1, 3, 5],
  // whole vectors, several parts of each row, several tiles
  [1, 200, 1, 64, 64],
  // segments of several tiles
  [1, 530, 1, 4, 8],
  // the widest that workgroup memory is made for, and odd numbers near it
  [1, 66, 1, 128, 128],
  [1, 67, 2, 101, 38],
  // channels for more than one workgroup
  [1, 5, 1, 132, 150],
];

/** Many heads and several tiles: on a GPU two workgroups, or one, sum all gradients of a head. */
const crowded: typeof sizes = [
  [128, 130, 2, 4, 3],
  [257, 70, 2, 3, 4],
];

const caseOf = ([B, L, H, K, P]: (typeof sizes)[number]): Case => ({
  name: `B=${B} L=${L} H=${H} K=${K} P=${P}`,
  inputs: [gaussian(1, B, L, H, K), gaussian(2, B, L, H, K), gaussian(3, B, L, H, P)],
  call: ([q, k, v]) => callFused(CausalAttention, [q, k, v], {}),
  oracle: ([q, k, v]) => {
    const { y, logSumExp } = oracle.attention(q, k, v);
    return [y, logSumExp];
  },
  oracleGradient: ([q, k, v], dy) => {
    const { dq, dk, dv } = oracle.attentionGradient(q, k, v, dy);
    return [dq, dk, dv];
  },
});

export const cases: readonly Case[] = sizes.map(caseOf);
/** and those that only a GPU's kernels tell apart */
export const gpuCases: readonly Case[] = [...sizes, ...crowded].map(caseOf);
