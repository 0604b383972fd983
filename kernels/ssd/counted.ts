/** SSD and its gradient in counting loops. */
import { zeros, type NdArray } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Data, type Outputs, type Tally } from '../tally.ts';
import { gaussian } from '../judge.ts';
import { operands } from './cases.ts';
import { ssdGradientOp, ssdOp } from './op.ts';
import { ssdOracle, ssdOracleGradient } from './oracle.ts';
import type { Sizes } from './sizes.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Places in the operands of one head of one sequence. */
function placesOf({ L, H, P, G, N }: Sizes, sequence: number, h: number) {
  const g = Math.floor(h / (H / G));
  return {
    x: (t: number, p: number) => ((sequence * L + t) * H + h) * P + p,
    dt: (t: number) => (sequence * L + t) * H + h,
    b: (t: number, n: number) => ((sequence * L + t) * G + g) * N + n,
    state: (p: number, n: number) => ((sequence * H + h) * P + p) * N + n,
  };
}

/** e^α of every token, and X̃ by token. */
function termsOf(m: Tally, at: ReturnType<typeof placesOf>, { L, P }: Sizes, x: CountedOperand, dt: CountedOperand, a: number) {
  return {
    decay: range(L).map((t) => m.exp(m.mul(dt.at(at.dt(t)), a))),
    scaled: range(L).map((t) => range(P).map((p) => m.mul(dt.at(at.dt(t)), x.at(at.x(t, p))))),
  };
}

/** [from, to) of every chunk. */
const chunksOf = (L: number, chunk: number) => range(Math.ceil(L / chunk)).map((k) => [k * chunk, Math.min(L, (k + 1) * chunk)] as const);

/** c_t·b_s for s ≤ t of a chunk and group, by s and t. */
function scoresOf(m: Tally, at: ReturnType<typeof placesOf>, N: number, from: number, to: number, b: CountedOperand, c: CountedOperand): number[][] {
  const scores: number[][] = [];
  for (let s = from; s < to; s++) {
    scores[s] = [];
    for (let t = s; t < to; t++) scores[s][t] = m.dot(N, (n) => b.at(at.b(s, n)), (n) => c.at(at.b(t, n)));
  }
  return scores;
}

/** Running products of decays: of each token from the chunk's start on, and from after it to the chunk's end. */
function fromStartOf(m: Tally, decay: readonly number[], from: number, to: number): { each: number[]; across: number } {
  const each: number[] = [];
  let across = 1;
  for (let t = from; t < to; t++) each[t] = across = m.mul(across, decay[t]);
  return { each, across };
}
function toEndOf(m: Tally, decay: readonly number[], from: number, to: number): { each: number[]; across: number } {
  const each: number[] = [];
  let across = 1;
  for (let s = to - 1; s >= from; s--) {
    each[s] = across;
    across = m.mul(across, decay[s]);
  }
  return { each, across };
}

/** Σ over a chunk's tokens of columns v [P] times rows of w [N], and, where there is one, `earlier` after a decay. */
function addedUp(m: Tally, P: number, N: number, v: readonly number[][], w: (t: number, n: number) => number, [from, to]: readonly [number, number], earlier: Float64Array | undefined, across: number): Float64Array {
  const state = new Float64Array(P * N);
  for (let t = from; t < to; t++) for (let p = 0; p < P; p++) for (let n = 0; n < N; n++) state[p * N + n] = m.madd(state[p * N + n], v[t][p], w(t, n));
  if (earlier !== undefined) state.forEach((s, i) => (state[i] = m.madd(s, across, earlier[i])));
  return state;
}

function forward(m: Tally, [x, dt, a, b, c, d]: readonly CountedOperand[], sizes: Sizes, chunk: number, [wantsY, wantsLast]: readonly boolean[]): Outputs {
  const { B, L, H, P, G, N } = sizes;
  const y = zeros(B, L, H, P);
  const last = zeros(B, H, P, N);
  for (let i = 0; i < B; i++) {
    const scores = new Map<string, number[][]>();
    for (let h = 0; h < H; h++) {
      const at = placesOf(sizes, i, h);
      const { decay, scaled } = termsOf(m, at, sizes, x, dt, a.at(h));
      let state: Float64Array | undefined;
      if (chunk === 0) {
        state = new Float64Array(P * N);
        for (let t = 0; t < L; t++) {
          for (let p = 0; p < P; p++) {
            for (let n = 0; n < N; n++) state[p * N + n] = m.madd(m.mul(decay[t], state[p * N + n]), scaled[t][p], b.at(at.b(t, n)));
            if (wantsY) y.data[at.x(t, p)] = m.dot(N, (n) => state![p * N + n], (n) => c.at(at.b(t, n)));
          }
        }
      } else {
        for (const [from, to] of chunksOf(L, chunk)) {
          if (wantsY) {
            // heads of a group share them
            const key = `${Math.floor(h / (H / G))}, ${from}`;
            const shared = scores.get(key) ?? scoresOf(m, at, N, from, to, b, c);
            scores.set(key, shared);
            for (let s = from; s < to; s++) {
              let between = 1;
              for (let t = s; t < to; t++) {
                if (t > s) between = m.mul(between, decay[t]);
                const weight = t > s ? m.mul(between, shared[s][t]) : shared[s][t];
                for (let p = 0; p < P; p++) y.data[at.x(t, p)] = m.madd(y.data[at.x(t, p)], weight, scaled[s][p]);
              }
            }
            if (state !== undefined) {
              const { each } = fromStartOf(m, decay, from, to);
              for (let t = from; t < to; t++) {
                for (let p = 0; p < P; p++) y.data[at.x(t, p)] = m.madd(y.data[at.x(t, p)], each[t], m.dot(N, (n) => state![p * N + n], (n) => c.at(at.b(t, n))));
              }
            }
          }
          if (to < L || wantsLast) {
            const { each, across } = toEndOf(m, decay, from, to);
            const weighted = scaled.map((row, s) => (s < from || s >= to ? [] : row.map((v) => m.mul(each[s], v))));
            state = addedUp(m, P, N, weighted, (t, n) => b.at(at.b(t, n)), [from, to], state, across);
          }
        }
      }
      if (wantsY) for (let t = 0; t < L; t++) for (let p = 0; p < P; p++) y.data[at.x(t, p)] = m.madd(y.data[at.x(t, p)], d.at(h), x.at(at.x(t, p)));
      if (wantsLast) last.data.set(state!, at.state(0, 0));
    }
  }
  return [wantsY ? y : null, wantsLast ? last : null];
}

function gradient(m: Tally, [dy, x, dt, a, b, c, d]: readonly CountedOperand[], sizes: Sizes, chunk: number): NdArray[] {
  const { B, L, H, P, G, N } = sizes;
  const [dx, ddt, da, db, dc, dd] = [zeros(B, L, H, P), zeros(B, L, H), zeros(H), zeros(B, L, G, N), zeros(B, L, G, N), zeros(H)];
  for (let i = 0; i < B; i++) {
    for (let g = 0; g < G; g++) {
      const heads = range(H / G).map((r) => {
        const h = (g * H) / G + r;
        const at = placesOf(sizes, i, h);
        return { h, at, ...termsOf(m, at, sizes, x, dt, a.at(h)), dScaled: range(L).map(() => new Float64Array(P)), dAlpha: new Float64Array(L) };
      });
      if (chunk === 0) {
        for (const { at, decay, scaled, dScaled, dAlpha } of heads) {
          const states: Float64Array[] = [];
          for (let t = 0; t < L; t++) {
            const before = states[t - 1] ?? new Float64Array(P * N);
            states[t] = before.map((s, j) => m.madd(m.mul(decay[t], s), scaled[t][Math.floor(j / N)], b.at(at.b(t, j % N))));
          }
          const dState = new Float64Array(P * N);
          for (let t = L - 1; t >= 0; t--) {
            for (let p = 0; p < P; p++) {
              for (let n = 0; n < N; n++) {
                const j = p * N + n;
                const dyt = dy.at(at.x(t, p));
                dState[j] = m.madd(dState[j], dyt, c.at(at.b(t, n)));
                dc.data[at.b(t, n)] = m.madd(dc.data[at.b(t, n)], dyt, states[t][j]);
                db.data[at.b(t, n)] = m.madd(db.data[at.b(t, n)], dState[j], scaled[t][p]);
                dScaled[t][p] = m.madd(dScaled[t][p], dState[j], b.at(at.b(t, n)));
                dState[j] = m.mul(dState[j], decay[t]);
                dAlpha[t] = m.madd(dAlpha[t], dState[j], states[t - 1]?.[j] ?? 0);
              }
            }
          }
        }
      } else {
        const chunks = chunksOf(L, chunk);
        const last = chunks.length - 1;
        // the states before chunks, and their gradients after chunks, by head and chunk
        const passed = heads.map(({ at, decay, scaled }) => {
          const ends = chunks.map(([from, to], k) => (k === last ? undefined : toEndOf(m, decay, from, to)));
          const starts = chunks.map(([from, to], k) => (k === 0 ? undefined : fromStartOf(m, decay, from, to)));
          const written = scaled.map((row, s) => row.map((v) => (s >= chunks[last][0] ? 0 : m.mul(ends[Math.floor(s / chunk)]!.each[s], v))));
          const read = scaled.map((row, t) => row.map((_, p) => (t < chunks[0][1] ? 0 : m.mul(starts[Math.floor(t / chunk)]!.each[t], dy.at(at.x(t, p))))));
          const before: (Float64Array | undefined)[] = [undefined];
          for (let k = 0; k < last; k++) before[k + 1] = addedUp(m, P, N, written, (t, n) => b.at(at.b(t, n)), chunks[k], before[k], ends[k]!.across);
          const after: (Float64Array | undefined)[] = [];
          for (let k = last; k > 0; k--) after[k - 1] = addedUp(m, P, N, read, (t, n) => c.at(at.b(t, n)), chunks[k], after[k], starts[k]!.across);
          return { ends, written, read, before, after };
        });
        chunks.forEach(([from, to], k) => {
          const [{ at: shared }] = heads;
          const scores = scoresOf(m, shared, N, from, to, b, c);
          const dScores = scores.map((row) => row.map(() => 0));
          heads.forEach(({ at, decay, scaled, dScaled, dAlpha }, r) => {
            for (let s = from; s < to; s++) {
              let between = 1;
              const pair: number[] = [];
              for (let t = s; t < to; t++) {
                const dWeight = m.dot(P, (p) => dy.at(at.x(t, p)), (p) => scaled[s][p]);
                let weight = scores[s][t];
                let dScore = dWeight;
                if (t > s) {
                  between = m.mul(between, decay[t]);
                  weight = m.mul(between, weight);
                  dScore = m.mul(between, dWeight);
                  pair[t] = m.mul(weight, dWeight);
                }
                dScores[s][t] = m.add(dScores[s][t], dScore);
                for (let p = 0; p < P; p++) dScaled[s][p] = m.madd(dScaled[s][p], weight, dy.at(at.x(t, p)));
              }
              let sum = 0;
              for (let t = to - 1; t > s; t--) {
                sum = m.add(sum, pair[t]);
                dAlpha[t] = m.add(dAlpha[t], sum);
              }
            }
            const { ends, written, read, before: { [k]: before }, after: { [k]: after } } = passed[r];
            if (before !== undefined) {
              let sum = 0;
              for (let t = to - 1; t >= from; t--) {
                const fromState = range(N).map((n) => m.dot(P, (p) => read[t][p], (p) => before[p * N + n]));
                fromState.forEach((v, n) => (dc.data[at.b(t, n)] = m.add(dc.data[at.b(t, n)], v)));
                sum = m.add(sum, m.dot(N, (n) => fromState[n], (n) => c.at(at.b(t, n))));
                dAlpha[t] = m.add(dAlpha[t], sum);
              }
            }
            if (after !== undefined) {
              let sum = 0;
              for (let s = from; s < to; s++) {
                const fromState = range(N).map((n) => m.dot(P, (p) => written[s][p], (p) => after[p * N + n]));
                fromState.forEach((v, n) => (db.data[at.b(s, n)] = m.add(db.data[at.b(s, n)], v)));
                dAlpha[s] = m.add(dAlpha[s], sum);
                sum = m.add(sum, m.dot(N, (n) => fromState[n], (n) => b.at(at.b(s, n))));
                for (let p = 0; p < P; p++) dScaled[s][p] = m.madd(dScaled[s][p], ends[k]!.each[s], m.dot(N, (n) => after[p * N + n], (n) => b.at(at.b(s, n))));
              }
            }
            if (before !== undefined && after !== undefined) {
              const through = m.mul(ends[k]!.across, m.dot(P * N, (j) => before[j], (j) => after[j]));
              for (let t = from; t < to; t++) dAlpha[t] = m.add(dAlpha[t], through);
            }
          });
          for (let s = from; s < to; s++) {
            for (let t = s; t < to; t++) {
              for (let n = 0; n < N; n++) {
                db.data[shared.b(s, n)] = m.madd(db.data[shared.b(s, n)], dScores[s][t], c.at(shared.b(t, n)));
                dc.data[shared.b(t, n)] = m.madd(dc.data[shared.b(t, n)], dScores[s][t], b.at(shared.b(s, n)));
              }
            }
          }
        });
      }
      for (const { h, at, dScaled, dAlpha } of heads) {
        for (let t = 0; t < L; t++) {
          const step = dt.at(at.dt(t));
          for (let p = 0; p < P; p++) {
            const j = at.x(t, p);
            dx.data[j] = m.madd(m.mul(dScaled[t][p], step), dy.at(j), d.at(h));
            dd.data[h] = m.madd(dd.data[h], dy.at(j), x.at(j));
          }
          ddt.data[at.dt(t)] = m.madd(m.dot(P, (p) => x.at(at.x(t, p)), (p) => dScaled[t][p]), dAlpha[t], a.at(h));
          da.data[h] = m.madd(da.data[h], dAlpha[t], step);
        }
      }
    }
  }
  return [dx, ddt, da, db, dc, dd];
}

const dataOf = (sizes: Sizes): readonly Data[] => operands({ ...sizes, chunk: 1, decay: 'mixed' });

/** The forward op, `chunk` as in its attributes. */
export function countedSsd(sizes: Sizes, chunk: number, used: readonly boolean[] = [true, false]): CountedCase {
  return counted({
    name: `Ssd ${JSON.stringify(sizes)} chunk ${chunk}, read ${used}`,
    op: ssdOp,
    attrs: { chunk },
    inputs: dataOf(sizes),
    used,
    loops: (m, inputs) => forward(m, inputs, sizes, chunk, used),
    oracle: ([x, dt, a, b, c, d]) => {
      const { y, finalState } = ssdOracle(x, dt, a, b, c, d);
      return [y, finalState].map((v, i) => (used[i] ? v : null));
    },
  });
}

export function countedSsdGradient(sizes: Sizes, chunk: number): CountedCase {
  return counted({
    name: `SsdGradient ${JSON.stringify(sizes)} chunk ${chunk}`,
    op: ssdGradientOp,
    attrs: { chunk },
    inputs: [gaussian(7, sizes.B, sizes.L, sizes.H, sizes.P), ...dataOf(sizes)],
    used: new Array<boolean>(6).fill(true),
    loops: (m, inputs) => gradient(m, inputs, sizes, chunk),
    oracle: ([dy, x, dt, a, b, c, d]) => ssdOracleGradient(x, dt, a, b, c, d, dy),
  });
}

const sizes: readonly Sizes[] = [
  { B: 1, L: 1, H: 1, P: 1, G: 1, N: 1 },
  { B: 2, L: 7, H: 4, P: 3, G: 2, N: 5 },
  { B: 1, L: 23, H: 3, P: 5, G: 1, N: 2 },
  { B: 3, L: 16, H: 2, P: 2, G: 2, N: 7 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) =>
  // the recurrence; chunks of one token, of some with a rest, of half; all tokens in one
  [...new Set([0, 1, Math.min(4, s.L), Math.ceil(s.L / 2), s.L])].flatMap((chunk) => [
    ...[[true, false], [true, true], [false, true]].map((used) => countedSsd(s, chunk, used)),
    countedSsdGradient(s, chunk),
  ]),
);
