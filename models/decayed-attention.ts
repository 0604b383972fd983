/** Linear attention with a constant decay for each head, over a whole sequence and one token at a time. */
import { tf, type Tensor } from '#engine/tf.ts';
import { ssd } from '#kernels/ssd/op.ts';

/**
 * S_t = γ_h S_{t−1} + v_t k_tᵀ, y_t = S_t q_t: SSD (Dao & Gu 2024, §5) with Δ = 1, A = ln γ_h and no skip, every head reading keys and queries of its own.
 * q and k [B, L, H, N], v [B, L, H, P] → y [B, L, H, P]; `decays` is γ of each head. With γ = 1 nothing is ever multiplied but by 1.
 */
export function decayedAttention(q: Tensor, k: Tensor, v: Tensor, decays: readonly number[], chunk: number): Tensor {
  const [B, L, H] = v.shape as [number, number, number, number];
  return ssd(v, tf.ones([B, L, H]), tf.tensor1d(decays.map(Math.log)), k, q, tf.zeros([H]), { chunk, form: 'chunked' }).y;
}

/** One token of the same: S [B, H, P, N], q and k [B, H, N], v [B, H, P] → [the next S, y [B, H, P]]. */
export function decayedAttentionStep(S: Tensor, q: Tensor, k: Tensor, v: Tensor, decays: readonly number[]): [Tensor, Tensor] {
  const [B, H, P, N] = S.shape as [number, number, number, number];
  const row = (t: Tensor) => tf.reshape(t, [B, H, 1, N]);
  const kept = decays.every((d) => d === 1) ? S : tf.mul(S, tf.tensor4d([...decays], [1, H, 1, 1]));
  const next = tf.add(kept, tf.mul(tf.reshape(v, [B, H, P, 1]), row(k)));
  return [next, tf.sum(tf.mul(next, row(q)), 3)];
}

/**
 * The same with y_t divided by the weights that it sums, Σ_{s≤t} q_t·k_s + ε: they are what a last value channel of ones gives. No decay.
 * v [B, L, H, P] → y [B, L, H, P].
 */
export function normalisedAttention(q: Tensor, k: Tensor, v: Tensor, epsilon: number, chunk: number): Tensor {
  const H = v.shape[2]!;
  return divided(decayedAttention(q, k, withOnes(v), new Array<number>(H).fill(1), chunk), epsilon);
}

/** One token of it: S [B, H, P + 1, N], whose last row is Σ k, v [B, H, P] → [the next S, y [B, H, P]]. */
export function normalisedAttentionStep(S: Tensor, q: Tensor, k: Tensor, v: Tensor, epsilon: number): [Tensor, Tensor] {
  const [next, y] = decayedAttentionStep(S, q, k, withOnes(v), new Array<number>(v.shape[1]!).fill(1));
  return [next, divided(y, epsilon)];
}

/** [..., P] → [..., P + 1], the last being 1. */
function withOnes(v: Tensor): Tensor {
  return tf.concat([v, tf.ones([...v.shape.slice(0, -1), 1])], v.shape.length - 1);
}

/** [..., P + 1] → [..., P]: what comes first over the last one and ε. */
function divided(y: Tensor, epsilon: number): Tensor {
  const P = y.shape.at(-1)! - 1;
  const start = y.shape.map(() => 0);
  const outer = y.shape.slice(0, -1);
  const weights = tf.slice(y, [...start.slice(0, -1), P], [...outer, 1]);
  return tf.div(tf.slice(y, start, [...outer, P]), tf.add(weights, epsilon));
}
