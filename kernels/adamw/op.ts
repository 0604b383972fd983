/**
 * One step of AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2, in PyTorch's form, where the
 * decay is lr·weightDecay):
 *   p ← p − lr·weightDecay·p;  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  p ← p − lr·(m/c₁) / (√(v/c₂) + ε)
 */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp } from '#engine/fused-op.ts';
import { float, sizeOf } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import * as portable from './portable.ts';
import { adamWWebgpu } from './webgpu.ts';
import { adamWWork } from './work.ts';

/** Constants of a run. ε is added to the root of the unbiased second moment. */
export type AdamWAttrs = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
};

/** elements of a task */
const GRAIN = 8192;

/** param, gradient, m, v (one shape), hyper [3] → param, m, v. */
export const AdamW: FusedOp<AdamWAttrs> = {
  name: 'AdamW',
  outputs: ([param, gradient, m, v, hyper]) => {
    for (const [name, t] of Object.entries({ gradient, m, v })) {
      if (t.shape.join() !== param.shape.join()) throw new RecallbenchError('E_SHAPE', `adamW: ${name} [${t.shape}] has another shape than the parameter [${param.shape}]`);
    }
    if (hyper.shape.join() !== '3') throw new RecallbenchError('E_SHAPE', `adamW: hyper is [lr, 1 − β₁ᵗ, 1 − β₂ᵗ], of shape [3], not [${hyper.shape}]`);
    return [float(...param.shape), float(...param.shape), float(...param.shape)];
  },
  portable: (inputs, attrs) => portable.adamW(inputs, attrs),
  work: adamWWork,
  wasm: (lowering, { beta1, beta2, epsilon, weightDecay }) => {
    const n = sizeOf(lowering.inputs[0].shape);
    // 1 − β in double precision: 1 − 0.999 in float32 is off by 5·10⁻⁵ of itself
    const constants = [beta1, 1 - beta1, beta2, 1 - beta2, epsilon, weightDecay].map((f32) => ({ f32 }));
    lowering.dispatch('adamw_step', Math.ceil(n / GRAIN), [...lowering.inputs, ...lowering.outputs, n, GRAIN, ...constants], 112);
  },
  webgpu: adamWWebgpu,
  inPlace: [
    [0, 0],
    [1, 2],
    [2, 3],
  ],
};

/**
 * One AdamW step of a parameter: `param`, `gradient` and the moments `m`, `v` have one shape; `hyper` float32 [3] is
 * [lr, 1 − β₁ᵗ, 1 − β₂ᵗ], t counting from 1. No gradient. Throws E_SHAPE where the shapes differ.
 */
export function adamW(param: Tensor, gradient: Tensor, m: Tensor, v: Tensor, hyper: Tensor, attrs: AdamWAttrs): { param: Tensor; m: Tensor; v: Tensor } {
  const [nextParam, nextM, nextV] = callFused(AdamW, [param, gradient, m, v, hyper], attrs);
  return { param: nextParam, m: nextM, v: nextV };
}
