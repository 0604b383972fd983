/** Causal attention and its gradient in counting loops. */
import { gaussian } from '../judge.ts';
import { zeros, type NdArray } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Outputs, type Tally } from '../tally.ts';
import { CausalAttention, CausalAttentionGradient } from './op.ts';
import * as oracle from './oracle.ts';

export interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly H: number;
  readonly K: number;
  readonly P: number;
}

/** Calls `visit` for every query, with the place of a token's row of its head, in rows of q, k, v, and its own place in logSumExp. */
function eachQuery({ B, L, H }: Sizes, visit: (i: number, row: (token: number) => number, place: number) => void): void {
  for (let s = 0; s < B; s++) {
    for (let h = 0; h < H; h++) {
      for (let i = 0; i < L; i++) visit(i, (token) => (s * L + token) * H + h, (s * H + h) * L + i);
    }
  }
}

function score(m: Tally, K: number, q: CountedOperand, k: CountedOperand, from: number, to: number): number {
  return m.mul(m.dot(K, (c) => q.at(from * K + c), (c) => k.at(to * K + c)), 1 / Math.sqrt(K));
}

function forward(m: Tally, [q, k, v]: readonly CountedOperand[], sizes: Sizes, [, wantsSums]: readonly boolean[]): Outputs {
  const { B, L, H, K, P } = sizes;
  const y = zeros(B, L, H, P);
  const sums = zeros(B, H, L);
  eachQuery(sizes, (i, row, place) => {
    const s = Array.from({ length: i + 1 }, (_, j) => score(m, K, q, k, row(i), row(j)));
    const most = s.reduce((a, b) => m.max(a, b), -Infinity);
    const e = s.map((x) => m.exp(m.sub(x, most)));
    const sum = e.reduce((a, b) => m.add(a, b), 0);
    for (let c = 0; c < P; c++) y.data[row(i) * P + c] = m.div(m.dot(i + 1, (j) => e[j], (j) => v.at(row(j) * P + c)), sum);
    if (wantsSums) sums.data[place] = m.add(most, m.log(sum));
  });
  return [y, wantsSums ? sums : null];
}

function gradient(m: Tally, [q, k, v, y, sums, dy]: readonly CountedOperand[], sizes: Sizes): NdArray[] {
  const { B, L, H, K, P } = sizes;
  const [dq, dk, dv] = [zeros(B, L, H, K), zeros(B, L, H, K), zeros(B, L, H, P)];
  eachQuery(sizes, (i, row, place) => {
    const at = row(i) * P;
    const delta = m.dot(P, (c) => dy.at(at + c), (c) => y.at(at + c));
    for (let j = 0; j <= i; j++) {
      const p = m.exp(m.sub(score(m, K, q, k, row(i), row(j)), sums.at(place)));
      const dp = m.dot(P, (c) => dy.at(at + c), (c) => v.at(row(j) * P + c));
      const ds = m.mul(m.mul(p, m.sub(dp, delta)), 1 / Math.sqrt(K));
      for (let c = 0; c < K; c++) {
        dq.data[row(i) * K + c] = m.madd(dq.data[row(i) * K + c], ds, k.at(row(j) * K + c));
        dk.data[row(j) * K + c] = m.madd(dk.data[row(j) * K + c], ds, q.at(row(i) * K + c));
      }
      for (let c = 0; c < P; c++) dv.data[row(j) * P + c] = m.madd(dv.data[row(j) * P + c], p, dy.at(at + c));
    }
  });
  return [dq, dk, dv];
}

const dataOf = ({ B, L, H, K, P }: Sizes) => [gaussian(1, B, L, H, K), gaussian(2, B, L, H, K), gaussian(3, B, L, H, P)] as const;

export function countedAttention(sizes: Sizes, used: readonly boolean[] = [true, true]): CountedCase {
  return counted({
    name: `CausalAttention ${JSON.stringify(sizes)}, read ${used}`,
    op: CausalAttention,
    attrs: {},
    inputs: dataOf(sizes),
    used,
    loops: (m, inputs) => forward(m, inputs, sizes, used),
    oracle: ([q, k, v]) => {
      const { y, logSumExp } = oracle.attention(q, k, v);
      return [y, used[1] ? logSumExp : null];
    },
  });
}

export function countedAttentionGradient(sizes: Sizes): CountedCase {
  const [q, k, v] = dataOf(sizes);
  const { y, logSumExp } = oracle.attention(q, k, v);
  return counted({
    name: `CausalAttentionGradient ${JSON.stringify(sizes)}`,
    op: CausalAttentionGradient,
    attrs: {},
    inputs: [q, k, v, y, logSumExp, gaussian(4, ...v.shape)],
    used: [true, true, true],
    loops: (m, inputs) => gradient(m, inputs, sizes),
    oracle: (inputs) => {
      const { dq, dk, dv } = oracle.attentionGradient(inputs[0], inputs[1], inputs[2], inputs[5]);
      return [dq, dk, dv];
    },
  });
}

const sizes: readonly Sizes[] = [
  { B: 1, L: 1, H: 1, K: 1, P: 1 },
  { B: 2, L: 7, H: 3, K: 5, P: 2 },
  { B: 1, L: 19, H: 1, K: 4, P: 9 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) => [countedAttention(s), countedAttention(s, [true, false]), countedAttentionGradient(s)]);
