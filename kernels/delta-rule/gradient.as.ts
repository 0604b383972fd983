/**
 * The gradients of the delta rule: a task walks the chunks of one head forwards, keeping the states before them and what was written, and then
 * backwards with Z, the gradient of the state after a chunk. Letters as in portable.ts.
 *
 *     dU = Pᵀ dY + K̃ Z      dV = (I + A)⁻ᵀ dU      D = [−dV; dY]
 *     d[A; P] = D Uᵀ        d[Ã; Q̃] = D Sᵀ        dK̃ = U Zᵀ        Z ← e^{G_Q} ∘ Z + [Ã; Q̃]ᵀ D
 */
import { gemmBlock } from '../../engine/wasm/assembly/gemm.as';
import { arg, madd } from '../../engine/wasm/assembly/math.as';
import { advance, decayReaders, decayState, Head, maskScores, openHead, prepare, readersOf, solve, writersOf } from './chunk.as';
import { addRow, dotRow, fillRow, loadRows, multiplyRow, scaleRow, storeRows, subtractRows } from './rows.as';

/** Buffers of the way back, at the start of a head's free room. */
@unmanaged
class Way {
  /** [2C,Vp]: D */
  d: usize;
  /** [C,Vp]: dU, then dV */
  du: usize;
  /** [2C,Cp]: of A and P */
  dScores: usize;
  /** [2C,Kp]: of a and q */
  dReaders: usize;
  /** [C,Kp]: of k, of g, and a key on its way */
  dKeys: usize;
  dGates: usize;
  walk: usize;
  /** [Kp]: a running sum, and Σ_v e^{G_Q} S ∘ Z */
  sum: usize;
  through: usize;
}

/**
 * args: as chunk.as.ts says, then 11 dy, 12 dq, 13 dk, 14 dv, 15 da, 16 dg, each 0 where nobody reads it. A task for each (batch, head). scratch: see
 * the lowering, `gradientFloats`.
 */
export function delta_rule_gradient(args: usize, task: i32, scratch: usize): void {
  const h = openHead(args, task, scratch);
  const chunks = (h.L + h.C - 1) / h.C;
  const size = <usize>h.Kp * h.valueRow;
  const w = changetype<Way>(h.take(16));
  w.d = h.take(2 * h.C * h.Vp);
  w.du = h.take(h.C * h.Vp);
  w.dScores = h.take(2 * h.C * h.Cp);
  w.dReaders = h.take(2 * h.C * h.Kp);
  w.dKeys = h.take(h.C * h.Kp);
  w.dGates = h.take(max(h.C * h.Kp, h.Cp));
  w.walk = h.take(h.C * h.Kp);
  w.sum = h.take(h.Kp);
  w.through = h.take(h.Kp);
  const z = h.take(h.Kp * h.Vp);
  const written = h.take(chunks * h.C * h.Vp);
  const states = h.take(chunks * h.Kp * h.Vp);
  const spare = h.free;

  memory.fill(states, 0, size);
  for (let c = 0; c < chunks; c++) {
    const u = written + <usize>(c * h.C) * h.valueRow;
    const state = states + <usize>c * size;
    prepare(h, c * h.C, min(h.C, h.L - c * h.C), false, spare);
    if (c > 0 && h.delta) gemmBlock(h.n, h.Vp, h.Kp, 1, readersOf(h), h.Kp, 1, state, h.Vp, 1, w.du, h.Vp, false, spare);
    solve(h, c > 0 ? w.du : 0, u);
    if (c < chunks - 1) advance(h, state, u, state + size, spare);
  }
  memory.fill(z, 0, size);
  for (let c = chunks - 1; c >= 0; c--) {
    prepare(h, c * h.C, min(h.C, h.L - c * h.C), true, spare);
    chunkGradient(h, w, states + <usize>c * size, written + <usize>(c * h.C) * h.valueRow, z, c == 0, c == chunks - 1, spare);
  }
}

function chunkGradient(h: Head, w: Way, state: usize, u: usize, z: usize, isFirst: bool, isLast: bool, spare: usize): void {
  const n = h.n, Kp = h.Kp, Vp = h.Vp, Cp = h.Cp, readers = h.readers;
  const dy = h.asked(w.d, h.valueRow);
  loadRows(n, h.V, h.value(11), h.valueStep, dy, h.valueRow);
  gemmBlock(n, Vp, n, 1, h.asked(h.scores, h.scoreRow), 1, Cp, dy, Vp, 1, w.du, Vp, false, spare);
  if (!isLast) gemmBlock(n, Vp, Kp, 1, writersOf(h), Kp, 1, z, Vp, 1, w.du, Vp, true, spare);
  if (h.delta) {
    for (let s = n - 2; s >= 0; s--) {
      const next = w.du + <usize>(s + 1) * h.valueRow;
      subtractRows(n - 1 - s, h.scores + <usize>(s + 1) * h.scoreRow + (<usize>s << 2), h.scoreRow, next, h.valueRow, next - h.valueRow);
    }
    scaleRow(-1, w.du, w.d, <usize>n * h.valueRow);
  }
  if (arg(h.args, 14)) storeRows(n, h.V, w.du, h.valueRow, h.value(14), h.valueStep);

  gemmBlock(readers, n, Vp, 1, w.d, Vp, 1, u, 1, Vp, w.dScores, Cp, false, spare);
  if (isFirst) memory.fill(w.dReaders, 0, <usize>readers * h.keyRow);
  else gemmBlock(readers, Kp, Vp, 1, w.d, Vp, 1, state, 1, Vp, w.dReaders, Kp, false, spare);
  if (isLast) memory.fill(w.dKeys, 0, <usize>n * h.keyRow);
  else gemmBlock(n, Kp, Vp, 1, u, Vp, 1, z, 1, Vp, w.dKeys, Kp, false, spare);
  if (h.decay != 0) {
    for (let i = 0; i < Kp; i++) {
      const row = <usize>i * h.valueRow;
      const at = <usize>i << 2;
      store<f32>(w.through + at, isFirst || isLast ? 0 : load<f32>(h.across + at) * dotRow(state + row, z + row, h.valueRow));
    }
  }
  if (!isFirst) {
    if (!isLast) decayState(h, z, z);
    gemmBlock(Kp, Vp, readers, 1, readersOf(h), 1, Kp, w.d, Vp, 1, z, Vp, true, spare);
  }

  if (h.decay == 2) {
    gatesFromState(h, w);
    decayReaders(h, true, w.dReaders, w.dReaders);
    walkBack(h, w);
  } else {
    if (h.decay == 1) scalarGates(h, w);
    maskScores(h, true, w.dScores);
    if (h.decay == 1) {
      decayReaders(h, true, w.dReaders, w.dReaders);
      for (let s = 0; s < n; s++) scaleRow(load<f32>(h.tokens + (<usize>s << 2)), w.dKeys + <usize>s * h.keyRow, w.dKeys + <usize>s * h.keyRow, h.keyRow);
    }
    gemmBlock(readers, Kp, n, 1, w.dScores, Cp, 1, h.keys, Kp, 1, w.dReaders, Kp, true, spare);
    gemmBlock(n, Kp, readers, 1, w.dScores, 1, Cp, h.raw, Kp, 1, w.dKeys, Kp, true, spare);
  }
  if (arg(h.args, 12)) storeRows(n, h.K, h.asked(w.dReaders, h.keyRow), h.keyRow, h.key(12), h.keyStep);
  if (arg(h.args, 13)) storeRows(n, h.K, w.dKeys, h.keyRow, h.key(13), h.keyStep);
  if (arg(h.args, 15)) storeRows(n, h.K, w.dReaders, h.keyRow, h.key(15), h.keyStep);
  if (arg(h.args, 16)) {
    if (h.decay == 2) storeRows(n, h.K, w.dGates, h.keyRow, h.gate(16), h.gateStep);
    else storeRows(n, 1, w.dGates, 4, h.gate(16), h.gateStep);
  }
}

/**
 * dg of a scalar decay. g_r scales what passes from before r to r or later: from pairs, reads of the state before, writes into the state after, and the
 * state itself. Only like terms are added, so that a strong decay's small gradient does not drown in the others'.
 */
function scalarGates(h: Head, w: Way): void {
  const n = h.n;
  const scaledQ = h.asked(h.scaled, h.keyRow), dQ = h.asked(w.dReaders, h.keyRow);
  const p = h.asked(h.scores, h.scoreRow), dP = h.asked(w.dScores, h.scoreRow);
  let fromState: f32 = 0;
  for (let i = 0; i < h.Kp; i++) fromState += load<f32>(w.through + (<usize>i << 2));
  fillRow(0, h.tokens, h.scoreRow); // Σ over readers so far, by writer
  for (let t = n - 1; t >= 0; t--) {
    const row = <usize>t * h.keyRow;
    const scores = <usize>t * h.scoreRow;
    fromState += dotRow(scaledQ + row, dQ + row, h.keyRow);
    let sum = fromState;
    for (let s: usize = 0; s < <usize>t << 2; s += 4) {
      const crossing = load<f32>(h.tokens + s) + load<f32>(p + scores + s) * load<f32>(dP + scores + s);
      sum += crossing;
      // rows a read what lies before t
      store<f32>(h.tokens + s, h.delta ? crossing + load<f32>(h.scores + scores + s) * load<f32>(w.dScores + scores + s) : crossing);
    }
    store<f32>(w.dGates + (<usize>t << 2), sum);
    if (h.delta) fromState += dotRow(h.scaled + row, w.dReaders + row, h.keyRow);
  }
  let toState: f32 = 0;
  for (let t = 0; t < n; t++) {
    const at = w.dGates + (<usize>t << 2);
    store<f32>(at, load<f32>(at) + toState);
    toState += dotRow(h.written + <usize>t * h.keyRow, w.dKeys + <usize>t * h.keyRow, h.keyRow);
  }
}

/** dg of a vector's decays, as far as the state before the chunk is concerned. */
function gatesFromState(h: Head, w: Way): void {
  const q = h.asked(h.scaled, h.keyRow), dQ = h.asked(w.dReaders, h.keyRow);
  scaleRow(1, w.through, w.sum, h.keyRow);
  for (let t = h.n - 1; t >= 0; t--) {
    const row = <usize>t * h.keyRow;
    multiplyRow(q + row, dQ + row, h.walking, h.keyRow);
    addRow(1, h.walking, w.sum, h.keyRow);
    scaleRow(1, w.sum, w.dGates + row, h.keyRow);
    if (!h.delta) continue;
    multiplyRow(h.scaled + row, w.dReaders + row, h.walking, h.keyRow);
    addRow(1, h.walking, w.sum, h.keyRow);
  }
}

/**
 * One step of a key's way back: `gradient` of the key at t + 1 becomes that at t, and what the reads of q_t and a_{t+1} give to their own gradients and to
 * g_t is added. Rows at t; those of `decay`, a and da at t + 1. Without `later` there is no t + 1.
 */
// @ts-ignore: decorator
@inline
function backStep(
  gradient: usize, key: usize, decay: usize, a: usize, da: usize, q: usize, dq: usize, dg: usize, bytes: usize, dA: f32, dP: f32, later: bool, erases: bool,
): void {
  const x = f32x4.splat(dA), p = f32x4.splat(dP);
  for (let i: usize = 0; i < bytes; i += 16) {
    const k = v128.load(key + i);
    let z = v128.load(gradient + i);
    if (later) z = f32x4.mul(z, v128.load(decay + i));
    if (later && erases) {
      z = madd(x, v128.load(a + i), z);
      v128.store(da + i, madd(x, k, v128.load(da + i)));
    }
    z = madd(p, v128.load(q + i), z);
    v128.store(gradient + i, z);
    v128.store(dq + i, madd(p, k, v128.load(dq + i)));
    v128.store(dg + i, madd(z, k, v128.load(dg + i)));
  }
}

/** The way back through walkKeys: for each key, the gradient of what it has become, from the chunk's end to its own token. */
function walkBack(h: Head, w: Way): void {
  const n = h.n;
  const bytes = h.keyRow;
  const q = h.asked(h.raw, bytes), dQ = h.asked(w.dReaders, bytes);
  const dP = h.asked(w.dScores, h.scoreRow);
  for (let s = 0; s < n; s++) {
    const column = <usize>s << 2;
    const gradient = w.dKeys + <usize>s * bytes;
    scaleRow(1, h.keys + <usize>s * bytes, w.walk + <usize>s * bytes, bytes);
    for (let t = s + 1; t < n; t++) multiplyRow(w.walk + <usize>(t - 1) * bytes, h.decays + <usize>t * bytes, w.walk + <usize>t * bytes, bytes);
    for (let t = n - 1; t >= s; t--) {
      const row = <usize>t * bytes;
      const next = row + bytes;
      const key = w.walk + row;
      // a token's own decay does not reach its key
      const dg = t > s ? w.dGates + row : h.walking;
      const dp = load<f32>(dP + <usize>t * h.scoreRow + column);
      if (t == n - 1) backStep(gradient, key, 0, 0, 0, q + row, dQ + row, dg, bytes, 0, dp, false, false);
      else if (!h.delta) backStep(gradient, key, h.decays + next, 0, 0, q + row, dQ + row, dg, bytes, 0, dp, true, false);
      else {
        const dA = load<f32>(w.dScores + <usize>(t + 1) * h.scoreRow + column);
        backStep(gradient, key, h.decays + next, h.raw + next, w.dReaders + next, q + row, dQ + row, dg, bytes, dA, dp, true, true);
      }
    }
  }
}
