/** SSD in float64: the recurrence token by token, and the same recurrence walked backwards. */
import { zeros, type NdArray } from '../nd-array.ts';

/** One head of one sequence: where its numbers lie in the operands. */
function heads(x: NdArray, b: NdArray): { batch: number; head: number; at: Places }[] {
  const [B, L, H, P] = x.shape as [number, number, number, number];
  const [, , G, N] = b.shape as [number, number, number, number];
  return Array.from({ length: B * H }, (_, i) => {
    const batch = Math.floor(i / H);
    const head = i % H;
    const group = Math.floor(head / (H / G));
    return {
      batch,
      head,
      at: {
        x: (t, p) => ((batch * L + t) * H + head) * P + p,
        dt: (t) => (batch * L + t) * H + head,
        b: (t, n) => ((batch * L + t) * G + group) * N + n,
      },
    };
  });
}

interface Places {
  /** of x and y at token t, channel p of the head */
  x(t: number, p: number): number;
  dt(t: number): number;
  /** of b and c at token t, n-th entry of the head's group */
  b(t: number, n: number): number;
}

/** The state after each token of one head: P·N numbers a token. */
function states(x: NdArray, dt: NdArray, a: NdArray, b: NdArray, head: number, at: Places): Float64Array[] {
  const [, L, , P] = x.shape as [number, number, number, number];
  const N = b.shape[3];
  const all: Float64Array[] = [];
  let previous = new Float64Array(P * N);
  for (let t = 0; t < L; t++) {
    const delta = dt.data[at.dt(t)];
    const decay = Math.exp(delta * a.data[head]);
    const s = new Float64Array(P * N);
    for (let p = 0; p < P; p++) {
      for (let n = 0; n < N; n++) s[p * N + n] = decay * previous[p * N + n] + delta * x.data[at.x(t, p)] * b.data[at.b(t, n)];
    }
    all.push(s);
    previous = s;
  }
  return all;
}

/** S_t = exp(dt_t·a)·S_{t−1} + (dt_t·x_t) b_tᵀ, S_0 = 0; y_t = S_t c_t + d·x_t. */
export function ssdOracle(x: NdArray, dt: NdArray, a: NdArray, b: NdArray, c: NdArray, d: NdArray): { y: NdArray; finalState: NdArray } {
  const [B, L, H, P] = x.shape as [number, number, number, number];
  const N = b.shape[3];
  const y = zeros(B, L, H, P);
  const finalState = zeros(B, H, P, N);
  for (const { batch, head, at } of heads(x, b)) {
    const s = states(x, dt, a, b, head, at);
    for (let t = 0; t < L; t++) {
      for (let p = 0; p < P; p++) {
        let sum = d.data[head] * x.data[at.x(t, p)];
        for (let n = 0; n < N; n++) sum += s[t][p * N + n] * c.data[at.b(t, n)];
        y.data[at.x(t, p)] = sum;
      }
    }
    finalState.data.set(s[L - 1], (batch * H + head) * P * N);
  }
  return { y, finalState };
}

/** Gradients of Σ dy·y with respect to x, dt, a, b, c, d; g is the gradient of the state after token t. */
export function ssdOracleGradient(x: NdArray, dt: NdArray, a: NdArray, b: NdArray, c: NdArray, d: NdArray, dy: NdArray): NdArray[] {
  const [, L, , P] = x.shape as [number, number, number, number];
  const N = b.shape[3];
  const [dx, ddt, da, db, dc, dd] = [x, dt, a, b, c, d].map((v) => zeros(...v.shape)) as [NdArray, NdArray, NdArray, NdArray, NdArray, NdArray];
  for (const { head, at } of heads(x, b)) {
    const s = states(x, dt, a, b, head, at);
    const g = new Float64Array(P * N);
    for (let t = L - 1; t >= 0; t--) {
      const delta = dt.data[at.dt(t)];
      const decay = Math.exp(delta * a.data[head]);
      let dDecay = 0;
      for (let p = 0; p < P; p++) {
        const xt = x.data[at.x(t, p)];
        const dyt = dy.data[at.x(t, p)];
        let dScaled = 0; // of dt·x
        for (let n = 0; n < N; n++) {
          const i = p * N + n;
          g[i] += dyt * c.data[at.b(t, n)];
          dc.data[at.b(t, n)] += dyt * s[t][i];
          db.data[at.b(t, n)] += g[i] * delta * xt;
          dScaled += g[i] * b.data[at.b(t, n)];
          if (t > 0) dDecay += g[i] * s[t - 1][i];
          g[i] *= decay;
        }
        dx.data[at.x(t, p)] += delta * dScaled + d.data[head] * dyt;
        ddt.data[at.dt(t)] += xt * dScaled;
        dd.data[head] += dyt * xt;
      }
      // decay = exp(dt·a)
      ddt.data[at.dt(t)] += dDecay * decay * a.data[head];
      da.data[head] += dDecay * decay * delta;
    }
  }
  return [dx, ddt, da, db, dc, dd];
}
