/** Attention of one new token over a cache in tfjs ops, over the whole capacity and with new caches; the other forms need neither. */
import { tf, type Tensor } from '#engine/tf.ts';

/** [y, keys, values] */
export function cachedAttention([q, k, v, keys, values, places]: readonly Tensor[]): Tensor[] {
  const [B, H, C, K] = keys.shape as [number, number, number, number];
  const position = tf.range(0, C, 1, 'int32').reshape([1, 1, C, 1]);
  const place = places.reshape([B, 1, 1, 1]);
  const every = (mask: Tensor) => mask.broadcastTo([B, H, C, K]);
  const own = every(tf.equal(position, place));
  const inserted = (row: Tensor, cache: Tensor) => tf.where(own, row.reshape([B, H, 1, K]).broadcastTo(cache.shape), cache);
  const [nextKeys, nextValues] = [inserted(k, keys), inserted(v, values)];
  const seen = tf.logicalAnd(tf.lessEqual(position, place), tf.less(place, tf.scalar(C, 'int32')));
  // what is not seen may be anything, NaN too
  const [seenKeys, seenValues] = [nextKeys, nextValues].map((rows) => tf.where(every(seen), rows, tf.zerosLike(rows)));
  const s = tf.mul(tf.matMul(seenKeys, q.reshape([B, H, K, 1])), 1 / Math.sqrt(K)); // [B,H,C,1]
  const masked = tf.where(seen.broadcastTo(s.shape), s, tf.fill(s.shape, -1e30));
  const p = tf.softmax(masked.reshape([B, H, 1, C]));
  return [tf.matMul(p, seenValues).reshape([B, H, K]), nextKeys, nextValues];
}
