/**
 * The chunked and the quadratic form of SSD: attention between the tokens of a chunk in tiles of 64 × 64, states between
 * chunks. Every kernel begins with the same arguments:
 *
 *   0 L, 1 H, 2 P, 3 G, 4 N, 5 chunk (≤ L), 6 heads per task, 7 dt [B,L,H], 8 a [H]
 *
 * and a task is (batch, chunk, group, block of the group's heads, …). Letters: X̃ = dt·x, W = decay ∘ C Bᵀ.
 */
import { arg, exp1, madd, sum4 } from '../../engine/wasm/assembly/math.as';
import { decaysFromStart, decaysToEnd, fillTable, maskTile, maskTileGradient, tableStep } from './decay.as';
import { loadFew, packColumns, packedSize, packRows, paddedRows, panels, Part, productOfColumns, productOfRows, storeFew } from './product.as';

/** Tokens in a tile, and the bytes of a row and of a whole tile of products. */
const TILE: i32 = 64;
const ROW: usize = 256;
const SQUARE: usize = 64 * 256;

/** Where a task is. */
// @ts-ignore: decorator
@inline
function headBlocks(args: usize): i32 {
  return (arg(args, 1) / arg(args, 3) + arg(args, 6) - 1) / arg(args, 6);
}

// @ts-ignore: decorator
@inline
function chunkCount(args: usize): i32 {
  return (arg(args, 0) + arg(args, 5) - 1) / arg(args, 5);
}

/** Rows of n floats, `step` bytes apart. */
function scaleRows(rows: i32, n: i32, x: usize, step: usize, by: usize): void {
  for (let t = 0; t < rows; t++) {
    const f = v128.load32_splat(by + (<usize>t << 2));
    let at = x + <usize>t * step;
    for (let q = 0; q < n; q += 4) {
      v128.store(at, f32x4.mul(f, v128.load(at)));
      at += 16;
    }
  }
}

/** Σ a·b over n floats. */
function dot(a: usize, b: usize, n: i32): f32 {
  let sum = f32x4.splat(0);
  for (; n >= 4; n -= 4) {
    sum = madd(v128.load(a), v128.load(b), sum);
    a += 16;
    b += 16;
  }
  if (n > 0) sum = madd(loadFew(a, n), loadFew(b, n), sum);
  return sum4(sum);
}

/**
 * What each chunk alone adds to the state, out[batch, slot, head] = Σ_s f_s v_s w_sᵀ (P × N), with f the decay to the chunk's
 * end times dt (v = x, w = b), or, for gradients, the decay from the chunk's start (v = dy, w = c). Slot j is chunk j + first.
 *
 * args: …, 9 v [B,L,H,P], 10 w [B,L,G,N], 11 out [B,slots,H,P,N], 12 slots, 13 first, 14 from start. A task for each
 * (batch, slot, group, block). scratch: floats 3·tableStep(chunk) + 64 + 64·paddedRows(P) + packed 64 × N + paddedRows(P) × 8·panels(N).
 */
export function ssd_chunk_states(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4), Q = arg(args, 5), block = arg(args, 6);
  const slots = arg(args, 12);
  const fromStart = arg(args, 14);
  const blocks = headBlocks(args);
  const k = task % blocks;
  let rest = task / blocks;
  const g = rest % G;
  rest /= G;
  const slot = rest % slots;
  const batch = rest / slots;
  const start = (slot + arg(args, 13)) * Q;
  const length = min(Q, L - start);
  const token = batch * L + start;
  const head0 = g * (H / G) + k * block;
  const heads = min(block, H / G - k * block);

  const vStep = <usize>(H * P) << 2;
  const wStep = <usize>(G * N) << 2;
  const dtStep = <usize>H << 2;
  const rows = paddedRows(P);
  const columns = panels(N) << 3;
  const table = scratch;
  const decays = table + (<usize>(3 * tableStep(length)) << 2);
  const scaled = decays + ROW;
  const packed = scaled + (<usize>(TILE * rows) << 2);
  const sums = packed + (<usize>packedSize(TILE, N) << 2);
  const direct = P == rows && N == columns;

  for (let h = head0; h < head0 + heads; h++) {
    const dt = <usize>arg(args, 7) + (<usize>(token * H + h) << 2);
    const out = <usize>arg(args, 11) + (<usize>((batch * slots + slot) * H + h) * <usize>(P * N) << 2);
    const to = direct ? out : sums;
    const toStep = <usize>(direct ? N : columns) << 2;
    fillTable(table, length, dt, dtStep, load<f32>(<usize>arg(args, 8) + (<usize>h << 2)));
    for (let t0 = 0; t0 < length; t0 += TILE) {
      const few = min(TILE, length - t0);
      if (fromStart) {
        decaysFromStart(decays, table, t0, few);
      } else {
        decaysToEnd(decays, table, length, t0, few);
        for (let t = 0; t < few; t++) {
          const at = decays + (<usize>t << 2);
          store<f32>(at, load<f32>(at) * load<f32>(dt + <usize>(t0 + t) * dtStep));
        }
      }
      copyScaled(few, P, <usize>arg(args, 9) + <usize>(token + t0) * vStep + (<usize>(h * P) << 2), vStep, decays, scaled, <usize>rows << 2);
      // all heads of the group see one w; with several tiles it is packed again for each
      if (h == head0 || length > TILE) packRows(few, N, <usize>arg(args, 10) + <usize>(token + t0) * wStep + (<usize>(g * N) << 2), wStep, 0, 0, packed);
      productOfColumns(P, N, few, scaled, <usize>rows << 2, packed, to, toStep, t0 > 0, Part.All);
    }
    if (!direct) for (let p = 0; p < P; p++) memory.copy(out + (<usize>(p * N) << 2), sums + <usize>p * toStep, <usize>N << 2);
  }
}

/** to[t] = by[t]·x[t], rows of n floats; what fills the last four of a row is 0. */
function copyScaled(rows: i32, n: i32, x: usize, step: usize, by: usize, to: usize, toStep: usize): void {
  for (let t = 0; t < rows; t++) {
    const f = v128.load32_splat(by + (<usize>t << 2));
    let from = x + <usize>t * step;
    let at = to + <usize>t * toStep;
    let q = n;
    for (; q >= 4; q -= 4) {
      v128.store(at, f32x4.mul(f, v128.load(from)));
      from += 16;
      at += 16;
    }
    if (q > 0) v128.store(at, f32x4.mul(f, loadFew(from, q)));
  }
}

/**
 * Turns what chunks add into states, in place: slot j += exp(Σ_chunk α)·(slot j − 1), or slot j + 1 when walking backwards.
 *
 * args: …, 9 states [B,slots,H,P,N], 10 slots, 11 first (slot j is chunk j + first), 12 backwards, 13 slices,
 * 14 where the last slot is copied to [B,H,P,N], or 0. A task for each (batch, head, slice of P·N).
 */
export function ssd_pass_states(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), Q = arg(args, 5);
  const size = arg(args, 2) * arg(args, 4);
  const slots = arg(args, 10);
  const backwards = arg(args, 12);
  const slices = arg(args, 13);
  const slice = task % slices;
  const h = (task / slices) % H;
  const batch = task / slices / H;
  // whole fours but for the last
  const per = ((size + slices - 1) / slices + 3) & ~3;
  const from = slice * per;
  const n = min(per, size - from);
  if (n <= 0) return;
  const a = <f64>load<f32>(<usize>arg(args, 8) + (<usize>h << 2));
  const step = <usize>(H * size) << 2;
  const states = <usize>arg(args, 9) + (<usize>((batch * slots * H + h) * size + from) << 2);
  for (let i = 1; i < slots; i++) {
    const j = backwards ? slots - 1 - i : i;
    const start = (j + arg(args, 11)) * Q;
    const length = min(Q, L - start);
    let sum: f64 = 0;
    let dt = <usize>arg(args, 7) + (<usize>((batch * L + start) * H + h) << 2);
    for (let t = 0; t < length; t++) {
      sum += <f64>load<f32>(dt) * a;
      dt += <usize>H << 2;
    }
    addDecayed(states + <usize>j * step, backwards ? states + <usize>(j + 1) * step : states + <usize>(j - 1) * step, n, exp1(<f32>sum));
  }
  const last = <usize>arg(args, 14);
  if (last) memory.copy(last + (<usize>((batch * H + h) * size + from) << 2), states + <usize>(slots - 1) * step, <usize>n << 2);
}

/** x += f·y, n floats. */
function addDecayed(x: usize, y: usize, n: i32, f: f32): void {
  const decay = f32x4.splat(f);
  for (; n >= 4; n -= 4) {
    v128.store(x, madd(decay, v128.load(y), v128.load(x)));
    x += 16;
    y += 16;
  }
  if (n > 0) storeFew(x, madd(decay, loadFew(y, n), loadFew(x, n)), n);
}

/**
 * y = W X̃ + decay from the chunk's start ∘ (C Sᵀ) + d·x, for a tile of 64 tokens of a chunk; S is the state before the chunk.
 *
 * args: …, 9 x, 10 b, 11 c, 12 d, 13 y, 14 states [B,slots,H,P,N] after each chunk, 15 slots (0: no state), 16 tiles per chunk.
 * A task for each (batch, chunk, group, block, tile). scratch: floats heads·(3·tableStep(chunk) + 64 × 8·panels(P)) + 64
 * + 2·64·64 + packed N × 64 + packed max(64, N) × P.
 */
export function ssd_outputs(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4), Q = arg(args, 5), block = arg(args, 6);
  const slots = arg(args, 15);
  const tiles = arg(args, 16);
  const i = task % tiles;
  const blocks = headBlocks(args);
  let rest = task / tiles;
  const k = rest % blocks;
  rest /= blocks;
  const g = rest % G;
  rest /= G;
  const chunks = chunkCount(args);
  const chunk = rest % chunks;
  const batch = rest / chunks;
  const start = chunk * Q;
  const row0 = i * TILE;
  const rows = min(TILE, min(Q, L - start) - row0);
  if (rows <= 0) return;
  const known = row0 + rows; // tokens of the chunk that this tile sees
  const token = batch * L + start;
  const head0 = g * (H / G) + k * block;
  const heads = min(block, H / G - k * block);

  const xStep = <usize>(H * P) << 2;
  const bStep = <usize>(G * N) << 2;
  const dtStep = <usize>H << 2;
  const yStep = <usize>(panels(P) << 3) << 2;
  const tableSize = <usize>(3 * tableStep(known)) << 2;
  const tables = scratch;
  const decays = tables + <usize>heads * tableSize;
  const ys = decays + ROW;
  const products = ys + <usize>heads * <usize>TILE * yStep;
  const w = products + SQUARE;
  const packedB = w + SQUARE;
  const packed = packedB + (<usize>packedSize(N, TILE) << 2);

  const x = <usize>arg(args, 9) + <usize>token * xStep + (<usize>(head0 * P) << 2);
  const dt = <usize>arg(args, 7) + <usize>token * dtStep + (<usize>head0 << 2);
  const b = <usize>arg(args, 10) + <usize>token * bStep + (<usize>(g * N) << 2);
  const c = <usize>arg(args, 11) + <usize>(token + row0) * bStep + (<usize>(g * N) << 2);
  const stateful = slots > 0 && chunk > 0;

  for (let h = 0; h < heads; h++) {
    const table = tables + <usize>h * tableSize;
    fillTable(table, known, dt + (<usize>h << 2), dtStep, load<f32>(<usize>arg(args, 8) + (<usize>(head0 + h) << 2)));
    if (!stateful) continue;
    const state = <usize>arg(args, 14) + (<usize>((batch * slots + chunk - 1) * H + head0 + h) * <usize>(P * N) << 2);
    const y = ys + <usize>(h * TILE) * yStep;
    packColumns(N, P, state, <usize>N << 2, 0, 0, packed);
    productOfRows(rows, P, N, c, bStep, packed, y, yStep, false, Part.All);
    decaysFromStart(decays, table, row0, rows);
    scaleRows(rows, P, y, yStep, decays);
  }

  for (let j = i; j >= 0; j--) {
    const column0 = j * TILE;
    const columns = min(TILE, known - column0);
    packColumns(N, columns, b + <usize>column0 * bStep, bStep, 0, 0, packedB);
    productOfRows(rows, columns, N, c, bStep, packedB, products, ROW, false, j == i ? Part.LowerResult : Part.All);
    for (let h = 0; h < heads; h++) {
      maskTile(w, products, tables + <usize>h * tableSize, known, row0, column0, rows);
      packRows(columns, P, x + <usize>column0 * xStep + (<usize>(h * P) << 2), xStep, dt + <usize>column0 * dtStep + (<usize>h << 2), dtStep, packed);
      productOfRows(rows, P, columns, w, ROW, packed, ys + <usize>(h * TILE) * yStep, yStep, stateful || j < i, j == i ? Part.LowerLeft : Part.All);
    }
  }

  for (let h = 0; h < heads; h++) {
    const d = f32x4.splat(load<f32>(<usize>arg(args, 12) + (<usize>(head0 + h) << 2)));
    const offset = <usize>((token + row0) * H + head0 + h) * (<usize>P << 2);
    for (let t = 0; t < rows; t++) {
      let from = <usize>arg(args, 9) + offset + <usize>t * xStep;
      let to = <usize>arg(args, 13) + offset + <usize>t * xStep;
      let y = ys + <usize>(h * TILE + t) * yStep;
      let q = P;
      for (; q >= 4; q -= 4) {
        v128.store(to, madd(d, v128.load(from), v128.load(y)));
        from += 16;
        to += 16;
        y += 16;
      }
      if (q > 0) storeFew(to, madd(d, loadFew(from, q), v128.load(y)), q);
    }
  }
}

/** acc[t] += f_t·rows[t] (n floats), and dots[t] += f_t·(rows[t]·with[t]): what a state gives to a tile of b's or c's gradient. */
function addFromState(count: i32, n: i32, by: usize, rows: usize, step: usize, wth: usize, withStep: usize, acc: usize, dots: usize): void {
  for (let t = 0; t < count; t++) {
    const f = load<f32>(by + (<usize>t << 2));
    const at = <usize>t * step;
    addDecayed(acc + at, rows + at, n, f);
    const sum = dots + (<usize>t << 2);
    store<f32>(sum, load<f32>(sum) + f * dot(rows + at, wth + <usize>t * withStep, n));
  }
}

/** Writes n floats of each row. */
function copyRows(count: i32, n: i32, from: usize, fromStep: usize, to: usize, toStep: usize): void {
  for (let t = 0; t < count; t++) memory.copy(to + <usize>t * toStep, from + <usize>t * fromStep, <usize>n << 2);
}

/** to[t] = from[t], to's floats `step` bytes apart. */
function scatter(count: i32, from: usize, to: usize, step: usize): void {
  for (let t = 0; t < count; t++) store<f32>(to + <usize>t * step, load<f32>(from + (<usize>t << 2)));
}

/**
 * Gradients within a chunk, and through the states at its ends. A task takes one tile of 64 tokens as the reading side
 * (rows t: the gradient of c), as the written side (columns s: the gradients of x and b), or, where a chunk is one tile, as both.
 *
 * args: …, 9 dy, 10 x, 11 b, 12 c, 13 d, 14 states after chunks 0 … slots−1, 15 gradients of the states after them,
 * [B,slots,H,P,N] both, 16 slots, 17 tiles per chunk, 18 dx, 19 db, 20 dc ([blocks,B,L,G,N] both), and what a token's α gets
 * from its factor in w ∘ dw, as sums that ssd_decay_gradient puts together: 21 of the tile's rows, 22 of what came from the
 * state before the chunk, 23 of what went to the state after it; 24 x·dX̃, 25 x·dy, all [B,L,H]; 26 [B,chunks,H] the gradient of the
 * state after times its decayed state before; 27 B·L·G·N; and with several tiles 28 [B,L,H] sums of the columns of tiles off
 * the diagonal, 29 [B,chunks,H,tiles,tiles] of these whole tiles. Addresses 18 … 20 may be 0.
 * A task for each (batch, chunk, group, block, tile[, side]).
 */
export function ssd_tile_gradient(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4), Q = arg(args, 5), block = arg(args, 6);
  const slots = arg(args, 16);
  const tiles = arg(args, 17);
  const reads = tiles == 1 || (task & 1) == 0;
  const writes = tiles == 1 || (task & 1) == 1;
  let rest = tiles == 1 ? task : task >> 1;
  const own = rest % tiles;
  const blocks = headBlocks(args);
  rest /= tiles;
  const k = rest % blocks;
  rest /= blocks;
  const g = rest % G;
  rest /= G;
  const chunks = chunkCount(args);
  const chunk = rest % chunks;
  const batch = rest / chunks;
  const start = chunk * Q;
  const length = min(Q, L - start);
  const own0 = own * TILE;
  const count = min(TILE, length - own0);
  if (count <= 0) return;
  const token = batch * L + start;
  const head0 = g * (H / G) + k * block;
  const heads = min(block, H / G - k * block);

  const xStep = <usize>(H * P) << 2;
  const bStep = <usize>(G * N) << 2;
  const dtStep = <usize>H << 2;
  const pStep = <usize>(panels(P) << 3) << 2;
  const nStep = <usize>(panels(N) << 3) << 2;
  const tableSize = <usize>(3 * tableStep(length)) << 2;

  const tables = scratch;
  const rowTotals = tables + <usize>heads * tableSize;
  const columnTotals = rowTotals + <usize>heads * ROW;
  const ofBefore = columnTotals + <usize>heads * ROW;
  const ofAfter = ofBefore + <usize>heads * ROW;
  const decays = ofAfter + <usize>heads * ROW;
  const rowSums = decays + ROW;
  const columnSums = rowSums + 4 * ROW;
  const dXs = columnSums + ROW;
  const products = dXs + <usize>(heads * TILE) * pStep;
  const w = products + SQUARE;
  const dw = w + SQUARE;
  const dProducts = dw + SQUARE;
  const dB = dProducts + SQUARE;
  const dC = dB + <usize>TILE * nStep;
  const fromState = dC + <usize>TILE * nStep;
  const packedB = fromState + <usize>TILE * nStep;
  const packed = packedB + (<usize>packedSize(N, TILE) << 2);

  // of the chunk's first token, and the task's first head
  const dt = <usize>arg(args, 7) + (<usize>(token * H + head0) << 2);
  const dy = <usize>arg(args, 9) + (<usize>((token * H + head0) * P) << 2);
  const x = <usize>arg(args, 10) + (<usize>((token * H + head0) * P) << 2);
  const b = <usize>arg(args, 11) + (<usize>((token * G + g) * N) << 2);
  const c = <usize>arg(args, 12) + (<usize>((token * G + g) * N) << 2);
  const ownX = <usize>own0 * xStep;
  const ownB = <usize>own0 * bStep;
  const hasBefore = chunk > 0;
  const hasAfter = chunk < chunks - 1;

  memory.fill(rowTotals, 0, <usize>(4 * heads) * ROW);
  memory.fill(dB, 0, 2 * <usize>TILE * nStep);
  for (let h = 0; h < heads; h++) {
    const table = tables + <usize>h * tableSize;
    const before = <usize>arg(args, 14) + (<usize>((batch * slots + chunk - 1) * H + head0 + h) * <usize>(P * N) << 2);
    const after = <usize>arg(args, 15) + (<usize>((batch * slots + chunk) * H + head0 + h) * <usize>(P * N) << 2);
    const head = <usize>(h * P) << 2;
    fillTable(table, length, dt + (<usize>h << 2), dtStep, load<f32>(<usize>arg(args, 8) + (<usize>(head0 + h) << 2)));
    if (reads && hasBefore) {
      packRows(P, N, before, <usize>N << 2, 0, 0, packed);
      productOfRows(count, N, P, dy + ownX + head, xStep, packed, fromState, nStep, false, Part.All);
      decaysFromStart(decays, table, own0, count);
      addFromState(count, N, decays, fromState, nStep, c + ownB, bStep, dC, ofBefore + <usize>h * ROW);
    }
    if (writes && hasAfter) {
      const dX = dXs + <usize>(h * TILE) * pStep;
      packColumns(N, P, after, <usize>N << 2, 0, 0, packed);
      productOfRows(count, P, N, b + ownB, bStep, packed, dX, pStep, false, Part.All);
      decaysToEnd(decays, table, length, own0, count);
      scaleRows(count, P, dX, pStep, decays);
      packRows(P, N, after, <usize>N << 2, 0, 0, packed);
      productOfRows(count, N, P, x + ownX + head, xStep, packed, fromState, nStep, false, Part.All);
      for (let s = 0; s < count; s++) {
        const at = decays + (<usize>s << 2);
        store<f32>(at, load<f32>(at) * load<f32>(dt + <usize>(own0 + s) * dtStep + (<usize>h << 2)));
      }
      addFromState(count, N, decays, fromState, nStep, b + ownB, bStep, dB, ofAfter + <usize>h * ROW);
    }
    if (writes && own == 0 && chunks > 1) {
      const all = hasBefore && hasAfter ? exp1(load<f32>(table + (<usize>(length - 1) << 2))) * dot(before, after, P * N) : 0;
      store<f32>(<usize>arg(args, 26) + (<usize>((batch * chunks + chunk) * H + head0 + h) << 2), all);
    }
  }

  // the diagonal first: what is above it stays undefined in the tiles' scratch until then
  const others = tiles == 1 ? 1 : reads ? own + 1 : (length + TILE - 1) / TILE - own;
  for (let o = 0; o < others; o++) {
    const i = reads ? own : own + o;
    const j = reads ? own - o : own;
    const row0 = i * TILE;
    const column0 = j * TILE;
    const rows = min(TILE, length - row0);
    const columns = min(TILE, length - column0);
    packColumns(N, columns, b + <usize>column0 * bStep, bStep, 0, 0, packedB);
    productOfRows(rows, columns, N, c + <usize>row0 * bStep, bStep, packedB, products, ROW, false, i == j ? Part.LowerResult : Part.All);
    memory.fill(dProducts, 0, SQUARE);
    for (let h = 0; h < heads; h++) {
      const head = <usize>(h * P) << 2;
      packColumns(P, columns, x + <usize>column0 * xStep + head, xStep, dt + <usize>column0 * dtStep + (<usize>h << 2), dtStep, packed);
      productOfRows(rows, columns, P, dy + <usize>row0 * xStep + head, xStep, packed, dw, ROW, false, i == j ? Part.LowerResult : Part.All);
      memory.fill(rowSums, 0, 5 * ROW); // and columnSums
      maskTileGradient(w, products, dw, dProducts, rowSums, columnSums, tables + <usize>h * tableSize, length, row0, column0, rows);
      if (reads) {
        for (let t = 0; t < rows; t++) {
          const at = rowTotals + <usize>h * ROW + (<usize>t << 2);
          store<f32>(at, load<f32>(at) + sum4(v128.load(rowSums + (<usize>t << 4))));
        }
      }
      if (writes && i != j) {
        let sum: f64 = 0;
        for (let s = 0; s < TILE; s++) {
          const column = load<f32>(columnSums + (<usize>s << 2));
          const at = columnTotals + <usize>h * ROW + (<usize>s << 2);
          store<f32>(at, load<f32>(at) + column);
          sum += <f64>column;
        }
        store<f32>(<usize>arg(args, 29) + (<usize>((((batch * chunks + chunk) * H + head0 + h) * tiles + i) * tiles + j) << 2), <f32>sum);
      }
      if (writes) {
        packRows(rows, P, dy + <usize>row0 * xStep + head, xStep, 0, 0, packed);
        productOfColumns(columns, P, rows, w, ROW, packed, dXs + <usize>(h * TILE) * pStep, pStep, hasAfter || o > 0, i == j ? Part.UpperLeft : Part.All);
      }
    }
    if (reads) {
      packRows(columns, N, b + <usize>column0 * bStep, bStep, 0, 0, packed);
      productOfRows(rows, N, columns, dProducts, ROW, packed, dC, nStep, true, i == j ? Part.LowerLeft : Part.All);
    }
    if (writes) {
      packRows(rows, N, c + <usize>row0 * bStep, bStep, 0, 0, packed);
      productOfColumns(columns, N, rows, dProducts, ROW, packed, dB, nStep, true, i == j ? Part.UpperLeft : Part.All);
    }
  }

  const first = <usize>((token + own0) * H + head0) << 2;
  const share = <usize>(k * arg(args, 27) + ((token + own0) * G + g) * N) << 2;
  if (reads) {
    for (let h = 0; h < heads; h++) {
      const at = first + (<usize>h << 2);
      scatter(count, rowTotals + <usize>h * ROW, <usize>arg(args, 21) + at, dtStep);
      if (slots > 0) scatter(count, ofBefore + <usize>h * ROW, <usize>arg(args, 22) + at, dtStep);
    }
    if (arg(args, 20)) copyRows(count, N, dC, nStep, <usize>arg(args, 20) + share, bStep);
  }
  if (writes) {
    if (arg(args, 19)) copyRows(count, N, dB, nStep, <usize>arg(args, 19) + share, bStep);
    for (let h = 0; h < heads; h++) {
      const at = first + (<usize>h << 2);
      if (slots > 0) scatter(count, ofAfter + <usize>h * ROW, <usize>arg(args, 23) + at, dtStep);
      if (tiles > 1) scatter(count, columnTotals + <usize>h * ROW, <usize>arg(args, 28) + at, dtStep);
      finishX(args, count, (token + own0) * H + head0 + h, dXs + <usize>(h * TILE) * pStep, pStep, load<f32>(<usize>arg(args, 13) + (<usize>(head0 + h) << 2)));
    }
  }
}

/** dx = dt·dX̃ + d·dy for `count` tokens of one head, and x·dX̃ and x·dy of each; `at` is the first token's place in [B,L,H]. */
function finishX(args: usize, count: i32, at: i32, dX: usize, step: usize, skip: f32): void {
  const P = arg(args, 2);
  const d = f32x4.splat(skip);
  for (let t = 0; t < count; t++) {
    const place = <usize>at << 2;
    const row = place * <usize>P;
    let x = <usize>arg(args, 10) + row;
    let dy = <usize>arg(args, 9) + row;
    let to = <usize>arg(args, 18) + row;
    let from = dX;
    const dt = v128.load32_splat(<usize>arg(args, 7) + place);
    let direct = f32x4.splat(0), along = f32x4.splat(0);
    let q = P;
    for (; q >= 4; q -= 4) {
      const xs = v128.load(x);
      const dys = v128.load(dy);
      const dXs = v128.load(from);
      direct = madd(xs, dXs, direct);
      along = madd(xs, dys, along);
      if (arg(args, 18)) v128.store(to, madd(dt, dXs, f32x4.mul(d, dys)));
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
      if (arg(args, 18)) storeFew(to, madd(dt, dXs, f32x4.mul(d, dys)), q);
    }
    store<f32>(<usize>arg(args, 24) + place, sum4(direct));
    store<f32>(<usize>arg(args, 25) + place, sum4(along));
    at += arg(args, 1);
    dX += step;
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
function acrossTile(totals: usize, tiles: i32, i: i32): f64 {
  let sum: f64 = 0;
  for (let I = i + 1; I < tiles; I++) {
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
      if (arg(args, 10) && t % TILE == 0) ofColumns = acrossTile(<usize>arg(args, 11) + part * <usize>(tiles * tiles), tiles, t / TILE);
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
