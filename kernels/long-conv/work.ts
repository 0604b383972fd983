/**
 * Counted work of the long convolution and its gradients, by the transform of op.ts in halvings, with N points (N = 2^k, k ≥ 2) and N/2 butterflies to
 * each of its k levels. The rows beyond L count as rows: the plain algorithm transforms them.
 *
 *   butterfly         low ± c·high, complex: 6 for the product, 4 for sum and difference.
 *   first level       the rows are real: 2 for the product, 2 for the real parts, 1 for the imaginary part of the difference.
 *   back              (a + b) and conj(c)(a − b): 10; the last level only real parts: 1 and 5. The halves of all levels are one factor 1/N.
 */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import { longConvSizes } from './sizes.ts';

/** A transform there, one back, and a product of spectra, of one channel. */
function parts(N: number): { there: number; back: number; product: number; scale: number } {
  const butterflies = N / 2;
  const inner = (Math.log2(N) - 1) * butterflies * 10;
  return { there: 5 * butterflies + inner, back: inner + 6 * butterflies, product: 6 * N, scale: 2 * N };
}

/** h there and scaled by 1/N; each sequence there, times the spectrum of h, and back. */
export function longConvWork([u]: readonly TensorSpec[]): OpWork {
  const { B, C, N } = longConvSizes(u);
  const { there, back, product, scale } = parts(N);
  return { flops: C * (there + scale + B * (there + product + back)), exps: 0 };
}

/** h there and scaled; dy and u of each sequence there; dy·conj(h) and back; dy·conj(u), 6N, and its sum over the sequences, 2N; that scaled, and back. */
export function longConvGradientWork([dy]: readonly TensorSpec[]): OpWork {
  const { B, C, N } = longConvSizes(dy);
  const { there, back, product, scale } = parts(N);
  return { flops: C * (there + scale + B * (2 * there + 2 * product + back + 2 * N) + scale + back), exps: 0 };
}
