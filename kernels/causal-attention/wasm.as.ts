/**
 * Causal softmax attention by tiles (Dao et al. 2022, arXiv 2205.14135): 64 queries by 64 keys of scores at a time, held
 * transposed, Sᵀ[key][query], so that the four lanes are four queries and the softmax needs no sums across lanes.
 * Tiles above the diagonal are skipped, and on the diagonal so is everything above the four-by-eight register tiles.
 */
import { arg, farg, log4, madd } from '../../engine/wasm/assembly/math.as';
import { packB } from '../../engine/wasm/assembly/gemm.as';
import { LOG2E, eights, exp2Falling4, tileOfColumns, tileOfRows } from './tile.as';

/** queries, and keys, of a tile */
const BLOCK: i32 = 64;
/** bytes from one key's scores to the next: 16 more than needed, to spread columns over the sets of the cache */
const ROW: usize = 272;
/** bytes of a tile of scores */
const TILE: usize = 64 * ROW;
/** bytes of one number per query */
const LINE: usize = 256;
const LOWEST: f32 = -3.4028234663852886e38;

/** All ones in the lanes from `first` on: the queries of a group that see the key `first` places after the group's first query. */
// @ts-ignore: decorator
@inline
function lanesFrom(first: i32): v128 {
  return i32x4.ge_s(i32x4(0, 1, 2, 3), i32x4.splat(first));
}

/** Sᵀ[nk×nq] = X·Qᵀ, X the nk rows of k values at x, Qᵀ packed by packB; on the diagonal only what is needed of it. */
function scores(nk: i32, nq: i32, k: i32, x: usize, xStep: usize, packed: usize, to: usize, diagonal: bool): void {
  for (let i = 0; i < nq; i += 8) {
    const keys = diagonal ? min(nk, i + 8) : nk;
    for (let j = 0; j < keys; j += 4) {
      tileOfRows(min(4, keys - j), 8, k, 1, x + <usize>j * xStep, xStep, packed, 32, to + <usize>j * ROW + (<usize>i << 2), ROW, false);
    }
    packed += <usize>k << 5;
  }
}

/**
 * The left factor Sᵀ by columns: Y[nq×n] = diag(alpha)·S·B (+ diag(beta)·Y); on the diagonal query i has the keys up to
 * its own group of four, and those after it are zeros in the tile.
 */
function overKeys(
  nk: i32, nq: i32, n: i32, tile: usize, b: usize, bStep: usize, bPanel: usize, y: usize, yStep: usize, alpha: usize, beta: usize, diagonal: bool,
): void {
  for (let c = 0; c < n; c += 8) {
    for (let i = 0; i < nq; i += 4) {
      const at = <usize>i << 2;
      tileOfColumns(
        min(4, nq - i), min(8, n - c), diagonal ? min(nk, i + 4) : nk, alpha + at, tile + at, ROW, b, bStep, y + <usize>i * yStep + (<usize>c << 2), yStep,
        beta == 0 ? 0 : beta + at,
      );
    }
    b += bPanel;
  }
}

/** The left factor Sᵀ by rows: X[nk×n] = alpha·Sᵀ·B (+ X if keep); on the diagonal key j has the queries from its group of four on. */
function overQueries(
  nk: i32, nq: i32, n: i32, alpha: f32, tile: usize, b: usize, bStep: usize, bPanel: usize, x: usize, xStep: usize, keep: bool, diagonal: bool,
): void {
  for (let c = 0; c < n; c += 8) {
    for (let j = 0; j < nk; j += 4) {
      const from = diagonal ? j : 0;
      tileOfRows(
        min(4, nk - j), min(8, n - c), nq - from, alpha, tile + <usize>j * ROW + (<usize>from << 2), ROW, b + <usize>from * bStep, bStep,
        x + <usize>j * xStep + (<usize>c << 2), xStep, keep,
      );
    }
    b += bPanel;
  }
}

/**
 * One tile of the online softmax: scores become 2^(c·s − c·m) with m the largest score so far of each query (c = log₂e/√K);
 * `most` and `total` are m and Σ of each query so far. Writes the factors of the new products (alpha) and of the earlier y (beta);
 * on the diagonal, which comes last, they divide by the total as well and the logarithm of Σ eˢ is stored.
 */
function soften(
  nk: i32, nq: i32, c: f32, tile: usize, most: usize, total: usize, alpha: usize, beta: usize, first: bool, diagonal: bool, logSumExp: usize,
): void {
  const cc = f32x4.splat(c);
  for (let i = 0; i < nq; i += 4) {
    const at = <usize>i << 2;
    const column = tile + at;
    // keys seen by all four queries, and after them those seen by some
    const all = diagonal ? i + 1 : nk;
    const some = diagonal ? min(nk, i + 4) : nk;
    let m = first ? f32x4.splat(LOWEST) : v128.load(most + at);
    const before = m;
    let s = column;
    for (let j = 0; j < all; j++) {
      m = f32x4.pmax(m, v128.load(s));
      s += ROW;
    }
    for (let j = all; j < some; j++) {
      m = f32x4.pmax(m, v128.bitselect(v128.load(s), m, lanesFrom(j - i)));
      s += ROW;
    }
    const shift = f32x4.neg(f32x4.mul(m, cc));
    let sum = f32x4.splat(0);
    s = column;
    for (let j = 0; j < all; j++) {
      const p = exp2Falling4(madd(v128.load(s), cc, shift));
      sum = f32x4.add(sum, p);
      v128.store(s, p);
      s += ROW;
    }
    for (let j = all; j < some; j++) {
      const p = v128.and(exp2Falling4(madd(v128.load(s), cc, shift)), lanesFrom(j - i));
      sum = f32x4.add(sum, p);
      v128.store(s, p);
      s += ROW;
    }
    let a = f32x4.splat(1);
    let b = f32x4.splat(0);
    if (!first) {
      b = exp2Falling4(f32x4.mul(f32x4.sub(before, m), cc));
      sum = madd(v128.load(total + at), b, sum);
    }
    if (diagonal) {
      a = f32x4.div(a, sum);
      b = f32x4.mul(a, b);
      // c/log₂e = 1/√K
      let lse = madd(m, f32x4.splat(c / LOG2E), log4(sum));
      for (let t = i; t < min(nq, i + 4); t++) {
        store<f32>(logSumExp + (<usize>t << 2), f32x4.extract_lane(lse, 0));
        lse = i32x4.shuffle(lse, lse, 1, 2, 3, 0);
      }
    } else {
      v128.store(most + at, m);
      v128.store(total + at, sum);
    }
    v128.store(alpha + at, a);
    v128.store(beta + at, b);
  }
}

/** y and logSumExp of 64 queries of one head. Args: q k v y logSumExp | L H K P c; tasks B·H·⌈L/64⌉, the longest first. */
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

  const tile = scratch;
  const most = tile + TILE;
  const total = most + LINE;
  const alpha = total + LINE;
  const beta = alpha + LINE;
  const queries = beta + LINE;
  const values = queries + <usize>K * LINE;
  packB(K, nq, <usize>arg(args, 0) + kHead + <usize>i0 * kStep, 1, H * K, queries);
  for (let j0 = 0; j0 <= i0; j0 += BLOCK) {
    const nk = min(BLOCK, L - j0);
    const diagonal = j0 == i0;
    scores(nk, nq, K, k + <usize>j0 * kStep, kStep, queries, tile, diagonal);
    soften(nk, nq, c, tile, most, total, alpha, beta, j0 == 0, diagonal, <usize>arg(args, 4) + (<usize>(head * L + i0) << 2));
    const old = j0 == 0 ? 0 : beta;
    const vBlock = v + <usize>j0 * vStep;
    if (P & 7) {
      packB(nk, P, vBlock, H * P, 1, values);
      overKeys(nk, nq, P, tile, values, 32, <usize>nk << 5, y, vStep, alpha, old, diagonal);
    } else {
      overKeys(nk, nq, P, tile, vBlock, vStep, 32, y, vStep, alpha, old, diagonal);
    }
  }
}

/**
 * A block of queries made ready for the backward pass: packed q and dy, log₂ of Σ eˢ, and δ = Σ dy⊙y of each row (zero for
 * the rows that fill up to eight).
 */
function openQueries(
  nq: i32, K: i32, P: i32, q: usize, kStep: usize, y: usize, dy: usize, vStep: usize, logSumExp: usize,
  packedQ: usize, packedDy: usize, log2Sum: usize, delta: usize,
): void {
  packB(K, nq, q, 1, <i32>(kStep >> 2), packedQ);
  packB(P, nq, dy, 1, <i32>(vStep >> 2), packedDy);
  for (let i = 0; i < eights(nq); i++) {
    const at = <usize>i << 2;
    if (i >= nq) {
      store<f32>(log2Sum + at, 0);
      store<f32>(delta + at, 0);
      continue;
    }
    store<f32>(log2Sum + at, load<f32>(logSumExp + at) * LOG2E);
    let s = f32x4.splat(0);
    let p = 0;
    for (; p + 4 <= P; p += 4) s = madd(v128.load(y + (<usize>p << 2)), v128.load(dy + (<usize>p << 2)), s);
    let d = (f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 2)) + (f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 3));
    for (; p < P; p++) d += load<f32>(y + (<usize>p << 2)) * load<f32>(dy + (<usize>p << 2));
    store<f32>(delta + at, d);
    y += vStep;
    dy += vStep;
  }
}

/** From Sᵀ and dPᵀ = V·dYᵀ: probabilities P = 2^(c·s − log₂Σ) and dS = P ⊙ (dP − δ), each over its source. */
function softenGradient(nk: i32, nq: i32, c: f32, tile: usize, gradient: usize, log2Sum: usize, delta: usize, diagonal: bool): void {
  const cc = f32x4.splat(c);
  for (let i = 0; i < nq; i += 4) {
    const at = <usize>i << 2;
    const all = diagonal ? i + 1 : nk;
    const some = diagonal ? min(nk, i + 4) : nk;
    const shift = f32x4.neg(v128.load(log2Sum + at));
    const d = v128.load(delta + at);
    let s = tile + at;
    let g = gradient + at;
    for (let j = 0; j < some; j++) {
      let p = exp2Falling4(madd(v128.load(s), cc, shift));
      if (j >= all) p = v128.and(p, lanesFrom(j - i));
      v128.store(s, p);
      v128.store(g, f32x4.mul(p, f32x4.sub(v128.load(g), d)));
      s += ROW;
      g += ROW;
    }
  }
}

/** Gradients of one head from its tiles of queries [firstQuery, lastQuery) by keys [firstKey, lastKey). */
function gradient(args: usize, head: i32, firstQuery: i32, lastQuery: i32, firstKey: i32, lastKey: i32, wantQ: bool, wantKV: bool, scratch: usize): void {
  const L = arg(args, 9);
  const H = arg(args, 10);
  const K = arg(args, 11);
  const P = arg(args, 12);
  const scale = farg(args, 13);
  const kStep = <usize>(H * K) << 2;
  const vStep = <usize>(H * P) << 2;
  const row = (head / H) * L;
  const kHead = (<usize>((row * H + (head % H)) * K)) << 2;
  const vHead = (<usize>((row * H + (head % H)) * P)) << 2;
  const dq = wantQ ? <usize>arg(args, 6) : 0;
  const dk = wantKV ? <usize>arg(args, 7) : 0;
  const dv = wantKV ? <usize>arg(args, 8) : 0;

  const tile = scratch;
  const tileGradient = tile + TILE;
  const log2Sum = tileGradient + TILE;
  const delta = log2Sum + LINE;
  const scales = delta + LINE;
  const ones = scales + LINE;
  const packedQ = ones + LINE;
  const packedDy = packedQ + <usize>K * LINE;
  // right factors with a row length that is no multiple of eight, in panels
  const panelsQ = packedDy + <usize>P * LINE;
  const panelsK = panelsQ + <usize>eights(K) * LINE;
  const panelsDy = panelsK + <usize>eights(K) * LINE;
  for (let i: usize = 0; i < LINE; i += 16) {
    v128.store(scales + i, f32x4.splat(scale));
    v128.store(ones + i, f32x4.splat(1));
  }

  for (let i0 = firstQuery; i0 < lastQuery; i0 += BLOCK) {
    const nq = min(BLOCK, L - i0);
    const qBlock = <usize>arg(args, 0) + kHead + <usize>i0 * kStep;
    const dyBlock = <usize>arg(args, 5) + vHead + <usize>i0 * vStep;
    openQueries(
      nq, K, P, qBlock, kStep, <usize>arg(args, 3) + vHead + <usize>i0 * vStep, dyBlock, vStep, <usize>arg(args, 4) + (<usize>(head * L + i0) << 2),
      packedQ, packedDy, log2Sum, delta,
    );
    if (dk != 0 && K & 7) packB(nq, K, qBlock, H * K, 1, panelsQ);
    if (dv != 0 && P & 7) packB(nq, P, dyBlock, H * P, 1, panelsDy);
    for (let j0 = firstKey; j0 < lastKey && j0 <= i0; j0 += BLOCK) {
      const nk = min(BLOCK, L - j0);
      const diagonal = j0 == i0;
      const kBlock = <usize>arg(args, 1) + kHead + <usize>j0 * kStep;
      scores(nk, nq, K, kBlock, kStep, packedQ, tile, diagonal);
      scores(nk, nq, P, <usize>arg(args, 2) + vHead + <usize>j0 * vStep, vStep, packedDy, tileGradient, diagonal);
      softenGradient(nk, nq, scale * LOG2E, tile, tileGradient, log2Sum, delta, diagonal);
      // the diagonal is the first tile that a block of keys meets
      if (dv != 0) {
        const to = dv + vHead + <usize>j0 * vStep;
        if (P & 7) overQueries(nk, nq, P, 1, tile, panelsDy, 32, <usize>nq << 5, to, vStep, !diagonal, diagonal);
        else overQueries(nk, nq, P, 1, tile, dyBlock, vStep, 32, to, vStep, !diagonal, diagonal);
      }
      if (dk != 0) {
        const to = dk + kHead + <usize>j0 * kStep;
        if (K & 7) overQueries(nk, nq, K, scale, tileGradient, panelsQ, 32, <usize>nq << 5, to, kStep, !diagonal, diagonal);
        else overQueries(nk, nq, K, scale, tileGradient, qBlock, kStep, 32, to, kStep, !diagonal, diagonal);
      }
      if (dq != 0) {
        const to = dq + kHead + <usize>i0 * kStep;
        const old = j0 == 0 ? 0 : ones;
        if (K & 7) {
          packB(nk, K, kBlock, H * K, 1, panelsK);
          overKeys(nk, nq, K, tileGradient, panelsK, 32, <usize>nk << 5, to, kStep, scales, old, diagonal);
        } else {
          overKeys(nk, nq, K, tileGradient, kBlock, kStep, 32, to, kStep, scales, old, diagonal);
        }
      }
    }
  }
}

/** dq, dk and dv of one head. Args: q k v y logSumExp dy dq dk dv | L H K P 1/√K; tasks B·H. An address of 0: not wanted. */
export function causal_attention_gradient(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 9);
  gradient(args, task, 0, L, 0, L, true, true, scratch);
}

/** dq of 64 queries of one head; tasks B·H·⌈L/64⌉, the longest first. */
export function causal_attention_gradient_queries(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 9);
  const blocks = (L + BLOCK - 1) / BLOCK;
  const i0 = (blocks - 1 - (task % blocks)) * BLOCK;
  gradient(args, task / blocks, i0, min(L, i0 + BLOCK), 0, L, true, false, scratch);
}

/** dk and dv of 64 keys of one head; tasks B·H·⌈L/64⌉. */
export function causal_attention_gradient_keys(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 9);
  const blocks = (L + BLOCK - 1) / BLOCK;
  const j0 = (task % blocks) * BLOCK;
  gradient(args, task / blocks, j0, L, j0, min(L, j0 + BLOCK), false, true, scratch);
}
