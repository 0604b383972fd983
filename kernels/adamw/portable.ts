/** One step of AdamW in tfjs ops. */
import { tf, type Tensor } from '#engine/tf.ts';
import type { AdamWAttrs } from './op.ts';

/** [param, m, v] */
export function adamW([param, gradient, m, v, hyper]: readonly Tensor[], { beta1, beta2, epsilon, weightDecay }: AdamWAttrs): Tensor[] {
  const [lr, c1, c2] = [0, 1, 2].map((i) => tf.reshape(tf.slice(hyper, [i], [1]), []));
  const nextM = tf.add(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1));
  const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const decayed = tf.mul(param, tf.sub(1, tf.mul(lr, weightDecay)));
  const step = tf.div(tf.mul(nextM, tf.div(lr, c1)), tf.add(tf.sqrt(tf.div(nextV, c2)), epsilon));
  return [tf.sub(decayed, step), nextM, nextV];
}
