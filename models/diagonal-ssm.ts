/**
 * A diagonal state space that is the same for every token (S4D: Gu et al. 2022, arXiv 2206.11893, §3), as a convolution and as a recurrence. Complex
 * numbers are pairs of real tensors.
 *
 *     L length   H channels   N state size, real numbers of a channel   M = N/2 modes, one of each pair of conjugates   Δ step size
 *
 *     h_t = Ā h_{t−1} + B̄ u_t      Ā = exp(ΔA)   B̄ = (exp(ΔA) − 1)/A · B           the hold of order zero
 *     y_t = 2 Re Σ_m C_m h_{t,m}   A = −exp(log_A_real) + i·A_imag [H, M]
 *     y   = K * u                  K_l = 2 Re Σ_m C̄_m exp(l·ΔA_m)                   C̄ = C·B̄
 *
 * The recurrence here carries h/B̄, which is exact as well, and reads it with C̄.
 */
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { constant, normal, undecayed } from './initializers.ts';
import type { Parameter } from './mixer.ts';

export interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

/** What every step does: the exponent ΔA and the readout C̄ of each mode, [H, M]. */
export interface Modes {
  readonly exponent: Complex;
  readonly readout: Complex;
}

const both = ({ re, im }: Complex, f: (t: Tensor) => Tensor): Complex => ({ re: f(re), im: f(im) });
const product = (a: Complex, b: Complex): Complex => ({ re: tf.sub(tf.mul(a.re, b.re), tf.mul(a.im, b.im)), im: tf.add(tf.mul(a.re, b.im), tf.mul(a.im, b.re)) });

function exponential({ re, im }: Complex): Complex {
  const size = tf.exp(re);
  return { re: tf.mul(size, tf.cos(im)), im: tf.mul(size, tf.sin(im)) };
}

/** exp(z) − 1 without cancellation for small z: the real part is (eˣ − 1) cos y − 2 sin²(y/2). */
function exponentialMinusOne({ re, im }: Complex): Complex {
  const half = tf.sin(tf.mul(im, 0.5));
  return { re: tf.sub(tf.mul(tf.expm1(re), tf.cos(im)), tf.mul(tf.square(half), 2)), im: tf.mul(tf.exp(re), tf.sin(im)) };
}

/** A tensor of real and imaginary parts side by side, [..., 2]. */
export function complex(parts: Tensor): Complex {
  const [re, im] = tf.unstack(parts, -1);
  return { re, im };
}

/** The modes of log_dt [H], log_A_real and A_imag [H, M], C and, where it is not 1, B [H, M]. */
export function modesOf(logStep: Tensor, logDecay: Tensor, frequency: Tensor, C: Complex, B?: Complex): Modes {
  const step = tf.reshape(tf.exp(logStep), [-1, 1]);
  const A: Complex = { re: tf.neg(tf.exp(logDecay)), im: frequency };
  const exponent = both(A, (t) => tf.mul(t, step));
  const size = tf.add(tf.square(A.re), tf.square(A.im));
  // 1/A is the conjugate of A over |A|²
  const held = product(exponentialMinusOne(exponent), { re: tf.div(A.re, size), im: tf.neg(tf.div(A.im, size)) });
  return { exponent, readout: product(held, B === undefined ? C : product(C, B)) };
}

/** exp(k·stride·ΔA) for k from 0, [H, count, M]. */
function powers({ re, im }: Complex, count: number, stride: number): Complex {
  const [H, M] = re.shape as [number, number];
  const times = tf.reshape(tf.range(0, count * stride, stride), [1, count, 1]);
  return exponential(both({ re, im }, (t) => tf.mul(tf.reshape(t, [H, 1, M]), times)));
}

/**
 * K_0 … K_{L−1}, [L, H]. With l = a·b₁ + b and b₁ ≈ √L it is Re Σ_m (C̄_m exp(a·b₁·ΔA_m))·exp(b·ΔA_m), a small product of matrices for each channel: about
 * 2HM√L exponentials and as many numbers in memory, in place of HML.
 */
export function kernelOf({ exponent, readout }: Modes, L: number): Tensor {
  const [H, M] = exponent.re.shape as [number, number];
  const inner = Math.ceil(Math.sqrt(L));
  const outer = Math.ceil(L / inner);
  const near = powers(exponent, inner, 1);
  const far = product(powers(exponent, outer, inner), both(readout, (t) => tf.reshape(t, [H, 1, M])));
  // Re(pq) = Re p·Re q − Im p·Im q
  const K = tf.matMul(tf.concat([far.re, tf.neg(far.im)], 2), tf.concat([near.re, near.im], 2), false, true); // [H, outer, inner]
  return tf.mul(tf.transpose(tf.slice(tf.reshape(K, [H, outer * inner]), [0, 0], [H, L])), 2);
}

/** One token: h/B̄ [B, H, M] and u [B, H] → [the next h/B̄, y [B, H]]. */
export function recurrence({ exponent, readout }: Modes, state: Complex, u: Tensor): [Complex, Tensor] {
  const kept = product(exponential(exponent), state);
  const next: Complex = { re: tf.add(kept.re, tf.expandDims(u, 2)), im: kept.im };
  return [next, tf.mul(tf.sum(product(readout, next).re, 2), 2)];
}

/** Δ log-uniform on [0.001, 0.1] and A = −½ + iπm, m from 0: "S4D-Lin" (§4). Neither decays. */
export function initialModes(stream: Stream, H: number, M: number): { logStep: Parameter; logDecay: Parameter; frequency: Parameter } {
  const [low, high] = [Math.log(1e-3), Math.log(1e-1)];
  return {
    logStep: undecayed({ shape: [H], data: Float32Array.from({ length: H }, () => low + (high - low) * stream.uniform()) }),
    logDecay: undecayed(constant(Math.log(0.5), H, M)),
    frequency: undecayed({ shape: [H, M], data: Float32Array.from({ length: H * M }, (_, i) => Math.PI * (i % M)) }),
  };
}

/** N(0, 1) in the plane, [H, M, 2]: a variance of ½ for each part. */
export function complexNormal(stream: Stream, H: number, M: number): Parameter {
  return normal(stream, Math.SQRT1_2, H, M, 2);
}
