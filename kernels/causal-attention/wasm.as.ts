/**
 * Causal softmax attention by tiles (Dao et al. 2022, arXiv 2205.14135): 64 queries by 64 keys of scores at a time, held
 * transposed, Sᵀ[key][query], so that the four lanes are four queries and the softmax needs no sums across lanes; it takes eight queries at
 * once, two vectors that V8 may join (storePair). Tiles above the diagonal are skipped, and so are the register tiles above it within a tile on the diagonal.
 */
import { arg, farg, log4, madd, storePair } from '../../engine/wasm/assembly/math.as';
import { packB } from '../../engine/wasm/assembly/gemm.as';
import { dot } from '../ssd/task.as';
import { BEYOND, BLOCK, LOG2E, Right, ROW, eights, overKeys, overQueries, power4, scores } from './tile.as';

/** bytes of a tile of scores */
const TILE: usize = 64 * ROW;
/** bytes of one number per query; scratch for gemmSweep fits as well */
const LINE: usize = 256;
const LOWEST: f32 = -3.4028234663852886e38;
/** 2⁻¹⁰⁰, a weight that counts for nothing beside 1 */
const NOTHING: f32 = 7.888609052210118e-31;

/** All ones in the lanes from `first` on: the queries of a group that see the key `first` places after the group's first query. */
// @ts-ignore: decorator
@inline
function lanesFrom(first: i32): v128 {
  return i32x4.ge_s(i32x4(0, 1, 2, 3), i32x4.splat(first));
}

/** On the diagonal, four queries' row of a tile with a key that only some of them see: `other` in the lanes of the others. */
// @ts-ignore: decorator
@inline
function hide(at: usize, first: i32, other: v128): void {
  v128.store(at, v128.bitselect(v128.load(at), other, lanesFrom(first)));
}

/** Zeros on a diagonal tile above the diagonal, as far as the products look. */
function clearAbove(nk: i32, nq: i32, tile: usize): void {
  for (let i = 0; i < nq; i += 4) {
    const some = min(nk, i + 4);
    const end = min(nk, some + BEYOND);
    let at = tile + (<usize>i << 2) + <usize>(i + 1) * ROW;
    for (let j = i + 1; j < end; j++) {
      if (j < some) hide(at, j - i, f32x4.splat(0));
      else v128.store(at, f32x4.splat(0));
      at += ROW;
    }
  }
}

/** Largest of the scores of eight queries with `keys` keys, and of m, in m. */
function largest(keys: i32, at: usize, m: usize): void {
  const end = at + <usize>keys * ROW;
  const quads = at + <usize>(keys & ~3) * ROW;
  let a0 = v128.load(m), b0 = v128.load(m, 16);
  let a1 = a0, b1 = b0, a2 = a0, b2 = b0, a3 = a0, b3 = b0;
  while (at != quads) {
    a0 = f32x4.pmax(a0, v128.load(at));
    b0 = f32x4.pmax(b0, v128.load(at, 16));
    a1 = f32x4.pmax(a1, v128.load(at, ROW));
    b1 = f32x4.pmax(b1, v128.load(at, ROW + 16));
    a2 = f32x4.pmax(a2, v128.load(at, 2 * ROW));
    b2 = f32x4.pmax(b2, v128.load(at, 2 * ROW + 16));
    a3 = f32x4.pmax(a3, v128.load(at, 3 * ROW));
    b3 = f32x4.pmax(b3, v128.load(at, 3 * ROW + 16));
    at += 4 * ROW;
  }
  while (at != end) {
    a0 = f32x4.pmax(a0, v128.load(at));
    b0 = f32x4.pmax(b0, v128.load(at, 16));
    at += ROW;
  }
  const a = f32x4.pmax(f32x4.pmax(a0, a1), f32x4.pmax(a2, a3));
  const b = f32x4.pmax(f32x4.pmax(b0, b1), f32x4.pmax(b2, b3));
  storePair(m, a, b);
}

/** Scores of eight queries with `keys` keys become 2^(s − m); their sums come on top of `sum`. */
function powers(keys: i32, at: usize, m: usize, sum: usize): void {
  const end = at + <usize>keys * ROW;
  const m0 = v128.load(m), m1 = v128.load(m, 16);
  let sum0 = v128.load(sum), sum1 = v128.load(sum, 16);
  do {
    const p0 = power4(f32x4.sub(v128.load(at), m0));
    const p1 = power4(f32x4.sub(v128.load(at, 16), m1));
    sum0 = f32x4.add(sum0, p0);
    sum1 = f32x4.add(sum1, p1);
    storePair(at, p0, p1);
    at += ROW;
  } while (at != end);
  storePair(sum, sum0, sum1);
}

/** p times share; what counts for nothing, hidden weights above all, becomes 0: a part of it could be denormal, and slow. */
// @ts-ignore: decorator
@inline
function portion(p: v128, share: v128): v128 {
  return f32x4.mul(share, v128.and(p, f32x4.gt(p, f32x4.splat(NOTHING))));
}

/** Weights of eight queries with `keys` keys times `share`. */
function divide(keys: i32, at: usize, share: usize): void {
  const end = at + <usize>keys * ROW;
  const share0 = v128.load(share), share1 = v128.load(share, 16);
  for (; at != end; at += ROW) {
    const p0 = portion(v128.load(at), share0);
    const p1 = portion(v128.load(at, 16), share1);
    storePair(at, p0, p1);
  }
}

/** The logarithms of Σ eˢ of up to eight queries from their m and Σ 2^(s − m); only a backward pass reads them. */
function storeLogSums(queries: i32, to: usize, m: usize, sum: usize): void {
  for (let t = 0; t < queries; t += 4) {
    let lse = madd(v128.load(m), f32x4.splat(1 / LOG2E), log4(v128.load(sum)));
    for (let u = t; u < min(t + 4, queries); u++) {
      store<f32>(to + (<usize>u << 2), f32x4.extract_lane(lse, 0));
      lse = i32x4.shuffle(lse, lse, 1, 2, 3, 0);
    }
    m += 16;
    sum += 16;
  }
}

/** On the diagonal, the scores of eight queries with keys after them can be no greatest, and their powers count for nothing. */
function hideKeys(i: i32, keys: i32, column: usize): void {
  for (let j = i + 1; j < keys; j++) {
    hide(column + <usize>j * ROW, j - i, f32x4.splat(LOWEST));
    hide(column + <usize>j * ROW + 16, j - i - 4, f32x4.splat(LOWEST));
  }
}

/** Two vectors of x at `to`. */
// @ts-ignore: decorator
@inline
function fill8(to: usize, x: f32): void {
  storePair(to, f32x4.splat(x), f32x4.splat(x));
}

/** 1/x of two vectors in place. */
// @ts-ignore: decorator
@inline
function invert8(x: usize): void {
  storePair(x, f32x4.div(f32x4.splat(1), v128.load(x)), f32x4.div(f32x4.splat(1), v128.load(x, 16)));
}

/**
 * The softmax of whole rows: the scores, in powers of two, of all tiles of a block of queries become weights. The tiles lie side by side, the
 * last of them, with nk keys, on the diagonal. `most` and `total` are scratch.
 */
function softenRows(nk: i32, nq: i32, tiles: usize, last: usize, most: usize, total: usize, logSumExp: usize): void {
  const before = <i32>((last - tiles) / ROW);
  for (let i = 0; i < nq; i += 8) {
    const at = <usize>i << 2;
    const keys = min(nk, i + 8);
    hideKeys(i, keys, last + at);
    fill8(most, LOWEST);
    fill8(total, 0);
    largest(before + keys, tiles + at, most);
    powers(before + keys, tiles + at, most, total);
    if (logSumExp != 0) storeLogSums(min(8, nq - i), logSumExp + at, most, total);
    invert8(total);
    divide(before + keys, tiles + at, total);
  }
  clearAbove(nk, nq, last);
}

/**
 * One tile of the online softmax: scores s, in powers of two, become 2^(s − m) with m the largest score so far of each query; `most`
 * and `total` are m and Σ of each query so far. Writes the factors of the earlier y (beta); on the diagonal, which comes last, weights
 * and factors are divided by the total, and the logarithm of Σ eˢ is stored.
 */
function soften(nk: i32, nq: i32, tile: usize, most: usize, total: usize, beta: usize, first: bool, diagonal: bool, logSumExp: usize): void {
  for (let i = 0; i < nq; i += 8) {
    const at = <usize>i << 2;
    const column = tile + at;
    const keys = diagonal ? min(nk, i + 8) : nk;
    if (diagonal) hideKeys(i, keys, column);
    if (first) {
      fill8(most + at, LOWEST);
      fill8(total + at, 0);
    }
    const before0 = v128.load(most + at), before1 = v128.load(most + at, 16);
    largest(keys, column, most + at);
    let beta0 = power4(f32x4.sub(before0, v128.load(most + at)));
    let beta1 = power4(f32x4.sub(before1, v128.load(most + at, 16)));
    storePair(total + at, f32x4.mul(beta0, v128.load(total + at)), f32x4.mul(beta1, v128.load(total + at, 16)));
    // hidden scores add 2⁻¹²⁵ each to a sum of at least 1: nothing
    powers(keys, column, most + at, total + at);
    if (diagonal) {
      if (logSumExp != 0) storeLogSums(min(8, nq - i), logSumExp + at, most + at, total + at);
      invert8(total + at);
      divide(keys, column, total + at);
      beta0 = f32x4.mul(beta0, v128.load(total + at));
      beta1 = f32x4.mul(beta1, v128.load(total + at, 16));
    }
    storePair(beta + at, beta0, beta1);
  }
  if (diagonal) clearAbove(nk, nq, tile);
}

/** Rows of n values, each times its own factor. */
function scaleRows(rows: i32, n: i32, x: usize, step: usize, factors: usize): void {
  const whole = <usize>(n & ~3) << 2;
  for (let i = 0; i < rows; i++) {
    const f = v128.load32_splat(factors + (<usize>i << 2));
    let c: usize = 0;
    for (; c < whole; c += 16) v128.store(x + c, f32x4.mul(f, v128.load(x + c)));
    for (; c < <usize>n << 2; c += 4) store<f32>(x + c, f32x4.extract_lane(f, 0) * load<f32>(x + c));
    x += step;
  }
}

/** The tile of block i of queries by the first block of keys among the kept ones of a head; the further keys' follow it. */
// @ts-ignore: decorator
@inline
function keptTile(weights: usize, head: i32, blocks: i32, i: i32): usize {
  return weights + <usize>(((head * blocks * (blocks + 1)) >> 1) + ((i * (i + 1)) >> 1)) * TILE;
}

/**
 * y and logSumExp of 64 queries of one head. Args: q k v y logSumExp (0: nobody reads it) | L H K P c weights (0: not kept); tasks B·H·⌈L/64⌉,
 * the longest first. The weights of short sequences are kept for the backward pass, tile by tile.
 */
export function causal_attention_forward(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 5);
  const H = arg(args, 6);
  const K = arg(args, 7);
  const P = arg(args, 8);
  const c = farg(args, 9);
  const blocks = (L + BLOCK - 1) / BLOCK;
  const head = task / blocks;
  const i0 = (blocks - 1 - (task % blocks)) * BLOCK;
  const nq = min(BLOCK, L - i0);
  const kStep = <usize>(H * K) << 2;
  const vStep = <usize>(H * P) << 2;
  const row = (head / H) * L;
  const kHead = (<usize>((row * H + (head % H)) * K)) << 2;
  const vHead = (<usize>((row * H + (head % H)) * P)) << 2;
  const k = <usize>arg(args, 1) + kHead;
  const v = <usize>arg(args, 2) + vHead;
  const y = <usize>arg(args, 3) + vHead + <usize>i0 * vStep;

  const given = <usize>arg(args, 4);
  const logSumExp = given == 0 ? 0 : given + (<usize>(head * L + i0) << 2);

  const tile = scratch;
  const most = tile + TILE;
  const total = most + LINE;
  const beta = total + LINE;
  const spare = beta + LINE;
  const right = changetype<Right>(spare + LINE);
  const queries = spare + 2 * LINE;
  const values = queries + <usize>K * LINE;
  packB(K, nq, <usize>arg(args, 0) + kHead + <usize>i0 * kStep, 1, H * K, queries);
  const weights = <usize>arg(args, 10);
  if (weights != 0) {
    // all keys before the block of queries are one tile, as tiles of one row follow each other
    const tiles = keptTile(weights, head, blocks, i0 / BLOCK);
    const last = tiles + <usize>i0 * ROW;
    const nk = min(BLOCK, L - i0);
    if (i0 > 0) scores(i0, nq, K, c, k, kStep, queries, tiles, 0, false);
    scores(nk, nq, K, c, k + <usize>i0 * kStep, kStep, queries, last, 0, true);
    softenRows(nk, nq, tiles, last, most, total, logSumExp);
    if (i0 > 0) {
      right.open(i0, P, v, vStep, values);
      overKeys(i0, nq, P, 1, tiles, right, y, vStep, false, false, spare);
    }
    right.open(nk, P, v + <usize>i0 * vStep, vStep, values);
    overKeys(nk, nq, P, 1, last, right, y, vStep, i0 > 0, true, spare);
    return;
  }
  for (let j0 = 0; j0 <= i0; j0 += BLOCK) {
    const nk = min(BLOCK, L - j0);
    const diagonal = j0 == i0;
    scores(nk, nq, K, c, k + <usize>j0 * kStep, kStep, queries, tile, 0, diagonal);
    soften(nk, nq, tile, most, total, beta, j0 == 0, diagonal, logSumExp);
    if (j0 > 0) scaleRows(nq, P, y, vStep, beta);
    right.open(nk, P, v + <usize>j0 * vStep, vStep, values);
    overKeys(nk, nq, P, 1, tile, right, y, vStep, j0 > 0, diagonal, spare);
  }
}

/**
 * A block of queries made ready for the backward pass: packed q (0: weights are kept, and scores are not made again) and dy, −log₂ of Σ eˢ,
 * and −δ = −Σ dy⊙y of each row (zero for the rows that fill up to eight).
 */
function openQueries(
  nq: i32, K: i32, P: i32, q: usize, kStep: usize, y: usize, dy: usize, vStep: usize, logSumExp: usize,
  packedQ: usize, packedDy: usize, log2Sum: usize, delta: usize,
): void {
  if (packedQ != 0) packB(K, nq, q, 1, <i32>(kStep >> 2), packedQ);
  packB(P, nq, dy, 1, <i32>(vStep >> 2), packedDy);
  for (let i = 0; i < eights(nq); i++) {
    const at = <usize>i << 2;
    if (i >= nq) {
      store<f32>(log2Sum + at, 0);
      store<f32>(delta + at, 0);
      continue;
    }
    store<f32>(log2Sum + at, -LOG2E * load<f32>(logSumExp + at));
    store<f32>(delta + at, -dot(y, dy, P));
    y += vStep;
    dy += vStep;
  }
}

/** g becomes s⊙g, for eight queries with `keys` keys. */
function weigh(keys: i32, s: usize, g: usize): void {
  const end = s + <usize>keys * ROW;
  do {
    const g0 = f32x4.mul(v128.load(s), v128.load(g));
    const g1 = f32x4.mul(v128.load(s, 16), v128.load(g, 16));
    storePair(g, g0, g1);
    s += ROW;
    g += ROW;
  } while (s != end);
}

/**
 * From s − log₂Σ in powers of two, and dP − δ: probabilities P = 2^(s − log₂Σ) and dS = P ⊙ (dP − δ), each over its source; where P was kept
 * the tile holds it, and stays. `spare` is scratch.
 */
function softenGradient(nk: i32, nq: i32, tile: usize, gradient: usize, diagonal: bool, kept: bool, spare: usize): void {
  for (let i = 0; i < nq; i += 8) {
    const s = tile + (<usize>i << 2);
    const keys = diagonal ? min(nk, i + 8) : nk;
    if (!kept) {
      fill8(spare, 0);
      powers(keys, s, spare, spare + 32);
    }
    weigh(keys, s, gradient + (<usize>i << 2));
  }
  if (!diagonal) return;
  if (!kept) clearAbove(nk, nq, tile);
  clearAbove(nk, nq, gradient);
}

/**
 * dq, dk and dv of one head from the tiles of a segment of queries by the segment of keys that lies `back` segments before it, on top of
 * what launches with a smaller `back` gave; no two tasks of a launch share queries or keys. An address of 0: not wanted.
 * Args: q k v y logSumExp dy dq dk dv | L H K P 1/√K segment back weights (0: not kept), the segment a multiple of 64; tasks B·H·(⌈L/segment⌉ − back).
 */
export function causal_attention_gradient(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 9);
  const H = arg(args, 10);
  const K = arg(args, 11);
  const P = arg(args, 12);
  const scale = farg(args, 13);
  const segment = arg(args, 14);
  const back = arg(args, 15);
  const segments = (L + segment - 1) / segment - back;
  const head = task / segments;
  const firstKey = (task % segments) * segment;
  const firstQuery = firstKey + back * segment;
  const kStep = <usize>(H * K) << 2;
  const vStep = <usize>(H * P) << 2;
  const row = (head / H) * L;
  const kHead = (<usize>((row * H + (head % H)) * K)) << 2;
  const vHead = (<usize>((row * H + (head % H)) * P)) << 2;
  const dq = <usize>arg(args, 6);
  const dk = <usize>arg(args, 7);
  const dv = <usize>arg(args, 8);
  const weights = <usize>arg(args, 16);
  const kept = weights != 0;
  const blocks = (L + BLOCK - 1) / BLOCK;

  // blocks of keys taken at once: where weights are kept all before a block of queries, which are one tile
  const most: usize = kept ? max(1, blocks - 1) : 1;

  const tileGradient = scratch + TILE;
  const log2Sum = tileGradient + most * TILE;
  const delta = log2Sum + LINE;
  const spare = delta + LINE;
  const queries = changetype<Right>(spare + LINE);
  const outputs = changetype<Right>(spare + LINE + offsetof<Right>());
  const keys = changetype<Right>(spare + LINE + 2 * offsetof<Right>());
  const packedQ = spare + 2 * LINE;
  const packedDy = packedQ + <usize>K * LINE;
  // right factors whose rows are no whole eights
  const panelsQ = packedDy + <usize>P * LINE;
  const panelsK = panelsQ + <usize>eights(K) * LINE;
  const panelsDy = panelsK + <usize>eights(K) * most * LINE;

  for (let i0 = firstQuery; i0 < min(L, firstQuery + segment); i0 += BLOCK) {
    const nq = min(BLOCK, L - i0);
    const qBlock = <usize>arg(args, 0) + kHead + <usize>i0 * kStep;
    const dyBlock = <usize>arg(args, 5) + vHead + <usize>i0 * vStep;
    openQueries(
      nq, K, P, qBlock, kStep, <usize>arg(args, 3) + vHead + <usize>i0 * vStep, dyBlock, vStep, <usize>arg(args, 4) + (<usize>(head * L + i0) << 2),
      kept ? 0 : packedQ, packedDy, log2Sum, delta,
    );
    if (dk != 0) queries.open(nq, K, qBlock, kStep, panelsQ);
    if (dv != 0) outputs.open(nq, P, dyBlock, vStep, panelsDy);
    const whole = kept ? max(BLOCK, min(firstKey + segment, i0) - firstKey) : BLOCK;
    for (let j0 = firstKey, nk = 0; j0 < firstKey + segment && j0 <= i0; j0 += nk) {
      const diagonal = j0 == i0;
      nk = min(diagonal ? BLOCK : whole, L - j0);
      const kBlock = <usize>arg(args, 1) + kHead + <usize>j0 * kStep;
      let tile = scratch;
      if (kept) tile = keptTile(weights, head, blocks, i0 / BLOCK) + <usize>j0 * ROW;
      else scores(nk, nq, K, scale * LOG2E, kBlock, kStep, packedQ, tile, log2Sum, diagonal);
      scores(nk, nq, P, 1, <usize>arg(args, 2) + vHead + <usize>j0 * vStep, vStep, packedDy, tileGradient, delta, diagonal);
      softenGradient(nk, nq, tile, tileGradient, diagonal, kept, spare);
      // a block of keys first meets the tile on the diagonal, a block of queries the first of its own segment
      if (dv != 0) overQueries(nk, nq, P, 1, tile, outputs, dv + vHead + <usize>j0 * vStep, vStep, !diagonal, diagonal, spare);
      if (dk != 0) overQueries(nk, nq, K, scale, tileGradient, queries, dk + kHead + <usize>j0 * kStep, kStep, !diagonal, diagonal, spare);
      if (dq != 0) {
        keys.open(nk, K, kBlock, kStep, panelsK);
        overKeys(nk, nq, K, scale, tileGradient, keys, dq + kHead + <usize>i0 * kStep, kStep, back > 0 || j0 > firstKey, diagonal, spare);
      }
    }
  }
}
