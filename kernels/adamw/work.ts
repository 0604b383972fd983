/** Counted work of an AdamW step. */
import { sizeOf, type TensorSpec } from '#engine/tensor-spec.ts';
import type { OpWork } from '#engine/work.ts';

/**
 * Each element: p·(1 − lr·weightDecay), 1; m, 3; v, 4; m·(lr/c₁) / (√(v/c₂) + ε), 5; taken off p, 1. Once: 1 − lr·weightDecay, lr/c₁: 3.
 * Counted whole, whichever of its outputs are read.
 */
export function adamWWork([param]: readonly TensorSpec[]): OpWork {
  return { flops: 14 * sizeOf(param.shape) + 3, exps: 0 };
}
