/** RMS normalisation in tfjs ops, plain (x, weight) and gated (x, z, weight). */
import { tf, type Tensor } from '#engine/tf.ts';

export type NormAttrs = {
  /** added to the mean square */
  readonly epsilon: number;
  /** equal slices of the last axis, each normalised by itself */
  readonly groups: number;
};

/** [..., D] → [rows, groups, D / groups], and [D] → [1, groups, D / groups]. */
function sliced(t: Tensor, groups: number): Tensor {
  return tf.reshape(t, [-1, groups, t.shape.at(-1)! / groups]);
}

/** 1/√(mean(v²) + ε) of every slice, [rows, groups, 1]. */
function inverseRms(v: Tensor, epsilon: number): Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(v), 2, true), epsilon));
}

function normalised(v: Tensor, weight: Tensor, epsilon: number): Tensor {
  return tf.mul(tf.mul(v, inverseRms(v, epsilon)), weight);
}

/** Gradients for v, sliced, and for the weight, [D]. */
function gradients(dy: Tensor, v: Tensor, weight: Tensor, epsilon: number): [Tensor, Tensor] {
  const r = inverseRms(v, epsilon);
  const wdy = tf.mul(weight, dy);
  const inner = tf.mean(tf.mul(v, wdy), 2, true);
  const dv = tf.mul(r, tf.sub(wdy, tf.mul(v, tf.mul(tf.square(r), inner))));
  return [dv, tf.reshape(tf.sum(tf.mul(tf.mul(dy, v), r), 0), [-1])];
}

const silu = (z: Tensor): Tensor => tf.mul(z, tf.sigmoid(z));

export function rmsNormPortable(inputs: readonly Tensor[], { epsilon, groups }: NormAttrs): Tensor[] {
  const [x, weight] = inputs.map((t) => sliced(t, groups)) as [Tensor, Tensor];
  return [tf.reshape(normalised(x, weight, epsilon), inputs[0].shape)];
}

/** dy, x, weight → dx, dweight. */
export function rmsNormGradientPortable(inputs: readonly Tensor[], { epsilon, groups }: NormAttrs): Tensor[] {
  const [dy, x, weight] = inputs.map((t) => sliced(t, groups)) as [Tensor, Tensor, Tensor];
  const [dx, dw] = gradients(dy, x, weight, epsilon);
  return [tf.reshape(dx, inputs[1].shape), dw];
}

export function gatedRmsNormPortable(inputs: readonly Tensor[], { epsilon, groups }: NormAttrs): Tensor[] {
  const [x, z, weight] = inputs.map((t) => sliced(t, groups)) as [Tensor, Tensor, Tensor];
  return [tf.reshape(normalised(tf.mul(x, silu(z)), weight, epsilon), inputs[0].shape)];
}

/** dy, x, z, weight → dx, dz, dweight. */
export function gatedRmsNormGradientPortable(inputs: readonly Tensor[], { epsilon, groups }: NormAttrs): Tensor[] {
  const [dy, x, z, weight] = inputs.map((t) => sliced(t, groups)) as [Tensor, Tensor, Tensor, Tensor];
  const gate = silu(z);
  const [dv, dw] = gradients(dy, tf.mul(x, gate), weight, epsilon);
  const s = tf.sigmoid(z);
  const slope = tf.add(s, tf.mul(gate, tf.sub(1, s)));
  return [tf.reshape(tf.mul(dv, gate), inputs[1].shape), tf.reshape(tf.mul(tf.mul(dv, x), slope), inputs[1].shape), dw];
}
