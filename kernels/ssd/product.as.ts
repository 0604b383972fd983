/**
 * Products of small matrices with triangles in them, for tiles of at most 64 tokens, on the tiles of gemm.as.ts. Left operands
 * are read where they lie; right operands are packed into panels of 8 columns (k × 8 floats each, filled with zeros), and may be
 * scaled on the way. What a causal mask makes zero is left out.
 */
import { tileOf, wideTileOf } from '../../engine/wasm/assembly/gemm.as';
import { WIDE } from '../../engine/wasm/assembly/math.as';

/** Which part of a square operand is not zero. */
export const enum Part {
  /** everything */
  All,
  /** C(i,j) is wanted for j ≤ i only; other blocks of C are left as they are */
  LowerResult,
  /** A(i,k) is zero for k > i */
  LowerLeft,
  /** A(i,k) is zero for k < i */
  UpperLeft,
}

/** The number of panels that hold n columns. */
// @ts-ignore: decorator
@inline
export function panels(n: i32): i32 {
  return (n + 7) >> 3;
}

/** Floats of a packed right operand of k rows and n columns. */
// @ts-ignore: decorator
@inline
export function packedSize(k: i32, n: i32): i32 {
  return (panels(n) * k) << 3;
}

/** The v128 at `from`, of which only the first n < 4 floats exist; zeros after them. */
// @ts-ignore: decorator
@inline
export function loadFew(from: usize, n: i32): v128 {
  let v = f32x4.splat(0);
  if (n > 0) v = f32x4.replace_lane(v, 0, load<f32>(from));
  if (n > 1) v = f32x4.replace_lane(v, 1, load<f32>(from, 4));
  if (n > 2) v = f32x4.replace_lane(v, 2, load<f32>(from, 8));
  return v;
}

/** Stores the first n < 4 floats of v. */
// @ts-ignore: decorator
@inline
export function storeFew(to: usize, v: v128, n: i32): void {
  if (n > 0) store<f32>(to, f32x4.extract_lane(v, 0));
  if (n > 1) store<f32>(to, f32x4.extract_lane(v, 1), 4);
  if (n > 2) store<f32>(to, f32x4.extract_lane(v, 2), 8);
}

/** Packs B[k×n], row i at b + i·stride bytes; row i is multiplied by the float at scale + i·scaleStride unless scale is 0. */
export function packRows(k: i32, n: i32, b: usize, stride: usize, scale: usize, scaleStride: usize, to: usize): void {
  const panel = <usize>k << 5;
  const whole = n >> 2;
  const rest = n & 3;
  for (let i = 0; i < k; i++) {
    const s = scale ? f32x4.splat(load<f32>(scale + <usize>i * scaleStride)) : f32x4.splat(1);
    let from = b + <usize>i * stride;
    let at = to + (<usize>i << 5);
    let q = 0;
    for (; q + 2 <= whole; q += 2) {
      v128.store(at, f32x4.mul(v128.load(from), s));
      v128.store(at, f32x4.mul(v128.load(from, 16), s), 16);
      from += 32;
      at += panel;
    }
    if (q < whole) {
      v128.store(at, f32x4.mul(v128.load(from), s));
      v128.store(at, f32x4.mul(loadFew(from + 16, rest), s), 16);
    } else if (rest) {
      v128.store(at, f32x4.mul(loadFew(from, rest), s));
      v128.store(at, f32x4.splat(0), 16);
    }
  }
}

/** The factor of row j of n; 0 for rows that do not exist, so that they need no other care. */
// @ts-ignore: decorator
@inline
function factor(j: i32, n: i32, scale: usize, step: usize): v128 {
  if (j >= n) return f32x4.splat(0);
  return scale ? v128.load32_splat(scale + <usize>j * step) : f32x4.splat(1);
}

/**
 * Packs Bᵀ: the k × n operand whose columns are the rows of `b` (n rows of k floats, `stride` bytes apart), scaled as in
 * packRows.
 */
export function packColumns(k: i32, n: i32, b: usize, stride: usize, scale: usize, scaleStride: usize, to: usize): void {
  const panel = <usize>k << 5;
  const padded = panels(n) << 3;
  for (let j = 0; j < padded; j += 4) {
    const s0 = factor(j, n, scale, scaleStride), s1 = factor(j + 1, n, scale, scaleStride);
    const s2 = factor(j + 2, n, scale, scaleStride), s3 = factor(j + 3, n, scale, scaleStride);
    let r0 = b + <usize>min(j, n - 1) * stride, r1 = b + <usize>min(j + 1, n - 1) * stride;
    let r2 = b + <usize>min(j + 2, n - 1) * stride, r3 = b + <usize>min(j + 3, n - 1) * stride;
    let at = to + <usize>(j >> 3) * panel + <usize>((j & 4) << 2);
    let left = k;
    for (; left >= 4; left -= 4) {
      const v0 = f32x4.mul(v128.load(r0), s0), v1 = f32x4.mul(v128.load(r1), s1);
      const v2 = f32x4.mul(v128.load(r2), s2), v3 = f32x4.mul(v128.load(r3), s3);
      const t0 = i32x4.shuffle(v0, v1, 0, 4, 1, 5), t1 = i32x4.shuffle(v0, v1, 2, 6, 3, 7);
      const t2 = i32x4.shuffle(v2, v3, 0, 4, 1, 5), t3 = i32x4.shuffle(v2, v3, 2, 6, 3, 7);
      v128.store(at, i64x2.shuffle(t0, t2, 0, 2));
      v128.store(at, i64x2.shuffle(t0, t2, 1, 3), 32);
      v128.store(at, i64x2.shuffle(t1, t3, 0, 2), 64);
      v128.store(at, i64x2.shuffle(t1, t3, 1, 3), 96);
      r0 += 16;
      r1 += 16;
      r2 += 16;
      r3 += 16;
      at += 128;
    }
    for (; left > 0; left--) {
      store<f32>(at, load<f32>(r0) * f32x4.extract_lane(s0, 0));
      store<f32>(at, load<f32>(r1) * f32x4.extract_lane(s1, 0), 4);
      store<f32>(at, load<f32>(r2) * f32x4.extract_lane(s2, 0), 8);
      store<f32>(at, load<f32>(r3) * f32x4.extract_lane(s3, 0), 12);
      r0 += 4;
      r1 += 4;
      r2 += 4;
      r3 += 4;
      at += 32;
    }
  }
}

/**
 * C[m×n] (+)= A·B, B packed. A(i,k) lies at a + i·ars + k·acs, row i of C at c + i·ldc, all in bytes; rows of C are written in
 * whole panels.
 *
 * Tiles of triangles have 6, 6 and 4 rows out of 16, so that none crosses a multiple of 16. A LowerLeft or UpperLeft operand is
 * read up to the edge of its tile's square on the diagonal: it must hold zeros there, and a LowerResult is computed there.
 */
export function product(m: i32, n: i32, k: i32, a: usize, ars: usize, acs: usize, b: usize, c: usize, ldc: usize, accumulate: bool, part: Part): void {
  const columns = panels(n);
  const halved = part == Part.LowerLeft || part == Part.UpperLeft;
  for (let j = 0, pair = false; j < columns; j += pair ? 2 : 1) {
    pair = WIDE != 0 && j + 1 < columns;
    let i = 0;
    if (part == Part.LowerResult) i = j & 1 ? (j << 3) - 2 : j << 3;
    while (i < m) {
      const rows = min(m - i, halved && (i & 15) == 12 ? 4 : 6);
      const start = part == Part.UpperLeft ? i : 0;
      const few = (part == Part.LowerLeft ? min(k, i + rows) : k) - start;
      const from = a + <usize>i * ars + <usize>start * acs;
      const panel = b + <usize>((j * k + start) << 5);
      const to = c + <usize>i * ldc + <usize>(j << 5);
      const added = accumulate ? to : 0;
      if (pair) wideTileOf(rows, few, 1, from, ars, acs, panel, 32, <usize>k << 5, to, ldc, added, ldc);
      else tileOf(rows, few, 1, from, ars, acs, panel, 32, to, ldc, added, ldc);
      i += rows;
    }
  }
}
