/** The selective scan and its gradient in counting loops. */
import { gaussian } from '../judge.ts';
import { zeros, type NdArray } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Data, type Outputs, type Tally } from '../tally.ts';
import { selectiveScanGradientOp, selectiveScanOp } from './op.ts';
import { selectiveScanGradientOracle, selectiveScanOracle } from './oracle.ts';

export interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly E: number;
  readonly N: number;
  readonly chunk: number;
}

function dataOf({ B, L, E, N }: Sizes): Data[] {
  const magnitude = ({ shape, data }: { shape: number[]; data: Float64Array }, sign: number) => ({ shape, data: data.map((v) => sign * (0.1 + Math.abs(v))) });
  return [gaussian(1, B, L, E), magnitude(gaussian(2, B, L, E), 1), magnitude(gaussian(3, E, N), -1), gaussian(4, B, L, N), gaussian(5, B, L, N), gaussian(6, E)];
}

function forward(m: Tally, [x, delta, a, b, c, d]: readonly CountedOperand[], { B, L, E, N, chunk }: Sizes, used: readonly boolean[]): Outputs {
  const [y, last, starts] = [zeros(B, L, E), zeros(B, E, N), zeros(B, Math.ceil(L / chunk), N, E)];
  for (let i = 0; i < B; i++) {
    for (let e = 0; e < E; e++) {
      const h = new Float64Array(N);
      for (let t = 0; t < L; t++) {
        if (t % chunk === 0) h.forEach((v, n) => (starts.data[((i * starts.shape[1] + t / chunk) * N + n) * E + e] = v));
        const te = (i * L + t) * E + e;
        const u = m.mul(delta.at(te), x.at(te));
        for (let n = 0; n < N; n++) h[n] = m.madd(m.mul(m.exp(m.mul(delta.at(te), a.at(e * N + n))), h[n]), u, b.at((i * L + t) * N + n));
        if (used[0]) y.data[te] = m.madd(m.dot(N, (n) => h[n], (n) => c.at((i * L + t) * N + n)), d.at(e), x.at(te));
      }
      last.data.set(h, (i * E + e) * N);
    }
  }
  return [y, last, starts].map((v, i) => (used[i] ? v : null));
}

function gradient(m: Tally, [dy, x, delta, a, b, c, d, starts]: readonly CountedOperand[], { B, L, E, N, chunk }: Sizes): NdArray[] {
  const [dx, dDelta, da, db, dc, dd] = [zeros(B, L, E), zeros(B, L, E), zeros(E, N), zeros(B, L, N), zeros(B, L, N), zeros(E)];
  const chunks = Math.ceil(L / chunk);
  for (let i = 0; i < B; i++) {
    for (let e = 0; e < E; e++) {
      const s = new Float64Array(N);
      for (let k = chunks - 1; k >= 0; k--) {
        // the states before and after each step of the chunk, and the decays
        const h: number[][] = [Array.from({ length: N }, (_, n) => starts.at(((i * chunks + k) * N + n) * E + e))];
        const decays: number[][] = [];
        const us: number[] = [];
        const first = k * chunk;
        const end = Math.min(L, first + chunk);
        for (let t = first; t < end; t++) {
          const te = (i * L + t) * E + e;
          const j = t - first;
          us[j] = m.mul(delta.at(te), x.at(te));
          decays[j] = h[j].map((_, n) => m.exp(m.mul(delta.at(te), a.at(e * N + n))));
          h[j + 1] = h[j].map((v, n) => m.madd(m.mul(decays[j][n], v), us[j], b.at((i * L + t) * N + n)));
        }
        for (let t = end - 1; t >= first; t--) {
          const te = (i * L + t) * E + e;
          const j = t - first;
          let [du, ofDelta] = [0, 0];
          for (let n = 0; n < N; n++) {
            const tn = (i * L + t) * N + n;
            s[n] = m.madd(s[n], dy.at(te), c.at(tn));
            dc.data[tn] = m.madd(dc.data[tn], dy.at(te), h[j + 1][n]);
            db.data[tn] = m.madd(db.data[tn], s[n], us[j]);
            du = m.madd(du, s[n], b.at(tn));
            s[n] = m.mul(s[n], decays[j][n]);
            const ofExponent = m.mul(s[n], h[j][n]);
            ofDelta = m.madd(ofDelta, ofExponent, a.at(e * N + n));
            da.data[e * N + n] = m.madd(da.data[e * N + n], ofExponent, delta.at(te));
          }
          dx.data[te] = m.madd(m.mul(du, delta.at(te)), dy.at(te), d.at(e));
          dDelta.data[te] = m.madd(ofDelta, du, x.at(te));
          dd.data[e] = m.madd(dd.data[e], dy.at(te), x.at(te));
        }
      }
    }
  }
  return [dx, dDelta, da, db, dc, dd];
}

export function countedScan(sizes: Sizes, used: readonly boolean[] = [true, false, true]): CountedCase {
  return counted({
    name: `SelectiveScan ${JSON.stringify(sizes)}, read ${used}`,
    op: selectiveScanOp,
    attrs: { chunk: sizes.chunk },
    inputs: dataOf(sizes),
    used,
    loops: (m, inputs) => forward(m, inputs, sizes, used),
    oracle: (inputs) => {
      const { y, finalState } = selectiveScanOracle(inputs);
      return [y, finalState, statesBefore(sizes)].map((v, i) => (used[i] ? v : null));
    },
  });
}

/** The states before each chunk [B,chunks,N,E]: the final states of the sequences cut off there. */
function statesBefore({ B, L, E, N, chunk }: Sizes): NdArray {
  const chunks = Math.ceil(L / chunk);
  const starts = zeros(B, chunks, N, E);
  const [x, delta, a, b, c, d] = dataOf({ B, L, E, N, chunk }).map(({ shape, data }) => ({ shape, data: Float64Array.from(data) }));
  for (let k = 1; k < chunks; k++) {
    const until = k * chunk;
    const cut = ({ data, shape }: NdArray): NdArray => {
      const width = shape[2];
      return { shape: [B, until, width], data: Float64Array.from({ length: B * until * width }, (_, j) => data[Math.floor(j / (until * width)) * L * width + (j % (until * width))]) };
    };
    const { finalState } = selectiveScanOracle([cut(x), cut(delta), a, cut(b), cut(c), d]);
    for (let i = 0; i < B; i++) for (let e = 0; e < E; e++) for (let n = 0; n < N; n++) starts.data[((i * chunks + k) * N + n) * E + e] = finalState.data[(i * E + e) * N + n];
  }
  return starts;
}

export function countedScanGradient(sizes: Sizes): CountedCase {
  const { B, L, E } = sizes;
  return counted({
    name: `SelectiveScanGradient ${JSON.stringify(sizes)}`,
    op: selectiveScanGradientOp,
    attrs: { chunk: sizes.chunk },
    inputs: [gaussian(8, B, L, E), ...dataOf(sizes), statesBefore(sizes)],
    used: new Array<boolean>(6).fill(true),
    loops: (m, inputs) => gradient(m, inputs, sizes),
    oracle: ([dy, ...inputs]) => selectiveScanGradientOracle(inputs.slice(0, 6), dy),
  });
}

const sizes: readonly Sizes[] = [
  { B: 1, L: 1, E: 1, N: 1, chunk: 32 },
  { B: 2, L: 13, E: 5, N: 3, chunk: 4 },
  { B: 3, L: 9, E: 2, N: 7, chunk: 9 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) => [
  ...[[true, false, true], [true, true, true], [true, false, false], [false, true, false]].map((used) => countedScan(s, used)),
  countedScanGradient(s),
]);
