/**
 * Decays between the tokens of a chunk, exp(Σ_{s+1..t} α) with α = dt·a, and what is multiplied with them in a tile of
 * 64 × 64 pairs (t, s).
 *
 * Sums run in float64 and are kept as pairs of floats, so that a difference of two large sums is as good as a small sum.
 * Inside a tile, blocks of 16 rows start from such a difference and go on by e^α from row to row. What underflows is 0.
 */
import { exp4, madd } from '../../engine/wasm/assembly/math.as';

/** Floats from one column of a table to the next, for n tokens: whole blocks of 16. */
// @ts-ignore: decorator
@inline
export function tableStep(n: i32): i32 {
  return (n + 15) & ~15;
}

/**
 * The decays of one head over n tokens: three columns of tableStep(n) floats. Σ_{0..t} α as the nearest float and the
 * rest, and e^{α_t}. dt of token t lies at dt + t·stride bytes.
 */
export function fillTable(table: usize, n: i32, dt: usize, stride: usize, a: f32): void {
  const whole = tableStep(n);
  const column = <usize>whole << 2;
  let sum: f64 = 0;
  let at = table;
  for (let t = 0; t < whole; t++) {
    let alpha: f64 = 0;
    if (t < n) alpha = <f64>load<f32>(dt) * <f64>a;
    sum += alpha;
    store<f32>(at, <f32>sum);
    store<f32>(at + column, <f32>(sum - <f64>(<f32>sum)));
    store<f32>(at + 2 * column, <f32>alpha);
    dt += stride;
    at += 4;
  }
  at = table + 2 * column;
  for (let t = 0; t < whole; t += 4) {
    v128.store(at, exp4(v128.load(at)));
    at += 16;
  }
}

/** exp(Σ_{s+1..t} α) for four s at a time: `low` is the column of rests minus that of sums, in bytes. */
// @ts-ignore: decorator
@inline
function between(t: usize, s: usize, low: usize): v128 {
  const whole = f32x4.sub(v128.load32_splat(t), v128.load(s));
  const rest = f32x4.sub(v128.load32_splat(t + low), v128.load(s + low));
  return exp4(f32x4.add(whole, rest));
}

/** out[t] = exp(Σ_{0..t} α) for `count` tokens from `first` on; out has room for whole fours. */
export function decaysFromStart(out: usize, table: usize, first: i32, count: i32): void {
  for (let t = 0; t < count; t += 4) v128.store(out + (<usize>t << 2), exp4(v128.load(table + (<usize>(first + t) << 2))));
}

/** out[s] = exp(Σ_{s+1..n−1} α) for `count` tokens from `first` on, of a table of n tokens. */
export function decaysToEnd(out: usize, table: usize, n: i32, first: i32, count: i32): void {
  const low = <usize>tableStep(n) << 2;
  const end = table + (<usize>(n - 1) << 2);
  for (let s = 0; s < count; s += 4) v128.store(out + (<usize>s << 2), between(end, table + (<usize>(first + s) << 2), low));
}

/** The lanes 4v … 4v + 3 of a block's columns. */
// @ts-ignore: decorator
@inline
function lanes(v: i32): v128 {
  return i32x4.add(i32x4.splat(v << 2), i32x4(0, 1, 2, 3));
}

// @ts-ignore: decorator
@inline
function maskBlock(w: usize, products: usize, table: usize, low: usize, row: i32, column: i32, rows: i32, diagonal: bool): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  let m0 = zero, m1 = zero, m2 = zero, m3 = zero;
  if (!diagonal) {
    const before = table + (<usize>(row - 1) << 2);
    const s = table + (<usize>column << 2);
    m0 = between(before, s, low);
    m1 = between(before, s + 16, low);
    m2 = between(before, s + 32, low);
    m3 = between(before, s + 48, low);
  }
  const e = table + 2 * low + (<usize>row << 2);
  for (let t = 0; t < rows; t++) {
    const decay = v128.load32_splat(e + (<usize>t << 2));
    m0 = f32x4.mul(m0, decay);
    m1 = f32x4.mul(m1, decay);
    m2 = f32x4.mul(m2, decay);
    m3 = f32x4.mul(m3, decay);
    if (diagonal) {
      const here = i32x4.splat(t);
      m0 = v128.bitselect(one, m0, i32x4.eq(here, lanes(0)));
      m1 = v128.bitselect(one, m1, i32x4.eq(here, lanes(1)));
      m2 = v128.bitselect(one, m2, i32x4.eq(here, lanes(2)));
      m3 = v128.bitselect(one, m3, i32x4.eq(here, lanes(3)));
    }
    v128.store(w, f32x4.mul(m0, v128.load(products)));
    v128.store(w, f32x4.mul(m1, v128.load(products, 16)), 16);
    v128.store(w, f32x4.mul(m2, v128.load(products, 32)), 32);
    v128.store(w, f32x4.mul(m3, v128.load(products, 48)), 48);
    w += 256;
    products += 256;
  }
}

/**
 * w = decay ∘ products, tiles of 64 × 64 with rows of 256 bytes. Row t is token row0 + t of the table of n tokens, column
 * s is token column0 + s. On the diagonal (row0 = column0) blocks of 16 × 16 above it are left as they are; what else is
 * above it becomes 0 where `products` is finite. Columns of a tile off the diagonal are all 64.
 */
export function maskTile(w: usize, products: usize, table: usize, n: i32, row0: i32, column0: i32, rows: i32): void {
  const low = <usize>tableStep(n) << 2;
  const diagonal = row0 == column0;
  for (let t = 0; t < rows; t += 16) {
    const few = min(16, rows - t);
    const last = diagonal ? t : 64;
    for (let s = 0; s < last; s += 16) {
      const at = <usize>((t << 8) + (s << 2));
      maskBlock(w + at, products + at, table, low, row0 + t, column0 + s, few, false);
    }
    if (diagonal) {
      const at = <usize>((t << 8) + (t << 2));
      maskBlock(w + at, products + at, table, low, row0 + t, column0 + t, few, true);
    }
  }
}

// @ts-ignore: decorator
@inline
function maskGradientBlock(
  w: usize, products: usize, dw: usize, dProducts: usize, rowSums: usize, columnSums: usize, table: usize, low: usize,
  row: i32, column: i32, rows: i32, diagonal: bool, lane: i32,
): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  let m0 = zero, m1 = zero;
  if (!diagonal) {
    const before = table + (<usize>(row - 1) << 2);
    const s = table + (<usize>column << 2);
    m0 = between(before, s, low);
    m1 = between(before, s + 16, low);
  }
  const e = table + 2 * low + (<usize>row << 2);
  let at: usize = 0;
  for (let t = 0; t < rows; t++) {
    const decay = v128.load32_splat(e + (<usize>t << 2));
    m0 = f32x4.mul(m0, decay);
    m1 = f32x4.mul(m1, decay);
    if (diagonal) {
      const here = i32x4.splat(t);
      m0 = v128.bitselect(one, m0, i32x4.eq(here, lanes(lane)));
      m1 = v128.bitselect(one, m1, i32x4.eq(here, lanes(lane + 1)));
    }
    v128.store(w + at, f32x4.mul(m0, v128.load(products + at)));
    v128.store(w + at, f32x4.mul(m1, v128.load(products + at, 16)), 16);
    v128.store(dProducts + at, madd(m0, v128.load(dw + at), v128.load(dProducts + at)));
    v128.store(dProducts + at, madd(m1, v128.load(dw + at, 16), v128.load(dProducts + at, 16)), 16);
    at += 256;
  }
  let c0 = v128.load(columnSums), c1 = v128.load(columnSums, 16);
  let sums = rowSums + (<usize>rows << 4);
  for (let t = rows - 1; t >= 0; t--) {
    at -= 256;
    sums -= 16;
    let v0 = f32x4.mul(v128.load(w + at), v128.load(dw + at));
    let v1 = f32x4.mul(v128.load(w + at, 16), v128.load(dw + at, 16));
    if (diagonal) {
      // columns s ≥ t have no pair here (their operands are even undefined), but may have from rows below
      const here = i32x4.splat(t);
      const before0 = i32x4.gt_s(here, lanes(lane));
      const before1 = i32x4.gt_s(here, lanes(lane + 1));
      c0 = f32x4.add(c0, v128.and(v0, before0));
      c1 = f32x4.add(c1, v128.and(v1, before1));
      v0 = v128.and(c0, before0);
      v1 = v128.and(c1, before1);
    } else {
      v0 = c0 = f32x4.add(c0, v0);
      v1 = c1 = f32x4.add(c1, v1);
    }
    v128.store(sums, f32x4.add(v128.load(sums), f32x4.add(v0, v1)));
  }
  v128.store(columnSums, c0);
  v128.store(columnSums, c1, 16);
}

/**
 * The gradient through maskTile, given dw: w is made again, and dProducts += decay ∘ dw. The logarithm of a decay's factor
 * e^{α_r} gets w ∘ dw of every pair s < r ≤ t: those sums go to rowSums[r] (64 fours of floats, whose sum is meant), for
 * the t and s of this tile. Only like terms are added, so that a strong decay's small gradient does not drown in the
 * others'. columnSums[s] (64 floats) gets Σ_{t > s} w ∘ dw. Both start from what they hold.
 */
export function maskTileGradient(
  w: usize, products: usize, dw: usize, dProducts: usize, rowSums: usize, columnSums: usize, table: usize, n: i32,
  row0: i32, column0: i32, rows: i32,
): void {
  const low = <usize>tableStep(n) << 2;
  const diagonal = row0 == column0;
  const columns = diagonal ? (rows + 7) & ~7 : 64;
  for (let s = 0; s < columns; s += 8) {
    const first = diagonal ? s & ~15 : 0;
    const totals = columnSums + (<usize>s << 2);
    for (let t = (rows - 1) & ~15; t >= first; t -= 16) {
      const few = min(16, rows - t);
      const at = <usize>((t << 8) + (s << 2));
      const sums = rowSums + (<usize>t << 4);
      if (!diagonal || t > first) {
        maskGradientBlock(w + at, products + at, dw + at, dProducts + at, sums, totals, table, low, row0 + t, column0 + s, few, false, 0);
      } else if (s & 8) {
        maskGradientBlock(w + at, products + at, dw + at, dProducts + at, sums, totals, table, low, row0 + t, column0 + s, few, true, 2);
      } else {
        maskGradientBlock(w + at, products + at, dw + at, dProducts + at, sums, totals, table, low, row0 + t, column0 + s, few, true, 0);
      }
    }
  }
}
