/** Causal depthwise convolution in tfjs ops: one shifted product a tap. */
import { tf, type Tensor } from '#engine/tf.ts';

export type ConvAttrs = {
  /** SiLU after the convolution */
  readonly silu: boolean;
};

/** Row j of the taps, as [C]. */
function tap(weight: Tensor, j: number): Tensor {
  return tf.squeeze(tf.slice(weight, [0, j], [weight.shape[0], 1]), [1]);
}

/** t moved `by` steps later (earlier where negative) in time, zeros taking the place of what is missing; [B, L, C]. */
function moved(t: Tensor, by: number): Tensor {
  const [B, L, C] = t.shape as [number, number, number];
  const n = Math.min(L, Math.abs(by));
  if (n === 0) return t;
  const gap = tf.zeros([B, n, C]);
  if (n === L) return gap;
  return by > 0 ? tf.concat([gap, tf.slice(t, [0, 0, 0], [B, L - n, C])], 1) : tf.concat([tf.slice(t, [0, n, 0], [B, L - n, C]), gap], 1);
}

function preActivation(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const W = weight.shape[1]!;
  let y: Tensor = tf.add(tf.mul(x, tap(weight, W - 1)), bias);
  for (let j = 0; j < W - 1; j++) y = tf.add(y, tf.mul(moved(x, W - 1 - j), tap(weight, j)));
  return y;
}

export function causalConvPortable(inputs: readonly Tensor[], { silu }: ConvAttrs): Tensor[] {
  const y = preActivation(inputs[0], inputs[1], inputs[2]);
  return [silu ? tf.mul(y, tf.sigmoid(y)) : y];
}

/** dy, x, weight, bias → dx, dweight, dbias. */
export function causalConvGradientPortable(inputs: readonly Tensor[], { silu }: ConvAttrs): Tensor[] {
  const [dy, x, weight, bias] = inputs as [Tensor, Tensor, Tensor, Tensor];
  let g = dy;
  if (silu) {
    const y = preActivation(x, weight, bias);
    const s = tf.sigmoid(y);
    g = tf.mul(dy, tf.mul(s, tf.add(1, tf.mul(y, tf.sub(1, s)))));
  }
  const W = weight.shape[1]!;
  const taps = Array.from({ length: W }, (_, j) => W - 1 - j); // by how many steps tap j looks back
  const dx = taps.map((back, j) => tf.mul(moved(g, -back), tap(weight, j))).reduce((a, b) => tf.add(a, b));
  const dw = taps.map((back) => tf.sum(tf.mul(moved(x, back), g), [0, 1]));
  return [dx, tf.stack(dw, 1), tf.sum(g, [0, 1])];
}
