/**
 * The gradients of the chunked and the quadratic form. Arguments begin as task.as.ts says. Letters: X̃ = dt·x, W = decay ∘ C Bᵀ;
 * a tile pairs 64 reading tokens t (rows) with 64 written tokens s (columns).
 */
import { arg, exp1, madd, sum4 } from '../../engine/wasm/assembly/math.as';
import { decaysFromStart, decaysToEnd, fillTable, maskTileGradient, tableStep } from './decay.as';
import { loadFew, packColumns, packedSize, packRows, panels, Part, product, storeFew } from './product.as';
import { chunkCount, copyRows, dot, fetch, openTask, ROW, scaleBy, scaleRows, scatter, SQUARE, Task, TASK_BYTES, TILE } from './task.as';

/** Where the parts of a task's scratch begin; it follows the Task, in SPACE_BYTES. */
@unmanaged
class Space {
  /** tables of decays, one for each head */
  tables: usize;
  tableSize: usize;
  decays: usize;
  /** of one pair of tiles: 64 fours, and after them 64 sums by column */
  rowSums: usize;
  columnSums: usize;
  /** 64 floats for each head: of the tile that is written, and of what a state gives or gets */
  columnTotals: usize;
  ofState: usize;
  /** 64 floats for each reading tile and head */
  rowTotals: usize;
  products: usize;
  w: usize;
  dw: usize;
  dProducts: usize;
  /** of one written tile; of all reading tiles */
  dXs: usize;
  dB: usize;
  dC: usize;
  fromState: usize;
  packedB: usize;
  packedC: usize;
  packedDy: usize;
  packed: usize;
  /** bytes of a row of P and of N floats */
  pStep: usize;
  nStep: usize;
}

const SPACE_BYTES: usize = 128;

function openSpace(at: Task, readingTiles: i32, scratch: usize): Space {
  const s = changetype<Space>(scratch + TASK_BYTES);
  const heads = <usize>at.heads;
  s.pStep = <usize>panels(at.P) << 5;
  s.nStep = <usize>panels(at.N) << 5;
  s.tableSize = <usize>(3 * tableStep(at.length)) << 2;
  s.tables = scratch + TASK_BYTES + SPACE_BYTES;
  s.decays = s.tables + heads * s.tableSize;
  s.rowSums = s.decays + ROW;
  s.columnSums = s.rowSums + 4 * ROW;
  s.columnTotals = s.columnSums + ROW;
  s.ofState = s.columnTotals + heads * ROW;
  s.rowTotals = s.ofState + ROW;
  s.products = s.rowTotals + <usize>readingTiles * heads * ROW;
  s.w = s.products + SQUARE;
  s.dw = s.w + SQUARE;
  s.dProducts = s.dw + SQUARE;
  s.dXs = s.dProducts + SQUARE;
  s.dB = s.dXs + heads * <usize>TILE * s.pStep;
  s.dC = s.dB + <usize>TILE * s.nStep;
  s.fromState = s.dC + <usize>(readingTiles * TILE) * s.nStep;
  s.packedB = s.fromState + <usize>TILE * s.nStep;
  s.packedC = s.packedB + (<usize>packedSize(at.N, TILE) << 2);
  s.packedDy = s.packedC + (<usize>packedSize(TILE, at.N) << 2);
  s.packed = s.packedDy + (<usize>packedSize(TILE, at.P) << 2);
  return s;
}

/**
 * Gradients within a chunk, and through the states at its ends. A task takes a chunk; or one tile of it as the reading side
 * (the gradient of c) or as the written side (the gradients of x and b), which computes some things twice.
 *
 * args: …, 9 dy, 10 x, 11 b, 12 c, 13 d, 14 states after chunks 0 … slots−1, 15 gradients of the states after them,
 * [B,slots,H,P,N] both, 16 slots, 17 tiles per chunk, 18 dx, 19 db, 20 dc ([blocks,B,L,G,N] both), and what a token's α gets
 * from its factor in w ∘ dw, as sums that ssd_decay_gradient puts together: 21 of the tile's rows, 22 of what came from the
 * state before the chunk, 23 of what went to the state after it; 24 x·dX̃, 25 x·dy, all [B,L,H]; 26 [B,chunks,H] the gradient of the
 * state after times its decayed state before; 27 B·L·G·N; and with several tiles 28 [B,L,H] sums of the columns of tiles off
 * the diagonal, 29 [B,chunks,H,tiles,tiles] of these whole tiles; 30 whether tiles and sides are tasks. Addresses 18 … 20 may
 * be 0. A task for each (batch, chunk, group, block[, tile, side]). scratch: see openSpace.
 */
export function ssd_tile_gradient(args: usize, task: i32, scratch: usize): void {
  const tiles = arg(args, 17);
  const apart = arg(args, 30) != 0;
  const at = openTask(args, apart ? task / (2 * tiles) : task, chunkCount(args), 0, scratch);
  const existing = (at.length + TILE - 1) / TILE;
  const own = apart ? (task >> 1) % tiles : 0;
  if (own >= existing) return;
  const reads = !apart || (task & 1) == 0;
  const writes = !apart || (task & 1) == 1;
  const last = apart ? own + 1 : existing; // after the last own tile
  const s = openSpace(at, reads ? last - own : 0, scratch);

  for (let h = 0; h < at.heads; h++) {
    fillTable(s.tables + <usize>h * s.tableSize, at.length, at.dt(7) + (<usize>h << 2), at.dtStep, load<f32>(at.a(8) + (<usize>h << 2)));
  }
  if (reads) for (let i = own; i < last; i++) startReading(at, s, i, i - own);
  for (let j = writes ? own : 0; j < last; j++) {
    if (writes) startWriting(at, s, j);
    const end = reads ? last : existing;
    for (let i = reads ? max(own, j) : j; i < end; i++) pair(at, s, i, j, i - own, reads, writes);
    if (writes) finishWriting(at, s, j);
  }
  if (reads) for (let i = own; i < last; i++) finishReading(at, s, i, i - own);
  if (writes && own == 0 && at.chunks > 1) passThrough(at, s);
}

// @ts-ignore: decorator
@inline
function tokensOf(at: Task, tile: i32): i32 {
  return min(TILE, at.length - tile * TILE);
}

/**
 * acc[t] += f_t·rows[t] (n floats), and dots[t] = f_t·(rows[t]·other[t]): what a state gives to a tile of b's or c's gradient.
 * Rows of `rows` and `acc` are `step` bytes apart and go on in whole fours.
 */
function addFromState(count: i32, n: i32, by: usize, rows: usize, step: usize, other: usize, otherStep: usize, acc: usize, dots: usize): void {
  for (let t = 0; t < count; t++) {
    const f = v128.load32_splat(by + (<usize>t << 2));
    let sum = f32x4.splat(0);
    let row = rows + <usize>t * step;
    let to = acc + <usize>t * step;
    let from = other + <usize>t * otherStep;
    let q = n;
    for (; q >= 4; q -= 4) {
      const v = f32x4.mul(f, v128.load(row));
      v128.store(to, f32x4.add(v128.load(to), v));
      sum = madd(v, v128.load(from), sum);
      row += 16;
      to += 16;
      from += 16;
    }
    if (q > 0) {
      const v = f32x4.mul(f, v128.load(row));
      v128.store(to, f32x4.add(v128.load(to), v));
      sum = madd(v, loadFew(from, q), sum);
    }
    store<f32>(dots + (<usize>t << 2), sum4(sum));
  }
}

/** What the state before the chunk gives to the gradient of c in tile i, the index-th reading tile. */
function startReading(at: Task, s: Space, i: i32, index: i32): void {
  const count = tokensOf(at, i);
  const first = i * TILE;
  const dC = s.dC + <usize>(index * TILE) * s.nStep;
  const dy = at.x(9) + <usize>first * at.xStep;
  const c = at.b(12) + <usize>first * at.bStep;
  fetch(count, at.heads * at.P, dy, at.xStep);
  fetch(count, at.N, c, at.bStep);
  memory.fill(dC, 0, <usize>TILE * s.nStep);
  memory.fill(s.rowTotals + <usize>(index * at.heads) * ROW, 0, <usize>at.heads * ROW);
  if (at.chunks == 1) return;
  for (let h = 0; h < at.heads; h++) {
    if (at.chunk > 0) {
      packRows(at.P, at.N, at.state(14, at.chunks - 1, at.chunk - 1) + (<usize>(h * at.P * at.N) << 2), <usize>at.N << 2, 0, 0, s.packed);
      product(count, at.N, at.P, dy + (<usize>(h * at.P) << 2), at.xStep, 4, s.packed, s.fromState, s.nStep, false, Part.All);
      decaysFromStart(s.decays, s.tables + <usize>h * s.tableSize, first, count);
      addFromState(count, at.N, s.decays, s.fromState, s.nStep, c, at.bStep, dC, s.ofState);
    } else {
      memory.fill(s.ofState, 0, ROW);
    }
    scatter(count, s.ofState, at.dt(22) + <usize>first * at.dtStep + (<usize>h << 2), at.dtStep);
  }
}

/** What the state after the chunk gives to the gradients of b and X̃ in tile j. */
function startWriting(at: Task, s: Space, j: i32): void {
  const count = tokensOf(at, j);
  const first = j * TILE;
  const x = at.x(10) + <usize>first * at.xStep;
  const b = at.b(11) + <usize>first * at.bStep;
  fetch(count, at.heads * at.P, x, at.xStep);
  fetch(count, at.N, b, at.bStep);
  memory.fill(s.dB, 0, <usize>TILE * s.nStep);
  memory.fill(s.columnTotals, 0, <usize>at.heads * ROW);
  if (at.chunks == 1) return;
  for (let h = 0; h < at.heads; h++) {
    const dt = at.dt(7) + <usize>first * at.dtStep + (<usize>h << 2);
    if (at.chunk < at.chunks - 1) {
      const gradient = at.state(15, at.chunks - 1, at.chunk) + (<usize>(h * at.P * at.N) << 2);
      const dX = s.dXs + <usize>(h * TILE) * s.pStep;
      packColumns(at.N, at.P, gradient, <usize>at.N << 2, 0, 0, s.packed);
      product(count, at.P, at.N, b, at.bStep, 4, s.packed, dX, s.pStep, false, Part.All);
      decaysToEnd(s.decays, s.tables + <usize>h * s.tableSize, at.length, first, count);
      scaleRows(count, at.P, dX, s.pStep, s.decays);
      packRows(at.P, at.N, gradient, <usize>at.N << 2, 0, 0, s.packed);
      product(count, at.N, at.P, x + (<usize>(h * at.P) << 2), at.xStep, 4, s.packed, s.fromState, s.nStep, false, Part.All);
      scaleBy(count, s.decays, dt, at.dtStep);
      addFromState(count, at.N, s.decays, s.fromState, s.nStep, b, at.bStep, s.dB, s.ofState);
    } else {
      memory.fill(s.ofState, 0, ROW);
    }
    scatter(count, s.ofState, at.dt(23) + <usize>first * at.dtStep + (<usize>h << 2), at.dtStep);
  }
}

/** The tile of rows i and columns j. */
function pair(at: Task, s: Space, i: i32, j: i32, index: i32, reads: bool, writes: bool): void {
  const P = at.P, N = at.N;
  const rows = tokensOf(at, i);
  const columns = tokensOf(at, j);
  const dy = at.x(9) + <usize>(i * TILE) * at.xStep;
  const c = at.b(12) + <usize>(i * TILE) * at.bStep;
  const x = at.x(10) + <usize>(j * TILE) * at.xStep;
  const b = at.b(11) + <usize>(j * TILE) * at.bStep;
  const dt = at.dt(7) + <usize>(j * TILE) * at.dtStep;
  const result = i == j ? Part.LowerResult : Part.All;
  const lower = i == j ? Part.LowerLeft : Part.All;
  const upper = i == j ? Part.UpperLeft : Part.All;

  packColumns(N, columns, b, at.bStep, 0, 0, s.packedB);
  product(rows, columns, N, c, at.bStep, 4, s.packedB, s.products, ROW, false, result);
  memory.fill(s.dProducts, 0, SQUARE);
  for (let h = 0; h < at.heads; h++) {
    const head = <usize>(h * P) << 2;
    packColumns(P, columns, x + head, at.xStep, dt + (<usize>h << 2), at.dtStep, s.packed);
    product(rows, columns, P, dy + head, at.xStep, 4, s.packed, s.dw, ROW, false, result);
    memory.fill(s.rowSums, 0, 5 * ROW); // and columnSums
    maskTileGradient(s.w, s.products, s.dw, s.dProducts, s.rowSums, s.columnSums, s.tables + <usize>h * s.tableSize, at.length, i * TILE, j * TILE, rows);
    if (reads) addFours(rows, s.rowSums, s.rowTotals + <usize>(index * at.heads + h) * ROW);
    if (writes) {
      if (i != j) addColumns(at, s, i, j, h);
      packRows(rows, P, dy + head, at.xStep, 0, 0, s.packedDy);
      product(columns, P, rows, s.w, 4, ROW, s.packedDy, s.dXs + <usize>(h * TILE) * s.pStep, s.pStep, i != j || at.chunk < at.chunks - 1, upper);
    }
  }
  if (reads) {
    packRows(columns, N, b, at.bStep, 0, 0, s.packed);
    product(rows, N, columns, s.dProducts, ROW, 4, s.packed, s.dC + <usize>(index * TILE) * s.nStep, s.nStep, true, lower);
  }
  if (writes) {
    packRows(rows, N, c, at.bStep, 0, 0, s.packedC);
    product(columns, N, rows, s.dProducts, 4, ROW, s.packedC, s.dB, s.nStep, true, upper);
  }
}

/** to[t] += the sum of the four floats at from[t]. */
function addFours(count: i32, from: usize, to: usize): void {
  for (let t = 0; t < count; t++) {
    store<f32>(to, load<f32>(to) + sum4(v128.load(from)));
    from += 16;
    to += 4;
  }
}

/** Keeps the column sums of a whole tile, and their sum. */
function addColumns(at: Task, s: Space, i: i32, j: i32, h: i32): void {
  const tiles = arg(at.args, 17);
  let to = s.columnTotals + <usize>h * ROW;
  let from = s.columnSums;
  let sum: f64 = 0;
  for (let k = 0; k < TILE; k++) {
    const v = load<f32>(from);
    store<f32>(to, load<f32>(to) + v);
    sum += <f64>v;
    from += 4;
    to += 4;
  }
  const head = (at.batch * at.chunks + at.chunk) * at.H + at.head0 + h;
  store<f32>(<usize>arg(at.args, 29) + (<usize>((head * tiles + i) * tiles + j) << 2), <f32>sum);
}

function finishReading(at: Task, s: Space, i: i32, index: i32): void {
  const count = tokensOf(at, i);
  const first = i * TILE;
  for (let h = 0; h < at.heads; h++) {
    scatter(count, s.rowTotals + <usize>(index * at.heads + h) * ROW, at.dt(21) + <usize>first * at.dtStep + (<usize>h << 2), at.dtStep);
  }
  if (arg(at.args, 20)) {
    const share = <usize>(at.block * arg(at.args, 27)) << 2;
    copyRows(count, at.N, s.dC + <usize>(index * TILE) * s.nStep, s.nStep, at.b(20) + share + <usize>first * at.bStep, at.bStep);
  }
}

function finishWriting(at: Task, s: Space, j: i32): void {
  const count = tokensOf(at, j);
  const first = j * TILE;
  if (arg(at.args, 19)) {
    const share = <usize>(at.block * arg(at.args, 27)) << 2;
    copyRows(count, at.N, s.dB, s.nStep, at.b(19) + share + <usize>first * at.bStep, at.bStep);
  }
  for (let h = 0; h < at.heads; h++) {
    if (arg(at.args, 28)) scatter(count, s.columnTotals + <usize>h * ROW, at.dt(28) + <usize>first * at.dtStep + (<usize>h << 2), at.dtStep);
    finishHead(at, count, first, h, s.dXs + <usize>(h * TILE) * s.pStep, s.pStep);
  }
}

/** dx = dt·dX̃ + d·dy, and x·dX̃ and x·dy of each of `count` tokens of head h. */
function finishHead(at: Task, count: i32, first: i32, h: i32, dX: usize, step: usize): void {
  const args = at.args;
  const P = at.P;
  const write = arg(args, 18) != 0;
  const d = v128.load32_splat(at.a(13) + (<usize>h << 2));
  const place = <usize>first * at.dtStep + (<usize>h << 2);
  const row = <usize>first * at.xStep + (<usize>(h * P) << 2);
  for (let t = 0; t < count; t++) {
    const scalar = place + <usize>t * at.dtStep;
    const offset = row + <usize>t * at.xStep;
    let dy = at.x(9) + offset;
    let x = at.x(10) + offset;
    let to = at.x(18) + offset;
    let from = dX + <usize>t * step;
    const dt = v128.load32_splat(at.dt(7) + scalar);
    let direct = f32x4.splat(0), along = f32x4.splat(0);
    let q = P;
    for (; q >= 4; q -= 4) {
      const xs = v128.load(x);
      const dys = v128.load(dy);
      const dXs = v128.load(from);
      direct = madd(xs, dXs, direct);
      along = madd(xs, dys, along);
      if (write) v128.store(to, madd(dt, dXs, f32x4.mul(d, dys)));
      x += 16;
      dy += 16;
      to += 16;
      from += 16;
    }
    if (q > 0) {
      const xs = loadFew(x, q);
      const dys = loadFew(dy, q);
      const dXs = loadFew(from, q);
      direct = madd(xs, dXs, direct);
      along = madd(xs, dys, along);
      if (write) storeFew(to, madd(dt, dXs, f32x4.mul(d, dys)), q);
    }
    store<f32>(at.dt(24) + scalar, sum4(direct));
    store<f32>(at.dt(25) + scalar, sum4(along));
  }
}

/** The part of the state after the chunk that was the state before it. */
function passThrough(at: Task, s: Space): void {
  const size = at.P * at.N;
  for (let h = 0; h < at.heads; h++) {
    let sum: f32 = 0;
    if (at.chunk > 0 && at.chunk < at.chunks - 1) {
      const head = <usize>(h * size) << 2;
      const decay = exp1(load<f32>(s.tables + <usize>h * s.tableSize + (<usize>(at.length - 1) << 2)));
      sum = decay * dot(at.state(14, at.chunks - 1, at.chunk - 1) + head, at.state(15, at.chunks - 1, at.chunk) + head, size);
    }
    store<f32>(<usize>arg(at.args, 26) + (<usize>((at.batch * at.chunks + at.chunk) * at.H + at.head0 + h) << 2), sum);
  }
}

/** Σ over shares k < count of floats `step` bytes apart. */
// @ts-ignore: decorator
@inline
function total(at: usize, count: i32, step: usize): f64 {
  let sum: f64 = 0;
  for (; count > 0; count--) {
    sum += <f64>load<f32>(at);
    at += step;
  }
  return sum;
}

/** Σ of what whole tiles (t in tile I > i, s in tile J < i) give to the tokens of tile i. */
function acrossTile(totals: usize, tiles: i32, existing: i32, i: i32): f64 {
  let sum: f64 = 0;
  for (let I = i + 1; I < existing; I++) {
    for (let J = 0; J < i; J++) sum += <f64>load<f32>(totals + (<usize>(I * tiles + J) << 2));
  }
  return sum;
}

/**
 * ddt = x·dX̃ + a·dα, and a chunk's share of da = Σ dt·dα and dd = Σ x·dy. α_r scales what passes from before r to r or later:
 * dα_r = rows_r + Σ_{s < r} columns_s (of r's tile) + whole tiles around r's + Σ_{t ≥ r} before_t + Σ_{s < r} after_s + through.
 *
 * args: …, 9 rows, 10 columns, 11 totals of whole tiles, 12 before, 13 after, 14 through, 15 x·dX̃, 16 x·dy, as ssd_tile_gradient
 * gives them; 10 and 11 are 0 if a chunk is one tile, 12 … 14 if there is one chunk; 17 ddt, 18 da, 19 dd [B,chunks,H],
 * 20 shares, 21 B·L·H, 22 tiles per chunk. 9, 15 and 16 may come in several shares [shares,B,L,H]. A task for each
 * (batch, chunk). scratch: chunk float64s.
 */
export function ssd_decay_gradient(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), Q = arg(args, 5);
  const chunks = chunkCount(args);
  const start = (task % chunks) * Q;
  const length = min(Q, L - start);
  const shares = arg(args, 20);
  const tiles = arg(args, 22);
  const step = <usize>arg(args, 21) << 2;
  const tokenStep = <usize>H << 2;
  for (let h = 0; h < H; h++) {
    const first = <usize>(((task / chunks) * L + start) * H + h) << 2;
    const part = <usize>(task * H + h) << 2;
    const a = <f64>load<f32>(<usize>arg(args, 8) + (<usize>h << 2));
    const through = arg(args, 14) ? <f64>load<f32>(<usize>arg(args, 14) + part) : 0;

    let ofAfter: f64 = 0;
    let ofColumns: f64 = 0;
    let at = first;
    for (let t = 0; t < length; t++) {
      if (arg(args, 10) && t % TILE == 0) ofColumns = acrossTile(<usize>arg(args, 11) + part * <usize>(tiles * tiles), tiles, (length + TILE - 1) / TILE, t / TILE);
      store<f64>(scratch + (<usize>t << 3), through + ofAfter + ofColumns);
      if (arg(args, 14)) ofAfter += <f64>load<f32>(<usize>arg(args, 13) + at);
      if (arg(args, 10)) ofColumns += <f64>load<f32>(<usize>arg(args, 10) + at);
      at += tokenStep;
    }

    let ofBefore: f64 = 0;
    let da: f64 = 0;
    let dd: f64 = 0;
    for (let t = length - 1; t >= 0; t--) {
      at -= tokenStep;
      if (arg(args, 14)) ofBefore += <f64>load<f32>(<usize>arg(args, 12) + at);
      const dAlpha = total(<usize>arg(args, 9) + at, shares, step) + load<f64>(scratch + (<usize>t << 3)) + ofBefore;
      if (arg(args, 17)) store<f32>(<usize>arg(args, 17) + at, <f32>(total(<usize>arg(args, 15) + at, shares, step) + a * dAlpha));
      da += dAlpha * <f64>load<f32>(<usize>arg(args, 7) + at);
      dd += total(<usize>arg(args, 16) + at, shares, step);
    }
    store<f32>(<usize>arg(args, 18) + part, <f32>da);
    store<f32>(<usize>arg(args, 19) + part, <f32>dd);
  }
}

/** out[i] = Σ_k shares[k, i], added in float64. args: 0 shares, 1 count, 2 size, 3 out, 4 elements per task (a multiple of 4). */
export function ssd_sum(args: usize, task: i32, scratch: usize): void {
  const size = arg(args, 2);
  const step = <usize>size << 2;
  const per = arg(args, 4);
  const end = min(size, (task + 1) * per);
  let i = task * per;
  let from = <usize>arg(args, 0) + (<usize>i << 2);
  let to = <usize>arg(args, 3) + (<usize>i << 2);
  for (; i + 4 <= end; i += 4) {
    let low = f64x2.splat(0), high = f64x2.splat(0);
    let at = from;
    for (let k = arg(args, 1); k > 0; k--) {
      const v = v128.load(at);
      low = f64x2.add(low, f64x2.promote_low_f32x4(v));
      high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(v, v, 1, 1)));
      at += step;
    }
    v128.store(to, i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2));
    from += 16;
    to += 16;
  }
  for (; i < end; i++) {
    store<f32>(to, <f32>total(from, arg(args, 1), step));
    from += 4;
    to += 4;
  }
}
