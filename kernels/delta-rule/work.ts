/**
 * Counted work of the delta rule and its gradient: derived by the head and the chunk of q tokens. A chunk has T = q(q+1)/2 pairs of tokens s ≤ t,
 * D = q(q−1)/2 with s < t and E = (q−1)(q−2)/2 with s < t − 1. W numbers decay a token: 0, 1 or K; each takes an exponential, e^g, and the decays
 * between tokens and from a chunk's start are running products of these. `one` is 1 where W is 1, and `some` where W is not 0.
 */
import type { TensorSpec } from '#engine/tensor-spec.ts';
import type { OpWork } from '#engine/work.ts';
import { decayWidth, sizesOf, type DeltaAttrs } from './sizes.ts';

interface Chunk {
  readonly q: number;
  readonly T: number;
  readonly D: number;
  readonly E: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Σ over the chunks, the last of which may be shorter. */
function sumOverChunks(L: number, chunk: number, count: (chunk: Chunk) => number): number {
  let sum = 0;
  for (let start = 0; start < L; start += chunk) {
    const q = Math.min(chunk, L - start);
    sum += count({ q, T: (q * (q + 1)) / 2, D: (q * (q - 1)) / 2, E: ((q - 1) * (q - 2)) / 2, isFirst: start === 0, isLast: start + chunk >= L });
  }
  return sum;
}

function factsOf(inputs: readonly TensorSpec[], attrs: DeltaAttrs) {
  const sizes = sizesOf(inputs);
  const W = decayWidth(attrs, sizes.K);
  return { ...sizes, W, one: attrs.decay === 'scalar' ? 1 : 0, some: attrs.decay === 'none' ? 0 : 1, delta: attrs.delta ? 1 : 0 };
}

/**
 * Forward, a chunk of a head. Decays between pairs, W D: a number where W = 1; where W = K, the key of s as t sees it.
 *   P_ts = q_t·k_s       T pairs, 2K, and where W = 1 the decay of D pairs            for y
 *   A_ts = a_t·k_s       D pairs, 2K, and where W = 1 the decay of E pairs            delta
 *   not the first        decays from the start, W q; a_t times them but for the first token, K(q−1); u −= S a, 2KV q    delta
 *                        q_t times them, K q; y += S q, 2KV q                         for y
 *   u −= Σ A u           D pairs, 2V                                                  delta
 *   y += Σ P u           T pairs, 2V                                                  for y
 *   the state after, unless nothing reads it: where W = 1 the decay of k to the end but for the last token, K(q−1); Σ k uᵀ, 2KV q; and
 *   decay·S, KV, unless it is the first chunk.
 */
export function deltaRuleWork(inputs: readonly TensorSpec[], attrs: DeltaAttrs, [y, finalState]: readonly boolean[]): OpWork {
  const { B, L, H, K, V, W, one, some, delta } = factsOf(inputs, attrs);
  const flops = sumOverChunks(L, attrs.chunk, ({ q, T, D, E, isFirst, isLast }) => {
    let n = W * D;
    if (y) n += 2 * K * T + one * D + 2 * V * T;
    n += delta * (2 * K * D + one * E + 2 * V * D);
    if (!isFirst) n += W * q + delta * (some * K * (q - 1) + 2 * K * V * q);
    if (!isFirst && y) n += some * K * q + 2 * K * V * q;
    if (!isLast || finalState) n += one * K * (q - 1) + 2 * K * V * q + (isFirst ? 0 : some * K * V);
    return n;
  });
  return { flops: B * H * flops, exps: B * L * H * W, ...(y ? {} : { reads: { 0: 0 } }) };
}

/**
 * The gradients, from the operands and dy alone: P, A, states and u are made once more as above, without y and without the last state. Then, backwards,
 * with Z the gradient of the state after a chunk:
 *   du = Σ P dy, T pairs, 2V;  not the last: += Z k, 2KV q;  delta: −= Σ A du, D pairs, 2V. That is dv.
 *   dP = dy·u, T pairs, 2V;  delta: dA = du·u, D pairs, 2V
 *   not the first   S dy into dq and, delta, S du into da, 2KV q each; where W > 0 times the decays from the start, K q and K(q−1).
 *                   Z before, unless the chunk is the first: Σ q dyᵀ, 2KV q; delta: −Σ a duᵀ, 2KV q; not the last: decay·Z, some KV.
 *                   into dg: a running sum of q·dq and a·da over K(W = 1: into one), some (2K q + delta 2K (q−1)); neither: 2KV through the chunk,
 *                   one more K where W = 1: (decay·S)·Z summed.
 *   not the last    Z u into dk, 2KV q; where W = 1 times the decay to the end but for the last token, K(q−1).
 *   pairs           P: into dq and dk, 4K T; where W = 1, the decay of D pairs.  A: into da and dk, 4K D; where W = 1, the decay of E pairs.
 *   dg of pairs     walking t down for each s with the gradient of the decayed key, see the counting loops.
 */
export function deltaRuleGradientWork([, ...inputs]: readonly TensorSpec[], attrs: DeltaAttrs): OpWork {
  const { B, L, H, W } = factsOf(inputs, attrs);
  return { flops: 0, exps: B * L * H * W };
}
