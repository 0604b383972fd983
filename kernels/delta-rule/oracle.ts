/** The delta rule in float64: token by token, and the same recurrence walked backwards. */
import { zeros, type NdArray } from '../nd-array.ts';
import { sizesOf, type Named, type Sizes } from './sizes.ts';

/** One head of one sequence, token by token. */
interface Head {
  readonly q: (t: number, i: number) => number;
  readonly k: (t: number, i: number) => number;
  readonly v: (t: number, j: number) => number;
  readonly a: (t: number, i: number) => number;
  /** e^{g_t} */
  readonly decay: (t: number, i: number) => number;
  /** places in operands [B,L,H,K], [B,L,H,V] and of g */
  readonly key: (t: number, i: number) => number;
  readonly value: (t: number, j: number) => number;
  readonly gate: (t: number, i: number) => number;
}

function headOf({ q, k, v, a, g }: Named<NdArray>, { L, H, K, V }: Sizes, batch: number, h: number): Head {
  const token = (t: number) => (batch * L + t) * H + h;
  const key = (t: number, i: number) => token(t) * K + i;
  const value = (t: number, j: number) => token(t) * V + j;
  const gate = (t: number, i: number) => (g?.shape.length === 4 ? key(t, i) : token(t));
  return {
    key, value, gate,
    q: (t, i) => q.data[key(t, i)],
    k: (t, i) => k.data[key(t, i)],
    v: (t, j) => v.data[value(t, j)],
    a: (t, i) => (a === undefined ? 0 : a.data[key(t, i)]),
    decay: (t, i) => (g === undefined ? 1 : Math.exp(g.data[gate(t, i)])),
  };
}

/** The state after each token, K·V numbers, and what each token writes, u_t. */
function run(head: Head, { L, K, V }: Sizes): { states: Float64Array[]; written: Float64Array[] } {
  const states: Float64Array[] = [];
  const written: Float64Array[] = [];
  let before = new Float64Array(K * V);
  for (let t = 0; t < L; t++) {
    const u = Float64Array.from({ length: V }, (_, j) => head.v(t, j));
    for (let i = 0; i < K; i++) for (let j = 0; j < V; j++) u[j] -= head.a(t, i) * before[i * V + j];
    const s = new Float64Array(K * V);
    for (let i = 0; i < K; i++) for (let j = 0; j < V; j++) s[i * V + j] = head.decay(t, i) * before[i * V + j] + head.k(t, i) * u[j];
    states.push(s);
    written.push(u);
    before = s;
  }
  return { states, written };
}

/** u_t = v_t − S_{t−1}ᵀ a_t, S_t = diag(e^{g_t}) S_{t−1} + k_t u_tᵀ, S_0 = 0; y_t = S_tᵀ q_t. */
export function deltaRuleOracle(operands: Named<NdArray>): { y: NdArray; finalState: NdArray } {
  const sizes = sizesOf([operands.q, operands.k, operands.v]);
  const { B, L, H, K, V } = sizes;
  const y = zeros(B, L, H, V);
  const finalState = zeros(B, H, K, V);
  for (let batch = 0; batch < B; batch++) {
    for (let h = 0; h < H; h++) {
      const head = headOf(operands, sizes, batch, h);
      const { states } = run(head, sizes);
      for (let t = 0; t < L; t++) for (let i = 0; i < K; i++) for (let j = 0; j < V; j++) y.data[head.value(t, j)] += states[t][i * V + j] * head.q(t, i);
      finalState.data.set(states[L - 1], (batch * H + h) * K * V);
    }
  }
  return { y, finalState };
}

/** Gradients of Σ dy·y with respect to the operands; d is the gradient of the state after token t. */
export function deltaRuleOracleGradient(operands: Named<NdArray>, dy: NdArray): Named<NdArray> {
  const sizes = sizesOf([operands.q, operands.k, operands.v]);
  const { B, L, H, K, V } = sizes;
  const like = (x: NdArray | undefined) => (x === undefined ? zeros(0) : zeros(...x.shape));
  const [dq, dk, dv, da, dg] = [operands.q, operands.k, operands.v, operands.a, operands.g].map(like) as [NdArray, NdArray, NdArray, NdArray, NdArray];
  for (let batch = 0; batch < B; batch++) {
    for (let h = 0; h < H; h++) {
      const head = headOf(operands, sizes, batch, h);
      const { states, written } = run(head, sizes);
      const d = new Float64Array(K * V);
      for (let t = L - 1; t >= 0; t--) {
        const du = new Float64Array(V);
        for (let i = 0; i < K; i++) {
          for (let j = 0; j < V; j++) {
            const at = i * V + j;
            const dyt = dy.data[head.value(t, j)];
            d[at] += head.q(t, i) * dyt;
            dq.data[head.key(t, i)] += states[t][at] * dyt;
            dk.data[head.key(t, i)] += d[at] * written[t][j];
            du[j] += d[at] * head.k(t, i);
          }
        }
        dv.data.set(du, head.value(t, 0));
        for (let i = 0; i < K; i++) {
          for (let j = 0; j < V; j++) {
            const at = i * V + j;
            const before = t === 0 ? 0 : states[t - 1][at];
            if (operands.a !== undefined) da.data[head.key(t, i)] -= before * du[j];
            if (operands.g !== undefined) dg.data[head.gate(t, i)] += d[at] * head.decay(t, i) * before;
            d[at] = head.decay(t, i) * d[at] - head.a(t, i) * du[j];
          }
        }
      }
    }
  }
  return { q: dq, k: dk, v: dv, ...(operands.a && { a: da }), ...(operands.g && { g: dg }) };
}
