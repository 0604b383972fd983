/**
 * Register tiles of 4×8 for products with a tile of scores. Next to gemmTile4 they take a factor for each row of the result
 * (the rescaling of an online softmax) and columns short of eight; small rows of a tile fit closely under the diagonal.
 * The left factor is read where it lies, by rows or by columns, so the scores are never repacked. Steps are in bytes.
 */
import { madd } from '../../engine/wasm/assembly/math.as';

/** n rounded up to whole eights. */
// @ts-ignore: decorator
@inline
export function eights(n: i32): i32 {
  return (n + 7) & ~7;
}

/**
 * 2ˣ in each lane for x ≤ 0 (minimax polynomial of degree 5 on [−½, ½]; relative error below 2.5·10⁻⁷). 2⁰ is exactly 1; below
 * −125 it is 2⁻¹²⁵, not 0; NaN stays NaN. Half the work of exp4.
 */
// @ts-ignore: decorator
@inline
export function exp2Falling4(x: v128): v128 {
  // adding 1.5·2²³ leaves the nearest integer in the low bits
  const magic = f32x4.splat(12582912);
  const clamped = f32x4.pmax(x, f32x4.splat(-125));
  const t = f32x4.add(clamped, magic);
  const f = f32x4.sub(clamped, f32x4.sub(t, magic));
  let p = f32x4.splat(0.0013276471997779502);
  p = madd(p, f, f32x4.splat(0.00967554133442009));
  p = madd(p, f, f32x4.splat(0.05550713273481288));
  p = madd(p, f, f32x4.splat(0.2402211972384115));
  p = madd(p, f, f32x4.splat(0.6931469670647699));
  p = madd(p, f, f32x4.splat(1));
  return i32x4.add(p, i32x4.shl(t, 23));
}

/** Stores a row of a tile, n ≤ 8 values: v·alpha, plus beta times what is there if `keep`. */
// @ts-ignore: decorator
@inline
function storeRow(at: usize, n: i32, v0: v128, v1: v128, alpha: v128, keep: bool, beta: v128): void {
  v0 = f32x4.mul(v0, alpha);
  v1 = f32x4.mul(v1, alpha);
  if (n == 8) {
    if (keep) {
      v0 = madd(v128.load(at), beta, v0);
      v1 = madd(v128.load(at, 16), beta, v1);
    }
    v128.store(at, v0);
    v128.store(at, v1, 16);
  } else {
    storePart(at, n, v0, v1, keep, f32x4.extract_lane(beta, 0));
  }
}

function storePart(at: usize, n: i32, v0: v128, v1: v128, keep: bool, beta: f32): void {
  for (let j = 0; j < n; j++) {
    const x = f32x4.extract_lane(v0, 0);
    store<f32>(at, keep ? x + beta * load<f32>(at) : x);
    v0 = i32x4.shuffle(v0, v1, 1, 2, 3, 4);
    v1 = i32x4.shuffle(v1, v1, 1, 2, 3, 0);
    at += 4;
  }
}

/**
 * C[m×n] = alpha·A·B (+ C if `keep`), m ≤ 4, n ≤ 8. A(i, p) lies at a + i·aStep + 4p, B(p, 0…7) at b + p·bStep; all eight
 * are read, whatever n is.
 */
export function tileOfRows(
  m: i32, n: i32, k: i32, alpha: f32, a0: usize, aStep: usize, b: usize, bStep: usize, c: usize, cStep: usize, keep: bool,
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  // missing rows repeat the last one
  let a1 = a0 + (m > 1 ? aStep : 0);
  let a2 = a1 + (m > 2 ? aStep : 0);
  let a3 = a2 + (m > 3 ? aStep : 0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a0);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    b += bStep;
  }
  const s = f32x4.splat(alpha);
  const one = f32x4.splat(1);
  storeRow(c, n, c00, c01, s, keep, one);
  if (m > 1) storeRow(c + cStep, n, c10, c11, s, keep, one);
  if (m > 2) storeRow(c + 2 * cStep, n, c20, c21, s, keep, one);
  if (m > 3) storeRow(c + 3 * cStep, n, c30, c31, s, keep, one);
}

/**
 * C[m×n] = diag(alpha)·A·B (+ diag(beta)·C unless beta = 0), m ≤ 4, n ≤ 8; alpha and beta point to m factors, one a row.
 * A(i, p) lies at a + 4i + p·aStep, that is, the left factor is stored transposed; four values are read at each p
 * whatever m is. B as in tileOfRows.
 */
export function tileOfColumns(
  m: i32, n: i32, k: i32, alpha: usize, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cStep: usize, beta: usize,
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    a += aStep;
    b += bStep;
  }
  const keep = beta != 0;
  if (!keep) beta = alpha;
  storeRow(c, n, c00, c01, v128.load32_splat(alpha), keep, v128.load32_splat(beta));
  if (m > 1) storeRow(c + cStep, n, c10, c11, v128.load32_splat(alpha, 4), keep, v128.load32_splat(beta, 4));
  if (m > 2) storeRow(c + 2 * cStep, n, c20, c21, v128.load32_splat(alpha, 8), keep, v128.load32_splat(beta, 8));
  if (m > 3) storeRow(c + 3 * cStep, n, c30, c31, v128.load32_splat(alpha, 12), keep, v128.load32_splat(beta, 12));
}

/** log₂ e: eˣ = 2^(x·log₂ e) */
export const LOG2E: f32 = 1.4426950408889634;
