/**
 * SiLU over runs of memory. A run is a loop of its own, and a `do … while`, because there its eleven constants stay in registers:
 * half a nanosecond per element.
 */
import { madd } from '../engine/wasm/assembly/math.as';

/**
 * e⁻ᵛ, v taken as ±87 beyond these; relative error 2e-7 + 2e-8·|v| (without fused multiply-add 2e-7 + 6e-8·|v|). e⁻ᵛ = 2ⁿ·2ᶠ with n the
 * whole number nearest to −v·log₂e; 2ᶠ on [−1/2, 1/2] is the polynomial of degree 5 with 2⁰ = 1 and the least relative error (9e-8).
 * v = NaN may give anything.
 */
// @ts-ignore: decorator
@inline
function expMinus4(v: v128): v128 {
  const perV = f32x4.splat(-1.44269504088896341);
  // 1.5·2²³ + n: the sum rounds to the nearest whole n, and n lies in its low bits
  const magic = f32x4.splat(12582912);
  const bounded = f32x4.pmax(f32x4.pmin(v, f32x4.splat(87)), f32x4.splat(-87));
  const shifted = madd(bounded, perV, magic);
  const f = madd(bounded, perV, f32x4.sub(magic, shifted));
  let p = f32x4.splat(0.0013264727059540207);
  p = madd(p, f, f32x4.splat(0.009671512648767314));
  p = madd(p, f, f32x4.splat(0.05550733743712687));
  p = madd(p, f, f32x4.splat(0.24022242085176473));
  p = madd(p, f, f32x4.splat(0.6931469775988391));
  p = madd(p, f, f32x4.splat(1));
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** 1 … 4 floats; the lanes beyond are 0. */
// @ts-ignore: decorator
@inline
export function loadLanes(from: usize, lanes: i32): v128 {
  if (lanes === 4) return v128.load(from);
  let v = v128.load32_zero(from);
  if (lanes > 1) v = v128.load_lane<f32>(from, v, 1, 4);
  if (lanes > 2) v = v128.load_lane<f32>(from, v, 2, 8);
  return v;
}

/** The first 1 … 4 lanes. */
// @ts-ignore: decorator
@inline
export function storeLanes(to: usize, v: v128, lanes: i32): void {
  if (lanes === 4) {
    v128.store(to, v);
    return;
  }
  store<f32>(to, f32x4.extract_lane(v, 0));
  if (lanes > 1) store<f32>(to, f32x4.extract_lane(v, 1), 4);
  if (lanes > 2) store<f32>(to, f32x4.extract_lane(v, 2), 8);
}

/** x / (1 + e⁻ᵛ) */
// @ts-ignore: decorator
@inline
function timesSigmoid4(x: v128, v: v128): v128 {
  return f32x4.div(x, f32x4.add(expMinus4(v), f32x4.splat(1)));
}

/** y = SiLU(v) of n ≥ 1 elements. */
export function silu_run(v: usize, y: usize, n: i32): void {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  let c: usize = 0;
  if (end !== 0) {
    do {
      const x = v128.load(v + c);
      v128.store(y + c, timesSigmoid4(x, x));
      c += 16;
    } while (c < end);
  }
  if (rest !== 0) {
    const x = loadLanes(v + c, rest);
    storeLanes(y + c, timesSigmoid4(x, x), rest);
  }
}

/** dy·SiLU′(v) = dy σ (1 + v (1 − σ)), where 1 − σ = σ e⁻ᵛ: the difference itself would cancel. */
// @ts-ignore: decorator
@inline
function throughSilu4(v: v128, dy: v128): v128 {
  const one = f32x4.splat(1);
  const e = expMinus4(v);
  const s = f32x4.div(one, f32x4.add(e, one));
  return f32x4.mul(f32x4.mul(dy, s), madd(f32x4.mul(v, s), e, one));
}

/** g = dy·SiLU′(v) of n ≥ 1 elements. */
export function silu_gradient_run(v: usize, dy: usize, g: usize, n: i32): void {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  let c: usize = 0;
  if (end !== 0) {
    do {
      v128.store(g + c, throughSilu4(v128.load(v + c), v128.load(dy + c)));
      c += 16;
    } while (c < end);
  }
  if (rest !== 0) storeLanes(g + c, throughSilu4(loadLanes(v + c, rest), loadLanes(dy + c, rest)), rest);
}

/** y = x·SiLU(z) of n ≥ 1 elements. */
export function silu_gate_run(x: usize, z: usize, y: usize, n: i32): void {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  let c: usize = 0;
  if (end !== 0) {
    do {
      const gate = v128.load(z + c);
      v128.store(y + c, timesSigmoid4(f32x4.mul(v128.load(x + c), gate), gate));
      c += 16;
    } while (c < end);
  }
  if (rest !== 0) {
    const gate = loadLanes(z + c, rest);
    storeLanes(y + c, timesSigmoid4(f32x4.mul(loadLanes(x + c, rest), gate), gate), rest);
  }
}

/** Writes SiLU(z) and x·SiLU′(z) of four elements. */
// @ts-ignore: decorator
@inline
function gateAndSlope4(x: v128, z: v128, gate: usize, slope: usize, lanes: i32): void {
  const one = f32x4.splat(1);
  const e = expMinus4(z);
  const s = f32x4.div(one, f32x4.add(e, one));
  const g = f32x4.mul(z, s);
  storeLanes(gate, g, lanes);
  storeLanes(slope, f32x4.mul(f32x4.mul(x, s), madd(g, e, one)), lanes);
}

/** gate = SiLU(z) and slope = x·SiLU′(z) of n ≥ 1 elements. */
export function silu_gate_slope_run(x: usize, z: usize, gate: usize, slope: usize, n: i32): void {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  let c: usize = 0;
  if (end !== 0) {
    do {
      gateAndSlope4(v128.load(x + c), v128.load(z + c), gate + c, slope + c, 4);
      c += 16;
    } while (c < end);
  }
  if (rest !== 0) gateAndSlope4(loadLanes(x + c, rest), loadLanes(z + c, rest), gate + c, slope + c, rest);
}
