/** How a matrix product is cut for a GPU: chosen from its sizes alone, so that sums are the same at every run. */
import { LEAST_GPU, type GpuCapabilities } from '../fused-op.ts';
import type { Product } from './matmul-operands.ts';

/** Invocations side by side, each with rows×columns results in registers. */
export interface Tiled {
  readonly form: 'tiled';
  /** results of one invocation */
  readonly rows: 4 | 8;
  readonly columns: 4 | 8;
  /** invocations of a workgroup */
  readonly high: number;
  readonly wide: number;
  /** how much of k is worked at in a step; as much again is on its way */
  readonly depth: number;
  /** how many workgroups share the sum of one tile */
  readonly splits: number;
  /** tiles in workgroup memory are float16 */
  readonly half: boolean;
}

/** Subgroups side by side, each with rows×columns subgroup matrices of size×size results. */
export interface Matrix {
  readonly form: 'matrix';
  readonly size: number;
  readonly rows: number;
  readonly columns: number;
  /** subgroups of a workgroup */
  readonly high: number;
  readonly wide: number;
  /** invocations of a subgroup */
  readonly lanes: number;
  readonly depth: number;
  readonly splits: number;
}

/** One result for each `lanes` invocations. */
export interface Thin {
  readonly form: 'thin';
  readonly lanes: number;
  readonly splits: number;
}

export type Plan = Tiled | Matrix | Thin;

/** What plans are weighed for: an H100. On another GPU the choice is just less sharp. */
const CORES = 132;
/** 4-byte words a core gets from the second-level cache, and from memory, in a cycle */
const CACHE_WORDS = 6;
const MEMORY_WORDS = 3;
const REGISTERS = 65536;
const CORE_BYTES = 220 * 1024;
/** warps of a core that hide each other's waiting */
const ENOUGH_WARPS = 16;
/** k from which on reading from the second-level cache hides behind nothing more than it already does */
const LONG = 512;
/** of a further launch: to start it, and to wait until it has ended */
const LAUNCH_CYCLES = 9000;
/** multiply-adds of subgroup matrices that a core does in a cycle */
const MATRIX_RATE = 1000;

/** Of any workgroup. */
const { workgroupBytes: WORKGROUP_BYTES, workgroupInvocations: WORKGROUP } = LEAST_GPU;

const SPLITS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/** Elements of k that one of the splits sums up: whole steps. */
export const runOf = (k: number, { depth, splits }: { readonly depth: number; readonly splits: number }): number => Math.ceil(Math.ceil(k / splits) / depth) * depth;

/** Bytes of workgroup memory, both places. A quad of padding behind each line of four rows spreads transposed stores over the banks. */
export const tileBytes = ({ rows, columns, high, wide, depth, half }: Tiled): number => 2 * (half ? 8 : 16) * depth * ((rows * high + columns * wide) / 4 + 2);

/** 4×4 blocks of both tiles in a step: an invocation moves one to workgroup memory, more would take too many registers. */
export const blocksOf = ({ rows, columns, high, wide, depth }: Tiled): number => ((rows * high + columns * wide) * depth) / 16;

/** Cycles of the whole GPU, from the work of one workgroup; `warps` of 32 invocations, `resident` workgroups on a core. */
function cycles({ batch, m, n, k }: Product, tileRows: number, tileColumns: number, splits: number, work: number, warps: number, resident: number): number {
  const perCore = Math.ceil((batch * Math.ceil(m / tileRows) * Math.ceil(n / tileColumns) * splits) / CORES);
  const waiting = Math.sqrt(Math.max(1, ENOUGH_WARPS / (warps * Math.min(resident, perCore))));
  const run = k / splits;
  const cached = ((tileRows + tileColumns) * run) / CACHE_WORDS;
  const moved = cached + (tileRows * tileColumns) / MEMORY_WORDS;
  const sums = splits === 1 ? 0 : LAUNCH_CYCLES + (2 * splits * batch * m * n) / CORES / MEMORY_WORDS;
  // warps of a large workgroup wait a little longer for each other
  return perCore * (Math.max(work * waiting, moved) + (cached / 4) * Math.min(1, run / LONG)) * (1 + warps / 200) + sums;
}

function tiledCycles(product: Product, t: Tiled): number {
  const { rows, columns, high, wide, depth, splits } = t;
  const warps = Math.ceil((high * wide) / 32);
  const registers = rows * columns + rows + columns + 48;
  const resident = Math.floor(Math.min(REGISTERS / (32 * warps * registers), 64 / warps, CORE_BYTES / tileBytes(t)));
  const steps = runOf(product.k, t) / depth;
  // instructions of a warp: products and reads of workgroup memory, the next tiles, the end
  const instructions = steps * (depth * (rows * columns + rows + columns) + 78) + 2 * rows * columns + 150;
  // four schedulers to a core
  return cycles(product, rows * high, columns * wide, splits, (warps * instructions) / 4, warps, resident);
}

function matrixCycles(product: Product, t: Matrix): number {
  const [tileRows, tileColumns] = [t.size * t.rows * t.high, t.size * t.columns * t.wide];
  const warps = (t.high * t.wide * t.lanes) / 32;
  // sums, the next tiles, and the fragments at hand
  const registers = (t.size ** 2 * t.rows * t.columns) / t.lanes + ((tileRows + tileColumns) * t.depth) / (32 * warps) + 8 * (t.rows + t.columns) + 32;
  const resident = Math.floor(REGISTERS / (32 * warps * Math.min(255, registers)));
  const steps = runOf(product.k, t) / t.depth;
  return cycles(product, tileRows, tileColumns, t.splits, steps * ((tileRows * tileColumns * t.depth) / MATRIX_RATE + 200 / Math.max(1, resident)) + 500, warps, Math.max(1, resident));
}

const best = <P extends Plan>(plans: readonly P[], cost: (p: P) => number): P | undefined => {
  let found: P | undefined;
  let least = Infinity;
  for (const p of plans) {
    const c = cost(p);
    if (c < least) [found, least] = [p, c];
  }
  return found;
};

/** Splits worth weighing: none leaves less than 128 of k to a workgroup. */
const splitsOf = (k: number): number[] => SPLITS.filter((s) => s === 1 || k / s >= 128);

function tilings({ k }: Product, half: boolean): Tiled[] {
  const found: Tiled[] = [];
  for (const rows of [8, 4] as const) {
    for (const columns of [8, 4] as const) {
      for (const high of [1, 2, 4, 8, 16, 32]) {
        for (const wide of [1, 2, 4, 8, 10, 12, 14, 16, 20, 24, 28, 32]) {
          if (high * wide < 32 || high * wide > WORKGROUP) continue;
          for (const depth of [8, 16, 32]) {
            const t: Tiled = { form: 'tiled', rows, columns, high, wide, depth, splits: 1, half };
            if (tileBytes(t) > WORKGROUP_BYTES || blocksOf(t) > high * wide) continue;
            for (const splits of splitsOf(k)) found.push({ ...t, splits });
          }
        }
      }
    }
  }
  return found;
}

/** Where subgroups have one size and multiply float16 matrices into float32 sums. Sums in float16 would drop what the bound asks for. */
function matrixTilings({ k }: Product, gpu: GpuCapabilities): Matrix[] {
  const unit = gpu.subgroupMatrices.find((x) => x.component === 'f16' && x.result === 'f32' && x.m === x.n && x.n === x.k);
  if (unit === undefined || gpu.subgroups === undefined || gpu.subgroups.min !== gpu.subgroups.max) return [];
  const size = unit.m;
  const lanes = gpu.subgroups.max;
  const found: Matrix[] = [];
  for (const [rows, columns] of [[4, 2], [2, 4], [2, 2]] as const) {
    for (const high of [1, 2, 4]) {
      for (const wide of [1, 2, 4]) {
        const t: Matrix = { form: 'matrix', size, rows, columns, high, wide, lanes, depth: 32, splits: 1 };
        if (32 % size !== 0 || high * wide < 4 || high * wide * lanes > gpu.workgroupInvocations || matrixBytes(t) > gpu.workgroupBytes) continue;
        for (const splits of splitsOf(k)) found.push({ ...t, splits });
      }
    }
  }
  return found;
}

/** Bytes of workgroup memory at most: both tiles with 8 elements of padding behind each line, and a matrix for each subgroup. */
export function matrixBytes({ size, rows, columns, high, wide, depth }: Matrix): number {
  const line = (tile: number) => Math.max(tile * (depth + 8), depth * (tile + 8));
  return 2 * (line(size * rows * high) + line(size * columns * wide)) + 4 * high * wide * size * size;
}

function thin({ batch, m, n, k }: Product, contiguousDepth: boolean): Thin {
  const results = batch * m * n;
  const power = (x: number) => 2 ** Math.floor(Math.log2(Math.max(1, x)));
  const lanes = Math.min(power(k / 4), contiguousDepth ? 32 : results < 65536 ? 8 : 1);
  const splits = Math.max(1, Math.floor(Math.min((CORES * 2048) / (results * lanes), k / (16 * lanes), 1024)));
  return { form: 'thin', lanes, splits };
}

const plans = new Map<string, Plan>();

/** The plan for a product. k is at least 1. `thinToo`: the form for few results may be taken, which reads factors as they are. */
export function planOf(product: Product, gpu: GpuCapabilities, thinToo = true): Plan {
  const { batch, m, n, k, transposeA, transposeB } = product;
  if (thinToo && (Math.min(m, n) < 4 || m * n <= 64)) return thin(product, m >= n ? !transposeA : transposeB);
  const mixed = gpu.precision === 'mixed' && gpu.f16;
  const key = JSON.stringify([batch, m, n, k, mixed, gpu.subgroupMatrices, gpu.subgroups, gpu.workgroupBytes, gpu.workgroupInvocations]);
  let plan = plans.get(key);
  if (plan === undefined) {
    const matrices = mixed && Math.min(m, n, k) >= 16 ? matrixTilings(product, gpu) : [];
    plan = best(matrices, (t) => matrixCycles(product, t)) ?? best(tilings(product, mixed), (t) => tiledCycles(product, t))!;
    plans.set(key, plan);
  }
  return plan;
}
