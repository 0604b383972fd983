/**
 * Attention of one new token over a cache by parts of the context: 64 rows of scores at a time under an online softmax. What counts is how fast rows
 * are read: each is read once, in the order of memory.
 */
import { arg, farg, madd, max4, sum4 } from '../../engine/wasm/assembly/math.as';
import { power4 } from '../causal-attention/tile.as';

/** rows that are scored at a time */
const BLOCK: i32 = 64;
/** rows of a part, at least */
const LEAST: i32 = 128;
const LOWEST: f32 = -3.4028234663852886e38;

/** 2ˣ of one number, x ≤ 0. */
// @ts-ignore: decorator
@inline
function exp2Falling(x: f32): f32 {
  return f32x4.extract_lane(power4(f32x4.splat(x)), 0);
}

/** q·x of the four rows at x0 … x3. */
// @ts-ignore: decorator
@inline
function fourDots(K: i32, q: usize, x0: usize, x1: usize, x2: usize, x3: usize): v128 {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  const whole = <usize>(K & ~3) << 2;
  for (let at: usize = 0; at < whole; at += 16) {
    const f = v128.load(q + at);
    a0 = madd(f, v128.load(x0 + at), a0);
    a1 = madd(f, v128.load(x1 + at), a1);
    a2 = madd(f, v128.load(x2 + at), a2);
    a3 = madd(f, v128.load(x3 + at), a3);
  }
  // sums of each across its lanes
  const b0 = f32x4.add(i32x4.shuffle(a0, a1, 0, 4, 1, 5), i32x4.shuffle(a0, a1, 2, 6, 3, 7));
  const b1 = f32x4.add(i32x4.shuffle(a2, a3, 0, 4, 1, 5), i32x4.shuffle(a2, a3, 2, 6, 3, 7));
  let s = f32x4.add(i32x4.shuffle(b0, b1, 0, 1, 4, 5), i32x4.shuffle(b0, b1, 2, 3, 6, 7));
  for (let at = whole; at < <usize>K << 2; at += 4) {
    const f = v128.load32_splat(q + at);
    s = madd(f, f32x4(load<f32>(x0 + at), load<f32>(x1 + at), load<f32>(x2 + at), load<f32>(x3 + at)), s);
  }
  return s;
}

/** y = beta·y + Σ p_j x_j over `count` rows of K values, 32 columns of y in registers at a time. */
function weightedRows(count: i32, K: i32, p: usize, x: usize, beta: f32, y: usize): void {
  const step = <usize>K << 2;
  const b = f32x4.splat(beta);
  let column = 0;
  for (; column + 32 <= K; column += 32) {
    let a0 = f32x4.mul(b, v128.load(y));
    let a1 = f32x4.mul(b, v128.load(y, 16));
    let a2 = f32x4.mul(b, v128.load(y, 32));
    let a3 = f32x4.mul(b, v128.load(y, 48));
    let a4 = f32x4.mul(b, v128.load(y, 64));
    let a5 = f32x4.mul(b, v128.load(y, 80));
    let a6 = f32x4.mul(b, v128.load(y, 96));
    let a7 = f32x4.mul(b, v128.load(y, 112));
    let row = x;
    for (let j = 0; j < count; j++) {
      const f = v128.load32_splat(p + (<usize>j << 2));
      a0 = madd(f, v128.load(row), a0);
      a1 = madd(f, v128.load(row, 16), a1);
      a2 = madd(f, v128.load(row, 32), a2);
      a3 = madd(f, v128.load(row, 48), a3);
      a4 = madd(f, v128.load(row, 64), a4);
      a5 = madd(f, v128.load(row, 80), a5);
      a6 = madd(f, v128.load(row, 96), a6);
      a7 = madd(f, v128.load(row, 112), a7);
      row += step;
    }
    v128.store(y, a0);
    v128.store(y, a1, 16);
    v128.store(y, a2, 32);
    v128.store(y, a3, 48);
    v128.store(y, a4, 64);
    v128.store(y, a5, 80);
    v128.store(y, a6, 96);
    v128.store(y, a7, 112);
    x += 128;
    y += 128;
  }
  for (; column + 4 <= K; column += 4) {
    let a = f32x4.mul(b, v128.load(y));
    let row = x;
    for (let j = 0; j < count; j++) {
      a = madd(v128.load32_splat(p + (<usize>j << 2)), v128.load(row), a);
      row += step;
    }
    v128.store(y, a);
    x += 16;
    y += 16;
  }
  for (; column < K; column++) {
    let a = beta * load<f32>(y);
    let row = x;
    for (let j = 0; j < count; j++) {
      a += load<f32>(p + (<usize>j << 2)) * load<f32>(row);
      row += step;
    }
    store<f32>(y, a);
    x += 4;
    y += 4;
  }
}

/**
 * Goes on with a softmax over `count` ≤ 64 more keys and values: `softmax` holds m, the largest score so far, and Σ 2^(c·s − c·m), `sum` [K] holds
 * Σ 2^(c·s − c·m) v; c = log₂e/√K. `scores` is room for 64 numbers.
 */
function attend(count: i32, K: i32, c: f32, q: usize, keys: usize, values: usize, scores: usize, softmax: usize, sum: usize): void {
  const step = <usize>K << 2;
  let high = f32x4.splat(load<f32>(softmax));
  for (let j = 0; j < count; j += 4) {
    const x = keys + <usize>j * step;
    const last = count - 1 - j;
    let s = fourDots(K, q, x, x + <usize>min(1, last) * step, x + <usize>min(2, last) * step, x + <usize>min(3, last) * step);
    if (last < 3) s = v128.bitselect(s, f32x4.splat(LOWEST), i32x4.le_s(i32x4(0, 1, 2, 3), i32x4.splat(last)));
    v128.store(scores + (<usize>j << 2), s);
    high = f32x4.pmax(high, s);
  }
  const before = load<f32>(softmax);
  const most = max4(high);
  const cc = f32x4.splat(c);
  const shift = f32x4.splat(most);
  let total = f32x4.splat(0);
  let j = 0;
  do {
    const at = scores + (<usize>j << 2);
    const p = power4(f32x4.mul(f32x4.sub(v128.load(at), shift), cc));
    v128.store(at, p);
    total = f32x4.add(total, p);
    j += 4;
  } while (j < count);
  const beta = exp2Falling((before - most) * c);
  store<f32>(softmax, most);
  store<f32>(softmax, beta * load<f32>(softmax, 4) + sum4(total), 4);
  weightedRows(count, K, scores, values, beta, sum);
}

/** Rows of each part of a context of n tokens. */
// @ts-ignore: decorator
@inline
function partOf(n: i32, splits: i32): i32 {
  return max(LEAST, (n + splits - 1) / splits);
}

/**
 * One part of one head's context; the part that has the new token puts its key and value into the caches. Args: q k v keys values places
 * keys′ values′ shares softmaxes | H C K splits c; tasks B·H·splits. With one split the share is y; otherwise it is not yet divided by its
 * total, and softmaxes [B·H, splits, 2] tell its largest score and total. keys′ and values′ hold what keys and values do, and mostly are
 * the same; 0: nobody wants them. scratch: 64 floats and 16 bytes.
 */
export function cached_attention(args: usize, task: i32, scratch: usize): void {
  const H = arg(args, 10);
  const C = arg(args, 11);
  const K = arg(args, 12);
  const splits = arg(args, 13);
  const c = farg(args, 14);
  const bytes = <usize>K << 2;
  const head = task / splits;
  const place = load<i32>(<usize>arg(args, 5) + (<usize>(head / H) << 2));
  const share = <usize>arg(args, 8) + <usize>task * bytes;
  const n = <u32>place < <u32>C ? place + 1 : 0;
  const rows = partOf(n, splits);
  const first = (task % splits) * rows;
  if (splits == 1 || first < n) memory.fill(share, 0, bytes);
  if (first >= n) return;
  const last = min(n, first + rows);
  const own = <usize>head * bytes;
  const cache = own * <usize>C;
  const q = <usize>arg(args, 0) + own;
  const keys = <usize>arg(args, 3) + cache;
  const values = <usize>arg(args, 4) + cache;
  const softmax = scratch + (BLOCK << 2);
  store<f32>(softmax, LOWEST);
  store<f32>(softmax, 0, 4);
  const old = min(last, place);
  for (let j = first; j < old; j += BLOCK) {
    const at = <usize>j * bytes;
    attend(min(BLOCK, old - j), K, c, q, keys + at, values + at, scratch, softmax, share);
  }
  if (last == n) {
    const k = <usize>arg(args, 1) + own;
    const v = <usize>arg(args, 2) + own;
    const row = cache + <usize>place * bytes;
    attend(1, K, c, q, k, v, scratch, softmax, share);
    if (arg(args, 6) != 0) memory.copy(<usize>arg(args, 6) + row, k, bytes);
    if (arg(args, 7) != 0) memory.copy(<usize>arg(args, 7) + row, v, bytes);
  }
  if (splits == 1) {
    const total = load<f32>(softmax, 4);
    for (let at: usize = 0; at < bytes; at += 4) store<f32>(share + at, load<f32>(share + at) / total);
  } else {
    store<u64>(<usize>arg(args, 9) + (<usize>task << 3), load<u64>(softmax));
  }
}

/** y of one head from the parts of its context. Args: shares softmaxes places y | H C K splits c; tasks B·H. */
export function cached_attention_combine(args: usize, task: i32, scratch: usize): void {
  const C = arg(args, 5);
  const K = arg(args, 6);
  const splits = arg(args, 7);
  const c = farg(args, 8);
  const bytes = <usize>K << 2;
  const place = load<i32>(<usize>arg(args, 2) + (<usize>(task / arg(args, 4)) << 2));
  const y = <usize>arg(args, 3) + <usize>task * bytes;
  memory.fill(y, 0, bytes);
  if (<u32>place >= <u32>C) return;
  const rows = partOf(place + 1, splits);
  const parts = place / rows + 1;
  const softmaxes = <usize>arg(args, 1) + (<usize>(task * splits) << 3);
  let most = LOWEST;
  for (let s = 0; s < parts; s++) most = max(most, load<f32>(softmaxes + (<usize>s << 3)));
  let total: f32 = 0;
  for (let s = 0; s < parts; s++) {
    const softmax = softmaxes + (<usize>s << 3);
    total += load<f32>(softmax, 4) * exp2Falling((load<f32>(softmax) - most) * c);
  }
  for (let s = 0; s < parts; s++) {
    const weight = exp2Falling((load<f32>(softmaxes + (<usize>s << 3)) - most) * c) / total;
    const share = <usize>arg(args, 0) + <usize>(task * splits + s) * bytes;
    for (let at: usize = 0; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + weight * load<f32>(share + at));
  }
}
