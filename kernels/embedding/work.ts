/** Counted work of the embedding and its gradient, with as many different ids as there can be. */
import { sizeOf, type TensorSpec } from '#engine/tensor-spec.ts';
import type { OpWork } from '#engine/work.ts';

/** Nothing is computed; of the table, the rows that are named are read. */
export function embeddingWork([table, ids]: readonly TensorSpec[]): OpWork {
  const [V, D] = table.shape as [number, number];
  return { flops: 0, exps: 0, reads: { 0: Math.min(V, sizeOf(ids.shape)) * D } };
}

/** Every element of dy is added to the table's gradient. */
export function embeddingGradientWork([, dy]: readonly TensorSpec[]): OpWork {
  return { flops: sizeOf(dy.shape), exps: 0 };
}
