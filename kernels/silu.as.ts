/** SiLU and its derivative of four elements. */
import { constant, horner4, madd } from '../engine/wasm/assembly/math.as';

const SILU = memory.data<f32>([
  -1.44269504088896341, 12582912, 87, -87,
  0.0013264727059540207, 0.009671512648767314, 0.05550733743712687, 0.24022242085176473, 0.6931469775988391, 1,
]);

/**
 * e⁻ᵛ, v taken as ±87 beyond these; relative error 2e-7 + 2e-8·|v| (without fused multiply-add 2e-7 + 6e-8·|v|). e⁻ᵛ = 2ⁿ·2ᶠ with n the
 * whole number nearest to −v·log₂e; 2ᶠ on [−1/2, 1/2] is the polynomial of degree 5 with 2⁰ = 1 and the least relative error (9e-8).
 * v = NaN may give anything.
 */
// @ts-ignore: decorator
@inline
export function expMinus4(v: v128): v128 {
  const perV = constant(SILU, 0);
  // 1.5·2²³ + n: the sum rounds to the nearest whole n, and n lies in its low bits
  const magic = constant(SILU, 1);
  const bounded = f32x4.pmax(f32x4.pmin(v, constant(SILU, 2)), constant(SILU, 3));
  const shifted = madd(bounded, perV, magic);
  const f = madd(bounded, perV, f32x4.sub(magic, shifted));
  const p = madd(horner4(constant(SILU, 4), f, SILU, 5), f, constant(SILU, 9));
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** x / (1 + e⁻ᵛ) */
// @ts-ignore: decorator
@inline
export function timesSigmoid4(x: v128, v: v128): v128 {
  return f32x4.div(x, f32x4.add(expMinus4(v), constant(SILU, 9)));
}

/** σ(v) = 1 / (1 + e⁻ᵛ) from e⁻ᵛ. */
// @ts-ignore: decorator
@inline
export function sigmoidOf4(e: v128): v128 {
  return f32x4.div(constant(SILU, 9), f32x4.add(e, constant(SILU, 9)));
}

/** dy·SiLU′(v) = dy σ (1 + v (1 − σ)) from e = e⁻ᵛ and s = σ, where 1 − σ = σ e⁻ᵛ: the difference itself would cancel. */
// @ts-ignore: decorator
@inline
export function slopeOf4(v: v128, dy: v128, e: v128, s: v128): v128 {
  return f32x4.mul(f32x4.mul(dy, s), madd(f32x4.mul(v, s), e, constant(SILU, 9)));
}

/** dy·SiLU′(v). */
// @ts-ignore: decorator
@inline
export function throughSilu4(v: v128, dy: v128): v128 {
  const e = expMinus4(v);
  return slopeOf4(v, dy, e, sigmoidOf4(e));
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
