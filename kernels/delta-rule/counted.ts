/** The delta rule and its gradient in counting loops. */
import { gaussian } from '../judge.ts';
import { zeros } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Outputs, type Tally } from '../tally.ts';
import { operands, oracle, oracleGradient, variants, type Variant } from './cases.ts';
import { deltaRuleGradientOp, deltaRuleOp } from './op.ts';
import { named, type Named, type Sizes } from './sizes.ts';

const range = (n: number, from = 0): number[] => Array.from({ length: n - from }, (_, i) => from + i);
const array = (n: number) => new Float64Array(n);

/** One head of one sequence: places in its operands. */
function placesOf({ L, H, K, V }: Sizes, { decay }: Variant, sequence: number, h: number) {
  const token = (t: number) => (sequence * L + t) * H + h;
  const key = (t: number, i: number) => token(t) * K + i;
  return { key, value: (t: number, j: number) => token(t) * V + j, gate: (t: number, i: number) => (decay === 'vector' ? key(t, i) : token(t)), state: (sequence * H + h) * K * V };
}

type Places = ReturnType<typeof placesOf>;

/** A chunk [from, to) of a head, in the letters of work.ts. */
class Chunk {
  /** decays between s ≤ t: a number, or the key of s as t sees it; by s and t */
  readonly between: number[][] = [];
  readonly seen: Float64Array[][] = [];
  readonly P: number[][] = [];
  readonly A: number[][] = [];
  /** e^{G_t}, of each token: one entry where the decay is a scalar */
  readonly fromStart: Float64Array[] = [];
  readonly readers: Float64Array[] = [];
  readonly asked: Float64Array[] = [];
  readonly keys: Float64Array[] = [];
  readonly written: Float64Array[] = [];
  constructor(
    readonly m: Tally, readonly operands: Named<CountedOperand>, readonly at: Places, readonly sizes: Sizes, readonly variant: Variant,
    readonly decays: readonly Float64Array[], readonly from: number, readonly to: number,
  ) {}

  get tokens(): number[] {
    return range(this.to, this.from);
  }
  q = (t: number, i: number): number => this.operands.q.at(this.at.key(t, i));
  k = (t: number, i: number): number => this.operands.k.at(this.at.key(t, i));
  a = (t: number, i: number): number => this.operands.a!.at(this.at.key(t, i));
  /** the factor of entry i in a token's decay */
  of = (decay: Float64Array, i: number): number => decay[this.variant.decay === 'vector' ? i : 0];

  scores(asks: boolean): void {
    const { m, sizes: { K }, variant: { decay, delta }, decays } = this;
    for (const s of this.tokens) {
      this.between[s] = [];
      this.seen[s] = [];
      for (const t of range(this.to, s)) {
        if (decay === 'scalar') this.between[s][t] = t === s ? 1 : m.mul(this.between[s][t - 1], decays[t][0]);
        if (decay === 'vector') this.seen[s][t] = array(K).map((_, i) => (t === s ? this.k(s, i) : m.mul(this.seen[s][t - 1][i], decays[t][i])));
      }
    }
    /** x·k_s as decayed until token t */
    const score = (x: (i: number) => number, s: number, t: number) => {
      const product = m.dot(K, x, (i) => (decay === 'vector' ? this.seen[s][t][i] : this.k(s, i)));
      return decay === 'scalar' && t > s ? m.mul(this.between[s][t], product) : product;
    };
    for (const t of this.tokens) {
      if (asks) this.P[t] = range(t + 1).map((s) => (s < this.from ? 0 : score((i) => this.q(t, i), s, t)));
      if (delta) this.A[t] = range(t).map((s) => (s < this.from ? 0 : score((i) => this.a(t, i), s, t - 1)));
    }
  }

  /** Readers of the state before the chunk. */
  readState(asks: boolean): void {
    const { m, sizes: { K }, variant: { decay, delta }, decays } = this;
    for (const t of this.tokens) {
      this.fromStart[t] = decays[t].map((e, i) => m.mul(t === this.from ? 1 : this.fromStart[t - 1][i], e));
      if (delta) this.readers[t] = array(K).map((_, i) => (decay === 'none' || t === this.from ? this.a(t, i) : m.mul(this.of(this.fromStart[t - 1], i), this.a(t, i))));
      if (asks) this.asked[t] = array(K).map((_, i) => (decay === 'none' ? this.q(t, i) : m.mul(this.of(this.fromStart[t], i), this.q(t, i))));
    }
  }

  write(state: Float64Array | undefined): void {
    const { m, sizes: { K, V } } = this;
    for (const t of this.tokens) {
      const u = array(V).map((_, j) => this.operands.v.at(this.at.value(t, j)));
      if (this.variant.delta) {
        for (const j of range(V)) {
          if (state !== undefined) for (const i of range(K)) u[j] = m.sub(u[j], m.mul(this.readers[t][i], state[i * V + j]));
          for (const s of range(t, this.from)) u[j] = m.sub(u[j], m.mul(this.A[t][s], this.written[s][j]));
        }
      }
      this.written[t] = u;
    }
  }

  /** The state after the chunk. */
  advance(state: Float64Array | undefined): Float64Array {
    const { m, sizes: { K, V }, variant: { decay } } = this;
    const last = this.to - 1;
    const next = state === undefined ? array(K * V) : decay === 'none' ? state.slice() : state.map((x, at) => m.mul(this.of(this.fromStart[last], Math.floor(at / V)), x));
    for (const s of this.tokens) {
      this.keys[s] = array(K).map((_, i) => (decay === 'vector' ? this.seen[s][last][i] : decay === 'none' || s === last ? this.k(s, i) : m.mul(this.between[s][last], this.k(s, i))));
      for (const i of range(K)) for (const j of range(V)) next[i * V + j] = m.madd(next[i * V + j], this.keys[s][i], this.written[s][j]);
    }
    return next;
  }
}

function chunksOf(m: Tally, operands: Named<CountedOperand>, sizes: Sizes, variant: Variant, chunk: number, at: Places): Chunk[] {
  const { L, K } = sizes;
  const width = { none: 0, scalar: 1, vector: K }[variant.decay];
  const decays = range(L).map((t) => array(width).map((_, i) => m.exp(operands.g!.at(at.gate(t, i)))));
  return range(Math.ceil(L / chunk)).map((c) => new Chunk(m, operands, at, sizes, variant, decays, c * chunk, Math.min(L, (c + 1) * chunk)));
}

function forward(m: Tally, inputs: readonly CountedOperand[], sizes: Sizes, variant: Variant, chunk: number, [wantsY, wantsLast]: readonly boolean[]): Outputs {
  const { B, L, H, K, V } = sizes;
  const y = zeros(B, L, H, V);
  const last = zeros(B, H, K, V);
  for (const b of range(B)) {
    for (const h of range(H)) {
      const at = placesOf(sizes, variant, b, h);
      let state: Float64Array | undefined;
      for (const c of chunksOf(m, named(inputs, variant), sizes, variant, chunk, at)) {
        c.scores(wantsY);
        if (state !== undefined) c.readState(wantsY);
        c.write(state);
        if (wantsY) {
          for (const t of c.tokens) {
            for (const j of range(V)) {
              let sum = 0;
              if (state !== undefined) for (const i of range(K)) sum = m.madd(sum, c.asked[t][i], state[i * V + j]);
              for (const s of range(t + 1, c.from)) sum = m.madd(sum, c.P[t][s], c.written[s][j]);
              y.data[at.value(t, j)] = sum;
            }
          }
        }
        if (c.to < L || wantsLast) state = c.advance(state);
      }
      if (wantsLast) last.data.set(state!, at.state);
    }
  }
  return [wantsY ? y : null, wantsLast ? last : null];
}

function gradient(m: Tally, [dy, ...inputs]: readonly CountedOperand[], sizes: Sizes, variant: Variant, chunk: number): Outputs {
  const { B, L, H, K, V } = sizes;
  const { delta, decay } = variant;
  const width = { none: 0, scalar: 1, vector: K }[decay];
  const [dq, dk, dv, da] = [zeros(B, L, H, K), zeros(B, L, H, K), zeros(B, L, H, V), zeros(B, L, H, K)];
  const dg = decay === 'scalar' ? zeros(B, L, H) : zeros(B, L, H, K);
  /** to[at] += x·y */
  const add = (to: Float64Array, at: number, x: number, y: number) => (to[at] = m.madd(to[at], x, y));
  const subtract = (to: Float64Array, at: number, x: number, y: number) => (to[at] = m.sub(to[at], m.mul(x, y)));
  for (const b of range(B)) {
    for (const h of range(H)) {
      const at = placesOf(sizes, variant, b, h);
      const { key, value, gate } = at;
      const chunks = chunksOf(m, named(inputs, variant), sizes, variant, chunk, at);
      const before: (Float64Array | undefined)[] = [];
      for (const [n, c] of chunks.entries()) {
        c.scores(true);
        if (before[n] !== undefined) c.readState(true);
        c.write(before[n]);
        if (c.to < L) before[n + 1] = c.advance(before[n]);
      }
      let z: Float64Array | undefined; // of the state after the chunk
      for (const [n, c] of [...chunks.entries()].toReversed()) {
        const { q, k, a, of, P, A, written, tokens, from, to } = c;
        const [last, state] = [to - 1, before[n]];
        const dyt = (t: number) => (j: number) => dy.at(value(t, j));
        const du: Float64Array[] = [];
        for (const s of tokens.toReversed()) {
          du[s] = array(V);
          for (const j of range(V)) {
            for (const t of range(to, s)) add(du[s], j, P[t][s], dyt(t)(j));
            if (z !== undefined) for (const i of range(K)) add(du[s], j, c.keys[s][i], z[i * V + j]);
            if (delta) for (const t of range(to, s + 1)) subtract(du[s], j, A[t][s], du[t][j]);
          }
          dv.data.set(du[s], value(s, 0));
        }
        const dP = (t: number) => range(t + 1).map((s) => (s < from ? 0 : m.dot(V, dyt(t), (j) => written[s][j])));
        const dA = (t: number) => range(t).map((s) => (s < from ? 0 : m.dot(V, (j) => du[t][j], (j) => written[s][j])));
        const [ofP, ofA] = [[] as number[][], [] as number[][]];
        for (const t of tokens) {
          ofP[t] = dP(t);
          if (delta) ofA[t] = dA(t);
        }
        // by way of the states
        if (state !== undefined) {
          for (const t of tokens) {
            for (const i of range(K)) {
              for (const j of range(V)) {
                add(dq.data, key(t, i), state[i * V + j], dyt(t)(j));
                if (delta) subtract(da.data, key(t, i), state[i * V + j], du[t][j]);
              }
              if (decay !== 'none') dq.data[key(t, i)] = m.mul(of(c.fromStart[t], i), dq.data[key(t, i)]);
              if (decay !== 'none' && delta && t > from) da.data[key(t, i)] = m.mul(of(c.fromStart[t - 1], i), da.data[key(t, i)]);
            }
          }
        }
        if (z !== undefined) {
          for (const s of tokens) {
            for (const i of range(K)) {
              for (const j of range(V)) add(dk.data, key(s, i), z[i * V + j], written[s][j]);
              if (decay === 'scalar' && s < last) dk.data[key(s, i)] = m.mul(c.between[s][last], dk.data[key(s, i)]);
            }
          }
        }
        if (state !== undefined) {
          const through = array(width);
          const slot = (i: number) => (decay === 'vector' ? i : 0);
          if (z !== undefined && decay !== 'none') {
            z = z.map((x, p) => m.mul(of(c.fromStart[last], Math.floor(p / V)), x));
            for (const p of range(K * V)) add(through, slot(Math.floor(p / V)), z[p], state[p]);
          }
          if (decay !== 'none') {
            for (const t of tokens.toReversed()) {
              for (const i of range(K)) add(through, slot(i), q(t, i), dq.data[key(t, i)]);
              for (const i of range(width)) dg.data[gate(t, i)] = m.add(dg.data[gate(t, i)], through[i]);
              if (delta && t > from) for (const i of range(K)) add(through, slot(i), a(t, i), da.data[key(t, i)]);
            }
          }
        }
        // by way of the pairs
        for (const s of tokens) {
          if (decay === 'vector') {
            for (const i of range(K)) {
              let gradient = dk.data[key(s, i)]; // of the key as it is at t
              for (const t of range(to, s).toReversed()) {
                if (t < last) {
                  gradient = m.mul(gradient, c.decays[t + 1][i]);
                  if (delta) {
                    gradient = m.sub(gradient, m.mul(ofA[t + 1][s], a(t + 1, i)));
                    subtract(da.data, key(t + 1, i), ofA[t + 1][s], c.seen[s][t][i]);
                  }
                }
                gradient = m.madd(gradient, ofP[t][s], q(t, i));
                add(dq.data, key(t, i), ofP[t][s], c.seen[s][t][i]);
                if (t > s) add(dg.data, gate(t, i), gradient, c.seen[s][t][i]);
              }
              dk.data[key(s, i)] = gradient;
            }
            continue;
          }
          if (decay === 'scalar') {
            let sum = z === undefined || s === last ? 0 : m.dot(K, (i) => k(s, i), (i) => dk.data[key(s, i)]);
            for (const t of range(to, s + 1).toReversed()) {
              sum = m.madd(sum, P[t][s], ofP[t][s]);
              if (delta && t < last) sum = m.sub(sum, m.mul(A[t + 1][s], ofA[t + 1][s]));
              dg.data[gate(t, 0)] = m.add(dg.data[gate(t, 0)], sum);
            }
          }
          for (const t of range(to, s)) {
            const p = decay === 'scalar' && t > s ? m.mul(c.between[s][t], ofP[t][s]) : ofP[t][s];
            for (const i of range(K)) {
              add(dq.data, key(t, i), p, k(s, i));
              add(dk.data, key(s, i), p, q(t, i));
            }
            if (!delta || t === s) continue;
            const r = decay === 'scalar' && t > s + 1 ? m.mul(c.between[s][t - 1], ofA[t][s]) : ofA[t][s];
            for (const i of range(K)) {
              subtract(da.data, key(t, i), r, k(s, i));
              subtract(dk.data, key(s, i), r, a(t, i));
            }
          }
        }
        if (state !== undefined) {
          z ??= array(K * V);
          for (const t of tokens) {
            for (const i of range(K)) {
              for (const j of range(V)) {
                add(z, i * V + j, c.asked[t][i], dyt(t)(j));
                if (delta) subtract(z, i * V + j, c.readers[t][i], du[t][j]);
              }
            }
          }
        }
      }
    }
  }
  return [dq, dk, dv, ...(delta ? [da] : []), ...(decay === 'none' ? [] : [dg])];
}

const dataOf = (sizes: Sizes, variant: Variant) => operands({ ...sizes, ...variant, strength: 'ordinary' });
const attrsOf = ({ L }: Sizes, variant: Variant, chunk: number) => ({ chunk: Math.min(chunk, L), ...variant });

export function countedDeltaRule(sizes: Sizes, variant: Variant, chunk = 16, used: readonly boolean[] = [true, false]): CountedCase {
  const attrs = attrsOf(sizes, variant, chunk);
  return counted({
    name: `DeltaRule ${JSON.stringify({ ...sizes, ...attrs })}, read ${used}`,
    op: deltaRuleOp,
    attrs,
    inputs: dataOf(sizes, variant),
    used,
    loops: (m, inputs) => forward(m, inputs, sizes, variant, attrs.chunk, used),
    oracle: (inputs) => oracle([...inputs], variant).map((v, i) => (used[i] ? v : null)),
  });
}

export function countedDeltaRuleGradient(sizes: Sizes, variant: Variant, chunk = 16): CountedCase {
  const attrs = attrsOf(sizes, variant, chunk);
  const inputs = dataOf(sizes, variant);
  return counted({
    name: `DeltaRuleGradient ${JSON.stringify({ ...sizes, ...attrs })}`,
    op: deltaRuleGradientOp,
    attrs,
    inputs: [gaussian(7, sizes.B, sizes.L, sizes.H, sizes.V), ...inputs],
    used: inputs.map(() => true),
    loops: (m, all) => gradient(m, all, sizes, variant, attrs.chunk),
    oracle: ([dy, ...rest]) => oracleGradient(rest, dy, variant),
  });
}

const sizes: readonly Sizes[] = [
  { B: 1, L: 1, H: 1, K: 1, V: 1 },
  { B: 2, L: 7, H: 2, K: 3, V: 5 },
  { B: 1, L: 23, H: 1, K: 4, V: 2 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) =>
  variants.flatMap((variant) =>
    // chunks of one token, of some with a rest, all tokens in one
    [1, 5, s.L].flatMap((chunk) => [...[[true, false], [true, true], [false, true]].map((used) => countedDeltaRule(s, variant, chunk, used)), countedDeltaRuleGradient(s, variant, chunk)]),
  ),
);
