/**
 * Long convolution and its gradients. A task has some groups of four channels and some sequences, one after the other. It gathers the rows of its
 * channels into columns, one for each group, [N, 4]: rows are read by whole cache lines, columns are then walked in one piece. The first
 * level of the transform reads a column, which is real; the last one writes a column, of which only the real part is wanted; all between
 * (transform.as.ts) is in the spectrum of one group at a time.
 */
import { arg, madd, nmadd } from '../../engine/wasm/assembly/math.as';
import { loadLanes, storeLanes } from '../silu.as';
import { convolve, correlate } from './transform.as';

const ELEMENT: usize = 32;
/** Bytes between columns, and between spectra: without them the same row of all would fall into the same few places of the cache. */
const GAP: usize = 320;
/** Rows that are brought into the cache at a time. */
const AHEAD: i32 = 16;

/** Bytes from one column of n rows to the next, and from one spectrum to the next. */
// @ts-ignore: decorator
@inline
function columnBytes(n: i32): usize {
  return (<usize>n << 4) + GAP;
}
// @ts-ignore: decorator
@inline
function spectrumBytes(n: i32): usize {
  return <usize>n * ELEMENT + GAP;
}

/** Brings `bytes` of each of `count` rows into the cache: many of these loads are on their way at a time. */
export function long_conv_touch(rows: usize, rowBytes: usize, count: i32, bytes: usize): i32 {
  let bits: i32 = 0;
  for (let i = 0; i < count; i++) {
    for (let c: usize = 0; c < bytes; c += 64) bits |= load<i32>(rows + c);
    rows += rowBytes;
  }
  return bits;
}

/** Columns of `channels` channels that begin at `rows`. */
export function long_conv_gather(rows: usize, rowBytes: usize, length: i32, channels: i32, columns: usize, stride: usize): void {
  for (let t = 0; t < length; t++) {
    if (t % AHEAD === 0) long_conv_touch(rows, rowBytes, min(AHEAD, length - t), channels << 2);
    let to = columns;
    for (let c = 0; c < channels; c += 4) {
      v128.store(to, loadLanes(rows + (<usize>c << 2), min(4, channels - c)));
      to += stride;
    }
    rows += rowBytes;
    columns += 16;
  }
}

/** The inverse of long_conv_gather. */
export function long_conv_scatter(rows: usize, rowBytes: usize, length: i32, channels: i32, columns: usize, stride: usize): void {
  for (let t = 0; t < length; t++) {
    if (t % AHEAD === 0) long_conv_touch(rows, rowBytes, min(AHEAD, length - t), channels << 2);
    let from = columns;
    for (let c = 0; c < channels; c += 4) {
      storeLanes(rows + (<usize>c << 2), v128.load(from), min(4, channels - c));
      from += stride;
    }
    rows += rowBytes;
    columns += 16;
  }
}

/** Row t of a column with `length` rows, and 0 after them. */
// @ts-ignore: decorator
@inline
function rowOf(column: usize, t: i32, length: i32): v128 {
  return t < length ? v128.load(column + (<usize>t << 4)) : f32x4.splat(0);
}

/** The first level of the transform of a column of `length` rows → n elements at x. */
export function long_conv_load(column: usize, length: i32, x: usize, n: i32, roots: usize): void {
  const quarter = n >> 2;
  const step = <usize>quarter * ELEMENT;
  const c1r = v128.load32_splat(roots);
  const c1i = v128.load32_splat(roots, 4);
  const c2r = v128.load32_splat(roots, 8);
  const c2i = v128.load32_splat(roots, 12);
  const c3r = v128.load32_splat(roots, 16);
  const c3i = v128.load32_splat(roots, 20);
  for (let t = 0; t < quarter; t++) {
    const x0 = rowOf(column, t, length);
    const x1 = rowOf(column, t + quarter, length);
    const x2 = rowOf(column, t + 2 * quarter, length);
    const x3 = rowOf(column, t + 3 * quarter, length);
    const p2 = f32x4.mul(c2r, x2);
    const q2 = f32x4.mul(c2i, x2);
    const p1 = f32x4.mul(c1r, x1);
    const q1 = f32x4.mul(c1i, x1);
    const s0 = f32x4.add(x0, p2);
    const s1 = f32x4.sub(x0, p2);
    const t0r = madd(c3r, x3, p1);
    const t0i = madd(c3i, x3, q1);
    const t1r = nmadd(c3r, x3, p1);
    const t1i = nmadd(c3i, x3, q1);
    v128.store(x, f32x4.add(s0, t0r));
    v128.store(x, f32x4.add(q2, t0i), 16);
    v128.store(x + step, f32x4.sub(s0, t0r));
    v128.store(x + step, f32x4.sub(q2, t0i), 16);
    v128.store(x + 2 * step, f32x4.sub(s1, t1i));
    v128.store(x + 2 * step, f32x4.sub(t1r, q2), 16);
    v128.store(x + 3 * step, f32x4.add(s1, t1i));
    v128.store(x + 3 * step, f32x4.neg(f32x4.add(q2, t1r)), 16);
    x += ELEMENT;
  }
}

/** The inverse of long_conv_load, where all other levels have multiplied by n/4: writes the real part, n rows. */
export function long_conv_store(column: usize, x: usize, n: i32, roots: usize): void {
  const quarter = n >> 2;
  const step = <usize>quarter * ELEMENT;
  const row: usize = <usize>quarter << 4;
  const scale = f32x4.splat(1 / <f32>n);
  const c1r = f32x4.mul(scale, v128.load32_splat(roots));
  const c1i = f32x4.mul(scale, v128.load32_splat(roots, 4));
  const c2r = f32x4.mul(scale, v128.load32_splat(roots, 8));
  const c2i = f32x4.mul(scale, v128.load32_splat(roots, 12));
  const c3r = f32x4.mul(scale, v128.load32_splat(roots, 16));
  const c3i = f32x4.mul(scale, v128.load32_splat(roots, 20));
  const end = x + step;
  do {
    const pr = v128.load(x);
    const pi = v128.load(x, 16);
    const qr = v128.load(x + step);
    const qi = v128.load(x + step, 16);
    const ur = v128.load(x + 2 * step);
    const ui = v128.load(x + 2 * step, 16);
    const vr = v128.load(x + 3 * step);
    const vi = v128.load(x + 3 * step, 16);
    const s0r = f32x4.add(pr, qr);
    const s0i = f32x4.add(pi, qi);
    const s1r = f32x4.sub(pr, qr);
    const s1i = f32x4.sub(pi, qi);
    const t0r = f32x4.add(ur, vr);
    const t0i = f32x4.add(ui, vi);
    const t1r = f32x4.sub(ur, vr);
    const t1i = f32x4.sub(ui, vi);
    v128.store(column, f32x4.mul(scale, f32x4.add(s0r, t0r)));
    v128.store(column + row, madd(c1r, f32x4.add(s1r, t1i), f32x4.mul(c1i, f32x4.sub(s1i, t1r))));
    v128.store(column + 2 * row, madd(c2r, f32x4.sub(s0r, t0r), f32x4.mul(c2i, f32x4.sub(s0i, t0i))));
    v128.store(column + 3 * row, madd(c3r, f32x4.sub(s1r, t1i), f32x4.mul(c3i, f32x4.add(s1i, t1r))));
    x += ELEMENT;
    column += 16;
  } while (x < end);
}

/**
 * Arguments: u h y | roots | B L C N, groups of a task, sequences of a task. Tasks: the blocks of groups for the first sequences, and so on.
 * Scratch: columns of u and of h for each group, a spectrum for u, and for h one or, where a task has several sequences, one for each group.
 */
export function long_conv(args: usize, task: i32, scratch: usize): void {
  const roots: usize = arg(args, 3);
  const length = arg(args, 5);
  const channels = arg(args, 6);
  const n = arg(args, 7);
  const groups = arg(args, 8);
  const perTask = arg(args, 9);
  const blocks = (channels + 4 * groups - 1) / (4 * groups);
  const c = (task % blocks) * 4 * groups;
  const own = min(4 * groups, channels - c);
  const rowBytes: usize = channels << 2;
  const place: usize = c << 2;
  const stride = columnBytes(n);
  const uColumns = scratch;
  const hColumns = uColumns + <usize>groups * stride;
  const u = hColumns + <usize>groups * stride;
  const hs = u + spectrumBytes(n);
  const hStride = perTask === 1 ? 0 : spectrumBytes(n);
  const begin = (task / blocks) * perTask;
  const end = min(arg(args, 4), begin + perTask);
  const quarter = n >> 2;
  long_conv_gather(arg(args, 1) + place, rowBytes, length, own, hColumns, stride);
  for (let b = begin; b < end; b++) {
    const at = place + <usize>(b * length) * rowBytes;
    long_conv_gather(arg(args, 0) + at, rowBytes, length, own, uColumns, stride);
    for (let group: usize = 0; 4 * <i32>group < own; group++) {
      const h = hs + group * hStride;
      if (b === begin) long_conv_load(hColumns + group * stride, length, h, n, roots);
      long_conv_load(uColumns + group * stride, length, u, n, roots);
      for (let child = 0; child < 4; child++) {
        const part = <usize>(child * quarter) * ELEMENT;
        convolve(u + part, h + part, quarter, 1, child, roots, b === begin);
      }
      long_conv_store(uColumns + group * stride, u, n, roots);
    }
    long_conv_scatter(arg(args, 2) + at, rowBytes, length, own, uColumns, stride);
  }
}

/**
 * Gradients: du_t = Σ_{s≥t} h_{s−t} dy_s, dh_s = Σ_b Σ_{t≥s} dy_t u_{t−s}. Arguments: dy u h | du, dh by the parts of the sequences [parts, L, C]
 * (0 where unwanted) | as long_conv, from the roots on. Scratch: columns of dy, u and h for each group, spectra for dy and u, one for h and
 * none for the sum or, where a task has several sequences, each of these for each group.
 */
export function long_conv_gradient(args: usize, task: i32, scratch: usize): void {
  const du: usize = arg(args, 3);
  const dh: usize = arg(args, 4);
  const roots: usize = arg(args, 5);
  const length = arg(args, 7);
  const channels = arg(args, 8);
  const n = arg(args, 9);
  const groups = arg(args, 10);
  const perTask = arg(args, 11);
  const blocks = (channels + 4 * groups - 1) / (4 * groups);
  const c = (task % blocks) * 4 * groups;
  const taskPart = task / blocks;
  const own = min(4 * groups, channels - c);
  const rowBytes: usize = channels << 2;
  const place: usize = c << 2;
  const stride = columnBytes(n);
  const dColumns = scratch;
  const uColumns = dColumns + <usize>groups * stride;
  const hColumns = uColumns + <usize>groups * stride;
  const d = hColumns + <usize>groups * stride;
  const u = d + spectrumBytes(n);
  const hs = u + spectrumBytes(n);
  const keptStride = perTask === 1 ? 0 : spectrumBytes(n);
  const sums = perTask === 1 ? u : hs + <usize>groups * spectrumBytes(n);
  const begin = taskPart * perTask;
  const end = min(arg(args, 6), begin + perTask);
  const quarter = n >> 2;
  if (du !== 0) long_conv_gather(arg(args, 2) + place, rowBytes, length, own, hColumns, stride);
  for (let b = begin; b < end; b++) {
    const first = b === begin;
    const last = b === end - 1;
    const at = place + <usize>(b * length) * rowBytes;
    long_conv_gather(arg(args, 0) + at, rowBytes, length, own, dColumns, stride);
    if (dh !== 0) long_conv_gather(arg(args, 1) + at, rowBytes, length, own, uColumns, stride);
    for (let group: usize = 0; 4 * <i32>group < own; group++) {
      const h = hs + group * keptStride;
      const sum = sums + group * keptStride;
      long_conv_load(dColumns + group * stride, length, d, n, roots);
      if (dh !== 0) long_conv_load(uColumns + group * stride, length, u, n, roots);
      if (du !== 0 && first) long_conv_load(hColumns + group * stride, length, h, n, roots);
      for (let child = 0; child < 4; child++) {
        const part = <usize>(child * quarter) * ELEMENT;
        correlate(d + part, dh === 0 ? 0 : u + part, du === 0 ? 0 : h + part, sum + part, quarter, 1, child, roots, first, last);
      }
      if (du !== 0) long_conv_store(dColumns + group * stride, d, n, roots);
      if (dh !== 0 && last) long_conv_store(uColumns + group * stride, sum, n, roots);
    }
    if (du !== 0) long_conv_scatter(du + at, rowBytes, length, own, dColumns, stride);
    if (dh !== 0 && last) long_conv_scatter(dh + place + <usize>(taskPart * length) * rowBytes, rowBytes, length, own, uColumns, stride);
  }
}
