/** RMS normalisation in float64, row by row. */
import { zeros, type NdArray } from '../nd-array.ts';

export interface NormSizes {
  readonly epsilon: number;
  readonly groups: number;
}

const silu = (z: number): number => z / (1 + Math.exp(-z));
const siluSlope = (z: number): number => {
  const s = 1 / (1 + Math.exp(-z));
  return s + z * s * (1 - s);
};

/** Calls `visit` with the offset of every slice and with that of its weights. */
function eachSlice(x: NdArray, groups: number, visit: (at: number, weightAt: number, size: number) => void): void {
  const D = x.shape.at(-1)!;
  const size = D / groups;
  for (let at = 0; at < x.data.length; at += size) visit(at, at % D, size);
}

function meanSquare(v: NdArray, at: number, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += v.data[at + i] ** 2;
  return sum / size;
}

/** x [..., D], weight [D] → y. */
export function rmsNormOracle(x: NdArray, weight: NdArray, { epsilon, groups }: NormSizes): NdArray {
  const y = zeros(...x.shape);
  eachSlice(x, groups, (at, weightAt, size) => {
    const r = 1 / Math.sqrt(meanSquare(x, at, size) + epsilon);
    for (let i = 0; i < size; i++) y.data[at + i] = x.data[at + i] * r * weight.data[weightAt + i];
  });
  return y;
}

/** Gradients of Σ dy·y for x and weight. */
export function rmsNormGradientOracle(x: NdArray, weight: NdArray, dy: NdArray, { epsilon, groups }: NormSizes): [NdArray, NdArray] {
  const dx = zeros(...x.shape);
  const dw = zeros(...weight.shape);
  eachSlice(x, groups, (at, weightAt, size) => {
    const r = 1 / Math.sqrt(meanSquare(x, at, size) + epsilon);
    let dr = 0;
    for (let i = 0; i < size; i++) {
      const g = dy.data[at + i];
      dw.data[weightAt + i] += g * x.data[at + i] * r;
      dx.data[at + i] += g * weight.data[weightAt + i] * r;
      dr += g * weight.data[weightAt + i] * x.data[at + i];
    }
    // r = (mean x² + ε)^(−1/2), so ∂r/∂x_i = −r³ x_i / size
    for (let i = 0; i < size; i++) dx.data[at + i] -= (dr * r ** 3 * x.data[at + i]) / size;
  });
  return [dx, dw];
}

function gatedValue(x: NdArray, z: NdArray): NdArray {
  return { shape: x.shape, data: x.data.map((v, i) => v * silu(z.data[i])) };
}

/** x, z [..., D], weight [D] → y = RMSNorm(x·SiLU(z)). */
export function gatedRmsNormOracle(x: NdArray, z: NdArray, weight: NdArray, sizes: NormSizes): NdArray {
  return rmsNormOracle(gatedValue(x, z), weight, sizes);
}

/** Gradients of Σ dy·y for x, z and weight. */
export function gatedRmsNormGradientOracle(x: NdArray, z: NdArray, weight: NdArray, dy: NdArray, sizes: NormSizes): [NdArray, NdArray, NdArray] {
  const [dv, dw] = rmsNormGradientOracle(gatedValue(x, z), weight, dy, sizes);
  return [
    { shape: x.shape, data: dv.data.map((g, i) => g * silu(z.data[i])) },
    { shape: x.shape, data: dv.data.map((g, i) => g * x.data[i] * siluSlope(z.data[i])) },
    dw,
  ];
}
