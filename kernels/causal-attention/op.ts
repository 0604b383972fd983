/**
 * Causal softmax attention. y_i = Σ_{j≤i} p_ij v_j, p_i = softmax_{j≤i}(q_i·k_j/√K) (Vaswani et al. 2017, eq. 1), by tiles
 * that never hold L×L scores (Dao et al. 2022).
 */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand, type WasmLowering } from '#engine/fused-op.ts';
import { float, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import * as portable from './portable.ts';
import { attentionGradientWebgpu, attentionWebgpu } from './webgpu.ts';
import { attentionGradientWork, attentionWork } from './work.ts';

type NoAttrs = Record<string, never>;

/** queries, and keys, of a tile, and its bytes: as in wasm.as.ts */
const BLOCK = 64;
const TILE_BYTES = 64 * 272;

interface Sizes {
  B: number;
  L: number;
  H: number;
  K: number;
  P: number;
}

/** E_SHAPE unless q and k are [B,L,H,K] and v is [B,L,H,P]. */
function sizes(q: TensorSpec, k: TensorSpec, v: TensorSpec): Sizes {
  const told = `q [${q.shape}], k [${k.shape}], v [${v.shape}]`;
  const fail = (why: string) => new RecallbenchError('E_SHAPE', `causal attention wants q and k [B,L,H,K] and v [B,L,H,P]: ${why} (${told})`);
  for (const [name, t] of Object.entries({ q, k, v })) {
    if (t.shape.length !== 4) throw fail(`${name} has ${t.shape.length} axes`);
    if (t.shape.some((n) => n < 1)) throw fail(`${name} is empty`);
  }
  if (q.shape.join() !== k.shape.join()) throw fail('q and k differ');
  if (q.shape.slice(0, 3).join() !== v.shape.slice(0, 3).join()) throw fail('v has another B, L or H than q');
  const [B, L, H, K] = q.shape as [number, number, number, number];
  return { B, L, H, K, P: v.shape[3] };
}

const sizesOf = (lowering: WasmLowering): Sizes => {
  const [q, , v] = lowering.inputs;
  const [B, L, H, K] = q.shape as [number, number, number, number];
  return { B, L, H, K, P: v.shape[3] };
};

/** queries and keys, and bytes, up to which weights are kept for the backward pass: they come out of a cache then, and making them again takes longer */
const KEPT_LENGTH = 4 * BLOCK;
const KEPT_BYTES = 32 * 2 ** 20;

/** Blocks of keys that a kernel takes at once: all before a block of queries where weights are kept. */
const most = (weights: Operand | 0, L: number): number => (weights === 0 ? 1 : Math.max(1, Math.ceil(L / BLOCK) - 1));

const eights = (n: number): number => Math.ceil(n / 8) * 8;

/** q, k, v → y [B,L,H,P], logSumExp [B,H,L] (ln Σ eˢ of each query's scores, for the backward pass). */
export const CausalAttention: FusedOp<NoAttrs> = {
  name: 'CausalAttention',
  outputs: ([q, k, v]) => {
    const { B, L, H, P } = sizes(q, k, v);
    return [float(B, L, H, P), float(B, H, L)];
  },
  portable: ([q, k, v]) => portable.attention(q, k, v),
  gradient: (dy, inputs, [y, logSumExp]) => {
    // not inside the thunks: tfjs runs each in a scope of its own, and what one made would be gone for the next
    const gradients = callFused(CausalAttentionGradient, [...inputs, y, logSumExp, dy], {});
    return gradients.map((g) => () => g);
  },
  work: (inputs, _, used) => attentionWork(inputs, used),
  wasm: (lowering) => {
    const { B, L, H, K, P } = sizesOf(lowering);
    const [q, k, v] = lowering.inputs;
    const [y, logSumExp, weights = 0] = lowering.outputs;
    const scratch = TILE_BYTES + 4 * BLOCK * (5 + K + eights(P) * most(weights, L));
    lowering.dispatch('causal_attention_forward', B * H * Math.ceil(L / BLOCK), [q, k, v, y, logSumExp, L, H, K, P, { f32: Math.LOG2E / Math.sqrt(K) }, weights], scratch);
  },
  wasmKeeps: {
    by: 'CausalAttentionGradient',
    what: ([q]) => {
      const [B, L, H] = q.shape;
      const blocks = Math.ceil(L / BLOCK);
      const tiles = (B * H * blocks * (blocks + 1)) / 2;
      return L <= KEPT_LENGTH && tiles * TILE_BYTES <= KEPT_BYTES ? float(tiles, TILE_BYTES / 4) : undefined;
    },
  },
  webgpu: attentionWebgpu,
};

/** q, k, v, y, logSumExp, dy → dq, dk, dv. */
export const CausalAttentionGradient: FusedOp<NoAttrs> = {
  name: 'CausalAttentionGradient',
  outputs: ([q, k, v]) => {
    sizes(q, k, v);
    return [float(...q.shape), float(...k.shape), float(...v.shape)];
  },
  portable: ([q, k, v, y, logSumExp, dy]) => portable.attentionGradient(q, k, v, y, logSumExp, dy),
  work: attentionGradientWork,
  wasm: (lowering) => {
    const { B, L, H, K, P } = sizesOf(lowering);
    // a task is a head; with few heads, a segment of queries by a segment of keys, in launches of those that are equally far off the diagonal
    const segment = Math.ceil(L / (B * H >= 8 ? 1 : 8) / BLOCK) * BLOCK;
    const segments = Math.ceil(L / segment);
    const [q, k, v, y, logSumExp, dy, weights = 0] = lowering.inputs;
    const blocks = most(weights, L);
    const scratch = (blocks + 1) * TILE_BYTES + 4 * BLOCK * (4 + K + P + eights(K) * (1 + blocks) + eights(P));
    for (let back = 0; back < segments; back++) {
      const args = [q, k, v, y, logSumExp, dy, ...lowering.outputs, L, H, K, P, { f32: 1 / Math.sqrt(K) }, segment, back, weights];
      lowering.dispatch('causal_attention_gradient', B * H * (segments - back), args, scratch);
    }
  },
  webgpu: attentionGradientWebgpu,
};

/**
 * Causal softmax attention: q and k [B,L,H,K], v [B,L,H,P] → y [B,L,H,P], y_i = Σ_{j≤i} softmax_j(q_i·k_j/√K) v_j.
 * Differentiable in all three. Throws E_SHAPE where the sizes do not fit.
 */
export function causalAttention(q: Tensor, k: Tensor, v: Tensor, attrs: NoAttrs = {}): Tensor {
  return callFused(CausalAttention, [q, k, v], attrs)[0];
}
