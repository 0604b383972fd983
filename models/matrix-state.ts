/** What mixers with a matrix for a state share: one token of the delta rule, and keys of unit length. */
import { tf, type Tensor } from '#engine/tf.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';

/**
 * One token of `deltaRule`: state [B,H,K,V], q, k [B,H,K], v [B,H,V], optionally a [B,H,K] and decay e^g [B,H,K] or [B,H,1] →
 * [next state, y [B,H,V]].
 */
export function deltaRuleStep(state: Tensor, { q, k, v, a, decay }: { q: Tensor; k: Tensor; v: Tensor; a?: Tensor; decay?: Tensor }): [Tensor, Tensor] {
  const column = (t: Tensor) => tf.expandDims(t, 3); // over the values
  const recalled = (s: Tensor, key: Tensor) => tf.sum(tf.mul(s, column(key)), 2); // Sᵀ key [B,H,V]
  const u = a === undefined ? v : tf.sub(v, recalled(state, a));
  const kept = decay === undefined ? state : tf.mul(state, column(decay));
  const next = tf.add(kept, tf.mul(column(k), tf.expandDims(u, 2)));
  return [next, recalled(next, q)];
}

/** length · x / √(Σ x² + ε) over the last axis. */
export function l2Normalized(x: Tensor, { length = 1, epsilon = 1e-6 } = {}): Tensor {
  const n = x.shape.at(-1)!;
  return rmsNorm(x, tf.fill([n], length / Math.sqrt(n)), { epsilon: epsilon / n });
}
