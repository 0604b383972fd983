/**
 * Cross-entropy at labelled rows. Logits are held transposed, Lᵀ[word][row], so that the four lanes are four rows and the
 * softmax needs no sums across lanes; a block of rows by a block of words is a tile. A tile keeps e^(l − its own maximum); what
 * brings it to the probability, a factor for each row and tile, is applied to the small operands of the gradients' products.
 */
import { packB, gemmSweep } from '../../engine/wasm/assembly/gemm.as';
import { arg, log4, madd, nmadd } from '../../engine/wasm/assembly/math.as';
import { LOG2E, power4 } from '../causal-attention/tile.as';

/** bytes that gemmSweep wants for columns short of eight */
const SPARE: usize = 192;
/** bytes of packed B that are swept at a time: half of the first-level cache */
const SWEPT: i32 = 16384;
/** words summed up in one pass over dHidden */
const RUN: i32 = 128;
/** rows of one task of the gathering and combining kernels */
const ROWS: i32 = 32;

/** C[m×n] = A·B + D, B in packed panels; strides in bytes as in gemmSweep. Goes through B in parts that stay in the first-level cache. */
function product(
  m: i32, n: i32, k: i32, a: usize, ars: usize, acs: usize, packed: usize, c: usize, cs: usize, d: usize, spare: usize,
): void {
  const panel = <usize>k << 5;
  const width = max(8, (SWEPT / (k << 2)) & ~7);
  for (let j = 0; j < n; j += width) {
    const w = min(width, n - j);
    const at = <usize>j << 2;
    gemmSweep(m, w, k, 1, a, ars, acs, packed, 32, panel, packed + <usize>(w >> 3) * panel, c + at, cs, d == 0 ? 0 : d + at, cs, spare);
    packed += <usize>(width >> 3) * panel;
  }
}

/** Row r counts: its position is in hidden and its target in the table. */
// @ts-ignore: decorator
@inline
function counted(rows: usize, targets: usize, r: i32, T: i32, V: i32): bool {
  const at = <usize>r << 2;
  return <u32>load<i32>(rows + at) < <u32>T && <u32>load<i32>(targets + at) < <u32>V;
}

/**
 * Packs ROWS rows of hidden (zeros where a row's position is outside, or past R) into panels of eight rows [⌈R′/8⌉][D][8], clears
 * this task's share of dHidden, and in task 0 writes 1 / (number of rows that count).
 * Args: hidden rows targets packed inverseCount dHidden | T D V R share.
 */
export function labelled_cross_entropy_gather(args: usize, task: i32, scratch: usize): void {
  const hidden = <usize>arg(args, 0);
  const rows = <usize>arg(args, 1);
  const targets = <usize>arg(args, 2);
  const dHidden = <usize>arg(args, 5);
  const T = arg(args, 6);
  const D = arg(args, 7);
  const R = arg(args, 9);
  const bytes = <usize>D << 2;
  let to = <usize>arg(args, 3) + <usize>(task * ROWS) * bytes;
  for (let r0 = task * ROWS; r0 < task * ROWS + ROWS; r0 += 8) {
    for (let i = 0; i < 8; i++) {
      const r = r0 + i;
      const position = r < R ? load<i32>(rows + (<usize>r << 2)) : -1;
      const at = scratch + <usize>i * bytes;
      if (<u32>position < <u32>T) memory.copy(at, hidden + <usize>position * bytes, bytes);
      else memory.fill(at, 0, bytes);
    }
    packB(D, 8, scratch, 1, D, to);
    to += bytes << 3;
  }
  if (dHidden != 0) {
    const share = arg(args, 10);
    const first = min(T, task * share);
    memory.fill(dHidden + <usize>first * bytes, 0, <usize>(min(T, first + share) - first) * bytes);
  }
  if (task == 0) {
    let count = 0;
    for (let r = 0; r < R; r++) count += i32(counted(rows, targets, r, T, arg(args, 8)));
    store<f32>(arg(args, 4), count == 0 ? 0 : 1 / <f32>count);
  }
}

/** Largest of each lane's column of `count` vectors, 16 rows wide; with `best` also the first index where it lies, from v0. */
function columnMaxima(count: i32, v0: i32, x: usize, step: usize, most: usize, best: usize): void {
  let m0 = v128.load(x);
  let m1 = v128.load(x, 16);
  let m2 = v128.load(x, 32);
  let m3 = v128.load(x, 48);
  if (best == 0) {
    for (let i = 1; i < count; i++) {
      x += step;
      m0 = f32x4.pmax(m0, v128.load(x));
      m1 = f32x4.pmax(m1, v128.load(x, 16));
      m2 = f32x4.pmax(m2, v128.load(x, 32));
      m3 = f32x4.pmax(m3, v128.load(x, 48));
    }
  } else {
    const one = i32x4.splat(1);
    let v = i32x4.splat(v0);
    let b0 = v;
    let b1 = v;
    let b2 = v;
    let b3 = v;
    for (let i = 1; i < count; i++) {
      x += step;
      v = i32x4.add(v, one);
      let s = v128.load(x);
      b0 = v128.bitselect(v, b0, f32x4.gt(s, m0));
      m0 = f32x4.pmax(m0, s);
      s = v128.load(x, 16);
      b1 = v128.bitselect(v, b1, f32x4.gt(s, m1));
      m1 = f32x4.pmax(m1, s);
      s = v128.load(x, 32);
      b2 = v128.bitselect(v, b2, f32x4.gt(s, m2));
      m2 = f32x4.pmax(m2, s);
      s = v128.load(x, 48);
      b3 = v128.bitselect(v, b3, f32x4.gt(s, m3));
      m3 = f32x4.pmax(m3, s);
    }
    v128.store(best, b0);
    v128.store(best, b1, 16);
    v128.store(best, b2, 32);
    v128.store(best, b3, 48);
  }
  v128.store(most, m0);
  v128.store(most, m1, 16);
  v128.store(most, m2, 32);
  v128.store(most, m3, 48);
}

/** e^(x − most) of a column 4 rows wide, over x if `keep`, and its sum in each lane. Wider columns would not fit the registers. */
function exponentials(count: i32, x: usize, step: usize, most: usize, sum: usize, keep: bool): void {
  const scale = f32x4.splat(LOG2E);
  const m = v128.load(most);
  let s = f32x4.splat(0);
  if (keep) {
    for (; count > 0; count--) {
      const e = power4(f32x4.mul(f32x4.sub(v128.load(x), m), scale));
      s = f32x4.add(s, e);
      v128.store(x, e);
      x += step;
    }
  } else {
    for (; count > 0; count--) {
      s = f32x4.add(s, power4(f32x4.mul(f32x4.sub(v128.load(x), m), scale)));
      x += step;
    }
  }
  v128.store(sum, s);
}

/**
 * One tile of logits. Writes its e^(l − max) to `tiles` (0: nobody wants them, and the tile lives in scratch), the maximum, the sum and
 * (unless 0) the first arg-max of each row, and the logits of targets. Task: words task % W of row block `block` + task / W, W the
 * number of blocks of words; tiles and statistics are indexed by the task.
 * Args: table packed targets tiles most sums best targetLogits | D V R rowBlock wordBlock stride block; stride in floats.
 */
export function labelled_cross_entropy_logits(args: usize, task: i32, scratch: usize): void {
  const targets = <usize>arg(args, 2);
  const targetLogits = <usize>arg(args, 7);
  const D = arg(args, 8);
  const V = arg(args, 9);
  const R = arg(args, 10);
  const rowBlock = arg(args, 11);
  const wordBlock = arg(args, 12);
  const step = <usize>arg(args, 13) << 2;
  const W = (V + wordBlock - 1) / wordBlock;
  const r0 = (arg(args, 14) + task / W) * rowBlock;
  const v0 = (task % W) * wordBlock;
  const words = min(wordBlock, V - v0);
  const dBytes = <usize>D << 2;
  const keep = arg(args, 3) != 0;
  const tile = keep ? <usize>arg(args, 3) + <usize>(task * wordBlock) * step : scratch + SPARE;
  if (keep) fetch(tile, <usize>words * step, scratch);
  product(words, rowBlock, D, <usize>arg(args, 0) + <usize>v0 * dBytes, dBytes, 4, <usize>arg(args, 1) + <usize>r0 * dBytes, tile, step, 0, scratch);
  for (let r = r0; r < min(R, r0 + rowBlock); r++) {
    const word = load<i32>(targets + (<usize>r << 2)) - v0;
    if (<u32>word < <u32>words) store<f32>(targetLogits + (<usize>r << 2), load<f32>(tile + <usize>word * step + (<usize>(r - r0) << 2)));
  }
  const at = <usize>(task * rowBlock) << 2;
  for (let i: usize = 0; i < <usize>rowBlock << 2; i += 64) {
    const most = <usize>arg(args, 4) + at + i;
    columnMaxima(words, v0, tile + i, step, most, arg(args, 6) == 0 ? 0 : <usize>arg(args, 6) + at + i);
    for (let j: usize = 0; j < 64; j += 16) exponentials(words, tile + i + j, step, most + j, <usize>arg(args, 5) + at + i + j, keep);
  }
}

/**
 * ROWS rows: from the statistics of their tiles the loss (0 where the row does not count), the prediction (unless 0), and, over `most` if
 * `factors`, what brings a tile to its share of the mean's gradient: e^(max of tile − max) / Σ / count, 0 where the row does not count.
 * Task: rows task % G of row block `block` + task / G, G = ⌈rowBlock/ROWS⌉.
 * Args: rows targets most sums best targetLogits inverseCount losses predictions | T V R rowBlock W block factors.
 */
export function labelled_cross_entropy_combine(args: usize, task: i32, scratch: usize): void {
  const rows = <usize>arg(args, 0);
  const targets = <usize>arg(args, 1);
  const best = <usize>arg(args, 4);
  const targetLogits = <usize>arg(args, 5);
  const inverseCount = load<f32>(arg(args, 6));
  const losses = <usize>arg(args, 7);
  const predictions = <usize>arg(args, 8);
  const T = arg(args, 9);
  const V = arg(args, 10);
  const R = arg(args, 11);
  const rowBlock = arg(args, 12);
  const W = arg(args, 13);
  const factors = arg(args, 15) != 0;
  const groups = (rowBlock + ROWS - 1) / ROWS;
  const blockInStatistics = task / groups;
  const first = (task % groups) * ROWS;
  const step = <usize>rowBlock << 2;
  const scale = f32x4.splat(LOG2E);
  for (let i = first; i < min(rowBlock, first + ROWS); i += 4) {
    const r0 = (arg(args, 14) + blockInStatistics) * rowBlock + i;
    const at = (<usize>(blockInStatistics * W) * <usize>rowBlock + <usize>i) << 2;
    const most = <usize>arg(args, 2) + at;
    let m = v128.load(most);
    let word = best == 0 ? m : v128.load(best + at);
    for (let w: usize = 1; w < <usize>W; w++) {
      const x = v128.load(most + w * step);
      if (best != 0) word = v128.bitselect(v128.load(best + at + w * step), word, f32x4.gt(x, m));
      m = f32x4.pmax(m, x);
    }
    let sum = f32x4.splat(0);
    for (let w: usize = 0; w < <usize>W; w++) {
      const e = power4(f32x4.mul(f32x4.sub(v128.load(most + w * step), m), scale));
      sum = madd(v128.load(<usize>arg(args, 3) + at + w * step), e, sum);
    }
    let logSum = log4(sum);
    let weights = f32x4.splat(0);
    for (let j = 0; j < 4; j++) {
      const r = r0 + j;
      let weight: f32 = 0;
      if (r < R) {
        const here = <usize>r << 2;
        let loss: f32 = 0;
        if (counted(rows, targets, r, T, V)) {
          // first the difference of the two logits: it is exactly 0 where the target leads, and then the loss has all its digits
          loss = f32x4.extract_lane(m, 0) - load<f32>(targetLogits + here) + f32x4.extract_lane(logSum, 0);
          weight = inverseCount;
        }
        store<f32>(losses + here, loss);
        if (predictions != 0) store<i32>(predictions + here, i32x4.extract_lane(word, 0));
      }
      m = i32x4.shuffle(m, m, 1, 2, 3, 0);
      word = i32x4.shuffle(word, word, 1, 2, 3, 0);
      logSum = i32x4.shuffle(logSum, logSum, 1, 2, 3, 0);
      weights = i32x4.shuffle(weights, f32x4.splat(weight), 1, 2, 3, 4);
    }
    if (factors) {
      weights = f32x4.div(weights, sum);
      for (let w: usize = 0; w < <usize>W; w++) {
        const to = most + w * step;
        v128.store(to, f32x4.mul(power4(f32x4.mul(f32x4.sub(v128.load(to), m), scale)), weights));
      }
    }
  }
}

/** Packs rows r0 … r0+count−1 of hidden, each times its factor, into panels of eight columns [⌈D/8⌉][count][8]; zeros where a row is missing. */
function packScaled(hidden: usize, rows: usize, factors: usize, r0: i32, count: i32, T: i32, D: i32, R: i32, to: usize): void {
  const panel = <usize>count << 5;
  for (let i = 0; i < count; i++) {
    const r = r0 + i;
    const position = r < R ? load<i32>(rows + (<usize>r << 2)) : -1;
    const missing = <u32>position >= <u32>T;
    const factor = load<f32>(factors + (<usize>i << 2));
    const f = f32x4.splat(factor);
    let from = hidden + (missing ? 0 : (<usize>position * <usize>D) << 2);
    let at = to + (<usize>i << 5);
    for (let d = 0; d < D; d += 8) {
      if (missing) {
        v128.store(at, f32x4.splat(0));
        v128.store(at, f32x4.splat(0), 16);
      } else if (d + 8 <= D) {
        v128.store(at, f32x4.mul(v128.load(from), f));
        v128.store(at, f32x4.mul(v128.load(from, 16), f), 16);
      } else {
        for (let j = 0; j < 8; j++) store<f32>(at + (<usize>j << 2), d + j < D ? factor * load<f32>(from + (<usize>j << 2)) : 0);
      }
      from += 32;
      at += panel;
    }
  }
}

/** y −= a·x over D floats. */
function subtractRow(D: i32, a: f32, x: usize, y: usize): void {
  const aa = f32x4.splat(a);
  let d = 0;
  for (; d + 4 <= D; d += 4) {
    v128.store(y, nmadd(aa, v128.load(x), v128.load(y)));
    x += 16;
    y += 16;
  }
  for (; d < D; d++) {
    store<f32>(y, load<f32>(y) - a * load<f32>(x));
    x += 4;
    y += 4;
  }
}

/** Reads every cache line once, so that they come from memory all at a time and not one by one when a product asks for them. */
function fetch(at: usize, bytes: usize, spare: usize): void {
  let x = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 64) x = v128.or(x, v128.load(at + i));
  v128.store(spare, x);
}

/**
 * A tile's part of the gradients of the mean: dTable of its words (added to what earlier row blocks gave), and `partial`, its share of dHidden
 * before the factors: partial[task][row] = Σ_word e·table[word]. An address of 0: not wanted. Tasks: the blocks of words.
 * Args: hidden table rows targets tiles factors inverseCount dTable partial | T D V R rowBlock wordBlock stride block.
 */
export function labelled_cross_entropy_gradient(args: usize, task: i32, scratch: usize): void {
  const hidden = <usize>arg(args, 0);
  const table = <usize>arg(args, 1);
  const rows = <usize>arg(args, 2);
  const targets = <usize>arg(args, 3);
  const dTable = <usize>arg(args, 7);
  const partial = <usize>arg(args, 8);
  const T = arg(args, 9);
  const D = arg(args, 10);
  const V = arg(args, 11);
  const R = arg(args, 12);
  const rowBlock = arg(args, 13);
  const wordBlock = arg(args, 14);
  const step = <usize>arg(args, 15) << 2;
  const block = arg(args, 16);
  const r0 = block * rowBlock;
  const v0 = task * wordBlock;
  const words = min(wordBlock, V - v0);
  const bytes = <usize>D << 2;
  const tile = <usize>arg(args, 4) + <usize>(task * wordBlock) * step;
  const packed = scratch + SPARE;
  fetch(tile, <usize>words * step, scratch);
  if (dTable != 0) {
    const to = dTable + <usize>v0 * bytes;
    packScaled(hidden, rows, <usize>arg(args, 5) + (<usize>(task * rowBlock) << 2), r0, rowBlock, T, D, R, packed);
    product(words, D, rowBlock, tile, step, 4, packed, to, bytes, block == 0 ? 0 : to, scratch);
    const inverseCount = load<f32>(arg(args, 6));
    for (let r = r0; r < min(R, r0 + rowBlock); r++) {
      const word = load<i32>(targets + (<usize>r << 2)) - v0;
      if (<u32>word < <u32>words && counted(rows, targets, r, T, V)) {
        subtractRow(D, inverseCount, hidden + <usize>load<i32>(rows + (<usize>r << 2)) * bytes, to + <usize>word * bytes);
      }
    }
  }
  if (partial != 0) {
    const to = partial + <usize>(task * rowBlock) * bytes;
    // a run of words whose lines of the tile stay in the first-level cache beside the packed table
    for (let v = 0; v < words; v += RUN) {
      const run = min(RUN, words - v);
      packB(run, D, table + <usize>(v0 + v) * bytes, D, 1, packed);
      product(rowBlock, D, run, tile + <usize>v * step, 4, step, packed, to, bytes, v == 0 ? 0 : to, scratch);
    }
  }
}

/** rows of one task of the scattering kernel */
const SCATTERED: i32 = 8;

/**
 * dHidden of the rows that count: Σ over blocks of words of factor·partial, less table[target] / count.
 * Args: table rows targets factors inverseCount partial dHidden | T D V R rowBlock W block.
 */
export function labelled_cross_entropy_scatter(args: usize, task: i32, scratch: usize): void {
  const rows = <usize>arg(args, 1);
  const targets = <usize>arg(args, 2);
  const T = arg(args, 7);
  const D = arg(args, 8);
  const V = arg(args, 9);
  const rowBlock = arg(args, 11);
  const W = arg(args, 12);
  const r0 = arg(args, 13) * rowBlock;
  const inverseCount = load<f32>(arg(args, 4));
  const bytes = <usize>D << 2;
  const next = <usize>rowBlock * bytes;
  const nextFactor = <usize>rowBlock << 2;
  for (let i = task * SCATTERED; i < min(rowBlock, task * SCATTERED + SCATTERED); i++) {
    const r = r0 + i;
    if (r >= arg(args, 10) || !counted(rows, targets, r, T, V)) continue;
    const factors = <usize>arg(args, 3) + (<usize>i << 2);
    const to = <usize>arg(args, 6) + <usize>load<i32>(rows + (<usize>r << 2)) * bytes;
    const part = <usize>arg(args, 5) + <usize>i * bytes;
    let d: usize = 0;
    for (; d + 32 <= bytes; d += 32) {
      let s0 = f32x4.splat(0);
      let s1 = s0;
      let x = part + d;
      let f = factors;
      for (let w = 0; w < W; w++) {
        const ff = v128.load32_splat(f);
        s0 = madd(ff, v128.load(x), s0);
        s1 = madd(ff, v128.load(x, 16), s1);
        x += next;
        f += nextFactor;
      }
      v128.store(to + d, s0);
      v128.store(to + d, s1, 16);
    }
    for (; d < bytes; d += 4) {
      let s: f32 = 0;
      for (let w: usize = 0; w < <usize>W; w++) s += load<f32>(factors + w * nextFactor) * load<f32>(part + d + w * next);
      store<f32>(to + d, s);
    }
    subtractRow(D, inverseCount, <usize>arg(args, 0) + <usize>load<i32>(targets + (<usize>r << 2)) * bytes, to);
  }
}

/** The mean of the losses that count. Args: losses inverseCount loss | R; one task. */
export function labelled_cross_entropy_mean(args: usize, task: i32, scratch: usize): void {
  const losses = <usize>arg(args, 0);
  let sum: f64 = 0;
  for (let r = 0; r < arg(args, 3); r++) sum += load<f32>(losses + (<usize>r << 2));
  store<f32>(arg(args, 2), <f32>(sum * load<f32>(arg(args, 1))));
}
