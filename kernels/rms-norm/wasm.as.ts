/**
 * RMS normalisation of rows, plain and gated. A task owns a run of rows; a row is one or more slices, each normalised by
 * itself. The weight's gradient is summed over the rows of a task, and over the tasks by partial_sums.
 */
import { arg, farg, madd, nmadd, sigmoid4, sum4 } from '../../engine/wasm/assembly/math.as';

/** 1 … 4 floats; the lanes beyond are 0. */
// @ts-ignore: decorator
@inline
function loadLanes(from: usize, lanes: i32): v128 {
  if (lanes === 4) return v128.load(from);
  let v = v128.load32_zero(from);
  if (lanes > 1) v = v128.load_lane<f32>(from, v, 1, 4);
  if (lanes > 2) v = v128.load_lane<f32>(from, v, 2, 8);
  return v;
}

/** The first 1 … 4 lanes. */
// @ts-ignore: decorator
@inline
function storeLanes(to: usize, v: v128, lanes: i32): void {
  if (lanes === 4) {
    v128.store(to, v);
    return;
  }
  store<f32>(to, f32x4.extract_lane(v, 0));
  if (lanes > 1) store<f32>(to, f32x4.extract_lane(v, 1), 4);
  if (lanes > 2) store<f32>(to, f32x4.extract_lane(v, 2), 8);
}

/** v²; with a gate v = x·SiLU(z), which is written to y. */
// @ts-ignore: decorator
@inline
function square4(gated: bool, lanes: i32, x: usize, z: usize, y: usize): v128 {
  let v = loadLanes(x, lanes);
  if (gated) {
    const zs = loadLanes(z, lanes);
    v = f32x4.mul(v, f32x4.mul(zs, sigmoid4(zs)));
    storeLanes(y, v, lanes);
  }
  return f32x4.mul(v, v);
}

/** y = v·r·w. */
// @ts-ignore: decorator
@inline
function scale4(lanes: i32, v: usize, w: usize, y: usize, r: v128): void {
  storeLanes(y, f32x4.mul(f32x4.mul(loadLanes(v, lanes), r), loadLanes(w, lanes)), lanes);
}

/** 1/√(mean(v²) + ε), in all lanes, of `size` elements whose squares add up to `sum`. */
// @ts-ignore: decorator
@inline
function inverseRms(sum: v128, size: i32, epsilon: f32): v128 {
  return f32x4.splat(1 / sqrt<f32>(sum4(sum) / <f32>size + epsilon));
}

/** y = v·r·w with r = 1/√(mean(v²) + ε) in every slice; v = x, or x·SiLU(z) with a gate. Arguments: x z w | y | rows, slices, size of a slice, rows of a task, ε. */
// @ts-ignore: decorator
@inline
function forward(gated: bool, args: usize, task: i32): void {
  const weight: usize = arg(args, 2);
  const slices = arg(args, 5);
  const size = arg(args, 6);
  const first = task * arg(args, 7);
  const rows = min(arg(args, 4) - first, arg(args, 7));
  const epsilon = farg(args, 8);
  const step: usize = size << 2;
  const offset: usize = first * slices * step;
  let x: usize = arg(args, 0) + offset;
  let z: usize = arg(args, 1) + offset;
  let y: usize = arg(args, 3) + offset;
  const whole: usize = (size & ~3) << 2;
  const rest = size & 3;
  for (let row = 0; row < rows; row++) {
    let w = weight;
    for (let slice = 0; slice < slices; slice++) {
      let sum = f32x4.splat(0);
      for (let at: usize = 0; at < whole; at += 16) sum = f32x4.add(sum, square4(gated, 4, x + at, z + at, y + at));
      if (rest !== 0) sum = f32x4.add(sum, square4(gated, rest, x + whole, z + whole, y + whole));
      const r = inverseRms(sum, size, epsilon);
      const v = gated ? y : x;
      for (let at: usize = 0; at < whole; at += 16) scale4(4, v + at, w + at, y + at, r);
      if (rest !== 0) scale4(rest, v + whole, w + whole, y + whole, r);
      x += step;
      z += step;
      y += step;
      w += step;
    }
  }
}

export function rms_forward(args: usize, task: i32, scratch: usize): void {
  forward(false, args, task);
}

export function rms_gated_forward(args: usize, task: i32, scratch: usize): void {
  forward(true, args, task);
}

/** v of four elements; with a gate, σ(z) is kept in `sigma`. */
// @ts-ignore: decorator
@inline
function value4(gated: bool, lanes: i32, x: usize, z: usize, sigma: usize): v128 {
  const v = loadLanes(x, lanes);
  if (!gated) return v;
  const zs = loadLanes(z, lanes);
  const s = sigmoid4(zs);
  v128.store(sigma, s);
  return f32x4.mul(v, f32x4.mul(zs, s));
}

/** With dv = r w dy − k v: dx = dv, or with a gate dx = dv·SiLU(z) and dz = dv·x·SiLU′(z); dw += r v dy. */
// @ts-ignore: decorator
@inline
function gradient4(
  gated: bool, lanes: i32, dy: usize, x: usize, z: usize, w: usize, sigma: usize, dx: usize, dz: usize, dw: usize, r: v128, k: v128,
): void {
  const xs = loadLanes(x, lanes);
  const rdy = f32x4.mul(loadLanes(dy, lanes), r);
  const rwdy = f32x4.mul(rdy, loadLanes(w, lanes));
  if (gated) {
    const s = v128.load(sigma);
    const gate = f32x4.mul(loadLanes(z, lanes), s);
    const v = f32x4.mul(xs, gate);
    const dv = nmadd(k, v, rwdy);
    v128.store(dw, madd(rdy, v, v128.load(dw)));
    storeLanes(dx, f32x4.mul(dv, gate), lanes);
    // SiLU′ = σ + z σ (1 − σ)
    storeLanes(dz, f32x4.mul(f32x4.mul(dv, xs), f32x4.add(nmadd(gate, s, gate), s)), lanes);
  } else {
    v128.store(dw, madd(rdy, xs, v128.load(dw)));
    storeLanes(dx, nmadd(k, xs, rwdy), lanes);
  }
}

/**
 * Gradients: dv = r w dy − v r³ mean(v w dy) in every slice. Arguments: dy x z w | dx dz, dw by task [tasks, slices, size] (0 where
 * unwanted) | rows, slices, size of a slice, rows of a task, ε. Scratch: 4·(slices + 3)·⌈size⌉₄ bytes.
 */
// @ts-ignore: decorator
@inline
function gradient(gated: bool, args: usize, task: i32, scratch: usize): void {
  const weight: usize = arg(args, 3);
  const slices = arg(args, 8);
  const size = arg(args, 9);
  const first = task * arg(args, 10);
  const rows = min(arg(args, 7) - first, arg(args, 10));
  const epsilon = farg(args, 11);
  const step: usize = size << 2;
  const offset: usize = first * slices * step;
  let dy: usize = arg(args, 0) + offset;
  let x: usize = arg(args, 1) + offset;
  let z: usize = arg(args, 2) + offset;
  const padded: usize = ((size + 3) & ~3) << 2;
  const sigma = scratch;
  const sums = scratch + 3 * padded;
  // what nobody wants goes to scratch
  let dx: usize = arg(args, 4);
  const dxStep = dx === 0 ? 0 : step;
  dx = dx === 0 ? scratch + padded : dx + offset;
  let dz: usize = arg(args, 5);
  const dzStep = dz === 0 ? 0 : step;
  dz = dz === 0 ? scratch + 2 * padded : dz + offset;
  memory.fill(sums, 0, slices * padded);
  const whole: usize = (size & ~3) << 2;
  const rest = size & 3;
  for (let row = 0; row < rows; row++) {
    let w = weight;
    let dw = sums;
    for (let slice = 0; slice < slices; slice++) {
      let sum = f32x4.splat(0);
      let inner = f32x4.splat(0);
      for (let at: usize = 0; at < whole; at += 16) {
        const v = value4(gated, 4, x + at, z + at, sigma + at);
        sum = madd(v, v, sum);
        inner = madd(v, f32x4.mul(v128.load(dy + at), v128.load(w + at)), inner);
      }
      if (rest !== 0) {
        const v = value4(gated, rest, x + whole, z + whole, sigma + whole);
        sum = madd(v, v, sum);
        inner = madd(v, f32x4.mul(loadLanes(dy + whole, rest), loadLanes(w + whole, rest)), inner);
      }
      const r = inverseRms(sum, size, epsilon);
      const k = f32x4.mul(f32x4.mul(f32x4.mul(r, r), r), f32x4.splat(sum4(inner) / <f32>size));
      for (let at: usize = 0; at < whole; at += 16) gradient4(gated, 4, dy + at, x + at, z + at, w + at, sigma + at, dx + at, dz + at, dw + at, r, k);
      if (rest !== 0) gradient4(gated, rest, dy + whole, x + whole, z + whole, w + whole, sigma + whole, dx + whole, dz + whole, dw + whole, r, k);
      dy += step;
      x += step;
      z += step;
      w += step;
      dx += dxStep;
      dz += dzStep;
      dw += padded;
    }
  }
  let to: usize = arg(args, 6);
  if (to === 0) return;
  to += task * slices * step;
  for (let slice = 0; slice < slices; slice++) memory.copy(to + slice * step, sums + slice * padded, step);
}

export function rms_gradient(args: usize, task: i32, scratch: usize): void {
  gradient(false, args, task, scratch);
}

export function rms_gated_gradient(args: usize, task: i32, scratch: usize): void {
  gradient(true, args, task, scratch);
}
