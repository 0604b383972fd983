/** Causal depthwise convolution in float64. */
import { zeros, type NdArray } from '../nd-array.ts';

const silu = (v: number): number => v / (1 + Math.exp(-v));
const siluSlope = (v: number): number => {
  const s = 1 / (1 + Math.exp(-v));
  return s + v * s * (1 - s);
};

/** Calls `visit` for every product weight[w]·x[from] that goes into y[to]. */
function eachProduct(x: NdArray, weight: NdArray, visit: (w: number, from: number, to: number) => void): void {
  const [B, L, C] = x.shape as [number, number, number];
  const W = weight.shape[1];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < L; t++) {
      for (let c = 0; c < C; c++) {
        for (let j = 0; j < W; j++) {
          const source = t - W + 1 + j;
          if (source >= 0) visit(c * W + j, (b * L + source) * C + c, (b * L + t) * C + c);
        }
      }
    }
  }
}

function preActivation(x: NdArray, weight: NdArray, bias: NdArray): NdArray {
  const C = x.shape[2];
  const y = zeros(...x.shape);
  for (let i = 0; i < y.data.length; i++) y.data[i] = bias.data[i % C]!;
  eachProduct(x, weight, (w, from, to) => (y.data[to] += weight.data[w] * x.data[from]));
  return y;
}

/** x [B, L, C], weight [C, W], bias [C] → y [B, L, C]. */
export function causalConvOracle(x: NdArray, weight: NdArray, bias: NdArray, activation: 'none' | 'silu'): NdArray {
  const y = preActivation(x, weight, bias);
  return activation === 'none' ? y : { shape: y.shape, data: y.data.map(silu) };
}

/** Gradients of Σ dy·y for x, weight and bias. */
export function causalConvGradientOracle(x: NdArray, weight: NdArray, bias: NdArray, dy: NdArray, activation: 'none' | 'silu'): [NdArray, NdArray, NdArray] {
  const pre = preActivation(x, weight, bias);
  const g = dy.data.map((v, i) => (activation === 'none' ? v : v * siluSlope(pre.data[i])));
  const dx = zeros(...x.shape);
  const dw = zeros(...weight.shape);
  const db = zeros(...bias.shape);
  g.forEach((v, i) => (db.data[i % bias.shape[0]] += v));
  eachProduct(x, weight, (w, from, to) => {
    dx.data[from] += weight.data[w] * g[to];
    dw.data[w] += x.data[from] * g[to];
  });
  return [dx, dw, db];
}
