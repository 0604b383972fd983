/** Causal softmax attention in float64, a query at a time. */
import { zeros, type NdArray } from '../nd-array.ts';

/** One query's view: weights p over keys 0 … i, and ln Σ eˢ of its scores s. */
function weights(q: NdArray, k: NdArray, b: number, i: number, h: number): { p: number[]; logSumExp: number } {
  const [, L, H, K] = q.shape as [number, number, number, number];
  const at = (l: number) => ((b * L + l) * H + h) * K;
  const s: number[] = [];
  for (let j = 0; j <= i; j++) {
    let dot = 0;
    for (let c = 0; c < K; c++) dot += q.data[at(i) + c] * k.data[at(j) + c];
    s.push(dot / Math.sqrt(K));
  }
  const most = Math.max(...s);
  const total = s.reduce((sum, x) => sum + Math.exp(x - most), 0);
  return { p: s.map((x) => Math.exp(x - most) / total), logSumExp: most + Math.log(total) };
}

/** y [B,L,H,P] and logSumExp [B,H,L]. */
export function attention(q: NdArray, k: NdArray, v: NdArray): { y: NdArray; logSumExp: NdArray } {
  const [B, L, H, P] = v.shape as [number, number, number, number];
  const y = zeros(B, L, H, P);
  const lse = zeros(B, H, L);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let i = 0; i < L; i++) {
        const { p, logSumExp } = weights(q, k, b, i, h);
        lse.data[(b * H + h) * L + i] = logSumExp;
        for (let j = 0; j <= i; j++) {
          for (let c = 0; c < P; c++) y.data[((b * L + i) * H + h) * P + c] += p[j] * v.data[((b * L + j) * H + h) * P + c];
        }
      }
    }
  }
  return { y, logSumExp: lse };
}

/** Gradients of Σ dy⊙y for q, k and v. */
export function attentionGradient(q: NdArray, k: NdArray, v: NdArray, dy: NdArray): { dq: NdArray; dk: NdArray; dv: NdArray } {
  const [B, L, H, K] = q.shape as [number, number, number, number];
  const P = v.shape[3];
  const dq = zeros(...q.shape);
  const dk = zeros(...k.shape);
  const dv = zeros(...v.shape);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let i = 0; i < L; i++) {
        const row = (l: number) => (b * L + l) * H + h;
        const { p } = weights(q, k, b, i, h);
        const dp = p.map((_, j) => {
          let dot = 0;
          for (let c = 0; c < P; c++) dot += dy.data[row(i) * P + c] * v.data[row(j) * P + c];
          return dot;
        });
        const mean = p.reduce((sum, w, j) => sum + w * dp[j], 0);
        for (let j = 0; j <= i; j++) {
          const ds = (p[j] * (dp[j] - mean)) / Math.sqrt(K);
          for (let c = 0; c < K; c++) {
            dq.data[row(i) * K + c] += ds * k.data[row(j) * K + c];
            dk.data[row(j) * K + c] += ds * q.data[row(i) * K + c];
          }
          for (let c = 0; c < P; c++) dv.data[row(j) * P + c] += p[j] * dy.data[row(i) * P + c];
        }
      }
    }
  }
  return { dq, dk, dv };
}
