/** Chooses blocks for a matrix product and launches its kernels (assembly/matmul.as.ts). */
import type { Operand, WasmLowering } from '../fused-op.ts';

/** C[b] = op(A[b])·op(B[b]) with op(A) m×k and op(B) k×n, row-major; strides are elements between batches, 0 broadcasts. */
export interface MatMulSizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly strideA: number;
  readonly strideB: number;
}

/** What is added to the product. */
export interface MatMulEpilogue {
  /** [n], to every row */
  readonly bias?: Operand;
  /** the shape of C; may be C itself */
  readonly addend?: Operand;
  /** the same as C for addend */
  readonly accumulate?: boolean;
}

/** Work of one task, about 40 µs. */
const TASK_FLOP = 2e6;
const MAX_TASKS = 64;
/** Fewer tasks than this leave threads idle: then k is split too. */
const FEW_TASKS = 8;
/** Longest sum between two stores of a block, as in assembly/gemm.as.ts. */
const PASS = 256;
/** Floats of B that a block reads over and over: half a second-level cache. */
const RESIDENT = 65536;

const up = (x: number, multiple: number): number => Math.ceil(x / multiple) * multiple;

/** How a product is cut; depends on nothing but its sizes. */
export interface Blocking {
  /** products of the batch per task */
  readonly group: number;
  readonly rows: number;
  readonly columns: number;
  /** k of a block; partial products are summed where it is less than k */
  readonly depth: number;
  /** B is packed by a launch of its own, for several row blocks */
  readonly pack: boolean;
}

export function blocking({ batch, m, n, k, transposeB }: MatMulSizes): Blocking {
  const wanted = Math.min(MAX_TASKS, Math.max(1, Math.round((2 * batch * m * n * k) / TASK_FLOP)));
  const widest = Math.max(64, up(Math.floor(RESIDENT / Math.max(1, Math.min(k, PASS))), 8));
  if (batch >= wanted && n <= widest) return { group: Math.ceil(batch / wanted), rows: m, columns: up(n, 8), depth: Math.max(1, k), pack: false };
  const blocks = wanted / batch;
  const rowBlocks = Math.max(1, Math.min(Math.ceil(blocks), Math.floor(m / 48)));
  const rows = rowBlocks === 1 ? m : up(m / rowBlocks, 6);
  const columnBlocks = Math.max(Math.ceil(n / widest), Math.min(Math.ceil(blocks / rowBlocks), Math.floor(n / 96)), 1);
  const columns = up(n / columnBlocks, 8);
  const tasks = batch * Math.ceil(m / rows) * Math.ceil(n / columns);
  const splits = tasks < Math.min(FEW_TASKS, wanted) ? Math.max(1, Math.min(Math.ceil(Math.min(16, wanted) / tasks), Math.floor(k / 256))) : 1;
  const depth = splits === 1 ? Math.max(1, k) : up(k / splits, 8);
  // a block packs for itself what it reads in few row blocks; narrow rows are read in place
  const pack = m >= 96 && rows < m && (transposeB || n > 128);
  return { group: 1, rows, columns, depth, pack };
}

/**
 * Launches C = A·B (+ bias) (+ addend). Operands are contiguous. Every sum's order depends on the sizes alone, so results are the
 * same on any number of threads.
 */
export function lowerMatMul(lowering: WasmLowering, a: Operand, b: Operand, c: Operand, given: MatMulSizes, epilogue: MatMulEpilogue = {}): void {
  // one B for all: the batch is only more rows
  const fold = given.batch > 1 && given.strideB === 0 && !given.transposeA && given.strideA === given.m * given.k;
  const sizes = fold ? { ...given, batch: 1, m: given.batch * given.m } : given;
  const { batch, m, n, k, transposeA, transposeB, strideA, strideB } = sizes;
  if (batch * m * n === 0) return;
  const { bias } = epilogue;
  const addend = epilogue.accumulate ? c : epilogue.addend;
  const cut = blocking(sizes);
  const { group, rows, columns, depth } = cut;
  const splits = Math.max(1, Math.ceil(k / depth));
  const [brs, bcs] = transposeB ? [1, k] : [n, 1];
  const [ars, acs] = transposeA ? [1, m] : [k, 1];

  let source = b;
  if (cut.pack) {
    const packs = strideB === 0 ? 1 : batch;
    source = lowering.buffer(packs, up(n, 8), k);
    const perTask = up(16384 / Math.max(1, k), 8);
    const tasks = Math.ceil(n / perTask);
    lowering.dispatch('matmul_pack', packs * tasks, [b, source, k, n, brs, bcs, strideB, perTask, tasks]);
  }
  // partial products, and the rare bias and addend together, go through a buffer
  const direct = splits === 1 && (bias === undefined || addend === undefined);
  const target = direct ? c : lowering.buffer(splits, batch, m, n);
  const added = direct ? (bias ?? addend ?? 0) : 0;
  const scratch = 4 * Math.min(depth, PASS) * (up(columns, 8) + rows) + 256;
  lowering.dispatch(
    'matmul_blocks',
    Math.ceil(batch / group) * splits * Math.ceil(m / rows) * Math.ceil(n / columns),
    [
      a, source, target, added, batch, m, n, k, ars, acs, strideA,
      cut.pack ? 0 : brs, bcs, cut.pack && strideB > 0 ? up(n, 8) * k : strideB, bias === undefined ? n : 0,
      rows, columns, depth, group,
    ],
    scratch,
  );
  if (direct) return;
  const perTask = Math.max(1, Math.ceil(8192 / (n * splits)));
  lowering.dispatch('matmul_sum', Math.ceil((batch * m) / perTask), [target, c, addend ?? 0, bias ?? 0, batch * m, n, splits, perTask]);
}
