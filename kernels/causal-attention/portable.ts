/** Causal softmax attention in tfjs ops. It holds all L×L scores; the other forms do not. */
import { tf, type Tensor } from '#engine/tf.ts';

/** [B,L,H,C] → [B,H,L,C], and back */
const byHead = (x: Tensor): Tensor => tf.transpose(x, [0, 2, 1, 3]);

/** q·kᵀ/√K [B,H,L,L] with −10³⁰ where a query would see a later key. */
function scores(q: Tensor, k: Tensor): Tensor {
  const L = q.shape[1]!;
  const position = tf.range(0, L, 1, 'int32');
  const seen = tf.greaterEqual(position.reshape([L, 1]), position.reshape([1, L]));
  const s = tf.mul(tf.matMul(byHead(q), byHead(k), false, true), 1 / Math.sqrt(q.shape[3]!));
  return tf.where(seen.broadcastTo(s.shape), s, tf.fill(s.shape, -1e30));
}

/** [y, logSumExp] */
export function attention(q: Tensor, k: Tensor, v: Tensor): Tensor[] {
  const s = scores(q, k);
  return [byHead(tf.matMul(tf.softmax(s), byHead(v))), tf.logSumExp(s, -1)];
}

/** [dq, dk, dv] */
export function attentionGradient(q: Tensor, k: Tensor, v: Tensor, y: Tensor, logSumExp: Tensor, dy: Tensor): Tensor[] {
  const p = tf.exp(tf.sub(scores(q, k), logSumExp.expandDims(-1)));
  const dyByHead = byHead(dy);
  const dp = tf.matMul(dyByHead, byHead(v), false, true);
  const delta = tf.sum(tf.mul(dyByHead, byHead(y)), -1, true);
  const ds = tf.mul(tf.mul(p, tf.sub(dp, delta)), 1 / Math.sqrt(q.shape[3]!));
  return [byHead(tf.matMul(ds, byHead(k))), byHead(tf.matMul(ds, byHead(q), true)), byHead(tf.matMul(p, dyByHead, true))];
}
