/** Causal long convolution in float64, as direct sums. */
import { zeros, type NdArray } from '../nd-array.ts';

/** u [B, L, C], h [L, C] → y [B, L, C]. */
export function longConvOracle(u: NdArray, h: NdArray): NdArray {
  const [B, L, C] = u.shape as [number, number, number];
  const y = zeros(B, L, C);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < L; t++) {
      for (let s = 0; s <= t; s++) {
        for (let c = 0; c < C; c++) y.data[(b * L + t) * C + c] += h.data[s * C + c] * u.data[(b * L + t - s) * C + c];
      }
    }
  }
  return y;
}

/** Gradients of Σ dy·y for u and h. */
export function longConvGradientOracle(u: NdArray, h: NdArray, dy: NdArray): [NdArray, NdArray] {
  const [B, L, C] = u.shape as [number, number, number];
  const du = zeros(B, L, C);
  const dh = zeros(L, C);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < L; t++) {
      for (let s = 0; s <= t; s++) {
        for (let c = 0; c < C; c++) {
          const g = dy.data[(b * L + t) * C + c];
          du.data[(b * L + t - s) * C + c] += h.data[s * C + c] * g;
          dh.data[s * C + c] += u.data[(b * L + t - s) * C + c] * g;
        }
      }
    }
  }
  return [du, dh];
}
