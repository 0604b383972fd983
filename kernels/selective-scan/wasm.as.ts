/**
 * Selective scan. A task owns one sequence and a block of channels; vectors run over channels, so that nothing is summed across lanes
 * until the gradients of b and c are complete. Time goes in chunks whose operands are packed in scratch; inside a chunk four states
 * (a quad) at a time run over all steps, the states in registers, for one group of channels: four, or eight where V8 joins two
 * vectors (storePair).
 *
 * Letters: B sequences, L steps, E channels, N states, K steps in a chunk, G groups in the block, Q = ⌈N/4⌉ quads. T is a type of as many
 * bytes as a group has channels, f32 or f64: offsets in instructions have to be known when a function is compiled.
 * Packed layouts: channels [G][K] and states [G][4Q] of a group's floats, b and c [Q][K] of four (a quad of states).
 */
import { arg, exp2Falling4, madd, storePair, sum4, WIDE } from '../../engine/wasm/assembly/math.as';

const LOG2E: f32 = 1.4426950408889634;
const LN2: f32 = 0.6931471805599453;

/** Of 2ᵗ, to a relative error of 1.5e-7; 1 − 2ᵗ is right to 3e-7 of itself however small, so that slow decays stay slow. */
const DECAY = memory.data<f32>([
  12582912, -125, 0.001326472731307149, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1,
]);

/** 2ᵗ for t ≤ 0. */
// @ts-ignore: decorator
@inline
function decay4(t: v128): v128 {
  return exp2Falling4(t, DECAY);
}

/** The second vector of a group, if it has one. */
// @ts-ignore: decorator
@inline
function second<T>(at: usize): v128 {
  return sizeof<T>() == 8 ? v128.load(at, 16) : f32x4.splat(0);
}

/** One vector of a group, or both. */
// @ts-ignore: decorator
@inline
function put<T>(to: usize, v: v128, x: v128): void {
  if (sizeof<T>() == 8) storePair(to, v, x);
  else v128.store(to, v);
}

/** Packs rows of channels (`stride` bytes from row to row) as [G] columns of `groupBytes`; lanes beyond the channels are 0. */
function packChannels<T>(from: usize, stride: usize, rows: i32, channels: i32, to: usize, groupBytes: usize): void {
  const group = <i32>sizeof<T>();
  const whole = channels & -group;
  for (let i = 0; i < rows; i++) {
    let target = to + i * (group << 2);
    let e = 0;
    for (; e < whole; e += group) {
      const source = from + (e << 2);
      put<T>(target, v128.load(source), second<T>(source));
      target += groupBytes;
    }
    if (e < channels) {
      put<T>(target, f32x4.splat(0), f32x4.splat(0));
      for (; e < channels; e++) store<f32>(target + ((e & (group - 1)) << 2), load<f32>(from + (e << 2)));
    }
    from += stride;
  }
}

/** The inverse of packChannels. */
function unpackChannels<T>(from: usize, groupBytes: usize, rows: i32, channels: i32, to: usize, stride: usize): void {
  const group = <i32>sizeof<T>();
  const whole = channels & -group;
  for (let i = 0; i < rows; i++) {
    let source = from + i * (group << 2);
    let e = 0;
    for (; e < whole; e += group) {
      const target = to + (e << 2);
      put<T>(target, v128.load(source), second<T>(source));
      source += groupBytes;
    }
    for (; e < channels; e++) store<f32>(to + (e << 2), load<f32>(source + ((e & (group - 1)) << 2)));
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
function stateOffset<T>(e: i32, m: i32, quads: i32): usize {
  const group = <i32>sizeof<T>();
  return ((e / group * quads << 2) + m) * (group << 2) + ((e & (group - 1)) << 2);
}

/** a·log₂e of [channels, N] as packed states; 0 beyond N and beyond the channels. */
function packDecay<T>(a: usize, channels: i32, n: i32, to: usize, stateBytes: usize, quads: i32): void {
  memory.fill(to, 0, stateBytes);
  for (let e = 0; e < channels; e++) {
    for (let m = 0; m < n; m++) {
      store<f32>(to + stateOffset<T>(e, m, quads), LOG2E * load<f32>(a));
      a += 4;
    }
  }
}

/** Packed states to [channels, N]. */
function unpackStates<T>(from: usize, quads: i32, n: i32, channels: i32, to: usize): void {
  for (let e = 0; e < channels; e++) {
    for (let m = 0; m < n; m++) {
      store<f32>(to, load<f32>(from + stateOffset<T>(e, m, quads)));
      to += 4;
    }
  }
}

/** One group and one quad over a chunk: h_t = 2^(δ a)·h_{t−1} + u b, y += Σ c·h; h is left as it is after the chunk. */
// @ts-ignore: decorator
@inline
function scan<T>(rows: i32, a: usize, h: usize, b: usize, c: usize, delta: usize, u: usize, y: usize): void {
  // the second vector of a group of eight is marked x
  const wide = sizeof<T>() == 8;
  const a0 = v128.load(a), a0x = second<T>(a);
  const a1 = v128.load(a, 4 * sizeof<T>()), a1x = wide ? v128.load(a, 4 * sizeof<T>() + 16) : a1;
  const a2 = v128.load(a, 8 * sizeof<T>()), a2x = wide ? v128.load(a, 8 * sizeof<T>() + 16) : a2;
  const a3 = v128.load(a, 12 * sizeof<T>()), a3x = wide ? v128.load(a, 12 * sizeof<T>() + 16) : a3;
  let h0 = v128.load(h), h0x = second<T>(h);
  let h1 = v128.load(h, 4 * sizeof<T>()), h1x = wide ? v128.load(h, 4 * sizeof<T>() + 16) : h1;
  let h2 = v128.load(h, 8 * sizeof<T>()), h2x = wide ? v128.load(h, 8 * sizeof<T>() + 16) : h2;
  let h3 = v128.load(h, 12 * sizeof<T>()), h3x = wide ? v128.load(h, 12 * sizeof<T>() + 16) : h3;
  const end = u + rows * (4 * sizeof<T>());
  for (; u < end; u += 4 * sizeof<T>()) {
    const step = v128.load(delta), stepx = second<T>(delta);
    const ut = v128.load(u), utx = second<T>(u);
    let sum = v128.load(y), sumx = second<T>(y);
    let bm = v128.load32_splat(b);
    let cm = v128.load32_splat(c);
    h0 = madd(decay4(f32x4.mul(step, a0)), h0, f32x4.mul(ut, bm));
    sum = madd(h0, cm, sum);
    if (wide) {
      h0x = madd(decay4(f32x4.mul(stepx, a0x)), h0x, f32x4.mul(utx, bm));
      sumx = madd(h0x, cm, sumx);
    }
    bm = v128.load32_splat(b, 4);
    cm = v128.load32_splat(c, 4);
    h1 = madd(decay4(f32x4.mul(step, a1)), h1, f32x4.mul(ut, bm));
    sum = madd(h1, cm, sum);
    if (wide) {
      h1x = madd(decay4(f32x4.mul(stepx, a1x)), h1x, f32x4.mul(utx, bm));
      sumx = madd(h1x, cm, sumx);
    }
    bm = v128.load32_splat(b, 8);
    cm = v128.load32_splat(c, 8);
    h2 = madd(decay4(f32x4.mul(step, a2)), h2, f32x4.mul(ut, bm));
    sum = madd(h2, cm, sum);
    if (wide) {
      h2x = madd(decay4(f32x4.mul(stepx, a2x)), h2x, f32x4.mul(utx, bm));
      sumx = madd(h2x, cm, sumx);
    }
    bm = v128.load32_splat(b, 12);
    cm = v128.load32_splat(c, 12);
    h3 = madd(decay4(f32x4.mul(step, a3)), h3, f32x4.mul(ut, bm));
    sum = madd(h3, cm, sum);
    if (wide) {
      h3x = madd(decay4(f32x4.mul(stepx, a3x)), h3x, f32x4.mul(utx, bm));
      sumx = madd(h3x, cm, sumx);
    }
    put<T>(y, sum, sumx);
    delta += 4 * sizeof<T>();
    y += 4 * sizeof<T>();
    b += 16;
    c += 16;
  }
  if (wide) v128.store(h, h0x, 16);
  v128.store(h, h0);
  if (wide) v128.store(h, h1x, 4 * sizeof<T>() + 16);
  v128.store(h, h1, 4 * sizeof<T>());
  if (wide) v128.store(h, h2x, 8 * sizeof<T>() + 16);
  v128.store(h, h2, 8 * sizeof<T>());
  if (wide) v128.store(h, h3x, 12 * sizeof<T>() + 16);
  v128.store(h, h3, 12 * sizeof<T>());
}

// exported, or they are inlined into their caller, and V8 runs short of registers
export function scan_quad(rows: i32, a: usize, h: usize, b: usize, c: usize, delta: usize, u: usize, y: usize): void {
  scan<f32>(rows, a, h, b, c, delta, u, y);
}
export function scan_wide_quad(rows: i32, a: usize, h: usize, b: usize, c: usize, delta: usize, u: usize, y: usize): void {
  scan<f64>(rows, a, h, b, c, delta, u, y);
}

/** From x at u, so many bytes of a group: y = d x, u = δ x. */
function skipAndInput<T>(bytes: usize, skip: usize, delta: usize, u: usize, y: usize): void {
  const d = v128.load(skip), dx = second<T>(skip);
  const end = u + bytes;
  while (u < end) {
    const x = v128.load(u), xx = second<T>(u);
    put<T>(y, f32x4.mul(x, d), f32x4.mul(xx, dx));
    put<T>(u, f32x4.mul(x, v128.load(delta)), f32x4.mul(xx, second<T>(delta)));
    delta += 4 * sizeof<T>();
    u += 4 * sizeof<T>();
    y += 4 * sizeof<T>();
  }
}

/**
 * Forward. Arguments: x δ a b c d | y, final state [B,E,N], states before each chunk [B,chunks,N,E] (0 where unwanted) | L E N,
 * channels in a block, K. Tasks: B × blocks. Scratch: 4·(3·E'·K + 2·4Q·K + 2·E'·4Q + E') bytes, E' the block's channels in whole groups.
 */
// @ts-ignore: decorator
@inline
function forward<T>(args: usize, task: i32, scratch: usize): void {
  const group = <i32>sizeof<T>();
  const length = arg(args, 9);
  const width = arg(args, 10);
  const n = arg(args, 11);
  const block = arg(args, 12);
  const chunk = arg(args, 13);
  const blocks = (width + block - 1) / block;
  const batch = task / blocks;
  const first = (task % blocks) * block;
  const channels = min(block, width - first);
  const groups = (channels + group - 1) / group;
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

  const column: usize = chunk * (group << 2);
  const quadColumn: usize = chunk << 4;
  const quadBytes: usize = group << 4; // of the states of a group
  const stateBytes: usize = groups * quads * quadBytes;
  const decayAt = scratch;
  const hAt = decayAt + stateBytes;
  const skipAt = hAt + stateBytes;
  const bAt = skipAt + groups * (group << 2);
  const cAt = bAt + quads * quadColumn;
  const deltaAt = cAt + quads * quadColumn;
  const uAt = deltaAt + groups * column;
  const yAt = uAt + groups * column;

  packDecay<T>(arg(args, 2) + first * stateRow, channels, n, decayAt, stateBytes, quads);
  packChannels<T>(arg(args, 5) + (first << 2), 0, 1, channels, skipAt, group << 2);
  memory.fill(hAt, 0, stateBytes);
  for (let k = 0; k < chunks; k++) {
    const rows = min(chunk, length - k * chunk);
    if (states !== 0) unpackChannels<T>(hAt, quads * quadBytes, n, channels, states + ((batch * chunks + k) * n) * row + (first << 2), row);
    packChannels<T>(x, row, rows, channels, uAt, column);
    packChannels<T>(delta, row, rows, channels, deltaAt, column);
    packQuads(b, rows, n, bAt, quadColumn);
    packQuads(c, rows, n, cAt, quadColumn);
    for (let g = 0; g < groups; g++) skipAndInput<T>(rows * (group << 2), skipAt + g * (group << 2), deltaAt + g * column, uAt + g * column, yAt + g * column);
    for (let q = 0; q < quads; q++) {
      const bq = bAt + q * quadColumn;
      const cq = cAt + q * quadColumn;
      for (let g = 0; g < groups; g++) {
        const a = decayAt + (g * quads + q) * quadBytes;
        const h = hAt + (g * quads + q) * quadBytes;
        const at: usize = g * column;
        if (group == 8) scan_wide_quad(rows, a, h, bq, cq, deltaAt + at, uAt + at, yAt + at);
        else scan_quad(rows, a, h, bq, cq, deltaAt + at, uAt + at, yAt + at);
      }
    }
    unpackChannels<T>(yAt, column, rows, channels, y, row);
    x += rows * row;
    delta += rows * row;
    y += rows * row;
    b += rows * stateRow;
    c += rows * stateRow;
  }
  if (last !== 0) unpackStates<T>(hAt, quads, n, channels, last + (batch * width + first) * stateRow);
}

export function scan_forward(args: usize, task: i32, scratch: usize): void {
  if (WIDE) forward<f64>(args, task, scratch);
  else forward<f32>(args, task, scratch);
}

/**
 * One group and one quad over a chunk, from the states h before it: keeps the states in [K+1][4], the first being h, and their decays in
 * [K][4].
 */
// @ts-ignore: decorator
@inline
function trace<T>(rows: i32, a: usize, h: usize, b: usize, delta: usize, u: usize, to: usize, decays: usize): void {
  const wide = sizeof<T>() == 8;
  const a0 = v128.load(a), a0x = second<T>(a);
  const a1 = v128.load(a, 4 * sizeof<T>()), a1x = wide ? v128.load(a, 4 * sizeof<T>() + 16) : a1;
  const a2 = v128.load(a, 8 * sizeof<T>()), a2x = wide ? v128.load(a, 8 * sizeof<T>() + 16) : a2;
  const a3 = v128.load(a, 12 * sizeof<T>()), a3x = wide ? v128.load(a, 12 * sizeof<T>() + 16) : a3;
  let h0 = v128.load(h), h0x = second<T>(h);
  let h1 = v128.load(h, 4 * sizeof<T>()), h1x = wide ? v128.load(h, 4 * sizeof<T>() + 16) : h1;
  let h2 = v128.load(h, 8 * sizeof<T>()), h2x = wide ? v128.load(h, 8 * sizeof<T>() + 16) : h2;
  let h3 = v128.load(h, 12 * sizeof<T>()), h3x = wide ? v128.load(h, 12 * sizeof<T>() + 16) : h3;
  if (wide) v128.store(to, h0x, 16);
  v128.store(to, h0);
  if (wide) v128.store(to, h1x, 4 * sizeof<T>() + 16);
  v128.store(to, h1, 4 * sizeof<T>());
  if (wide) v128.store(to, h2x, 8 * sizeof<T>() + 16);
  v128.store(to, h2, 8 * sizeof<T>());
  if (wide) v128.store(to, h3x, 12 * sizeof<T>() + 16);
  v128.store(to, h3, 12 * sizeof<T>());
  const end = u + rows * (4 * sizeof<T>());
  for (; u < end; u += 4 * sizeof<T>()) {
    const step = v128.load(delta), stepx = second<T>(delta);
    const ut = v128.load(u), utx = second<T>(u);
    const d0 = decay4(f32x4.mul(step, a0)), d0x = wide ? decay4(f32x4.mul(stepx, a0x)) : d0;
    const b0 = v128.load32_splat(b);
    h0 = madd(d0, h0, f32x4.mul(ut, b0));
    if (wide) h0x = madd(d0x, h0x, f32x4.mul(utx, b0));
    const d1 = decay4(f32x4.mul(step, a1)), d1x = wide ? decay4(f32x4.mul(stepx, a1x)) : d1;
    const b1 = v128.load32_splat(b, 4);
    h1 = madd(d1, h1, f32x4.mul(ut, b1));
    if (wide) h1x = madd(d1x, h1x, f32x4.mul(utx, b1));
    const d2 = decay4(f32x4.mul(step, a2)), d2x = wide ? decay4(f32x4.mul(stepx, a2x)) : d2;
    const b2 = v128.load32_splat(b, 8);
    h2 = madd(d2, h2, f32x4.mul(ut, b2));
    if (wide) h2x = madd(d2x, h2x, f32x4.mul(utx, b2));
    const d3 = decay4(f32x4.mul(step, a3)), d3x = wide ? decay4(f32x4.mul(stepx, a3x)) : d3;
    const b3 = v128.load32_splat(b, 12);
    h3 = madd(d3, h3, f32x4.mul(ut, b3));
    if (wide) h3x = madd(d3x, h3x, f32x4.mul(utx, b3));
    if (wide) v128.store(decays, d0x, 16);
    v128.store(decays, d0);
    if (wide) v128.store(to, h0x, 16 * sizeof<T>() + 16);
    v128.store(to, h0, 16 * sizeof<T>());
    if (wide) v128.store(decays, d1x, 4 * sizeof<T>() + 16);
    v128.store(decays, d1, 4 * sizeof<T>());
    if (wide) v128.store(to, h1x, 20 * sizeof<T>() + 16);
    v128.store(to, h1, 20 * sizeof<T>());
    if (wide) v128.store(decays, d2x, 8 * sizeof<T>() + 16);
    v128.store(decays, d2, 8 * sizeof<T>());
    if (wide) v128.store(to, h2x, 24 * sizeof<T>() + 16);
    v128.store(to, h2, 24 * sizeof<T>());
    if (wide) v128.store(decays, d3x, 12 * sizeof<T>() + 16);
    v128.store(decays, d3, 12 * sizeof<T>());
    if (wide) v128.store(to, h3x, 28 * sizeof<T>() + 16);
    v128.store(to, h3, 28 * sizeof<T>());
    delta += 4 * sizeof<T>();
    b += 16;
    decays += 16 * sizeof<T>();
    to += 16 * sizeof<T>();
  }
}

export function scan_trace(rows: i32, a: usize, h: usize, b: usize, delta: usize, u: usize, to: usize, decays: usize): void {
  trace<f32>(rows, a, h, b, delta, u, to, decays);
}
export function scan_wide_trace(rows: i32, a: usize, h: usize, b: usize, delta: usize, u: usize, to: usize, decays: usize): void {
  trace<f64>(rows, a, h, b, delta, u, to, decays);
}

/**
 * Gradients of one group and two states over a chunk, backwards in time, with p_t the gradient of h_t and s_t that of u_t b_t:
 * s_t = dy_t c_t + p_t, p_{t−1} = 2^(δ_t a) s_t. Adds s b to `input` (the gradient of u), p_{t−1} h_{t−1} a to `exponent` (in units of ln 2, that
 * of δ), p_{t−1} h_{t−1} δ to da, and s u and dy h to db and dc, [K][4] vectors whose lanes are still to be summed. p is left as
 * it is before the chunk.
 */
// @ts-ignore: decorator
@inline
function gradientOfPair<T>(
  rows: i32, a: usize, b: usize, c: usize, delta: usize, u: usize, dy: usize, trace: usize, decays: usize,
  input: usize, exponent: usize, db: usize, dc: usize, da: usize, p: usize,
): void {
  const wide = sizeof<T>() == 8;
  const a0 = v128.load(a), a0x = second<T>(a);
  const a1 = v128.load(a, 4 * sizeof<T>()), a1x = wide ? v128.load(a, 4 * sizeof<T>() + 16) : a1;
  let p0 = v128.load(p), p0x = second<T>(p);
  let p1 = v128.load(p, 4 * sizeof<T>()), p1x = wide ? v128.load(p, 4 * sizeof<T>() + 16) : p1;
  let da0 = v128.load(da), da0x = second<T>(da);
  let da1 = v128.load(da, 4 * sizeof<T>()), da1x = wide ? v128.load(da, 4 * sizeof<T>() + 16) : da1;
  for (let at: usize = rows * (4 * sizeof<T>()); at > 0; ) {
    at -= 4 * sizeof<T>();
    const bt = b + (wide ? at >> 1 : at);
    const ct = c + (wide ? at >> 1 : at);
    const dbt = db + (at << 2);
    const dct = dc + (at << 2);
    const h = trace + (at << 2);
    const d = decays + (at << 2);
    const dyt = v128.load(dy + at), dytx = second<T>(dy + at);
    const step = v128.load(delta + at), stepx = second<T>(delta + at);
    const ut = v128.load(u + at), utx = second<T>(u + at);
    let toInput = v128.load(input + at), toInputx = second<T>(input + at);
    let toExponent = v128.load(exponent + at), toExponentx = second<T>(exponent + at);
    let bm = v128.load32_splat(bt);
    let cm = v128.load32_splat(ct);
    const s0 = madd(dyt, cm, p0), s0x = wide ? madd(dytx, cm, p0x) : s0;
    const c0 = madd(dyt, v128.load(h, 16 * sizeof<T>()), v128.load(dct)), c0x = wide ? madd(dytx, v128.load(h, 16 * sizeof<T>() + 16), v128.load(dct, 16)) : c0;
    if (wide) v128.store(dct, c0x, 16);
    v128.store(dct, c0);
    const b0 = madd(s0, ut, v128.load(dbt)), b0x = wide ? madd(s0x, utx, v128.load(dbt, 16)) : b0;
    if (wide) v128.store(dbt, b0x, 16);
    v128.store(dbt, b0);
    toInput = madd(s0, bm, toInput);
    if (wide) toInputx = madd(s0x, bm, toInputx);
    p0 = f32x4.mul(s0, v128.load(d));
    if (wide) p0x = f32x4.mul(s0x, v128.load(d, 16));
    const ph0 = f32x4.mul(p0, v128.load(h)), ph0x = wide ? f32x4.mul(p0x, v128.load(h, 16)) : ph0;
    toExponent = madd(ph0, a0, toExponent);
    if (wide) toExponentx = madd(ph0x, a0x, toExponentx);
    da0 = madd(ph0, step, da0);
    if (wide) da0x = madd(ph0x, stepx, da0x);
    bm = v128.load32_splat(bt, 4);
    cm = v128.load32_splat(ct, 4);
    const s1 = madd(dyt, cm, p1), s1x = wide ? madd(dytx, cm, p1x) : s1;
    const c1 = madd(dyt, v128.load(h, 20 * sizeof<T>()), v128.load(dct, 4 * sizeof<T>())), c1x = wide ? madd(dytx, v128.load(h, 20 * sizeof<T>() + 16), v128.load(dct, 4 * sizeof<T>() + 16)) : c1;
    if (wide) v128.store(dct, c1x, 4 * sizeof<T>() + 16);
    v128.store(dct, c1, 4 * sizeof<T>());
    const b1 = madd(s1, ut, v128.load(dbt, 4 * sizeof<T>())), b1x = wide ? madd(s1x, utx, v128.load(dbt, 4 * sizeof<T>() + 16)) : b1;
    if (wide) v128.store(dbt, b1x, 4 * sizeof<T>() + 16);
    v128.store(dbt, b1, 4 * sizeof<T>());
    toInput = madd(s1, bm, toInput);
    if (wide) toInputx = madd(s1x, bm, toInputx);
    p1 = f32x4.mul(s1, v128.load(d, 4 * sizeof<T>()));
    if (wide) p1x = f32x4.mul(s1x, v128.load(d, 4 * sizeof<T>() + 16));
    const ph1 = f32x4.mul(p1, v128.load(h, 4 * sizeof<T>())), ph1x = wide ? f32x4.mul(p1x, v128.load(h, 4 * sizeof<T>() + 16)) : ph1;
    toExponent = madd(ph1, a1, toExponent);
    if (wide) toExponentx = madd(ph1x, a1x, toExponentx);
    da1 = madd(ph1, step, da1);
    if (wide) da1x = madd(ph1x, stepx, da1x);
    put<T>(input + at, toInput, toInputx);
    put<T>(exponent + at, toExponent, toExponentx);
  }
  if (wide) v128.store(p, p0x, 16);
  v128.store(p, p0);
  if (wide) v128.store(p, p1x, 4 * sizeof<T>() + 16);
  v128.store(p, p1, 4 * sizeof<T>());
  if (wide) v128.store(da, da0x, 16);
  v128.store(da, da0);
  if (wide) v128.store(da, da1x, 4 * sizeof<T>() + 16);
  v128.store(da, da1, 4 * sizeof<T>());
}

export function scan_gradient_pair(
  rows: i32, a: usize, b: usize, c: usize, delta: usize, u: usize, dy: usize, trace: usize, decays: usize,
  input: usize, exponent: usize, db: usize, dc: usize, da: usize, p: usize,
): void {
  gradientOfPair<f32>(rows, a, b, c, delta, u, dy, trace, decays, input, exponent, db, dc, da, p);
}
export function scan_wide_gradient_pair(
  rows: i32, a: usize, b: usize, c: usize, delta: usize, u: usize, dy: usize, trace: usize, decays: usize,
  input: usize, exponent: usize, db: usize, dc: usize, da: usize, p: usize,
): void {
  gradientOfPair<f64>(rows, a, b, c, delta, u, dy, trace, decays, input, exponent, db, dc, da, p);
}

/**
 * Lane sums of [K][4] vectors and of those `further` bytes behind them, of every other four channels, into columns m … m+3 (those below N) of
 * rows of N floats. So groups of four and of eight channels give the same bits.
 */
function sumLanes<T>(from: usize, further: usize, rows: i32, to: usize, m: i32, n: i32): void {
  const columns = min(4, n - m) << 2;
  to += m << 2;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j += 4) {
      const lanes = from + j * sizeof<T>();
      store<f32>(to + j, sum4(f32x4.add(v128.load(lanes), v128.load(lanes + further))));
    }
    from += 16 * sizeof<T>();
    to += n << 2;
  }
}

/** z = x⊙y of so many bytes. */
function times(bytes: usize, x: usize, y: usize, z: usize): void {
  for (const end = x + bytes; x < end; x += 16) {
    v128.store(z, f32x4.mul(v128.load(x), v128.load(y)));
    y += 16;
    z += 16;
  }
}

/**
 * From the gradients of u, and of δ in units of ln 2, of so many bytes of a group to those of x (over that of u) and of δ (over the other); adds dy x
 * to dd.
 */
function finish<T>(bytes: usize, skip: usize, dd: usize, x: usize, delta: usize, dy: usize, input: usize, exponent: usize): void {
  const wide = sizeof<T>() == 8;
  const ln2 = f32x4.splat(LN2);
  const d = v128.load(skip), dx = second<T>(skip);
  let sum = v128.load(dd), sumx = second<T>(dd);
  for (const end = x + bytes; x < end; x += 4 * sizeof<T>()) {
    const xt = v128.load(x), xtx = second<T>(x);
    const dyt = v128.load(dy), dytx = second<T>(dy);
    const du = v128.load(input), dux = second<T>(input);
    sum = madd(dyt, xt, sum);
    if (wide) sumx = madd(dytx, xtx, sumx);
    put<T>(input, madd(du, v128.load(delta), f32x4.mul(dyt, d)), madd(dux, second<T>(delta), f32x4.mul(dytx, dx)));
    put<T>(exponent, madd(v128.load(exponent), ln2, f32x4.mul(du, xt)), madd(second<T>(exponent), ln2, f32x4.mul(dux, xtx)));
    delta += 4 * sizeof<T>();
    dy += 4 * sizeof<T>();
    input += 4 * sizeof<T>();
    exponent += 4 * sizeof<T>();
  }
  put<T>(dd, sum, sumx);
}

/**
 * Gradients. Arguments: dy x δ a b c d, states before each chunk | dx, dδ, da by sequence [B,E,N], db and dc by block [blocks,B,L,N],
 * dd by sequence [B,E] (0 where unwanted) | B L E N, channels in a block, K. Tasks: B × blocks.
 * Scratch: 4·(6·E'·K + 2·4Q·K + 4·E'·4Q + 2·E' + 32·(4K+1)) bytes, E' the block's channels in whole groups.
 */
// @ts-ignore: decorator
@inline
function gradient<T>(args: usize, task: i32, scratch: usize): void {
  const group = <i32>sizeof<T>();
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
  const groups = (channels + group - 1) / group;
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

  const column: usize = chunk * (group << 2);
  const quadColumn: usize = chunk << 4;
  const packed: usize = groups * column;
  const quadBytes: usize = group << 4; // of the states of a group
  const stateBytes: usize = groups * quads * quadBytes;
  const decayAt = scratch;
  const hAt = decayAt + stateBytes;
  const daAt = hAt + stateBytes;
  const pAt = daAt + stateBytes;
  const skipAt = pAt + stateBytes;
  const ddAt = skipAt + groups * (group << 2);
  const bAt = ddAt + groups * (group << 2);
  const cAt = bAt + quads * quadColumn;
  const dyAt = cAt + quads * quadColumn;
  const xAt = dyAt + packed;
  const deltaAt = xAt + packed;
  const uAt = deltaAt + packed;
  const inputAt = uAt + packed;
  const exponentAt = inputAt + packed;
  const dbAt = exponentAt + packed;
  const laneBytes: usize = chunk << 7; // of [K][4] vectors for eight channels
  const dcAt = dbAt + laneBytes;
  const decaysAt = dcAt + laneBytes;
  const further: usize = group == 8 ? 16 : column << 2;
  const traceAt = decaysAt + (column << 2);

  packDecay<T>(arg(args, 3) + first * stateRow, channels, n, decayAt, stateBytes, quads);
  packChannels<T>(arg(args, 6) + (first << 2), 0, 1, channels, skipAt, group << 2);
  memory.fill(hAt, 0, 3 * stateBytes);
  memory.fill(ddAt, 0, groups * (group << 2));
  for (let k = chunks - 1; k >= 0; k--) {
    const start = k * chunk;
    const rows = min(chunk, length - start);
    const at0: usize = start * row;
    packChannels<T>(states + ((batch * chunks + k) * n) * row + (first << 2), row, n, channels, hAt, quads * quadBytes);
    packChannels<T>(dyFrom + at0, row, rows, channels, dyAt, column);
    packChannels<T>(xFrom + at0, row, rows, channels, xAt, column);
    packChannels<T>(deltaFrom + at0, row, rows, channels, deltaAt, column);
    packQuads(bFrom + start * stateRow, rows, n, bAt, quadColumn);
    packQuads(cFrom + start * stateRow, rows, n, cAt, quadColumn);
    memory.fill(inputAt, 0, packed << 1);
    times(groups * column, xAt, deltaAt, uAt);
    for (let q = 0; q < quads; q++) {
      memory.fill(dbAt, 0, laneBytes << 1);
      const bq = bAt + q * quadColumn;
      const cq = cAt + q * quadColumn;
      for (let g = 0; g < groups; g++) {
        const state: usize = (g * quads + q) * quadBytes;
        const at: usize = g * column;
        const odd: usize = group == 4 && (g & 1) !== 0 ? further : 0;
        if (group == 8) scan_wide_trace(rows, decayAt + state, hAt + state, bq, deltaAt + at, uAt + at, traceAt, decaysAt);
        else scan_trace(rows, decayAt + state, hAt + state, bq, deltaAt + at, uAt + at, traceAt, decaysAt);
        for (let pair: usize = 0; pair < quadBytes; pair += quadBytes >> 1) {
          const s = state + pair;
          const m: usize = pair === 0 ? 0 : 8;
          if (group == 8) {
            scan_wide_gradient_pair(
              rows, decayAt + s, bq + m, cq + m, deltaAt + at, uAt + at, dyAt + at, traceAt + pair, decaysAt + pair,
              inputAt + at, exponentAt + at, dbAt + pair, dcAt + pair, daAt + s, pAt + s,
            );
          } else {
            scan_gradient_pair(
              rows, decayAt + s, bq + m, cq + m, deltaAt + at, uAt + at, dyAt + at, traceAt + pair, decaysAt + pair,
              inputAt + at, exponentAt + at, dbAt + pair + odd, dcAt + pair + odd, daAt + s, pAt + s,
            );
          }
        }
      }
      if (db !== 0) sumLanes<T>(dbAt, further, rows, db + partial + start * stateRow, q << 2, n);
      if (dc !== 0) sumLanes<T>(dcAt, further, rows, dc + partial + start * stateRow, q << 2, n);
    }
    for (let g = 0; g < groups; g++) {
      const at: usize = g * column;
      finish<T>(rows * (group << 2), skipAt + g * (group << 2), ddAt + g * (group << 2), xAt + at, deltaAt + at, dyAt + at, inputAt + at, exponentAt + at);
    }
    if (dx !== 0) unpackChannels<T>(inputAt, column, rows, channels, dx + offset + at0, row);
    if (ddelta !== 0) unpackChannels<T>(exponentAt, column, rows, channels, ddelta + offset + at0, row);
  }
  if (da !== 0) unpackStates<T>(daAt, quads, n, channels, da + (batch * width + first) * stateRow);
  if (dd !== 0) unpackChannels<T>(ddAt, group << 2, 1, channels, dd + ((batch * width + first) << 2), 0);
}

export function scan_gradient(args: usize, task: i32, scratch: usize): void {
  if (WIDE) gradient<f64>(args, task, scratch);
  else gradient<f32>(args, task, scratch);
}
