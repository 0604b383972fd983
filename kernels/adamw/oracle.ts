/** One step of AdamW in float64. */
import { zeros, type NdArray } from '../nd-array.ts';
import type { AdamWAttrs } from './op.ts';

/** hyper = [lr, 1 − β₁ᵗ, 1 − β₂ᵗ]; all others have one shape. [param, m, v] */
export function adamW(param: NdArray, gradient: NdArray, m: NdArray, v: NdArray, hyper: NdArray, { beta1, beta2, epsilon, weightDecay }: AdamWAttrs): NdArray[] {
  const [lr, c1, c2] = hyper.data as unknown as [number, number, number];
  const next = [zeros(...param.shape), zeros(...param.shape), zeros(...param.shape)] as const;
  for (let i = 0; i < param.data.length; i++) {
    const g = gradient.data[i];
    const decayed = param.data[i] - lr * weightDecay * param.data[i];
    const mean = beta1 * m.data[i] + (1 - beta1) * g;
    const square = beta2 * v.data[i] + (1 - beta2) * g * g;
    next[0].data[i] = decayed - (lr * (mean / c1)) / (Math.sqrt(square / c2) + epsilon);
    next[1].data[i] = mean;
    next[2].data[i] = square;
  }
  return [...next];
}
