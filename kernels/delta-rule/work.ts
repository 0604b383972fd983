/**
 * Counted work of the delta rule and its gradient: derived by the head and the chunk of q tokens. A chunk has T = q(q+1)/2 pairs of tokens s ≤ t,
 * D = q(q−1)/2 with s < t and E = (q−1)(q−2)/2 with s < t − 1. W numbers decay a token: 0, 1 or K; each takes an exponential, e^g, and the decays
 * between tokens and from a chunk's start are running products of these. `one` is 1 where the decay is a scalar, and `some` where there is one. What the first
 * token would erase is not read: there is no state yet.
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
  return { flops: B * H * flops, exps: B * L * H * W, reads: { ...(y ? {} : { 0: 0 }), ...(attrs.delta ? { 3: B * (L - 1) * H * K } : {}) } };
}

/**
 * The gradients, from the operands and dy alone: decays, P, A, readers, states and u are made once more as above, without y and without the last state.
 * Then backwards, with Z the gradient of the state after a chunk:
 *   every chunk     du = Σ P dy, T pairs, 2V; dP = dy·u, T pairs, 2V.  delta: du −= Σ A du, and dA = du·u, D pairs, 2V each. dv = du
 *   not the first   S dy into dq and, delta, S du into da, 2KV q each, and their decays from the start, K q and K(q−1). Z before: q dyᵀ and, delta, a duᵀ, 2KV q each
 *   not the last    Z k into du and Z u into dk, 2KV q each; where W = 1 the decay of dk to the end but for the last token, K(q−1)
 *   neither         decay·Z, KV, and its products with S into dg, 2KV
 *   dg, W > 0       not the first: a running sum of q·dq and a·da, 2K q and 2K(q−1), into every dg, W q.
 *                   W = 1: for each s a running sum of P dP and A dA down to s < t, 2D and 2E, into every dg, D; it starts from k·dk, 2K(q−1), if not the last.
 *                   W = K: for each s the gradient of its key as it is at t, decayed, K D, and times that key into dg, 2K D.
 *   pairs           P: into dq and dk, 4K T.  A: into da and dk, 4K D.  Where W = 1, the decays of dP and dA, D and E.
 */
export function deltaRuleGradientWork([, ...inputs]: readonly TensorSpec[], attrs: DeltaAttrs): OpWork {
  const { B, L, H, K, V, W, one, some, delta } = factsOf(inputs, attrs);
  const flops = sumOverChunks(L, attrs.chunk, ({ q, T, D, E, isFirst, isLast }) => {
    const states = 2 * K * V * q;
    const decayed = some * (K * q + delta * K * (q - 1));
    let n = W * D + 2 * K * T + one * D + delta * (2 * K * D + one * E + 2 * V * D); // forward
    n += 4 * V * T + delta * 4 * V * D + 4 * K * T + delta * 4 * K * D + one * (D + delta * E);
    n += attrs.decay === 'vector' ? 3 * K * D : one * (3 * D + delta * 2 * E);
    if (!isFirst) n += W * q + decayed + delta * states; // forward
    if (!isFirst) n += 2 * (1 + delta) * states + decayed + 2 * decayed + W * q;
    if (!isLast) n += one * K * (q - 1) + states; // forward
    if (!isLast) n += 2 * states + one * 3 * K * (q - 1);
    if (!isFirst && !isLast) n += some * (K * V + 3 * K * V);
    return n;
  });
  return { flops: B * H * flops, exps: B * L * H * W, ...(attrs.delta ? { reads: { 4: B * (L - 1) * H * K } } : {}) };
}
