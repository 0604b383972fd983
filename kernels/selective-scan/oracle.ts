/** Selective scan in float64, one step after the other. */
import { zeros, type NdArray } from '../nd-array.ts';

/** Inputs: x, delta [B, L, E], a [E, N], b, c [B, L, N], d [E]. Gives y [B, L, E] and the final state [B, E, N]. */
export function selectiveScanOracle(inputs: readonly NdArray[]): { y: NdArray; finalState: NdArray } {
  const { y, states, sizes } = run(inputs);
  const { B, L, E, N } = sizes;
  const finalState = zeros(B, E, N);
  for (let i = 0; i < B; i++) finalState.data.set(states.subarray((i * (L + 1) + L) * E * N, (i * (L + 1) + L + 1) * E * N), i * E * N);
  return { y, finalState };
}

/** Gradients of Σ dy·y for x, delta, a, b, c, d. */
export function selectiveScanGradientOracle(inputs: readonly NdArray[], dy: NdArray): NdArray[] {
  const [x, delta, a, b, c, d] = inputs as [NdArray, NdArray, NdArray, NdArray, NdArray, NdArray];
  const { states, sizes } = run(inputs);
  const { B, L, E, N } = sizes;
  const gradients = inputs.map((t) => zeros(...t.shape));
  const [dx, dDelta, da, db, dc, dd] = gradients.map((t) => t.data) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  for (let i = 0; i < B; i++) {
    for (let e = 0; e < E; e++) {
      for (let n = 0; n < N; n++) {
        let dh = 0; // gradient of the state after step t
        for (let t = L - 1; t >= 0; t--) {
          const te = (i * L + t) * E + e;
          const tn = (i * L + t) * N + n;
          const before = states[((i * (L + 1) + t) * E + e) * N + n];
          const after = states[((i * (L + 1) + t + 1) * E + e) * N + n];
          const decay = Math.exp(delta.data[te] * a.data[e * N + n]);
          dc[tn] += dy.data[te] * after;
          dh += dy.data[te] * c.data[tn];
          db[tn] += dh * delta.data[te] * x.data[te];
          dx[te] += dh * delta.data[te] * b.data[tn];
          dDelta[te] += dh * (x.data[te] * b.data[tn] + decay * a.data[e * N + n] * before);
          da[e * N + n] += dh * decay * delta.data[te] * before;
          dh *= decay;
        }
      }
      for (let t = 0; t < L; t++) {
        const te = (i * L + t) * E + e;
        dx[te] += dy.data[te] * d.data[e];
        dd[e] += dy.data[te] * x.data[te];
      }
    }
  }
  return gradients;
}

/** y, and the states before the first step and after every step, [B, L + 1, E, N]. */
function run(inputs: readonly NdArray[]): { y: NdArray; states: Float64Array; sizes: { B: number; L: number; E: number; N: number } } {
  const [x, delta, a, b, c, d] = inputs as [NdArray, NdArray, NdArray, NdArray, NdArray, NdArray];
  const [B, L, E] = x.shape as [number, number, number];
  const N = a.shape[1];
  const y = zeros(B, L, E);
  const states = new Float64Array(B * (L + 1) * E * N);
  for (let i = 0; i < B; i++) {
    for (let t = 0; t < L; t++) {
      for (let e = 0; e < E; e++) {
        const te = (i * L + t) * E + e;
        let sum = d.data[e] * x.data[te];
        for (let n = 0; n < N; n++) {
          const tn = (i * L + t) * N + n;
          const before = states[((i * (L + 1) + t) * E + e) * N + n];
          const h = Math.exp(delta.data[te] * a.data[e * N + n]) * before + delta.data[te] * b.data[tn] * x.data[te];
          states[((i * (L + 1) + t + 1) * E + e) * N + n] = h;
          sum += c.data[tn] * h;
        }
        y.data[te] = sum;
      }
    }
  }
  return { y, states, sizes: { B, L, E, N } };
}
