/** What every form of causal attention is judged by. */
import { callFused, type WebgpuLowering } from '#engine/fused-op.ts';
import { gaussian, type Case } from '../judge.ts';
import { CausalAttention, CausalAttentionGradient } from './op.ts';
import * as oracle from './oracle.ts';
import { attentionGradientWebgpu } from './webgpu.ts';

/** B, L, H, K, P */
const sizes: readonly (readonly [number, number, number, number, number])[] = [
  [1, 1, 1, 4, 4],
  [1, 1, 1, 1, 1],
  [2, 2, 3, 5, 7],
  [2, 64, 1, 8, 8],
  [3, 65, 1, 7, 9],
  [1, 130, 2, 8, 12],
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

/** What WASM's divisions into tasks tell from the others. */
const divided: typeof sizes = [
  [1, 63, 2, 16, 8],
  [9, 66, 1, 3, 5],
];

const caseOf = ([B, L, H, K, P]: (typeof sizes)[number], op = CausalAttention, words = ''): Case => ({
  name: `B=${B} L=${L} H=${H} K=${K} P=${P}${words}`,
  inputs: [gaussian(1, B, L, H, K), gaussian(2, B, L, H, K), gaussian(3, B, L, H, P)],
  call: ([q, k, v]) => callFused(op, [q, k, v], {}),
  oracle: ([q, k, v]) => {
    const { y, logSumExp } = oracle.attention(q, k, v);
    return [y, logSumExp];
  },
  oracleGradient: ([q, k, v], dy) => {
    const { dq, dk, dv } = oracle.attentionGradient(q, k, v, dy);
    return [dq, dk, dv];
  },
});

/** Attention where so many workgroups keep a GPU busy: if they are few, one or two sum all gradients of a head, as they do with hundreds of heads. */
function keptBusyBy(busy: number): typeof CausalAttention {
  const gradient = { ...CausalAttentionGradient, name: `CausalAttentionGradientOf${busy}`, webgpu: (lowering: WebgpuLowering, attrs: unknown) => attentionGradientWebgpu(lowering, attrs, { busy }) };
  return { ...CausalAttention, name: `CausalAttentionOf${busy}`, gradient: (dy, inputs, outputs) => callFused(gradient, [...inputs, ...outputs, dy], {}).map((g) => () => g) };
}

export const cases: readonly Case[] = [...sizes, ...divided].map((size) => caseOf(size));
/** and those that only a GPU's kernels tell apart */
export const gpuCases: readonly Case[] = [
  ...sizes.map((size) => caseOf(size)),
  caseOf([2, 130, 2, 4, 3], keptBusyBy(8), ', two workgroups a head'),
  caseOf([3, 70, 2, 3, 4], keptBusyBy(6), ', a workgroup a head'),
];
