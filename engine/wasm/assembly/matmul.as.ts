/** Kernels of the plan's matrix product C = A·B + D; engine/wasm/gemm-lowering.ts chooses blocks and launches them. */
import { gemmPasses, packB } from './gemm.as';
import { arg } from './math.as';

/**
 * Packs some panels of a batch of B[k×n] (see packB). Arguments: b, packed, k, n, brs, bcs, elements from one B to the next,
 * columns per task (a multiple of 8), tasks per B.
 */
export function matmul_pack(args: usize, task: i32, _scratch: usize): void {
  const k = arg(args, 2);
  const n = arg(args, 3);
  const brs = arg(args, 4);
  const bcs = arg(args, 5);
  const columns = arg(args, 7);
  const tasks = arg(args, 8);
  const index = task / tasks;
  const first = (task - index * tasks) * columns;
  const b = <usize>arg(args, 0) + (<usize>(index * arg(args, 6) + first * bcs) << 2);
  const packed = <usize>arg(args, 1) + (<usize>(k * (index * ((n + 7) & ~7) + first)) << 2);
  packB(k, min<i32>(columns, n - first), b, brs, bcs, packed);
}

/**
 * One block of rows × columns × k of some products of a batch. Arguments: a, b, c, d (0 for none), batch, m, n, k,
 * ars, acs, elements from one A to the next, brs (0: B is packed), bcs, elements from one B to the next,
 * floats from one row of D to the next (0: one row for all), rows, columns (a multiple of 8) and k of a block, products per task.
 * Block number s along k goes to c + s·batch·m·n. Scratch: gemmBlockScratch(rows, columns, k).
 */
export function matmul_blocks(args: usize, task: i32, scratch: usize): void {
  const batch = arg(args, 4);
  const m = arg(args, 5);
  const n = arg(args, 6);
  const k = arg(args, 7);
  const brs = arg(args, 11);
  const bcs = arg(args, 12);
  const drs = arg(args, 14);
  const rows = arg(args, 15);
  const columns = arg(args, 16);
  const depth = arg(args, 17);
  const group = arg(args, 18);
  const acs = arg(args, 9);
  const ars = arg(args, 8);

  const columnBlocks = (n + columns - 1) / columns;
  const rowBlocks = (m + rows - 1) / rows;
  const splits = max<i32>(1, (k + depth - 1) / depth);
  let rest = task;
  const j = (rest % columnBlocks) * columns;
  rest /= columnBlocks;
  const i = (rest % rowBlocks) * rows;
  rest /= rowBlocks;
  const p = (rest % splits) * depth;
  const first = (rest / splits) * group;

  const height = min<i32>(rows, m - i);
  const width = min<i32>(columns, n - j);
  const length = min<i32>(depth, k - p);
  const last = min<i32>(first + group, batch);
  for (let index = first; index < last; index++) {
    const a = <usize>arg(args, 0) + (<usize>(index * arg(args, 10) + i * ars + p * acs) << 2);
    let b = <usize>arg(args, 1) + (<usize>(index * arg(args, 13)) << 2);
    b += brs == 0 ? <usize>(j * k + (p << 3)) << 2 : <usize>(p * brs + j * bcs) << 2;
    const c = <usize>arg(args, 2) + (<usize>((rest % splits * batch + index) * m * n + i * n + j) << 2);
    let d = <usize>arg(args, 3);
    if (d != 0) d += <usize>(drs == 0 ? j : (index * m + i) * drs + j) << 2;
    gemmPasses(
      height, width, length, 1, a, ars, acs, b, brs == 0 ? 8 : brs, bcs, brs == 0 ? k : 0,
      c, <usize>n << 2, d, <usize>drs << 2, scratch,
    );
  }
}

/**
 * Some rows of C = Σ partials (+ D) (+ bias). Arguments: partials, c, d (0 for none), bias (0 for none), rows, n, number of partials,
 * rows per task.
 */
export function matmul_sum(args: usize, task: i32, _scratch: usize): void {
  const rows = arg(args, 4);
  const bytes = <usize>arg(args, 5) << 2;
  const partials = arg(args, 6);
  const per = arg(args, 7);
  const bias = <usize>arg(args, 3);
  const next = <usize>rows * bytes;
  const vectors = bytes & ~15;
  const last = min<i32>((task + 1) * per, rows);
  for (let i = task * per; i < last; i++) {
    const x = <usize>arg(args, 0) + <usize>i * bytes;
    const c = <usize>arg(args, 1) + <usize>i * bytes;
    let d = <usize>arg(args, 2);
    if (d != 0) d += <usize>i * bytes;
    let j: usize = 0;
    for (; j < vectors; j += 16) {
      let s = v128.load(x + j);
      let from = x + j;
      for (let t = 1; t < partials; t++) {
        from += next;
        s = f32x4.add(s, v128.load(from));
      }
      if (d != 0) s = f32x4.add(s, v128.load(d + j));
      if (bias != 0) s = f32x4.add(s, v128.load(bias + j));
      v128.store(c + j, s);
    }
    for (; j < bytes; j += 4) {
      let s = load<f32>(x + j);
      let from = x + j;
      for (let t = 1; t < partials; t++) {
        from += next;
        s += load<f32>(from);
      }
      if (d != 0) s += load<f32>(d + j);
      if (bias != 0) s += load<f32>(bias + j);
      store<f32>(c + j, s);
    }
  }
}
