/**
 * Long convolution and its gradients. A task has some groups of four channels, so that it reads and writes whole cache lines of rows, and some
 * sequences, one after the other. The first level of the transform reads rows, which are real; the last one writes rows, of which only the real
 * part is wanted; all between is in scratch, group by group (transform.as.ts).
 *
 * Scratch: a row of zeros and a row for what is thrown away, then for each operand its groups, N elements and a gap each: without it the same
 * element of all groups would fall into the same few places of the cache.
 */
import { arg, madd, nmadd } from '../../engine/wasm/assembly/math.as';
import { loadLanes, storeLanes } from '../silu.as';
import { convolve, correlate } from './transform.as';

const ELEMENT: usize = 32;
/** bytes from one group to the next, beyond its elements */
const GAP: usize = 320;
/** bytes of each of the two spare rows */
const SPARE: usize = 64;

/** The address of row t of four quarters, or `spare` where there is no such row. */
// @ts-ignore: decorator
@inline
function rowAt(rows: usize, t: i32, length: i32, rowBytes: usize, spare: usize): usize {
  return t < length ? rows + <usize>t * rowBytes : spare;
}

/** The first level of the transform of real rows: `channels` of them, at `rows`, `length` rows → the groups at `to`. */
export function long_conv_load(rows: usize, rowBytes: usize, length: i32, channels: i32, to: usize, n: i32, roots: usize, zeros: usize): void {
  const quarter = n >> 2;
  const step = <usize>quarter * ELEMENT;
  const groupBytes = 4 * step + GAP;
  const c1r = v128.load32_splat(roots);
  const c1i = v128.load32_splat(roots, 4);
  const c2r = v128.load32_splat(roots, 8);
  const c2i = v128.load32_splat(roots, 12);
  const c3r = v128.load32_splat(roots, 16);
  const c3i = v128.load32_splat(roots, 20);
  for (let t = 0; t < quarter; t++) {
    const from0 = rowAt(rows, t, length, rowBytes, zeros);
    const from1 = rowAt(rows, t + quarter, length, rowBytes, zeros);
    const from2 = rowAt(rows, t + 2 * quarter, length, rowBytes, zeros);
    const from3 = rowAt(rows, t + 3 * quarter, length, rowBytes, zeros);
    let x = to + <usize>t * ELEMENT;
    for (let c = 0; c < channels; c += 4) {
      const lanes = min(4, channels - c);
      const at = <usize>c << 2;
      const x0 = loadLanes(from0 + at, lanes);
      const x1 = loadLanes(from1 + at, lanes);
      const x2 = loadLanes(from2 + at, lanes);
      const x3 = loadLanes(from3 + at, lanes);
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
      x += groupBytes;
    }
  }
}

/** The inverse of long_conv_load after all else has been multiplied by n/4: writes the real part. */
export function long_conv_store(rows: usize, rowBytes: usize, length: i32, channels: i32, from: usize, n: i32, roots: usize, rubbish: usize): void {
  const quarter = n >> 2;
  const step = <usize>quarter * ELEMENT;
  const groupBytes = 4 * step + GAP;
  const scale = f32x4.splat(1 / <f32>n);
  const c1r = f32x4.mul(scale, v128.load32_splat(roots));
  const c1i = f32x4.mul(scale, v128.load32_splat(roots, 4));
  const c2r = f32x4.mul(scale, v128.load32_splat(roots, 8));
  const c2i = f32x4.mul(scale, v128.load32_splat(roots, 12));
  const c3r = f32x4.mul(scale, v128.load32_splat(roots, 16));
  const c3i = f32x4.mul(scale, v128.load32_splat(roots, 20));
  for (let t = 0; t < quarter; t++) {
    const to0 = rowAt(rows, t, length, rowBytes, rubbish);
    const to1 = rowAt(rows, t + quarter, length, rowBytes, rubbish);
    const to2 = rowAt(rows, t + 2 * quarter, length, rowBytes, rubbish);
    const to3 = rowAt(rows, t + 3 * quarter, length, rowBytes, rubbish);
    let x = from + <usize>t * ELEMENT;
    for (let c = 0; c < channels; c += 4) {
      const lanes = min(4, channels - c);
      const at = <usize>c << 2;
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
      storeLanes(to0 + at, f32x4.mul(scale, f32x4.add(s0r, t0r)), lanes);
      storeLanes(to1 + at, madd(c1r, f32x4.add(s1r, t1i), f32x4.mul(c1i, f32x4.sub(s1i, t1r))), lanes);
      storeLanes(to2 + at, madd(c2r, f32x4.sub(s0r, t0r), f32x4.mul(c2i, f32x4.sub(s0i, t0i))), lanes);
      storeLanes(to3 + at, madd(c3r, f32x4.sub(s1r, t1i), f32x4.mul(c3i, f32x4.add(s1i, t1r))), lanes);
      x += groupBytes;
    }
  }
}

/**
 * Arguments: u h y | roots | B L C N, groups of a task, sequences of a task. Tasks: the blocks of groups for the first sequences, and so on.
 * Scratch: 128 + 2·groups·(32 N + 320) bytes.
 */
export function long_conv(args: usize, task: i32, scratch: usize): void {
  const roots: usize = arg(args, 3);
  const sequences = arg(args, 4);
  const length = arg(args, 5);
  const channels = arg(args, 6);
  const n = arg(args, 7);
  const groups = arg(args, 8);
  const perTask = arg(args, 9);
  const blocks = (channels + 4 * groups - 1) / (4 * groups);
  const c = (task % blocks) * 4 * groups;
  const own = min(4 * groups, channels - c);
  const rowBytes: usize = channels << 2;
  const column: usize = c << 2;
  const groupBytes = <usize>n * ELEMENT + GAP;
  const rubbish = scratch + SPARE;
  const h = rubbish + SPARE;
  const x = h + <usize>groups * groupBytes;
  memory.fill(scratch, 0, SPARE);
  const begin = (task / blocks) * perTask;
  const end = min(sequences, begin + perTask);
  long_conv_load(arg(args, 1) + column, rowBytes, length, own, h, n, roots, scratch);
  for (let b = begin; b < end; b++) {
    const at = column + <usize>(b * length) * rowBytes;
    long_conv_load(arg(args, 0) + at, rowBytes, length, own, x, n, roots, scratch);
    for (let group = 0; 4 * group < own; group++) {
      for (let child = 0; child < 4; child++) {
        const place = <usize>group * groupBytes + <usize>(child * (n >> 2)) * ELEMENT;
        convolve(x + place, h + place, n >> 2, 1, child, roots, b === begin);
      }
    }
    long_conv_store(arg(args, 2) + at, rowBytes, length, own, x, n, roots, rubbish);
  }
}

/**
 * Gradients: du_t = Σ_{s≥t} h_{s−t} dy_s, dh_s = Σ_b Σ_{t≥s} dy_t u_{t−s}. Arguments: dy u h | du, dh by the parts of the sequences [parts, L, C]
 * (0 where unwanted) | as long_conv, from the roots on. Scratch: 128 + 4·groups·(32 N + 320) bytes.
 */
export function long_conv_gradient(args: usize, task: i32, scratch: usize): void {
  const du: usize = arg(args, 3);
  const dh: usize = arg(args, 4);
  const roots: usize = arg(args, 5);
  const sequences = arg(args, 6);
  const length = arg(args, 7);
  const channels = arg(args, 8);
  const n = arg(args, 9);
  const groups = arg(args, 10);
  const perTask = arg(args, 11);
  const blocks = (channels + 4 * groups - 1) / (4 * groups);
  const c = (task % blocks) * 4 * groups;
  const part = task / blocks;
  const own = min(4 * groups, channels - c);
  const rowBytes: usize = channels << 2;
  const column: usize = c << 2;
  const groupBytes = <usize>n * ELEMENT + GAP;
  const operandBytes = <usize>groups * groupBytes;
  const rubbish = scratch + SPARE;
  const d = rubbish + SPARE;
  const u = d + operandBytes;
  const h = u + operandBytes;
  memory.fill(scratch, 0, SPARE);
  const begin = part * perTask;
  const end = min(sequences, begin + perTask);
  const sum = end - begin === 1 ? u : h + operandBytes;
  if (du !== 0) long_conv_load(arg(args, 2) + column, rowBytes, length, own, h, n, roots, scratch);
  for (let b = begin; b < end; b++) {
    const at = column + <usize>(b * length) * rowBytes;
    long_conv_load(arg(args, 0) + at, rowBytes, length, own, d, n, roots, scratch);
    if (dh !== 0) long_conv_load(arg(args, 1) + at, rowBytes, length, own, u, n, roots, scratch);
    for (let group = 0; 4 * group < own; group++) {
      for (let child = 0; child < 4; child++) {
        const place = <usize>group * groupBytes + <usize>(child * (n >> 2)) * ELEMENT;
        correlate(d + place, dh === 0 ? 0 : u + place, du === 0 ? 0 : h + place, sum + place, n >> 2, 1, child, roots, b === begin, b === end - 1);
      }
    }
    if (du !== 0) long_conv_store(du + at, rowBytes, length, own, d, n, roots, rubbish);
  }
  if (dh !== 0) long_conv_store(dh + column + <usize>(part * length) * rowBytes, rowBytes, length, own, sum, n, roots, rubbish);
}
