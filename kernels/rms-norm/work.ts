/** Counted work of RMS normalisation and its gradients: by the element v and the slice that is normalised as one. */
import { sizeOf, type TensorSpec } from '#engine/tensor-spec.ts';
import type { OpWork } from '#engine/work.ts';
import type { NormAttrs } from './portable.ts';

function counts(x: TensorSpec, { groups }: NormAttrs): { elements: number; slices: number } {
  const elements = sizeOf(x.shape);
  return { elements, slices: (elements / x.shape.at(-1)!) * groups };
}

/** Each element: v² into a sum, 2; v·r·weight, 2. Each slice: r = 1/√(sum/n + ε), 3. */
export function rmsNormWork([x]: readonly TensorSpec[], attrs: NormAttrs): OpWork {
  const { elements, slices } = counts(x, attrs);
  return { flops: 4 * elements + 3 * slices, exps: 0 };
}

/** The same of v = x·SiLU(z): 2 more, and one sigmoid. */
export function gatedRmsNormWork([x]: readonly TensorSpec[], attrs: NormAttrs): OpWork {
  const { elements, slices } = counts(x, attrs);
  return { flops: 6 * elements + 3 * slices, exps: elements };
}

/**
 * r is made again. Each element: v² into a sum, 2; u = weight·dy, 1; v·u into a sum, 2; dv = r(u − v·k), 3; dweight += dy·v·r, 3. Each slice: r, 3;
 * k = r²·(the sum of v·u)/n, 3.
 */
export function rmsNormGradientWork([, x]: readonly TensorSpec[], attrs: NormAttrs): OpWork {
  const { elements, slices } = counts(x, attrs);
  return { flops: 11 * elements + 6 * slices, exps: 0 };
}

/** The same, and each element: σ = sigmoid(z); the gate z·σ and v = x·gate, 2; dx = dv·gate, 1; dz = dv·x·(σ + gate(1 − σ)), 5. */
export function gatedRmsNormGradientWork([, x]: readonly TensorSpec[], attrs: NormAttrs): OpWork {
  const { elements, slices } = counts(x, attrs);
  return { flops: 19 * elements + 6 * slices, exps: elements };
}
