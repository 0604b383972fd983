/**
 * What the chunked kernels share: where a task is, and passes over a few rows. Every kernel of SSD begins with the same
 * arguments:
 *
 *   0 L, 1 H, 2 P, 3 G, 4 N, 5 chunk (≤ L), 6 heads per task, 7 dt [B,L,H], 8 a [H]
 */
import { arg, madd, sum4 } from '../../engine/wasm/assembly/math.as';
import { loadFew, storeFew } from './product.as';

/** Tokens in a tile, and the bytes of a row and of a whole tile of products. */
export const TILE: i32 = 64;
export const ROW: usize = 256;
export const SQUARE: usize = 64 * 256;

/** A task of (batch, chunk, group, block of the group's heads). It lies at the start of the scratch, in TASK_BYTES. */
@unmanaged
export class Task {
  args: usize;
  P: i32;
  N: i32;
  H: i32;
  G: i32;
  batch: i32;
  chunk: i32;
  /** chunks of a sequence */
  chunks: i32;
  group: i32;
  /** number of the block */
  block: i32;
  head0: i32;
  heads: i32;
  /** of the chunk's first token, counted through the batch */
  token: i32;
  /** tokens of the chunk */
  length: i32;
  /** bytes from token to token of x and y, of b and c, of dt */
  xStep: usize;
  bStep: usize;
  dtStep: usize;

  /** Address of what belongs to the chunk's first token in argument i, if that is like x [B,L,H,P], from the first head on. */
  x(i: i32): usize {
    return <usize>arg(this.args, i) + (<usize>((this.token * this.H + this.head0) * this.P) << 2);
  }

  /** The same for operands like b [B,L,G,N]. */
  b(i: i32): usize {
    return <usize>arg(this.args, i) + (<usize>((this.token * this.G + this.group) * this.N) << 2);
  }

  /** The same for operands like dt [B,L,H]. */
  dt(i: i32): usize {
    return <usize>arg(this.args, i) + (<usize>(this.token * this.H + this.head0) << 2);
  }

  /** The same for operands like a [H]. */
  a(i: i32): usize {
    return <usize>arg(this.args, i) + (<usize>this.head0 << 2);
  }

  /** Address of the task's first head in argument i, if that is [B,slots,H,P,N]. */
  state(i: i32, slots: i32, slot: i32): usize {
    return <usize>arg(this.args, i) + (<usize>(((this.batch * slots + slot) * this.H + this.head0) * this.P * this.N) << 2);
  }
}

export const TASK_BYTES: usize = 128;

/** Chunks of a sequence. */
// @ts-ignore: decorator
@inline
export function chunkCount(args: usize): i32 {
  return (arg(args, 0) + arg(args, 5) - 1) / arg(args, 5);
}

/** Task number `rest` of (batch, chunk, group, block), where `chunks` chunks from `first` on are worked at. */
export function openTask(args: usize, rest: i32, chunks: i32, first: i32, scratch: usize): Task {
  const t = changetype<Task>(scratch);
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4), Q = arg(args, 5), per = arg(args, 6);
  const inGroup = H / G;
  const blocks = (inGroup + per - 1) / per;
  t.args = args;
  t.P = P;
  t.N = N;
  t.H = H;
  t.G = G;
  t.chunks = chunkCount(args);
  t.block = rest % blocks;
  rest /= blocks;
  t.group = rest % G;
  rest /= G;
  t.chunk = (rest % chunks) + first;
  t.batch = rest / chunks;
  t.head0 = t.group * inGroup + t.block * per;
  t.heads = min(per, inGroup - t.block * per);
  t.token = t.batch * L + t.chunk * Q;
  t.length = min(Q, L - t.chunk * Q);
  t.xStep = <usize>(H * P) << 2;
  t.bStep = <usize>(G * N) << 2;
  t.dtStep = <usize>H << 2;
  return t;
}

/** x[t] *= by[t], rows of n floats, `step` bytes apart, in whole fours. */
export function scaleRows(rows: i32, n: i32, x: usize, step: usize, by: usize): void {
  for (let t = 0; t < rows; t++) {
    const f = v128.load32_splat(by + (<usize>t << 2));
    let at = x + <usize>t * step;
    for (let q = 0; q < n; q += 4) {
      v128.store(at, f32x4.mul(f, v128.load(at)));
      at += 16;
    }
  }
}

/** x[t] *= y[t], y's floats `step` bytes apart. */
export function scaleBy(count: i32, x: usize, y: usize, step: usize): void {
  for (let t = 0; t < count; t++) {
    store<f32>(x, load<f32>(x) * load<f32>(y));
    x += 4;
    y += step;
  }
}

/** to[t] = by[t]·x[t], rows of n floats; what fills the last four of a row is 0. */
export function copyScaled(rows: i32, n: i32, x: usize, step: usize, by: usize, to: usize, toStep: usize): void {
  for (let t = 0; t < rows; t++) {
    const f = v128.load32_splat(by + (<usize>t << 2));
    let from = x + <usize>t * step;
    let at = to + <usize>t * toStep;
    let q = n;
    for (; q >= 4; q -= 4) {
      v128.store(at, f32x4.mul(f, v128.load(from)));
      from += 16;
      at += 16;
    }
    if (q > 0) v128.store(at, f32x4.mul(f, loadFew(from, q)));
  }
}

/** Copies rows of n floats. */
export function copyRows(count: i32, n: i32, from: usize, fromStep: usize, to: usize, toStep: usize): void {
  for (let t = 0; t < count; t++) memory.copy(to + <usize>t * toStep, from + <usize>t * fromStep, <usize>n << 2);
}

/** to[t] = from[t], to's floats `step` bytes apart. */
export function scatter(count: i32, from: usize, to: usize, step: usize): void {
  for (let t = 0; t < count; t++) {
    store<f32>(to, load<f32>(from));
    from += 4;
    to += step;
  }
}

/** x += f·y, n floats. */
export function addDecayed(x: usize, y: usize, n: i32, f: f32): void {
  const decay = f32x4.splat(f);
  for (; n >= 4; n -= 4) {
    v128.store(x, madd(decay, v128.load(y), v128.load(x)));
    x += 16;
    y += 16;
  }
  if (n > 0) storeFew(x, madd(decay, loadFew(y, n), loadFew(x, n)), n);
}

/** Σ a·b over n floats. */
export function dot(a: usize, b: usize, n: i32): f32 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  for (; n >= 16; n -= 16) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3);
    a += 64;
    b += 64;
  }
  for (; n >= 4; n -= 4) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    a += 16;
    b += 16;
  }
  if (n > 0) s1 = madd(loadFew(a, n), loadFew(b, n), s1);
  return sum4(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** Reads a word of every cache line of some rows: all at once they come from memory faster than when a product asks for them. */
export function fetch(count: i32, n: i32, rows: usize, step: usize): void {
  const bytes = <usize>n << 2;
  for (let t = 0; t < count; t++) {
    const row = rows + <usize>t * step;
    for (let at: usize = 0; at < bytes; at += 64) load<i32>(row + at);
  }
}
