/**
 * Causal long convolution in tfjs ops: the transform that op.ts describes, one halving of all nodes at a time. Operands of a step are complex,
 * [B, nodes, M, C] each for the real and the imaginary part.
 */
import { tf, type Tensor } from '#engine/tf.ts';
import { longConvSizes } from './sizes.ts';

interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

const product = (a: Complex, b: Complex): Complex => ({ re: tf.sub(tf.mul(a.re, b.re), tf.mul(a.im, b.im)), im: tf.add(tf.mul(a.re, b.im), tf.mul(a.im, b.re)) });
const conjugate = ({ re, im }: Complex): Complex => ({ re, im: tf.neg(im) });
const sum = (a: Complex, b: Complex): Complex => ({ re: tf.add(a.re, b.re), im: tf.add(a.im, b.im) });
const difference = (a: Complex, b: Complex): Complex => ({ re: tf.sub(a.re, b.re), im: tf.sub(a.im, b.im) });
const both = (z: Complex, f: (t: Tensor) => Tensor): Complex => ({ re: f(z.re), im: f(z.im) });

/** The fractions f of a turn of `nodes` nodes z^M − e^{2πif}: halves of those above, then halves plus half a turn. */
function fractions(nodes: number): number[] {
  if (nodes === 1) return [1 / 4];
  return fractions(nodes / 2).flatMap((f) => [f / 2, f / 2 + 1 / 2]);
}

/** The square root of each node's constant, [nodes, 1, 1]. */
function roots(nodes: number): Complex {
  const angles = fractions(nodes).map((f) => Math.PI * f);
  const column = (f: (x: number) => number) => tf.tensor(Float32Array.from(angles, f), [nodes, 1, 1]);
  return { re: column(Math.cos), im: column(Math.sin) };
}

/** Real x [B, L, C] → its values at the N roots of z^N = i, [B, N, 1, C]. */
function spectrum(x: Tensor, N: number): Complex {
  const [B, L, C] = x.shape as [number, number, number];
  const padded = tf.reshape(tf.pad(x, [[0, 0], [0, N - L], [0, 0]]), [B, 1, N, C]);
  let z: Complex = { re: padded, im: tf.zerosLike(padded) };
  for (let nodes = 1; nodes < N; nodes *= 2) {
    const half = N / nodes / 2;
    const low = both(z, (t) => tf.slice(t, [0, 0, 0, 0], [B, nodes, half, C]));
    const high = product(both(z, (t) => tf.slice(t, [0, 0, half, 0], [B, nodes, half, C])), roots(nodes));
    const [plus, minus] = [sum(low, high), difference(low, high)];
    const join = (a: Tensor, b: Tensor) => tf.reshape(tf.concat([a, b], 2), [B, 2 * nodes, half, C]);
    z = { re: join(plus.re, minus.re), im: join(plus.im, minus.im) };
  }
  return z;
}

/** The inverse of `spectrum`: the real part of the first L coefficients. */
function coefficients(spectrum: Complex, L: number): Tensor {
  const [B, N, , C] = spectrum.re.shape as [number, number, number, number];
  let z = spectrum;
  for (let nodes = N / 2; nodes >= 1; nodes /= 2) {
    const half = N / nodes / 2;
    const part = (first: number) => both(z, (t) => tf.slice(tf.reshape(t, [B, nodes, 2 * half, C]), [0, 0, first, 0], [B, nodes, half, C]));
    const [plus, minus] = [part(0), part(half)];
    const [low, high] = [sum(plus, minus), product(difference(plus, minus), conjugate(roots(nodes)))];
    z = { re: tf.concat([low.re, high.re], 2), im: tf.concat([low.im, high.im], 2) };
  }
  return tf.slice(tf.mul(tf.reshape(z.re, [B, N, C]), 1 / N), [0, 0, 0], [B, L, C]);
}

export function longConvPortable([u, h]: readonly Tensor[]): Tensor[] {
  const { L, N } = longConvSizes(u);
  return [coefficients(product(spectrum(u, N), spectrum(tf.expandDims(h, 0), N)), L)];
}

/** dy, u, h → du, dh. */
export function longConvGradientPortable([dy, u, h]: readonly Tensor[]): Tensor[] {
  const { L, N } = longConvSizes(u);
  const d = spectrum(dy, N);
  const du = coefficients(product(d, conjugate(spectrum(tf.expandDims(h, 0), N))), L);
  const dh = coefficients(both(product(d, conjugate(spectrum(u, N))), (t) => tf.sum(t, 0, true)), L);
  return [du, tf.squeeze(dh, [0])];
}
