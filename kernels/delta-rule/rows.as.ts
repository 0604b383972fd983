/** Arithmetic on rows of floats: a row is `bytes` long, whole eights of floats, and rows of a buffer lie without gaps. */
import { madd, nmadd, sum4 } from '../../engine/wasm/assembly/math.as';

// @ts-ignore: decorator
@inline
function copyFloats(n: i32, from: usize, to: usize): void {
  for (; n >= 8; n -= 8) {
    const v0 = v128.load(from), v1 = v128.load(from, 16);
    v128.store(to, v0);
    v128.store(to, v1, 16);
    from += 32;
    to += 32;
  }
  for (; n > 0; n--) {
    store<f32>(to, load<f32>(from));
    from += 4;
    to += 4;
  }
}

/** Copies rows of n floats, filled with zeros to `step` bytes (whole eights of floats). */
export function loadRows(count: i32, n: i32, from: usize, fromStep: usize, to: usize, step: usize): void {
  for (; count > 0; count--) {
    copyFloats(n, from, to);
    for (let at = to + (<usize>n << 2); at < to + step; at += 4) store<f32>(at, 0);
    from += fromStep;
    to += step;
  }
}

/** Copies n floats of each row. */
export function storeRows(count: i32, n: i32, from: usize, fromStep: usize, to: usize, step: usize): void {
  for (; count > 0; count--) {
    copyFloats(n, from, to);
    from += fromStep;
    to += step;
  }
}

/** to = a ∘ b over a row of `bytes` (whole eights of floats). */
// @ts-ignore: decorator
@inline
export function multiplyRow(a: usize, b: usize, to: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 32) {
    v128.store(to + i, f32x4.mul(v128.load(a + i), v128.load(b + i)));
    v128.store(to + i, f32x4.mul(v128.load(a + i, 16), v128.load(b + i, 16)), 16);
  }
}

/** to = f·a over a row. */
// @ts-ignore: decorator
@inline
export function scaleRow(f: f32, a: usize, to: usize, bytes: usize): void {
  const factor = f32x4.splat(f);
  for (let i: usize = 0; i < bytes; i += 32) {
    v128.store(to + i, f32x4.mul(factor, v128.load(a + i)));
    v128.store(to + i, f32x4.mul(factor, v128.load(a + i, 16)), 16);
  }
}

/** to += f·a over a row. */
// @ts-ignore: decorator
@inline
export function addRow(f: f32, a: usize, to: usize, bytes: usize): void {
  const factor = f32x4.splat(f);
  for (let i: usize = 0; i < bytes; i += 32) {
    v128.store(to + i, madd(factor, v128.load(a + i), v128.load(to + i)));
    v128.store(to + i, madd(factor, v128.load(a + i, 16), v128.load(to + i, 16)), 16);
  }
}

/** Σ a·b over a row. */
// @ts-ignore: decorator
@inline
export function dotRow(a: usize, b: usize, bytes: usize): f32 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 32) {
    s0 = madd(v128.load(a + i), v128.load(b + i), s0);
    s1 = madd(v128.load(a + i, 16), v128.load(b + i, 16), s1);
  }
  return sum4(f32x4.add(s0, s1));
}

// @ts-ignore: decorator
@inline
export function fillRow(f: f32, to: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, f32x4.splat(f));
}

/** to −= Σ_s f_s row_s over `count` rows of `bytes`; factors lie `step` bytes apart. */
export function subtractRows(count: i32, factors: usize, step: usize, rows: usize, bytes: usize, to: usize): void {
  for (let i: usize = 0; i < bytes; i += 32) {
    let v0 = v128.load(to + i), v1 = v128.load(to + i, 16);
    let f = factors;
    let row = rows + i;
    for (let s = count; s > 0; s--) {
      const factor = v128.load32_splat(f);
      v0 = nmadd(factor, v128.load(row), v0);
      v1 = nmadd(factor, v128.load(row, 16), v1);
      f += step;
      row += bytes;
    }
    v128.store(to + i, v0);
    v128.store(to + i, v1, 16);
  }
}
