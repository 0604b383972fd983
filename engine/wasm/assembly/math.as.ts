/**
 * SIMD arithmetic shared by every AssemblyScript kernel: fused multiply-add, exp, log and what is built from them.
 */

/**
 * Number i of a table (memory.data) in all lanes. The constants of exp4 and the like come from tables, because a load is one instruction: where
 * a loop has more constants than registers, V8 makes each anew for every vector, in three.
 */
// @ts-ignore: decorator
@inline
export function constant(table: usize, i: usize): v128 {
  return v128.load32_splat(table + (i << 2));
}

/** 1 where V8 joins pairs of vectors: sixteen registers hold twice as much then, and some kernels take twice as much at once. */
// @ts-ignore: decorator
@external('env', 'wide')
export declare const WIDE: i32;

/**
 * Two vectors to 32 bytes. From Node 24 on V8 can join vectors of 128 bits to 256 (runtime.ts). It starts from stores to neighbouring addresses
 * and joins what leads to them, back through a loop, if all of that comes in pairs; a load behind one of the stores ends it, and the
 * store to the higher address has to come first. It takes addresses for neighbours if they differ in their immediate offset alone.
 */
// @ts-ignore: decorator
@inline
export function storePair(to: usize, v0: v128, v1: v128): void {
  v128.store(to, v1, 16);
  v128.store(to, v0);
}

/** a·b + c; one instruction where the build has relaxed SIMD. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c − a·b; one instruction where the build has relaxed SIMD. */
// @ts-ignore: decorator
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** Four steps of Horner's rule: ((((p·x + c₀)·x + c₁)·x + c₂)·x + c₃, the coefficients from number i of a table on. */
// @ts-ignore: decorator
@inline
export function horner4(p: v128, x: v128, table: usize, i: usize): v128 {
  p = madd(p, x, constant(table, i));
  p = madd(p, x, constant(table, i + 1));
  p = madd(p, x, constant(table, i + 2));
  return madd(p, x, constant(table, i + 3));
}

/**
 * 2ˣ in each lane for x ≤ 0 (right up to 127); below −125 it is 2⁻¹²⁵, not 0; NaN stays NaN. Half the work of exp4. The table has 1.5·2²³, −125 and
 * the polynomial of 2ˣ on [−½, ½], of degree 5, from its highest coefficient to 1.
 */
// @ts-ignore: decorator
@inline
export function exp2Falling4(x: v128, table: usize): v128 {
  // adding 1.5·2²³ leaves the nearest integer in the low bits
  const magic = constant(table, 0);
  const clamped = f32x4.pmax(x, constant(table, 1)); // unlike max, one instruction
  const rounded = f32x4.add(clamped, magic);
  const f = f32x4.sub(clamped, f32x4.sub(rounded, magic));
  const p = horner4(constant(table, 2), f, table, 3);
  return i32x4.add(madd(p, f, constant(table, 7)), i32x4.shl(rounded, 23));
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sum4(v: v128): f32 {
  const h = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(h, 0) + f32x4.extract_lane(h, 1);
}

/** Largest of the four lanes. */
// @ts-ignore: decorator
@inline
export function max4(v: v128): f32 {
  const h = f32x4.max(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return max<f32>(f32x4.extract_lane(h, 0), f32x4.extract_lane(h, 1));
}

const EXP = memory.data<f32>([
  88.3762626647949, 1.44269504088896341, 12582912, 0.693359375, -2.12194440e-4,
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, -87.33654,
]);
const EXP_I = memory.data<i32>([127]);

/**
 * eˣ in each lane (Cephes' expf: x = n·ln 2 + r, degree-6 polynomial; within 1 ulp). Below −87.33654 it is 0, above 88.37626 it
 * stays at 2.4e38; NaN stays NaN.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  // pmin is one instruction, min with its rules about NaN and −0 is eight; no lower bound: the end clears those lanes
  const bounded = f32x4.pmin(x, constant(EXP, 0));
  // 1.5·2²³ + n: the sum rounds to the nearest whole n, and n lies in its low bits
  const shifted = madd(bounded, constant(EXP, 1), constant(EXP, 2));
  const n = f32x4.sub(shifted, constant(EXP, 2));
  let r = nmadd(n, constant(EXP, 3), bounded);
  r = nmadd(n, constant(EXP, 4), r);
  let p = horner4(constant(EXP, 5), r, EXP, 6);
  p = madd(p, r, constant(EXP, 10));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), constant(EXP, 11));
  const scale = i32x4.shl(i32x4.add(shifted, constant(EXP_I, 0)), 23);
  return v128.andnot(f32x4.mul(p, scale), f32x4.lt(x, constant(EXP, 12)));
}

const LOG = memory.data<f32>([
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1,
  3.3333331174e-1,
]);

/** Natural logarithm in each lane (Cephes' logf; within 1 ulp). ln 0 = −∞, of a negative number NaN. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const v = v128.bitselect(f32x4.mul(x, f32x4.splat(16777216)), x, tiny);
  let e = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(v, 23), i32x4.splat(126)));
  e = f32x4.sub(e, v128.and(tiny, f32x4.splat(24)));
  let m = v128.or(v128.and(v, i32x4.splat(0x007fffff)), f32x4.splat(0.5));
  const low = f32x4.lt(m, f32x4.splat(0.707106781186547524));
  e = f32x4.sub(e, v128.and(low, f32x4.splat(1)));
  m = f32x4.sub(f32x4.add(m, v128.and(m, low)), f32x4.splat(1));
  const z = f32x4.mul(m, m);
  const p = horner4(horner4(constant(LOG, 0), m, LOG, 1), m, LOG, 5);
  let y = f32x4.mul(f32x4.mul(p, m), z);
  y = madd(e, f32x4.splat(-2.12194440e-4), y);
  y = nmadd(f32x4.splat(0.5), z, y);
  y = f32x4.add(m, y);
  y = madd(e, f32x4.splat(0.693359375), y);
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
  y = v128.bitselect(x, y, f32x4.eq(x, f32x4.splat(Infinity)));
  return v128.or(y, v128.not(f32x4.ge(x, f32x4.splat(0))));
}

/** 1 / (1 + e⁻ˣ). */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

const SOFTPLUS = memory.data<f32>([
  0.5, -3.17605701e-3, 5.25027048e-3, -6.78801676e-3, 1.15776854e-2, -2.05631834e-2, 3.66352350e-2, -6.76881894e-2, 1.32609010e-1,
  -2.88527101e-1, 8.10930192e-1,
]);

/**
 * ln(1 + eˣ) = max(x, 0) + ln(1 + e) with e = e^−|x|, within 2 ulp. ln(1+e)/e on [0, 1] is the Chebyshev interpolant of degree 9
 * in e − 1/2.
 */
// @ts-ignore: decorator
@inline
export function softplus4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  const t = f32x4.sub(e, constant(SOFTPLUS, 0));
  const p = madd(horner4(horner4(constant(SOFTPLUS, 1), t, SOFTPLUS, 2), t, SOFTPLUS, 6), t, constant(SOFTPLUS, 10));
  return madd(e, p, f32x4.pmax(x, f32x4.splat(0)));
}

/** e^x of one number. */
// @ts-ignore: decorator
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** ln of one number. */
// @ts-ignore: decorator
@inline
export function log1(x: f32): f32 {
  return f32x4.extract_lane(log4(f32x4.splat(x)), 0);
}

/** Argument i (an i32 or an address) of a kernel. */
// @ts-ignore: decorator
@inline
export function arg(args: usize, i: i32): i32 {
  return load<i32>(args + (<usize>i << 2));
}

/** Argument i (a float) of a kernel. */
// @ts-ignore: decorator
@inline
export function farg(args: usize, i: i32): f32 {
  return load<f32>(args + (<usize>i << 2));
}
