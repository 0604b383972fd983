/**
 * RMS normalisation of rows, plain and gated. A row is one or more slices, each normalised by itself. A task owns a run of rows and
 * goes through it in blocks of rows that stay in L1, one pass after the other: so no slice waits for its own root. The weight's
 * gradient is summed over the rows of a task, and over the tasks by partial_sums.
 */
import { arg, farg, madd, nmadd, storePair, sum4 } from '../../engine/wasm/assembly/math.as';
import { expMinus4, loadLanes, sigmoidOf4, slopeOf4, storeLanes, timesSigmoid4 } from '../silu.as';

/** y = x·SiLU(z) of n ≥ 1 elements. */
export function rms_gate(x: usize, z: usize, y: usize, n: i32): void {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  const pairs: usize = end & ~31;
  let c: usize = 0;
  for (; c < pairs; c += 32) {
    const gate0 = v128.load(z + c), gate1 = v128.load(z + c, 16);
    storePair(y + c, timesSigmoid4(f32x4.mul(v128.load(x + c), gate0), gate0), timesSigmoid4(f32x4.mul(v128.load(x + c, 16), gate1), gate1));
  }
  for (; c < <usize>n << 2; c += 16) {
    const lanes = c < end ? 4 : rest;
    const gate = loadLanes(z + c, lanes);
    storeLanes(y + c, timesSigmoid4(f32x4.mul(loadLanes(x + c, lanes), gate), gate), lanes);
  }
}

/** sums[i] = Σ v² over each of n slices. */
export function rms_squares(v: usize, size: i32, n: i32, sums: usize): void {
  const rest = size & 3;
  const whole: usize = (size - rest) << 2;
  const pairs: usize = whole & ~31;
  while (n > 0) {
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    const end = v + whole;
    const middle = v + pairs;
    while (v < middle) {
      const v0 = v128.load(v);
      const v1 = v128.load(v, 16);
      a = madd(v0, v0, a);
      b = madd(v1, v1, b);
      v += 32;
    }
    if (v < end) {
      const v0 = v128.load(v);
      a = madd(v0, v0, a);
      v += 16;
    }
    if (rest !== 0) {
      const v0 = loadLanes(v, rest);
      b = madd(v0, v0, b);
      v += rest << 2;
    }
    store<f32>(sums, sum4(f32x4.add(a, b)));
    sums += 4;
    n--;
  }
}

/** 1/√(sum/size + ε) in place of each of n sums; reads and writes up to three further ones. */
function inverses(sums: usize, n: i32, size: i32, epsilon: f32): void {
  const share = f32x4.splat(1 / <f32>size);
  for (let i = 0; i < n; i += 4) {
    const r = f32x4.sqrt(madd(v128.load(sums), share, f32x4.splat(epsilon)));
    v128.store(sums, f32x4.div(f32x4.splat(1), r));
    sums += 16;
  }
}

/** y = v·r·w over n slices, in place or not; every row has `slices` of them. */
export function rms_scale(v: usize, weight: usize, y: usize, size: i32, slices: i32, n: i32, r: usize): void {
  const rest = size & 3;
  const whole: usize = (size - rest) << 2;
  const step: usize = size << 2;
  let w = weight;
  let slice = slices;
  while (n > 0) {
    const r4 = v128.load32_splat(r);
    let c: usize = 0;
    while (c < whole) {
      v128.store(y + c, f32x4.mul(f32x4.mul(v128.load(v + c), r4), v128.load(w + c)));
      c += 16;
    }
    if (rest !== 0) storeLanes(y + c, f32x4.mul(f32x4.mul(loadLanes(v + c, rest), r4), loadLanes(w + c, rest)), rest);
    v += step;
    w += step;
    y += step;
    if (--slice === 0) {
      slice = slices;
      w = weight;
    }
    r += 4;
    n--;
  }
}

/**
 * y = v·r·w with r = 1/√(mean(v²) + ε) in every slice; v = x, or x·SiLU(z) with a gate. Arguments: x z w | y | rows, slices, size of a slice,
 * rows of a task, rows of a block, ε. Scratch: 4·⌈slices · rows of a block⌉₄ bytes.
 */
// @ts-ignore: decorator
@inline
function forward(gated: bool, args: usize, task: i32, scratch: usize): void {
  const slices = arg(args, 5);
  const size = arg(args, 6);
  const perTask = arg(args, 7);
  const block = arg(args, 8);
  const epsilon = farg(args, 9);
  const row: usize = (slices * size) << 2;
  const end = min(arg(args, 4), (task + 1) * perTask);
  for (let first = task * perTask; first < end; first += block) {
    const n = min(block, end - first) * slices;
    const x: usize = arg(args, 0) + first * row;
    const y: usize = arg(args, 3) + first * row;
    if (gated) rms_gate(x, arg(args, 1) + first * row, y, n * size);
    const v = gated ? y : x;
    rms_squares(v, size, n, scratch);
    inverses(scratch, n, size, epsilon);
    rms_scale(v, arg(args, 2), y, size, slices, n, scratch);
  }
}

export function rms_forward(args: usize, task: i32, scratch: usize): void {
  forward(false, args, task, scratch);
}

export function rms_gated_forward(args: usize, task: i32, scratch: usize): void {
  forward(true, args, task, scratch);
}

/**
 * gate = SiLU(z) and slope = x·SiLU′(z) of n ≥ 1 elements. Memory is idle meanwhile: reads ahead as many elements from `next` on, for the
 * cache.
 */
export function rms_gate_slope(x: usize, z: usize, gate: usize, slope: usize, n: i32, next: usize): i32 {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  const pairs: usize = end & ~31;
  let c: usize = 0;
  let bits: i32 = 0;
  for (; c < pairs; c += 32) {
    bits |= load<i32>(next + c);
    const z0 = v128.load(z + c), z1 = v128.load(z + c, 16);
    const x0 = v128.load(x + c), x1 = v128.load(x + c, 16);
    const e0 = expMinus4(z0), e1 = expMinus4(z1);
    const s0 = sigmoidOf4(e0), s1 = sigmoidOf4(e1);
    storePair(gate + c, f32x4.mul(z0, s0), f32x4.mul(z1, s1));
    storePair(slope + c, slopeOf4(z0, x0, e0, s0), slopeOf4(z1, x1, e1, s1));
  }
  for (; c < <usize>n << 2; c += 16) {
    const lanes = c < end ? 4 : rest;
    const zs = loadLanes(z + c, lanes);
    const e = expMinus4(zs);
    const s = sigmoidOf4(e);
    storeLanes(gate + c, f32x4.mul(zs, s), lanes);
    storeLanes(slope + c, slopeOf4(zs, loadLanes(x + c, lanes), e, s), lanes);
  }
  return bits;
}

/** v of four elements, which is x, or with a gate x·gate. */
// @ts-ignore: decorator
@inline
function value4(gated: bool, x: usize, gate: usize, lanes: i32): v128 {
  const v = loadLanes(x, lanes);
  return gated ? f32x4.mul(v, loadLanes(gate, lanes)) : v;
}

/** squares[i] = Σ v² and inners[i] = Σ v·w·dy over each of n slices. */
// @ts-ignore: decorator
@inline
function moments(gated: bool, x: usize, gate: usize, weight: usize, dy: usize, size: i32, slices: i32, n: i32, squares: usize, inners: usize): void {
  const rest = size & 3;
  const whole: usize = (size - rest) << 2;
  const pairs: usize = whole & ~31;
  const step: usize = size << 2;
  let w = weight;
  let slice = slices;
  while (n > 0) {
    let square = f32x4.splat(0);
    let inner = f32x4.splat(0);
    // a second pair of sums: one alone would wait for itself
    let square1 = square;
    let inner1 = inner;
    let c: usize = 0;
    while (c < pairs) {
      const v = value4(gated, x + c, gate + c, 4);
      square = madd(v, v, square);
      inner = madd(v, f32x4.mul(v128.load(dy + c), v128.load(w + c)), inner);
      const v1 = value4(gated, x + c + 16, gate + c + 16, 4);
      square1 = madd(v1, v1, square1);
      inner1 = madd(v1, f32x4.mul(v128.load(dy + c, 16), v128.load(w + c, 16)), inner1);
      c += 32;
    }
    square = f32x4.add(square, square1);
    inner = f32x4.add(inner, inner1);
    if (c < whole) {
      const v = value4(gated, x + c, gate + c, 4);
      square = madd(v, v, square);
      inner = madd(v, f32x4.mul(v128.load(dy + c), v128.load(w + c)), inner);
      c += 16;
    }
    if (rest !== 0) {
      const v = value4(gated, x + c, gate + c, rest);
      square = madd(v, v, square);
      inner = madd(v, f32x4.mul(loadLanes(dy + c, rest), loadLanes(w + c, rest)), inner);
    }
    store<f32>(squares, sum4(square));
    store<f32>(inners, sum4(inner));
    x += step;
    gate += step;
    dy += step;
    w += step;
    if (--slice === 0) {
      slice = slices;
      w = weight;
    }
    squares += 4;
    inners += 4;
    n--;
  }
}

export function rms_moments(x: usize, weight: usize, dy: usize, size: i32, slices: i32, n: i32, squares: usize, inners: usize): void {
  moments(false, x, 0, weight, dy, size, slices, n, squares, inners);
}

export function rms_gated_moments(x: usize, gate: usize, weight: usize, dy: usize, size: i32, slices: i32, n: i32, squares: usize, inners: usize): void {
  moments(true, x, gate, weight, dy, size, slices, n, squares, inners);
}

/** inner → r³ inner/size for each of n slices; reads and writes up to three further ones. */
function pulls(r: usize, inners: usize, n: i32, size: i32): void {
  const share = f32x4.splat(1 / <f32>size);
  for (let i = 0; i < n; i += 4) {
    const r4 = v128.load(r);
    v128.store(inners, f32x4.mul(f32x4.mul(f32x4.mul(r4, r4), r4), f32x4.mul(v128.load(inners), share)));
    r += 16;
    inners += 16;
  }
}

/** With dv = r w dy − k v: dx = dv, or with a gate dx = dv·gate and dz = dv·slope; dw += r v dy. */
// @ts-ignore: decorator
@inline
function gradient4(
  gated: bool, lanes: i32, dy: usize, x: usize, gate: usize, slope: usize, w: usize, dx: usize, dz: usize, dw: usize, r: v128, k: v128,
): void {
  const v = value4(gated, x, gate, lanes);
  const rdy = f32x4.mul(loadLanes(dy, lanes), r);
  const dv = nmadd(k, v, f32x4.mul(rdy, loadLanes(w, lanes)));
  storeLanes(dw, madd(rdy, v, loadLanes(dw, lanes)), lanes);
  if (gated) {
    storeLanes(dx, f32x4.mul(dv, loadLanes(gate, lanes)), lanes);
    storeLanes(dz, f32x4.mul(dv, loadLanes(slope, lanes)), lanes);
  } else {
    storeLanes(dx, dv, lanes);
  }
}

/** Over n slices; adds to the sums of the weight's gradient, which are a row. */
// @ts-ignore: decorator
@inline
function slicesGradient(
  gated: bool, dy: usize, x: usize, gate: usize, slope: usize, weight: usize, dx: usize, dz: usize, sums: usize,
  size: i32, slices: i32, n: i32, r: usize, k: usize,
): void {
  const rest = size & 3;
  const whole: usize = (size - rest) << 2;
  const step: usize = size << 2;
  let w = weight;
  let dw = sums;
  let slice = slices;
  while (n > 0) {
    const r4 = v128.load32_splat(r);
    const k4 = v128.load32_splat(k);
    let c: usize = 0;
    while (c < whole) {
      gradient4(gated, 4, dy + c, x + c, gate + c, slope + c, w + c, dx + c, dz + c, dw + c, r4, k4);
      c += 16;
    }
    if (rest !== 0) gradient4(gated, rest, dy + c, x + c, gate + c, slope + c, w + c, dx + c, dz + c, dw + c, r4, k4);
    dy += step;
    x += step;
    gate += step;
    slope += step;
    dx += step;
    dz += step;
    w += step;
    dw += step;
    if (--slice === 0) {
      slice = slices;
      w = weight;
      dw = sums;
    }
    r += 4;
    k += 4;
    n--;
  }
}

export function rms_slices_gradient(dy: usize, x: usize, weight: usize, dx: usize, sums: usize, size: i32, slices: i32, n: i32, r: usize, k: usize): void {
  slicesGradient(false, dy, x, 0, 0, weight, dx, 0, sums, size, slices, n, r, k);
}

export function rms_gated_slices_gradient(
  dy: usize, x: usize, gate: usize, slope: usize, weight: usize, dx: usize, dz: usize, sums: usize, size: i32, slices: i32, n: i32, r: usize, k: usize,
): void {
  slicesGradient(true, dy, x, gate, slope, weight, dx, dz, sums, size, slices, n, r, k);
}

/**
 * Gradients: dv = r w dy − v r³ mean(v w dy) in every slice. Arguments: dy x z w | dx dz, dw by task [tasks, slices, size] (each 0 where
 * unwanted) | rows, slices, size of a slice, rows of a task, rows of a block, ε. Scratch: 4·(rows of a block · (4·slices·size + 2·slices) +
 * slices·size + 16) bytes, of which the plain form needs two blocks less.
 */
// @ts-ignore: decorator
@inline
function gradient(gated: bool, args: usize, task: i32, scratch: usize): void {
  const weight: usize = arg(args, 3);
  const slices = arg(args, 8);
  const size = arg(args, 9);
  const perTask = arg(args, 10);
  const block = arg(args, 11);
  const epsilon = farg(args, 12);
  const row: usize = (slices * size) << 2;
  const blockBytes: usize = block * row;
  const factorBytes: usize = (block * slices * 4 + 15) & ~15;
  const r = scratch;
  const k = r + factorBytes;
  const sums = k + factorBytes;
  // what nobody wants goes to scratch
  const spareX = sums + row;
  const spareZ = spareX + blockBytes;
  const gate = spareZ + blockBytes;
  const slope = gate + blockBytes;
  memory.fill(sums, 0, row);
  const end = min(arg(args, 7), (task + 1) * perTask);
  for (let first = task * perTask; first < end; first += block) {
    const n = min(block, end - first) * slices;
    const offset: usize = first * row;
    const dy: usize = arg(args, 0) + offset;
    const x: usize = arg(args, 1) + offset;
    const dx: usize = arg(args, 4) === 0 ? spareX : arg(args, 4) + offset;
    const dz: usize = arg(args, 5) === 0 ? spareZ : arg(args, 5) + offset;
    if (gated) {
      rms_gate_slope(x, arg(args, 2) + offset, gate, slope, n * size, dy);
      rms_gated_moments(x, gate, weight, dy, size, slices, n, r, k);
    } else {
      rms_moments(x, weight, dy, size, slices, n, r, k);
    }
    inverses(r, n, size, epsilon);
    pulls(r, k, n, size);
    if (gated) rms_gated_slices_gradient(dy, x, gate, slope, weight, dx, dz, sums, size, slices, n, r, k);
    else rms_slices_gradient(dy, x, weight, dx, sums, size, slices, n, r, k);
  }
  if (arg(args, 6) !== 0) memory.copy(arg(args, 6) + task * row, sums, row);
}

export function rms_gradient(args: usize, task: i32, scratch: usize): void {
  gradient(false, args, task, scratch);
}

export function rms_gated_gradient(args: usize, task: i32, scratch: usize): void {
  gradient(true, args, task, scratch);
}
