/**
 * The chunked and the quadratic form of SSD: attention between the tokens of a chunk in tiles of 64 × 64, states between
 * chunks. Arguments begin as task.as.ts says. Letters: X̃ = dt·x, W = decay ∘ C Bᵀ.
 */
import { arg, exp1, madd } from '../../engine/wasm/assembly/math.as';
import { decaysFromStart, decaysToEnd, fillTable, maskTile, tableStep } from './decay.as';
import { loadFew, packColumns, packedSize, packRows, panels, Part, product, storeFew } from './product.as';
import { addDecayed, chunkCount, copyRows, copyScaled, openTask, ROW, scaleBy, scaleRows, SQUARE, TASK_BYTES, TILE } from './task.as';

/**
 * What each chunk alone adds to the state, out[batch, slot, head] = Σ_s f_s v_s w_sᵀ (P × N), with f the decay to the chunk's
 * end times dt (v = x, w = b), or, for gradients, the decay from the chunk's start (v = dy, w = c). Slot j is chunk j + first.
 *
 * args: …, 9 v [B,L,H,P], 10 w [B,L,G,N], 11 out [B,slots,H,P,N], 12 slots, 13 first, 14 from start. A task for each
 * (batch, slot, group, block). scratch: TASK_BYTES and floats 3·tableStep(chunk) + 64 + 64·P (rounded up to fours) +
 * packed 64 × N + P × 8·panels(N).
 */
export function ssd_chunk_states(args: usize, task: i32, scratch: usize): void {
  const slots = arg(args, 12);
  const first = arg(args, 13);
  const fromStart = arg(args, 14);
  const at = openTask(args, task, slots, first, scratch);
  const P = at.P, N = at.N, length = at.length, xStep = at.xStep, bStep = at.bStep;
  const scaledStep = <usize>((P + 3) & ~3) << 2;
  const columns = panels(N) << 3;
  const table = scratch + TASK_BYTES;
  const decays = table + (<usize>(3 * tableStep(length)) << 2);
  const scaled = decays + ROW;
  const packed = scaled + <usize>TILE * scaledStep;
  const sums = packed + (<usize>packedSize(TILE, N) << 2);
  const direct = N == columns;

  for (let h = 0; h < at.heads; h++) {
    const dt = at.dt(7) + (<usize>h << 2);
    const v = at.x(9) + (<usize>(h * P) << 2);
    const w = at.b(10);
    const out = at.state(11, slots, at.chunk - first) + (<usize>(h * P * N) << 2);
    const to = direct ? out : sums;
    const toStep = <usize>(direct ? N : columns) << 2;
    fillTable(table, length, dt, at.dtStep, load<f32>(at.a(8) + (<usize>h << 2)));
    for (let t0 = 0; t0 < length; t0 += TILE) {
      const few = min(TILE, length - t0);
      if (fromStart) {
        decaysFromStart(decays, table, t0, few);
      } else {
        decaysToEnd(decays, table, length, t0, few);
        scaleBy(few, decays, dt + <usize>t0 * at.dtStep, at.dtStep);
      }
      copyScaled(few, P, v + <usize>t0 * xStep, xStep, decays, scaled, scaledStep);
      // all heads of the group see one w; with several tiles it is packed again for each
      if (h == 0 || length > TILE) packRows(few, N, w + <usize>t0 * bStep, bStep, 0, 0, packed);
      product(P, N, few, scaled, 4, scaledStep, packed, to, toStep, t0 > 0, Part.All);
    }
    if (!direct) copyRows(P, N, sums, toStep, out, <usize>N << 2);
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

/**
 * y = W X̃ + decay from the chunk's start ∘ (C Sᵀ) + d·x, for a tile of 64 tokens of a chunk; S is the state before the chunk.
 *
 * args: …, 9 x, 10 b, 11 c, 12 d, 13 y, 14 states [B,slots,H,P,N] after each chunk, 15 slots (0: no state), 16 tiles per chunk.
 * A task for each (batch, chunk, group, block, tile). scratch: TASK_BYTES and floats heads·(3·tableStep(chunk) +
 * 64 × 8·panels(P)) + 64 + 2·64·64 + packed N × 64 + packed max(64, N) × P.
 */
export function ssd_outputs(args: usize, task: i32, scratch: usize): void {
  const slots = arg(args, 15);
  const tiles = arg(args, 16);
  const at = openTask(args, task / tiles, chunkCount(args), 0, scratch);
  const i = task % tiles;
  const P = at.P, N = at.N, heads = at.heads, xStep = at.xStep, bStep = at.bStep, dtStep = at.dtStep;
  const row0 = i * TILE;
  const rows = min(TILE, at.length - row0);
  if (rows <= 0) return;
  const known = row0 + rows; // tokens of the chunk that this tile sees

  const yStep = <usize>(panels(P) << 3) << 2;
  const tableSize = <usize>(3 * tableStep(known)) << 2;
  const tables = scratch + TASK_BYTES;
  const decays = tables + <usize>heads * tableSize;
  const ys = decays + ROW;
  const products = ys + <usize>heads * <usize>TILE * yStep;
  const w = products + SQUARE;
  const packedB = w + SQUARE;
  const packed = packedB + (<usize>packedSize(N, TILE) << 2);

  const x = at.x(9);
  const dt = at.dt(7);
  const c = at.b(11) + <usize>row0 * bStep;
  const stateful = slots > 0 && at.chunk > 0;

  for (let h = 0; h < heads; h++) {
    const table = tables + <usize>h * tableSize;
    fillTable(table, known, dt + (<usize>h << 2), dtStep, load<f32>(at.a(8) + (<usize>h << 2)));
    if (!stateful) continue;
    const y = ys + <usize>(h * TILE) * yStep;
    packColumns(N, P, at.state(14, slots, at.chunk - 1) + (<usize>(h * P * N) << 2), <usize>N << 2, 0, 0, packed);
    product(rows, P, N, c, bStep, 4, packed, y, yStep, false, Part.All);
    decaysFromStart(decays, table, row0, rows);
    scaleRows(rows, P, y, yStep, decays);
  }

  for (let j = i; j >= 0; j--) {
    const column0 = j * TILE;
    const columns = min(TILE, known - column0);
    packColumns(N, columns, at.b(10) + <usize>column0 * bStep, bStep, 0, 0, packedB);
    product(rows, columns, N, c, bStep, 4, packedB, products, ROW, false, j == i ? Part.LowerResult : Part.All);
    for (let h = 0; h < heads; h++) {
      maskTile(w, products, tables + <usize>h * tableSize, known, row0, column0, rows);
      packRows(columns, P, x + <usize>column0 * xStep + (<usize>(h * P) << 2), xStep, dt + <usize>column0 * dtStep + (<usize>h << 2), dtStep, packed);
      product(rows, P, columns, w, ROW, 4, packed, ys + <usize>(h * TILE) * yStep, yStep, stateful || j < i, j == i ? Part.LowerLeft : Part.All);
    }
  }

  for (let h = 0; h < heads; h++) {
    const offset = <usize>row0 * xStep + (<usize>(h * P) << 2);
    addSkip(rows, P, ys + <usize>(h * TILE) * yStep, yStep, x + offset, load<f32>(at.a(12) + (<usize>h << 2)), at.x(13) + offset, xStep);
  }
}

/** out = y + d·x, rows of n floats. */
function addSkip(rows: i32, n: i32, y: usize, yStep: usize, x: usize, skip: f32, out: usize, step: usize): void {
  const d = f32x4.splat(skip);
  for (let t = 0; t < rows; t++) {
    let from = x + <usize>t * step;
    let to = out + <usize>t * step;
    let at = y + <usize>t * yStep;
    let q = n;
    for (; q >= 4; q -= 4) {
      v128.store(to, madd(d, v128.load(from), v128.load(at)));
      from += 16;
      to += 16;
      at += 16;
    }
    if (q > 0) storeFew(to, madd(d, loadFew(from, q), v128.load(at)), q);
  }
}
