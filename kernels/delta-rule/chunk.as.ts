/**
 * What the kernels of the delta rule share: a head, its buffers, and what a chunk is made into before states meet it. Every kernel begins with the
 * same arguments:
 *
 *   0 L, 1 H, 2 K, 3 V, 4 chunk (≤ L), 5 decay (0 none, 1 a number, 2 K numbers), 6 q, 7 k, 8 v, 9 a or 0, 10 g or 0
 *
 * Rows of keys and values go on to whole eights (Kp and Vp floats), filled with zeros, so that products have no rests. Readers are the rows a, then the
 * rows q, one under the other: A and P, Ã and Q̃ (portable.ts) then come out of one product.
 */
import { gemmBlock } from '../../engine/wasm/assembly/gemm.as';
import { arg, exp1, exp4, madd, sum4 } from '../../engine/wasm/assembly/math.as';
import { addRow, dotRow, fillRow, loadRows, multiplyRow, scaleRow, subtractRows } from './rows.as';

@unmanaged
export class Head {
  args: usize;
  L: i32;
  K: i32;
  V: i32;
  C: i32;
  decay: i32;
  /** rows of K and V, in floats and in bytes, and of scores */
  Kp: i32;
  Vp: i32;
  Cp: i32;
  keyRow: usize;
  valueRow: usize;
  scoreRow: usize;
  delta: bool;
  /** elements before the head's first token in operands like q, v and g, and bytes from token to token */
  keyBase: usize;
  valueBase: usize;
  gateBase: usize;
  keyStep: usize;
  valueStep: usize;
  gateStep: usize;
  /** tokens of the chunk, the first of them, and the number of readers */
  n: i32;
  t0: i32;
  readers: i32;
  /** [2C,Kp]: a and q as they are, and as they read the state before the chunk */
  raw: usize;
  scaled: usize;
  /** [C,Kp]: k, k decayed to the chunk's end, e^g (for a scalar the first C floats) */
  keys: usize;
  written: usize;
  decays: usize;
  /** [2C,Cp]: A and P; zero above the diagonal up to column n */
  scores: usize;
  /** [Kp]: e^{G_Q}; a vector of keys; [Cp]: a vector of tokens */
  across: usize;
  walking: usize;
  tokens: usize;
  /** the next free byte */
  free: usize;

  /** Room for `floats`, whole eights. */
  take(floats: i32): usize {
    const at = this.free;
    this.free += <usize>floats << 2;
    return at;
  }

  /** Address of the chunk's first token in argument i, of operands like q, v and g. */
  key(i: i32): usize {
    return <usize>arg(this.args, i) + this.keyBase + <usize>this.t0 * this.keyStep;
  }
  value(i: i32): usize {
    return <usize>arg(this.args, i) + this.valueBase + <usize>this.t0 * this.valueStep;
  }
  gate(i: i32): usize {
    return <usize>arg(this.args, i) + this.gateBase + <usize>this.t0 * this.gateStep;
  }

  /** The rows q, after the rows a where there are such. */
  asked(rows: usize, step: usize): usize {
    return this.delta ? rows + <usize>this.n * step : rows;
  }
}

/** Floats of a head's buffers start after it. */
export const HEAD_BYTES: usize = 256;

export function openHead(args: usize, task: i32, scratch: usize): Head {
  const h = changetype<Head>(scratch);
  const L = arg(args, 0), H = arg(args, 1), K = arg(args, 2), V = arg(args, 3), C = arg(args, 4);
  h.args = args;
  h.L = L;
  h.K = K;
  h.V = V;
  h.C = C;
  h.decay = arg(args, 5);
  h.delta = arg(args, 9) != 0;
  h.Kp = (K + 7) & ~7;
  h.Vp = (V + 7) & ~7;
  h.Cp = (C + 7) & ~7;
  h.keyRow = <usize>h.Kp << 2;
  h.valueRow = <usize>h.Vp << 2;
  h.scoreRow = <usize>h.Cp << 2;
  const first = (task / H) * L * H + (task % H);
  h.keyStep = <usize>(H * K) << 2;
  h.valueStep = <usize>(H * V) << 2;
  h.gateStep = h.decay == 2 ? h.keyStep : <usize>H << 2;
  h.keyBase = <usize>(first * K) << 2;
  h.valueBase = <usize>(first * V) << 2;
  h.gateBase = h.decay == 2 ? h.keyBase : <usize>first << 2;
  h.free = scratch + HEAD_BYTES;
  h.raw = h.take(2 * C * h.Kp);
  h.scaled = h.take(2 * C * h.Kp);
  h.keys = h.take(C * h.Kp);
  h.written = h.take(C * h.Kp);
  h.decays = h.take(max(C * h.Kp, h.Cp));
  h.scores = h.take(2 * C * h.Cp);
  h.across = h.take(h.Kp);
  h.walking = h.take(h.Kp);
  h.tokens = h.take(h.Cp);
  return h;
}

/**
 * Makes chunk t0 … t0 + n − 1: everything in Head from `raw` to `across`. `asks` tells whether q is wanted. Where nothing decays, `scaled` and `written`
 * are `raw` and `keys` and are not written: see readersOf and writersOf.
 */
export function prepare(h: Head, t0: i32, n: i32, asks: bool, scratch: usize): void {
  h.t0 = t0;
  h.n = n;
  h.readers = (h.delta ? n : 0) + (asks ? n : 0);
  if (h.delta) loadRows(n, h.K, h.key(9), h.keyStep, h.raw, h.keyRow);
  if (asks) loadRows(n, h.K, h.key(6), h.keyStep, h.asked(h.raw, h.keyRow), h.keyRow);
  loadRows(n, h.K, h.key(7), h.keyStep, h.keys, h.keyRow);
  if (h.decay == 2) {
    loadRows(n, h.K, h.gate(10), h.gateStep, h.decays, h.keyRow);
    let at = h.decays;
    const end = at + <usize>n * h.keyRow;
    do {
      v128.store(at, exp4(v128.load(at)));
      at += 16;
    } while (at < end);
    decayReaders(h, asks, h.raw, h.scaled);
    walkKeys(h, asks);
    return;
  }
  if (h.decay == 1) {
    for (let t = 0; t < n; t++) store<f32>(h.decays + (<usize>t << 2), exp1(load<f32>(h.gate(10) + <usize>t * h.gateStep)));
    decayReaders(h, asks, h.raw, h.scaled);
  }
  if (h.readers > 0) gemmBlock(h.readers, n, h.Kp, 1, h.raw, h.Kp, 1, h.keys, 1, h.Kp, h.scores, h.Cp, false, scratch);
  maskScores(h, asks, h.scores);
  if (h.decay == 1) {
    for (let s = 0; s < n; s++) {
      const row = <usize>s * h.keyRow;
      scaleRow(load<f32>(h.tokens + (<usize>s << 2)), h.keys + row, h.written + row, h.keyRow);
    }
  }
}

/** Readers of the state before the chunk, and keys of what is in the state after it. */
// @ts-ignore: decorator
@inline
export function readersOf(h: Head): usize {
  return h.decay == 0 ? h.raw : h.scaled;
}
// @ts-ignore: decorator
@inline
export function writersOf(h: Head): usize {
  return h.decay == 0 ? h.keys : h.written;
}

/** to_t = e^{G_{t−1}} ∘ from_t for rows a, e^{G_t} ∘ from_t for rows q; and `across`. */
export function decayReaders(h: Head, asks: bool, from: usize, to: usize): void {
  const q = h.asked(0, h.keyRow);
  fillRow(1, h.across, h.keyRow);
  for (let t = 0; t < h.n; t++) {
    const row = <usize>t * h.keyRow;
    if (h.delta) multiplyRow(from + row, h.across, to + row, h.keyRow);
    if (h.decay == 2) multiplyRow(h.across, h.decays + row, h.across, h.keyRow);
    else scaleRow(load<f32>(h.decays + (<usize>t << 2)), h.across, h.across, h.keyRow);
    if (asks) multiplyRow(from + q + row, h.across, to + q + row, h.keyRow);
  }
}

/**
 * Multiplies products [2C,Cp] of readers and keys by the decays between them, e^{G_{t−1} − G_s} for s < t in rows a, e^{G_t − G_s} for s ≤ t in rows q, and
 * by zero where nothing is read. Decays are running products along t; those to the chunk's end stay in `tokens`.
 */
export function maskScores(h: Head, asks: bool, scores: usize): void {
  const n = h.n;
  const q = h.asked(scores, h.scoreRow);
  const bytes = (<usize>n << 2) + 15 & ~15;
  fillRow(0, h.tokens, bytes);
  for (let t = 0; t < n; t++) {
    const row = <usize>t * h.scoreRow;
    if (h.delta) maskRow(h.tokens, scores + row, bytes);
    if (h.decay == 1) {
      const e = f32x4.splat(load<f32>(h.decays + (<usize>t << 2)));
      for (let i: usize = 0; i < bytes; i += 16) v128.store(h.tokens + i, f32x4.mul(e, v128.load(h.tokens + i)));
    }
    store<f32>(h.tokens + (<usize>t << 2), 1);
    if (asks) maskRow(h.tokens, q + row, bytes);
  }
}

// @ts-ignore: decorator
@inline
function maskRow(by: usize, row: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(row + i, f32x4.mul(v128.load(by + i), v128.load(row + i)));
}

/** One step of a key's walk: to `toA` the product with a, then key ∘= decay, then to `toP` the product with q. */
// @ts-ignore: decorator
@inline
function walkStep(key: usize, decay: usize, a: usize, q: usize, bytes: usize, toA: usize, toP: usize, erases: bool, asks: bool): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), p0 = f32x4.splat(0), p1 = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 32) {
    let k0 = v128.load(key + i), k1 = v128.load(key + i, 16);
    if (erases) {
      a0 = madd(v128.load(a + i), k0, a0);
      a1 = madd(v128.load(a + i, 16), k1, a1);
    }
    k0 = f32x4.mul(k0, v128.load(decay + i));
    k1 = f32x4.mul(k1, v128.load(decay + i, 16));
    v128.store(key + i, k0);
    v128.store(key + i, k1, 16);
    if (asks) {
      p0 = madd(v128.load(q + i), k0, p0);
      p1 = madd(v128.load(q + i, 16), k1, p1);
    }
  }
  if (erases) store<f32>(toA, sum4(f32x4.add(a0, a1)));
  if (asks) store<f32>(toP, sum4(f32x4.add(p0, p1)));
}

/** Scores where every entry of a key decays by itself: each key walks to the chunk's end and is read on its way. */
function walkKeys(h: Head, asks: bool): void {
  const n = h.n;
  const bytes = h.keyRow;
  const q = h.asked(h.raw, bytes);
  const p = h.asked(h.scores, h.scoreRow);
  for (let s = 0; s < n; s++) {
    const key = h.written + <usize>s * bytes;
    const column = <usize>s << 2;
    scaleRow(1, h.keys + <usize>s * bytes, key, bytes);
    for (let t = 0; t <= s; t++) {
      const at = <usize>t * h.scoreRow + column;
      if (h.delta) store<f32>(h.scores + at, 0);
      if (asks) store<f32>(p + at, 0);
    }
    if (asks) store<f32>(p + <usize>s * h.scoreRow + column, dotRow(q + <usize>s * bytes, key, bytes));
    for (let t = s + 1; t < n; t++) {
      const row = <usize>t * bytes;
      const at = <usize>t * h.scoreRow + column;
      if (!asks) walkStep(key, h.decays + row, h.raw + row, 0, bytes, h.scores + at, 0, h.delta, false);
      else if (h.delta) walkStep(key, h.decays + row, h.raw + row, q + row, bytes, h.scores + at, p + at, true, true);
      else walkStep(key, h.decays + row, 0, q + row, bytes, 0, p + at, false, true);
    }
  }
}

/**
 * u [n,Vp] = v − Ã S, given ÃS in `recalled` (0: no state), then forward substitution: u_t −= Σ_{s<t} A_ts u_s.
 */
export function solve(h: Head, recalled: usize, u: usize): void {
  const n = h.n;
  loadRows(n, h.V, h.value(8), h.valueStep, u, h.valueRow);
  if (!h.delta) return;
  if (recalled) addRow(-1, recalled, u, <usize>n * h.valueRow);
  for (let t = 1; t < n; t++) subtractRows(t, h.scores + <usize>t * h.scoreRow, 4, u, h.valueRow, u + <usize>t * h.valueRow);
}

/** to [Kp,Vp] = across ∘ from + Kᵀ u; `from` and `to` may be one. */
export function advance(h: Head, from: usize, u: usize, to: usize, scratch: usize): void {
  decayState(h, from, to);
  gemmBlock(h.Kp, h.Vp, h.n, 1, writersOf(h), 1, h.Kp, u, h.Vp, 1, to, h.Vp, true, scratch);
}

/** to = across ∘ from, by rows of a state. */
export function decayState(h: Head, from: usize, to: usize): void {
  if (h.decay == 0 && from == to) return;
  for (let i = 0; i < h.Kp; i++) {
    const row = <usize>i * h.valueRow;
    scaleRow(h.decay == 0 ? 1 : load<f32>(h.across + (<usize>i << 2)), from + row, to + row, h.valueRow);
  }
}
