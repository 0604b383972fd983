/** Counted work of the causal convolution and its gradient. The zeros before the first step are not multiplied. */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import type { ConvAttrs } from './portable.ts';

/** Elements of x, products weight·x of which y is made, and taps that any step reaches. */
function counts(x: TensorSpec, weight: TensorSpec): { elements: number; products: number; taps: number } {
  const [B, L, C] = x.shape as [number, number, number];
  const W = weight.shape[1];
  // tap W−1−i looks i steps back, and so serves L − i steps
  const reach = Math.min(W, L);
  return { elements: B * L * C, products: B * C * (reach * L - (reach * (reach - 1)) / 2), taps: C * reach };
}

/** Each product is added to the bias: 2. SiLU: v times its sigmoid, 1 and one sigmoid. */
export function convWork([x, weight]: readonly TensorSpec[], { silu }: ConvAttrs): OpWork {
  const { elements, products, taps } = counts(x, weight);
  return { flops: 2 * products + (silu ? elements : 0), exps: silu ? elements : 0, reads: { 1: taps } };
}

/**
 * Each product has a part in dx and one in dweight: 2 each; db is the sum of g, 1 each element. With SiLU, what goes into it, v, is made again, 2 each product;
 * and each element's g = dy·σ(1 + v(1 − σ)) is 5 and one sigmoid. Without it g is dy, and the bias is not read.
 */
export function convGradientWork([, x, weight]: readonly TensorSpec[], { silu }: ConvAttrs): OpWork {
  const { elements, products, taps } = counts(x, weight);
  return { flops: (silu ? 6 : 4) * products + (silu ? 6 : 1) * elements, exps: silu ? elements : 0, reads: { 2: taps, ...(silu ? {} : { 3: 0 }) } };
}
