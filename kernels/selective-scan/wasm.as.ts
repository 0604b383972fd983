/**
 * Selective scan. A task owns one sequence and a block of channels; vectors run over four channels (a group), so that
 * nothing is summed across lanes until the gradients of b and c are complete. Time goes in chunks whose operands are
 * packed in scratch; inside a chunk four states (a quad) at a time run over all steps, the states in registers.
 *
 * Letters: B sequences, L steps, E channels, N states, K steps in a chunk, G groups in the block, Q = ⌈N/4⌉ quads.
 * Packed layouts, in vectors of 16 bytes: channels [G][K], b and c [Q][K] (a quad of states per vector), states [G][4Q].
 */
import { arg, madd, sum4 } from '../../engine/wasm/assembly/math.as';

const LOG2E: f32 = 1.4426950408889634;
const LN2: f32 = 0.6931471805599453;

/**
 * 2ᵗ for t ≤ 0 (right up to 127): relative error 1.5e-7, and 1 − 2ᵗ is right to 3e-7 of itself however small, so that
 * slow decays stay slow. Below −125 it is 2⁻¹²⁵; NaN stays NaN. Minimax polynomial of degree 5 with constant term 1.
 */
// @ts-ignore: decorator
@inline
function decay4(t: v128): v128 {
  const magic = f32x4.splat(12582912); // 1.5·2²³: adding it rounds to an integer, kept in the low bits
  const clamped = f32x4.pmax(t, f32x4.splat(-125)); // unlike max, one instruction
  const rounded = f32x4.add(clamped, magic);
  const r = f32x4.sub(clamped, f32x4.sub(rounded, magic));
  let p = madd(f32x4.splat(0.001326472731307149), r, f32x4.splat(0.009671512991189957));
  p = madd(p, r, f32x4.splat(0.05550733581185341));
  p = madd(p, r, f32x4.splat(0.24022242426872253));
  p = madd(p, r, f32x4.splat(0.6931470036506653));
  p = madd(p, r, f32x4.splat(1));
  return i32x4.add(p, i32x4.shl(rounded, 23));
}

/** Packs rows of channels (`stride` bytes from row to row) as [G] columns of `groupBytes`; lanes beyond the channels are 0. */
function packChannels(from: usize, stride: usize, rows: i32, channels: i32, to: usize, groupBytes: usize): void {
  const whole = channels & ~3;
  for (let i = 0; i < rows; i++) {
    let target = to + (i << 4);
    let e = 0;
    for (; e < whole; e += 4) {
      v128.store(target, v128.load(from + (e << 2)));
      target += groupBytes;
    }
    if (e < channels) {
      v128.store(target, f32x4.splat(0));
      for (; e < channels; e++) store<f32>(target + ((e & 3) << 2), load<f32>(from + (e << 2)));
    }
    from += stride;
  }
}

/** The inverse of packChannels. */
function unpackChannels(from: usize, groupBytes: usize, rows: i32, channels: i32, to: usize, stride: usize): void {
  const whole = channels & ~3;
  for (let i = 0; i < rows; i++) {
    let source = from + (i << 4);
    let e = 0;
    for (; e < whole; e += 4) {
      v128.store(to + (e << 2), v128.load(source));
      source += groupBytes;
    }
    for (; e < channels; e++) store<f32>(to + (e << 2), load<f32>(source + ((e & 3) << 2)));
    to += stride;
  }
}

/** Packs rows of N floats as [Q] columns of `quadBytes`, 0 beyond N. */
function packQuads(from: usize, rows: i32, n: i32, to: usize, quadBytes: usize): void {
  const padded = (n + 3) & ~3;
  for (let i = 0; i < rows; i++) {
    const target = to + (i << 4);
    for (let m = 0; m < padded; m++) {
      store<f32>(target + (m >> 2) * quadBytes + ((m & 3) << 2), m < n ? load<f32>(from + (m << 2)) : 0);
    }
    from += n << 2;
  }
}

/** Byte offset of channel e, state m in packed states. */
// @ts-ignore: decorator
@inline
function stateOffset(e: i32, m: i32, quads: i32): usize {
  return ((((e >> 2) * quads << 2) + m) << 4) + ((e & 3) << 2);
}

/** a·log₂e of [channels, N] as packed states; 0 beyond N and beyond the channels. */
function packDecay(a: usize, channels: i32, n: i32, to: usize, quads: i32): void {
  memory.fill(to, 0, ((channels + 3) >> 2) * quads << 6);
  for (let e = 0; e < channels; e++) {
    for (let m = 0; m < n; m++) {
      store<f32>(to + stateOffset(e, m, quads), LOG2E * load<f32>(a));
      a += 4;
    }
  }
}

/** Packed states to [channels, N]. */
function unpackStates(from: usize, quads: i32, n: i32, channels: i32, to: usize): void {
  for (let e = 0; e < channels; e++) {
    for (let m = 0; m < n; m++) {
      store<f32>(to, load<f32>(from + stateOffset(e, m, quads)));
      to += 4;
    }
  }
}

/** One group and one quad over a chunk: h_t = 2^(δ a)·h_{t−1} + u b, y += Σ c·h; h is left as it is after the chunk. */
function scanQuad(rows: i32, a: usize, h: usize, b: usize, c: usize, delta: usize, u: usize, y: usize): void {
  const a0 = v128.load(a, 0);
  const a1 = v128.load(a, 16);
  const a2 = v128.load(a, 32);
  const a3 = v128.load(a, 48);
  let h0 = v128.load(h, 0);
  let h1 = v128.load(h, 16);
  let h2 = v128.load(h, 32);
  let h3 = v128.load(h, 48);
  const bytes: usize = rows << 4;
  for (let at: usize = 0; at < bytes; at += 16) {
    const step = v128.load(delta + at);
    const ut = v128.load(u + at);
    const bt = v128.load(b + at);
    const ct = v128.load(c + at);
    let sum = v128.load(y + at);
    h0 = madd(decay4(f32x4.mul(step, a0)), h0, f32x4.mul(ut, i32x4.shuffle(bt, bt, 0, 0, 0, 0)));
    sum = madd(h0, i32x4.shuffle(ct, ct, 0, 0, 0, 0), sum);
    h1 = madd(decay4(f32x4.mul(step, a1)), h1, f32x4.mul(ut, i32x4.shuffle(bt, bt, 1, 1, 1, 1)));
    sum = madd(h1, i32x4.shuffle(ct, ct, 1, 1, 1, 1), sum);
    h2 = madd(decay4(f32x4.mul(step, a2)), h2, f32x4.mul(ut, i32x4.shuffle(bt, bt, 2, 2, 2, 2)));
    sum = madd(h2, i32x4.shuffle(ct, ct, 2, 2, 2, 2), sum);
    h3 = madd(decay4(f32x4.mul(step, a3)), h3, f32x4.mul(ut, i32x4.shuffle(bt, bt, 3, 3, 3, 3)));
    sum = madd(h3, i32x4.shuffle(ct, ct, 3, 3, 3, 3), sum);
    v128.store(y + at, sum);
  }
  v128.store(h, h0, 0);
  v128.store(h, h1, 16);
  v128.store(h, h2, 32);
  v128.store(h, h3, 48);
}

/**
 * Forward. Arguments: x δ a b c d | y, final state [B,E,N], states before each chunk [B,chunks,N,E] (0 where unwanted) | L E N,
 * channels in a block, K. Tasks: B × blocks. Scratch: 4·(3·4G·K + 2·4Q·K + 2·4G·4Q + 4G) bytes.
 */
export function scan_forward(args: usize, task: i32, scratch: usize): void {
  const length = arg(args, 9);
  const width = arg(args, 10);
  const n = arg(args, 11);
  const block = arg(args, 12);
  const chunk = arg(args, 13);
  const blocks = (width + block - 1) / block;
  const batch = task / blocks;
  const first = (task % blocks) * block;
  const channels = min(block, width - first);
  const groups = (channels + 3) >> 2;
  const quads = (n + 3) >> 2;
  const chunks = (length + chunk - 1) / chunk;

  const row: usize = width << 2;
  const stateRow: usize = n << 2;
  const offset: usize = batch * length * row + (first << 2);
  let x: usize = arg(args, 0) + offset;
  let delta: usize = arg(args, 1) + offset;
  let y: usize = arg(args, 6) + offset;
  let b: usize = arg(args, 3) + batch * length * stateRow;
  let c: usize = arg(args, 4) + batch * length * stateRow;
  const last: usize = arg(args, 7);
  const states: usize = arg(args, 8);

  const column: usize = chunk << 4;
  const stateBytes: usize = (groups * quads) << 6;
  const decayAt = scratch;
  const hAt = decayAt + stateBytes;
  const skipAt = hAt + stateBytes;
  const bAt = skipAt + (groups << 4);
  const cAt = bAt + quads * column;
  const deltaAt = cAt + quads * column;
  const uAt = deltaAt + groups * column;
  const yAt = uAt + groups * column;

  packDecay(arg(args, 2) + first * stateRow, channels, n, decayAt, quads);
  packChannels(arg(args, 5) + (first << 2), 0, 1, channels, skipAt, 16);
  memory.fill(hAt, 0, stateBytes);
  for (let k = 0; k < chunks; k++) {
    const rows = min(chunk, length - k * chunk);
    if (states !== 0) unpackChannels(hAt, quads << 6, n, channels, states + ((batch * chunks + k) * n) * row + (first << 2), row);
    packChannels(x, row, rows, channels, uAt, column);
    packChannels(delta, row, rows, channels, deltaAt, column);
    packQuads(b, rows, n, bAt, column);
    packQuads(c, rows, n, cAt, column);
    for (let g = 0; g < groups; g++) {
      const skip = v128.load(skipAt + (g << 4));
      let at: usize = g * column;
      for (const end = at + (rows << 4); at < end; at += 16) {
        const xt = v128.load(uAt + at);
        v128.store(yAt + at, f32x4.mul(xt, skip));
        v128.store(uAt + at, f32x4.mul(xt, v128.load(deltaAt + at)));
      }
    }
    for (let q = 0; q < quads; q++) {
      for (let g = 0; g < groups; g++) {
        const state: usize = (g * quads + q) << 6;
        const at: usize = g * column;
        scanQuad(rows, decayAt + state, hAt + state, bAt + q * column, cAt + q * column, deltaAt + at, uAt + at, yAt + at);
      }
    }
    unpackChannels(yAt, column, rows, channels, y, row);
    x += rows * row;
    delta += rows * row;
    y += rows * row;
    b += rows * stateRow;
    c += rows * stateRow;
  }
  if (last !== 0) unpackStates(hAt, quads, n, channels, last + (batch * width + first) * stateRow);
}

/** One group and one quad over a chunk, from the states h before it: keeps the states in trace [K+1][4], the first being h, and their decays in [K][4]. */
function traceQuad(rows: i32, a: usize, h: usize, b: usize, delta: usize, u: usize, trace: usize, decays: usize): void {
  const a0 = v128.load(a, 0);
  const a1 = v128.load(a, 16);
  const a2 = v128.load(a, 32);
  const a3 = v128.load(a, 48);
  let h0 = v128.load(h, 0);
  let h1 = v128.load(h, 16);
  let h2 = v128.load(h, 32);
  let h3 = v128.load(h, 48);
  v128.store(trace, h0, 0);
  v128.store(trace, h1, 16);
  v128.store(trace, h2, 32);
  v128.store(trace, h3, 48);
  const bytes: usize = rows << 4;
  for (let at: usize = 0; at < bytes; at += 16) {
    const step = v128.load(delta + at);
    const ut = v128.load(u + at);
    const bt = v128.load(b + at);
    const d0 = decay4(f32x4.mul(step, a0));
    const d1 = decay4(f32x4.mul(step, a1));
    const d2 = decay4(f32x4.mul(step, a2));
    const d3 = decay4(f32x4.mul(step, a3));
    h0 = madd(d0, h0, f32x4.mul(ut, i32x4.shuffle(bt, bt, 0, 0, 0, 0)));
    h1 = madd(d1, h1, f32x4.mul(ut, i32x4.shuffle(bt, bt, 1, 1, 1, 1)));
    h2 = madd(d2, h2, f32x4.mul(ut, i32x4.shuffle(bt, bt, 2, 2, 2, 2)));
    h3 = madd(d3, h3, f32x4.mul(ut, i32x4.shuffle(bt, bt, 3, 3, 3, 3)));
    v128.store(decays, d0, 0);
    v128.store(trace, h0, 64);
    v128.store(decays, d1, 16);
    v128.store(trace, h1, 80);
    v128.store(decays, d2, 32);
    v128.store(trace, h2, 96);
    v128.store(decays, d3, 48);
    v128.store(trace, h3, 112);
    decays += 64;
    trace += 64;
  }
}

/**
 * Gradients of one group and two states over a chunk, backwards in time, with p_t the gradient of h_t and s_t that of u_t b_t:
 * s_t = dy_t c_t + p_t, p_{t−1} = 2^(δ_t a) s_t. Adds s b to `input` (the gradient of u), p_{t−1} h_{t−1} a to `exponent` (in units of ln 2, that
 * of δ), p_{t−1} h_{t−1} δ to da, and s u and dy h to db and dc, [K][4] vectors whose lanes are still to be summed. p is left as
 * it is before the chunk.
 */
function gradientPair(
  rows: i32, a: usize, b: usize, c: usize, delta: usize, u: usize, dy: usize, trace: usize, decays: usize,
  input: usize, exponent: usize, db: usize, dc: usize, da: usize, p: usize,
): void {
  const a0 = v128.load(a, 0);
  const a1 = v128.load(a, 16);
  let p0 = v128.load(p, 0);
  let p1 = v128.load(p, 16);
  let da0 = v128.load(da, 0);
  let da1 = v128.load(da, 16);
  for (let at: usize = rows << 4; at > 0; ) {
    at -= 16;
    const wide = at << 2;
    const step = v128.load(delta + at);
    const ut = v128.load(u + at);
    const dyt = v128.load(dy + at);
    const h = trace + wide;
    let s = madd(dyt, v128.load32_splat(c + at, 0), p0);
    v128.store(dc + wide, madd(dyt, v128.load(h, 64), v128.load(dc + wide, 0)), 0);
    v128.store(db + wide, madd(s, ut, v128.load(db + wide, 0)), 0);
    const toInput = madd(s, v128.load32_splat(b + at, 0), v128.load(input + at));
    p0 = f32x4.mul(s, v128.load(decays + wide, 0));
    let ph = f32x4.mul(p0, v128.load(h, 0));
    const toExponent = madd(ph, a0, v128.load(exponent + at));
    da0 = madd(ph, step, da0);
    s = madd(dyt, v128.load32_splat(c + at, 4), p1);
    v128.store(dc + wide, madd(dyt, v128.load(h, 80), v128.load(dc + wide, 16)), 16);
    v128.store(db + wide, madd(s, ut, v128.load(db + wide, 16)), 16);
    v128.store(input + at, madd(s, v128.load32_splat(b + at, 4), toInput));
    p1 = f32x4.mul(s, v128.load(decays + wide, 16));
    ph = f32x4.mul(p1, v128.load(h, 16));
    v128.store(exponent + at, madd(ph, a1, toExponent));
    da1 = madd(ph, step, da1);
  }
  v128.store(p, p0, 0);
  v128.store(p, p1, 16);
  v128.store(da, da0, 0);
  v128.store(da, da1, 16);
}

/** Lane sums of [K][4] vectors into columns m … m+3 (those below N) of rows of N floats. */
function sumLanes(from: usize, rows: i32, to: usize, m: i32, n: i32): void {
  const columns = min(4, n - m) << 2;
  to += m << 2;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j += 4) store<f32>(to + j, sum4(v128.load(from + (j << 2))));
    from += 64;
    to += n << 2;
  }
}

/**
 * Gradients. Arguments: dy x δ a b c d, states before each chunk | dx, dδ, da by sequence [B,E,N], db and dc by block [blocks,B,L,N],
 * dd by sequence [B,E] (0 where unwanted) | B L E N, channels in a block, K. Tasks: B × blocks.
 * Scratch: 4·(6·4G·K + 2·4Q·K + 4·4G·4Q + 2·4G + 16·(4K+1)) bytes.
 */
export function scan_gradient(args: usize, task: i32, scratch: usize): void {
  const batches = arg(args, 14);
  const length = arg(args, 15);
  const width = arg(args, 16);
  const n = arg(args, 17);
  const block = arg(args, 18);
  const chunk = arg(args, 19);
  const blocks = (width + block - 1) / block;
  const batch = task / blocks;
  const first = (task % blocks) * block;
  const channels = min(block, width - first);
  const groups = (channels + 3) >> 2;
  const quads = (n + 3) >> 2;
  const chunks = (length + chunk - 1) / chunk;

  const row: usize = width << 2;
  const stateRow: usize = n << 2;
  const offset: usize = batch * length * row + (first << 2);
  const dyFrom: usize = arg(args, 0) + offset;
  const xFrom: usize = arg(args, 1) + offset;
  const deltaFrom: usize = arg(args, 2) + offset;
  const bFrom: usize = arg(args, 4) + batch * length * stateRow;
  const cFrom: usize = arg(args, 5) + batch * length * stateRow;
  const states: usize = arg(args, 7);
  const dx: usize = arg(args, 8);
  const ddelta: usize = arg(args, 9);
  const da: usize = arg(args, 10);
  const db: usize = arg(args, 11);
  const dc: usize = arg(args, 12);
  const dd: usize = arg(args, 13);
  const partial: usize = ((task % blocks) * batches + batch) * length * stateRow;

  const column: usize = chunk << 4;
  const packed: usize = groups * column;
  const stateBytes: usize = (groups * quads) << 6;
  const decayAt = scratch;
  const hAt = decayAt + stateBytes;
  const daAt = hAt + stateBytes;
  const pAt = daAt + stateBytes;
  const skipAt = pAt + stateBytes;
  const ddAt = skipAt + (groups << 4);
  const bAt = ddAt + (groups << 4);
  const cAt = bAt + quads * column;
  const dyAt = cAt + quads * column;
  const xAt = dyAt + packed;
  const deltaAt = xAt + packed;
  const uAt = deltaAt + packed;
  const inputAt = uAt + packed;
  const exponentAt = inputAt + packed;
  const dbAt = exponentAt + packed;
  const dcAt = dbAt + (column << 2);
  const decaysAt = dcAt + (column << 2);
  const traceAt = decaysAt + (column << 2);

  packDecay(arg(args, 3) + first * stateRow, channels, n, decayAt, quads);
  packChannels(arg(args, 6) + (first << 2), 0, 1, channels, skipAt, 16);
  memory.fill(hAt, 0, 3 * stateBytes);
  memory.fill(ddAt, 0, groups << 4);
  for (let k = chunks - 1; k >= 0; k--) {
    const start = k * chunk;
    const rows = min(chunk, length - start);
    const at0: usize = start * row;
    packChannels(states + ((batch * chunks + k) * n) * row + (first << 2), row, n, channels, hAt, quads << 6);
    packChannels(dyFrom + at0, row, rows, channels, dyAt, column);
    packChannels(xFrom + at0, row, rows, channels, xAt, column);
    packChannels(deltaFrom + at0, row, rows, channels, deltaAt, column);
    packQuads(bFrom + start * stateRow, rows, n, bAt, column);
    packQuads(cFrom + start * stateRow, rows, n, cAt, column);
    memory.fill(inputAt, 0, packed << 1);
    for (let g = 0; g < groups; g++) {
      let at: usize = g * column;
      for (const end = at + (rows << 4); at < end; at += 16) v128.store(uAt + at, f32x4.mul(v128.load(xAt + at), v128.load(deltaAt + at)));
    }
    for (let q = 0; q < quads; q++) {
      memory.fill(dbAt, 0, column << 3);
      for (let g = 0; g < groups; g++) {
        const state: usize = (g * quads + q) << 6;
        const at: usize = g * column;
        traceQuad(rows, decayAt + state, hAt + state, bAt + q * column, deltaAt + at, uAt + at, traceAt, decaysAt);
        for (let pair: usize = 0; pair < 64; pair += 32) {
          const s = state + pair;
          const m: usize = q * column + (pair >> 2);
          gradientPair(
            rows, decayAt + s, bAt + m, cAt + m, deltaAt + at, uAt + at, dyAt + at, traceAt + pair, decaysAt + pair,
            inputAt + at, exponentAt + at, dbAt + pair, dcAt + pair, daAt + s, pAt + s,
          );
        }
      }
      if (db !== 0) sumLanes(dbAt, rows, db + partial + start * stateRow, q << 2, n);
      if (dc !== 0) sumLanes(dcAt, rows, dc + partial + start * stateRow, q << 2, n);
    }
    const ln2 = f32x4.splat(LN2);
    for (let g = 0; g < groups; g++) {
      const skip = v128.load(skipAt + (g << 4));
      let sum = v128.load(ddAt + (g << 4));
      let at: usize = g * column;
      for (const end = at + (rows << 4); at < end; at += 16) {
        const xt = v128.load(xAt + at);
        const dyt = v128.load(dyAt + at);
        const input = v128.load(inputAt + at);
        sum = madd(dyt, xt, sum);
        v128.store(inputAt + at, madd(input, v128.load(deltaAt + at), f32x4.mul(dyt, skip)));
        v128.store(exponentAt + at, madd(v128.load(exponentAt + at), ln2, f32x4.mul(input, xt)));
      }
      v128.store(ddAt + (g << 4), sum);
    }
    if (dx !== 0) unpackChannels(inputAt, column, rows, channels, dx + offset + at0, row);
    if (ddelta !== 0) unpackChannels(exponentAt, column, rows, channels, ddelta + offset + at0, row);
  }
  if (da !== 0) unpackStates(daAt, quads, n, channels, da + (batch * width + first) * stateRow);
  if (dd !== 0) unpackChannels(ddAt, 16, 1, channels, dd + ((batch * width + first) << 2), 0);
}
