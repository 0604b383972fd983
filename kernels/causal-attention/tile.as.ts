/**
 * Products with a tile of scores, which lies transposed, Sᵀ[key][query], and is read by rows and by columns where it lies. A tile on the
 * diagonal is used in strips of six rows of the result, each as far as its last row needs: so a strip meets up to five places beyond
 * the diagonal, which have to be zeros. Steps are in bytes.
 */
import { gemmSweep, packB } from '../../engine/wasm/assembly/gemm.as';
import { exp2Falling4, WIDE } from '../../engine/wasm/assembly/math.as';

/** queries, and keys, of a tile */
export const BLOCK: i32 = 64;
/** bytes from one key's scores to the next: 16 more than needed, to spread columns over the sets of the cache */
export const ROW: usize = 272;
/** rows of a strip: those of the tallest register tile */
const STRIP: i32 = 6;
/** places beyond the diagonal that have to be zeros */
export const BEYOND: i32 = STRIP - 1;

/** n rounded up to whole eights. */
// @ts-ignore: decorator
@inline
export function eights(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Of 2ˣ, to a relative error below 2.5·10⁻⁷ (minimax); 2⁰ is exactly 1. */
const EXP2 = memory.data<f32>([
  12582912, -125, 0.0013276471997779502, 0.00967554133442009, 0.05550713273481288, 0.2402211972384115, 0.6931469670647699, 1,
]);

/** 2ˣ in each lane for x ≤ 0. */
// @ts-ignore: decorator
@inline
export function power4(x: v128): v128 {
  return exp2Falling4(x, EXP2);
}

/** log₂ e: eˣ = 2^(x·log₂ e) */
export const LOG2E: f32 = 1.4426950408889634;

/** The right factor B of a product: rows where they lie, or in panels of eight columns. */
@unmanaged
export class Right {
  at: usize;
  step: usize;
  /** bytes from eight columns to the next eight, and where the last ones short of eight lie */
  panel: usize;
  tail: usize;

  /** Takes rows of n values, one each `step` bytes; where n is no multiple of eight they are packed. */
  open(rows: i32, n: i32, from: usize, step: usize, packed: usize): void {
    this.at = from;
    this.step = step;
    this.panel = 32;
    if ((n & 7) == 0) return;
    packB(rows, n, from, <i32>(step >> 2), 1, packed);
    this.at = packed;
    this.step = 32;
    this.panel = <usize>rows << 5;
    this.tail = packed + <usize>(n >> 3) * this.panel;
  }
}

/**
 * Sᵀ[nk×nq] = alpha·X·Qᵀ + D, X the nk rows of k values at x, Qᵀ packed by packB, D one row (0: none); on the diagonal query i has the keys
 * up to the last of its eight, or of its sixteen where tiles are wide.
 */
export function scores(nk: i32, nq: i32, k: i32, alpha: f32, x: usize, xStep: usize, packed: usize, to: usize, d: usize, diagonal: bool): void {
  const panel = <usize>k << 5;
  if (!diagonal) {
    gemmSweep(nk, eights(nq), k, alpha, x, xStep, 4, packed, 32, panel, 0, to, ROW, d, 0, 0);
    return;
  }
  const columns = WIDE ? 16 : 8;
  for (let i = 0; i < nq; i += columns) {
    gemmSweep(min(nk, i + columns), min(columns, eights(nq) - i), k, alpha, x, xStep, 4, packed + <usize>(i >> 3) * panel, 32, panel, 0, to + (<usize>i << 2), ROW, d == 0 ? 0 : d + (<usize>i << 2), 0, 0);
  }
}

/** Y[nq×n] = alpha·S·B (+ Y if keep); on the diagonal query i has the keys up to itself. */
export function overKeys(nk: i32, nq: i32, n: i32, alpha: f32, tile: usize, b: Right, y: usize, yStep: usize, keep: bool, diagonal: bool, spare: usize): void {
  const rows = diagonal ? STRIP : nq;
  for (let i = 0; i < nq; i += rows) {
    gemmSweep(
      min(rows, nq - i), n, diagonal ? min(nk, i + rows) : nk, alpha, tile + (<usize>i << 2), 4, ROW, b.at, b.step, b.panel, b.tail, y, yStep, keep ? y : 0, yStep, spare,
    );
    y += <usize>rows * yStep;
  }
}

/** X[nk×n] = alpha·Sᵀ·B (+ X if keep); on the diagonal key j has the queries from itself on. */
export function overQueries(nk: i32, nq: i32, n: i32, alpha: f32, tile: usize, b: Right, x: usize, xStep: usize, keep: bool, diagonal: bool, spare: usize): void {
  const rows = diagonal ? STRIP : nk;
  for (let j = 0; j < nk; j += rows) {
    const from = diagonal ? <usize>j : 0;
    gemmSweep(
      min(rows, nk - j), n, nq - <i32>from, alpha, tile + <usize>j * ROW + (from << 2), ROW, 4, b.at + from * b.step, b.step, b.panel, b.tail + (from << 5), x, xStep, keep ? x : 0, xStep, spare,
    );
    x += <usize>rows * xStep;
  }
}
