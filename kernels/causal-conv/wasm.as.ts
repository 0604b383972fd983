/**
 * Causal depthwise convolution. A task owns a run of rows (sequence after sequence, step after step) and goes through it in tiles
 * of rows that stay in L1: the taps pass over four rows at a time, strips of four channels one after the other, then the
 * activation over the whole tile. Tensors are read and written from first to last element, which is what prefetchers
 * understand; four rows side by side are only ever read from L1. Where four does not divide the channels, the last strip begins
 * earlier and does some channels twice. More than four taps, or fewer than four channels, go another way, which is slower.
 *
 * Strips keep their taps in scratch as vectors, bias last: [strips][W' + 1] with W' = max(W, 4), missing early taps 0.
 */
import { arg, madd, storePair } from '../../engine/wasm/assembly/math.as';
import { loadLanes, storeLanes, throughSilu4, timesSigmoid4 } from '../silu.as';

/** The first channel of a strip. */
// @ts-ignore: decorator
@inline
function firstChannel(strip: i32, channels: i32): i32 {
  return max(0, min(strip << 2, channels - 4));
}

/** Taps [C, W] and bias [C] as strips of W' taps and the bias. */
function packTaps(weight: usize, bias: usize, channels: i32, taps: i32, wide: i32, to: usize): void {
  const strips = (channels + 3) >> 2;
  const lanes = min(4, channels);
  memory.fill(to, 0, strips * (wide + 1) << 4);
  for (let strip = 0; strip < strips; strip++) {
    const first = firstChannel(strip, channels);
    for (let lane = 0; lane < lanes; lane++) {
      const at = to + (lane << 2);
      const c = first + lane;
      for (let j = 0; j < taps; j++) store<f32>(at + ((wide - taps + j) << 4), load<f32>(weight + ((c * taps + j) << 2)));
      store<f32>(at + (wide << 4), load<f32>(bias + (c << 2)));
    }
    to += (wide + 1) << 4;
  }
}

/** The inverse of packTaps; weight or bias may be 0, where unwanted. */
function unpackTaps(from: usize, channels: i32, taps: i32, wide: i32, weight: usize, bias: usize): void {
  for (let c = 0; c < channels; c++) {
    const strip = c >> 2;
    const at = from + (strip * (wide + 1) << 4) + ((c - firstChannel(strip, channels)) << 2);
    if (weight !== 0) for (let j = 0; j < taps; j++) store<f32>(weight + ((c * taps + j) << 2), load<f32>(at + ((wide - taps + j) << 4)));
    if (bias !== 0) store<f32>(bias + (c << 2), load<f32>(at + (wide << 4)));
  }
}

/** The first row of a task: a task is several whole sequences, or part of one. */
// @ts-ignore: decorator
@inline
function firstRow(task: i32, length: i32, perTask: i32): i32 {
  if (perTask >= length) return task * perTask;
  const parts = (length + perTask - 1) / perTask;
  return (task / parts) * length + (task % parts) * perTask;
}

/** Where the rows of a task end. */
// @ts-ignore: decorator
@inline
function endRow(first: i32, rows: i32, length: i32, perTask: i32): i32 {
  return first + min(perTask, perTask >= length ? rows - first : length - (first % length));
}

/** Brings `bytes` > 0 of memory into the cache, in order. */
export function conv_touch(at: usize, bytes: usize): i32 {
  const end = at + bytes;
  let bits: i32 = 0;
  do {
    bits |= load<i32>(at);
    at += 64;
  } while (at < end);
  return bits;
}

/** In order; memory.copy takes longer where `to` is not in the cache. */
export function conv_copy(to: usize, from: usize, bytes: usize): void {
  const end = to + (bytes & ~15);
  while (to < end) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
  memory.copy(to, from, bytes & 15);
}

/** y = SiLU(v) of n ≥ 1 elements. Memory is idle meanwhile: reads ahead as many elements from `next` on, for the cache. */
export function conv_silu(v: usize, y: usize, n: i32, next: usize): i32 {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  const pairs: usize = end & ~31;
  let c: usize = 0;
  let bits: i32 = 0;
  for (; c < pairs; c += 32) {
    const x0 = v128.load(v + c), x1 = v128.load(v + c, 16);
    bits |= load<i32>(next + c);
    storePair(y + c, timesSigmoid4(x0, x0), timesSigmoid4(x1, x1));
  }
  for (; c < <usize>n << 2; c += 16) {
    const lanes = c < end ? 4 : rest;
    const x = loadLanes(v + c, lanes);
    storeLanes(y + c, timesSigmoid4(x, x), lanes);
  }
  return bits;
}

/** g = dy·SiLU′(v) of n ≥ 1 elements; reads ahead likewise, and copies as many elements from `from` to `to`. */
export function conv_through_silu(v: usize, dy: usize, g: usize, n: i32, next: usize, from: usize, to: usize): i32 {
  const rest = n & 3;
  const end: usize = (n - rest) << 2;
  const pairs: usize = end & ~31;
  let c: usize = 0;
  let bits: i32 = 0;
  for (; c < pairs; c += 32) {
    bits |= load<i32>(next + c);
    storePair(to + c, v128.load(from + c), v128.load(from + c, 16));
    storePair(g + c, throughSilu4(v128.load(v + c), v128.load(dy + c)), throughSilu4(v128.load(v + c, 16), v128.load(dy + c, 16)));
  }
  for (; c < <usize>n << 2; c += 16) {
    const lanes = c < end ? 4 : rest;
    storeLanes(to + c, loadLanes(from + c, lanes), lanes);
    storeLanes(g + c, throughSilu4(loadLanes(v + c, lanes), loadLanes(dy + c, lanes)), lanes);
  }
  return bits;
}

/** v of one step, four taps; the three rows before x lie at x0, x1, x2. */
export function conv_row(x0: usize, x1: usize, x2: usize, x: usize, v: usize, channels: i32, packed: usize): void {
  const last: usize = (channels - 4) << 2;
  let c: usize = 0;
  while (true) {
    let sum = madd(v128.load(packed), v128.load(x0 + c), v128.load(packed, 64));
    sum = madd(v128.load(packed, 16), v128.load(x1 + c), sum);
    sum = madd(v128.load(packed, 32), v128.load(x2 + c), sum);
    v128.store(v + c, madd(v128.load(packed, 48), v128.load(x + c), sum));
    if (c >= last) break;
    packed += 80;
    c = min(c + 16, last);
  }
}

/** The same for four steps. */
export function conv_four_rows(x0: usize, x1: usize, x2: usize, x: usize, v: usize, channels: i32, packed: usize): void {
  const row: usize = channels << 2;
  const last = row - 16;
  let c: usize = 0;
  while (true) {
    const w0 = v128.load(packed);
    const w1 = v128.load(packed, 16);
    const w2 = v128.load(packed, 32);
    const w3 = v128.load(packed, 48);
    const bias = v128.load(packed, 64);
    // one pointer steps from row to row: a pointer for each would not stay in a register
    let from = x + c;
    let to = v + c;
    const a = v128.load(x0 + c);
    const b = v128.load(x1 + c);
    const d = v128.load(x2 + c);
    const e = v128.load(from);
    v128.store(to, madd(w3, e, madd(w2, d, madd(w1, b, madd(w0, a, bias)))));
    from += row;
    to += row;
    const f = v128.load(from);
    v128.store(to, madd(w3, f, madd(w2, e, madd(w1, d, madd(w0, b, bias)))));
    from += row;
    to += row;
    const g = v128.load(from);
    v128.store(to, madd(w3, g, madd(w2, f, madd(w1, e, madd(w0, d, bias)))));
    from += row;
    to += row;
    v128.store(to, madd(w3, v128.load(from), madd(w2, g, madd(w1, f, madd(w0, e, bias)))));
    if (c >= last) break;
    packed += 80;
    c = min(c + 16, last);
  }
}

/** v of `rows` steps, any number of taps and channels; `before` steps of the sequence come before x. */
function anyRows(x: usize, v: usize, before: i32, rows: i32, channels: i32, wide: i32, packed: usize): void {
  const row: usize = channels << 2;
  const strips = (channels + 3) >> 2;
  const lanes = min(4, channels);
  for (let i = 0; i < rows; i++) {
    for (let strip = 0; strip < strips; strip++) {
      const c: usize = firstChannel(strip, channels) << 2;
      const taps = packed + (strip * (wide + 1) << 4);
      let sum = v128.load(taps + (wide << 4));
      for (let j = max(0, wide - 1 - before - i); j < wide; j++) {
        sum = madd(v128.load(taps + (j << 4)), loadLanes(x + c - (wide - 1 - j) * row, lanes), sum);
      }
      storeLanes(v + c, sum, lanes);
    }
    x += row;
    v += row;
  }
}

/** v of `rows` > 0 steps; `before` steps of the sequence come before x, and `zeros` is a row of zeros. */
function preActivation(x: usize, v: usize, before: i32, rows: i32, channels: i32, wide: i32, zeros: usize, packed: usize): void {
  if (channels < 4 || wide > 4) {
    anyRows(x, v, before, rows, channels, wide, packed);
    return;
  }
  const row: usize = channels << 2;
  while (rows > 0) {
    const x0 = before > 2 ? x - 3 * row : zeros;
    const x1 = before > 1 ? x - 2 * row : zeros;
    const x2 = before > 0 ? x - row : zeros;
    const n = rows < 4 ? 1 : 4;
    if (n === 4) conv_four_rows(x0, x1, x2, x, v, channels, packed);
    else conv_row(x0, x1, x2, x, v, channels, packed);
    x += n * row;
    v += n * row;
    before += n;
    rows -= n;
  }
}

/**
 * Arguments: x weight bias | y | rows L C W, SiLU (1 or 0), rows of a task (a multiple of L, or of four if less than L), rows of a tile
 * (a multiple of four). Scratch: 16·strips·(W' + 1) + 4·C·(tile + 1) bytes.
 */
export function conv_forward(args: usize, task: i32, scratch: usize): void {
  const rows = arg(args, 4);
  const length = arg(args, 5);
  const channels = arg(args, 6);
  const taps = arg(args, 7);
  const silu = arg(args, 8) !== 0;
  const perTask = arg(args, 9);
  const tile = arg(args, 10);
  const row: usize = channels << 2;
  const wide = max(4, taps);
  const zeros = scratch + (((channels + 3) >> 2) * (wide + 1) << 4);
  const v = zeros + row;
  packTaps(arg(args, 1), arg(args, 2), channels, taps, wide, scratch);
  memory.fill(zeros, 0, row);
  let r = firstRow(task, length, perTask);
  const end = endRow(r, rows, length, perTask);
  conv_touch(arg(args, 0) + r * row, min(tile, end - r) * row);
  while (r < end) {
    const t = r % length;
    const n = min(min(tile, end - r), length - t);
    const y: usize = arg(args, 3) + r * row;
    const x: usize = arg(args, 0) + r * row;
    preActivation(x, v, t, n, channels, wide, zeros, scratch);
    if (silu) conv_silu(v, y, n * channels, r + 2 * n <= end ? x + n * row : v);
    else conv_copy(y, v, n * row);
    r += n;
  }
}

/**
 * Four steps, four taps: dx_s = Σ_j w_j g_{s+3−j}; adds x_s g_{s+3−j} to the gradient of tap j and g_s to that of the bias, which are
 * packed as the taps are.
 */
export function conv_four_rows_gradient(g: usize, x: usize, dx: usize, channels: i32, packed: usize, sums: usize): void {
  const row: usize = channels << 2;
  const last = row - 16;
  let c: usize = 0;
  while (true) {
    const w0 = v128.load(packed);
    const w1 = v128.load(packed, 16);
    const w2 = v128.load(packed, 32);
    const w3 = v128.load(packed, 48);
    let at = g + c;
    let from = x + c;
    let to = dx + c;
    const g0 = v128.load(at);
    at += row;
    const g1 = v128.load(at);
    at += row;
    const g2 = v128.load(at);
    at += row;
    const g3 = v128.load(at);
    let xs = v128.load(from);
    v128.store(to, madd(w0, g3, madd(w1, g2, madd(w2, g1, f32x4.mul(w3, g0)))));
    let dw0 = madd(xs, g3, v128.load(sums));
    let dw1 = madd(xs, g2, v128.load(sums, 16));
    let dw2 = madd(xs, g1, v128.load(sums, 32));
    let dw3 = madd(xs, g0, v128.load(sums, 48));
    let dbias = f32x4.add(g0, v128.load(sums, 64));
    at += row;
    from += row;
    to += row;
    const g4 = v128.load(at);
    xs = v128.load(from);
    v128.store(to, madd(w0, g4, madd(w1, g3, madd(w2, g2, f32x4.mul(w3, g1)))));
    dw0 = madd(xs, g4, dw0);
    dw1 = madd(xs, g3, dw1);
    dw2 = madd(xs, g2, dw2);
    dw3 = madd(xs, g1, dw3);
    dbias = f32x4.add(g1, dbias);
    at += row;
    from += row;
    to += row;
    const g5 = v128.load(at);
    xs = v128.load(from);
    v128.store(to, madd(w0, g5, madd(w1, g4, madd(w2, g3, f32x4.mul(w3, g2)))));
    dw0 = madd(xs, g5, dw0);
    dw1 = madd(xs, g4, dw1);
    dw2 = madd(xs, g3, dw2);
    dw3 = madd(xs, g2, dw3);
    dbias = f32x4.add(g2, dbias);
    at += row;
    from += row;
    to += row;
    const g6 = v128.load(at);
    xs = v128.load(from);
    v128.store(to, madd(w0, g6, madd(w1, g5, madd(w2, g4, f32x4.mul(w3, g3)))));
    v128.store(sums, madd(xs, g6, dw0));
    v128.store(sums, madd(xs, g5, dw1), 16);
    v128.store(sums, madd(xs, g4, dw2), 32);
    v128.store(sums, madd(xs, g3, dw3), 48);
    v128.store(sums, f32x4.add(g3, dbias), 64);
    if (c >= last) break;
    packed += 80;
    sums += 80;
    c = min(c + 16, last);
  }
}

/** The same for `rows` steps, any number of taps and channels. */
function anyRowsGradient(g: usize, x: usize, dx: usize, rows: i32, channels: i32, wide: i32, packed: usize, sums: usize): void {
  const row: usize = channels << 2;
  const strips = (channels + 3) >> 2;
  const lanes = min(4, channels);
  for (let i = 0; i < rows; i++) {
    for (let strip = 0; strip < strips; strip++) {
      const c: usize = firstChannel(strip, channels) << 2;
      const taps = packed + (strip * (wide + 1) << 4);
      const sum = sums + (strip * (wide + 1) << 4);
      const xs = loadLanes(x + c, lanes);
      let toX = f32x4.splat(0);
      for (let j = 0; j < wide; j++) {
        const at = j << 4;
        const gj = loadLanes(g + c + (wide - 1 - j) * row, lanes);
        toX = madd(v128.load(taps + at), gj, toX);
        v128.store(sum + at, madd(xs, gj, v128.load(sum + at)));
      }
      v128.store(sum + (wide << 4), f32x4.add(loadLanes(g + c, lanes), v128.load(sum + (wide << 4))));
      storeLanes(dx + c, toX, lanes);
    }
    g += row;
    x += row;
    dx += row;
  }
}

/**
 * Gradients. g_t = dy_t·act′(pre-activation), dx_s = Σ_j w_j g_{s+W−1−j}, dw_j = Σ_s x_s g_{s+W−1−j}, dbias = Σ g. Arguments: dy x weight bias |
 * dx, dweight by task [tasks, C, W], dbias by task [tasks, C] (each 0 where unwanted) | as conv_forward. Scratch: 32·strips·(W' + 1) +
 * 4·C·(3·(tile + W' − 1) + 1) bytes: a tile of dx has no more rows than a tile, but as many as one of g are read and written back.
 */
export function conv_gradient(args: usize, task: i32, scratch: usize): void {
  const rows = arg(args, 7);
  const length = arg(args, 8);
  const channels = arg(args, 9);
  const taps = arg(args, 10);
  const silu = arg(args, 11) !== 0;
  const perTask = arg(args, 12);
  const tile = arg(args, 13);
  const row: usize = channels << 2;
  const wide = max(4, taps);
  const ahead = wide - 1;
  const tapBytes: usize = ((channels + 3) >> 2) * ((wide + 1) << 4);
  const sums = scratch + tapBytes;
  const zeros = sums + tapBytes;
  const v = zeros + row;
  const g = v + (tile + ahead) * row;
  const tileOfDx = g + (tile + ahead) * row;
  packTaps(arg(args, 2), arg(args, 3), channels, taps, wide, scratch);
  memory.fill(sums, 0, tapBytes + row);
  let r = firstRow(task, length, perTask);
  const end = endRow(r, rows, length, perTask);
  conv_touch(arg(args, 1) + r * row, min(tile + ahead, end - r) * row);
  let known = 0; // rows of g, from r on, that the last tile has left there
  let due = 0; // rows of dx of the last tile that are still to be copied to their place
  let place: usize = 0;
  while (r < end) {
    const t = r % length;
    const left = length - t;
    const n = min(min(tile, end - r), left);
    const x: usize = arg(args, 1) + r * row;
    const reach = max(known, min(n + ahead, left));
    const news = reach - known;
    if (news > 0) {
      const at: usize = known * row;
      const dy: usize = arg(args, 0) + r * row + at;
      if (silu) {
        preActivation(x + at, v, t + known, news, channels, wide, zeros, scratch);
        const next = r + reach + news <= end ? x + reach * row : v;
        conv_through_silu(v, dy, g + at, news * channels, next, tileOfDx, due === news ? place : tileOfDx);
        if (due === news) due = 0;
      } else {
        conv_copy(g + at, dy, news * row);
      }
    }
    conv_copy(place, tileOfDx, due * row);
    // past the end of the sequence
    memory.fill(g + reach * row, 0, (tile + ahead - reach) * row);
    if (channels < 4 || wide > 4) {
      anyRowsGradient(g, x, tileOfDx, n, channels, wide, scratch, sums);
    } else {
      const whole = n & ~3;
      for (let i = 0; i < whole; i += 4) {
        const at: usize = i * row;
        conv_four_rows_gradient(g + at, x + at, tileOfDx + at, channels, scratch, sums);
      }
      if (whole < n) {
        const at: usize = whole * row;
        // v is done with
        memory.fill(v, 0, row << 2);
        memory.copy(v, x + at, (n - whole) * row);
        conv_four_rows_gradient(g + at, v, tileOfDx + at, channels, scratch, sums);
      }
    }
    place = arg(args, 4) + r * row;
    due = arg(args, 4) === 0 ? 0 : n;
    r += n;
    known = n === left ? 0 : ahead;
    if (known !== 0) memory.copy(g, g + n * row, ahead * row);
  }
  conv_copy(place, tileOfDx, due * row);
  let dweight: usize = arg(args, 5);
  let dbias: usize = arg(args, 6);
  if (dweight !== 0) dweight += (task * channels * taps) << 2;
  if (dbias !== 0) dbias += task * row;
  unpackTaps(sums, channels, taps, wide, dweight, dbias);
}
