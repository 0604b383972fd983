/** Linear projections of a sequence whose results are wanted in parts. */
import { tf, type Tensor } from '#engine/tf.ts';

/**
 * x·Wᵀ (+ bias) in parts: x [T, in], weight [Σ sizes, in], bias [Σ sizes] → one [T, size] per part. The weight is cut, not
 * the result: rows of a weight lie together, columns of an activation do not, and every part comes out contiguous.
 */
export function project(x: Tensor, weight: Tensor, sizes: readonly number[], bias?: Tensor): Tensor[] {
  return sizes.map((_, i) => {
    const y: Tensor = tf.matMul(x, rows(weight, sizes, i), false, true);
    return bias === undefined ? y : tf.add(y, rows(bias, sizes, i));
  });
}

/** The rows of part i of a tensor whose first axis holds parts of the given sizes, one after another. */
export function rows(whole: Tensor, sizes: readonly number[], i: number): Tensor {
  if (sizes.length === 1) return whole;
  const start = sizes.slice(0, i).reduce((a, b) => a + b, 0);
  const inner = whole.shape.slice(1);
  return tf.slice(whole, [start, ...inner.map(() => 0)], [sizes[i], ...inner]);
}
