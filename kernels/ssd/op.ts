/** SSD, the state-space duality of Mamba-2: one equation as a recurrence, as masked attention, and in chunks. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type KernelArg, type Operand, type WasmLowering } from '#engine/fused-op.ts';
import { float, sizeOf, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { ssdGradientPortable, ssdPortable } from './portable.ts';
import { sizesOf, type Sizes } from './sizes.ts';
import { ssdGradientWebgpu, ssdWebgpu } from './webgpu.ts';
import { ssdGradientWork, ssdWork } from './work.ts';

/** How SSD is computed; every form gives the same numbers. */
export type SsdForm = 'chunked' | 'linear' | 'quadratic';

type SsdAttrs = {
  /** tokens in a chunk; L for the quadratic form, 0 for the recurrence */
  readonly chunk: number;
};

/**
 * S_t = exp(dt_t·a)·S_{t−1} + (dt_t·x_t) b_tᵀ,  y_t = S_t c_t + d·x_t for each head, S_0 = 0 (Dao & Gu 2024, arXiv 2405.21060,
 * §5-6; Δ, A and the skip D as in its Mamba-2 block). Head h reads group ⌊h / (H/G)⌋ of b and c.
 *
 * x [B,L,H,P], dt [B,L,H] (after softplus), a [H] (< 0), b and c [B,L,G,N], d [H]; y [B,L,H,P] and the state after the last
 * token, finalState [B,H,P,N], which has no gradient and is computed only if something reads it.
 *
 * `chunked` is attention within chunks of `chunk` tokens and states between them, O(L·chunk); `quadratic` is one chunk,
 * O(L²); `linear` is the recurrence, which does not look at `chunk`. E_SHAPE if sizes do not fit.
 */
export function ssd(
  x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, { chunk, form }: { chunk: number; form: SsdForm },
): { y: Tensor; finalState: Tensor } {
  if (!Number.isInteger(chunk) || chunk < 1) throw new RecallbenchError('E_SHAPE', `ssd: chunk must be a whole number ≥ 1, not ${chunk}`);
  const L = x.shape[1] ?? 1;
  const [y, finalState] = callFused(ssdOp, [x, dt, a, b, c, d], { chunk: { chunked: Math.min(chunk, L), linear: 0, quadratic: L }[form] });
  return { y: y, finalState: finalState };
}

function check(inputs: readonly TensorSpec[]): Sizes {
  const [x, , , b] = inputs as [TensorSpec, TensorSpec, TensorSpec, TensorSpec];
  if (x.shape.length !== 4 || x.shape.includes(0)) throw new RecallbenchError('E_SHAPE', `ssd: x is [${x.shape}], not [B,L,H,P]`);
  if (b.shape.length !== 4 || b.shape.includes(0)) throw new RecallbenchError('E_SHAPE', `ssd: b is [${b.shape}], not [B,L,G,N]`);
  const sizes = sizesOf(inputs);
  const { B, L, H, P, G, N } = sizes;
  if (H % G !== 0) throw new RecallbenchError('E_SHAPE', `ssd: ${H} heads (x is [${x.shape}]) cannot share ${G} groups (b is [${b.shape}]) evenly`);
  const wanted: [string, number[]][] = [['x', [B, L, H, P]], ['dt', [B, L, H]], ['a', [H]], ['b', [B, L, G, N]], ['c', [B, L, G, N]], ['d', [H]]];
  wanted.forEach(([name, shape], i) => {
    const { shape: actual, dtype } = inputs[i];
    if (actual.join() !== shape.join()) throw new RecallbenchError('E_SHAPE', `ssd: ${name} is [${actual}], but with x [${x.shape}] and b [${b.shape}] it must be [${shape}]`);
    if (dtype !== 'float32') throw new RecallbenchError('E_SHAPE', `ssd: ${name} is ${dtype}, not float32`);
  });
  return sizes;
}

/** Tokens in a tile of the chunked kernels, channels in a unit of the recurrence. */
const TILE = 64;
const UNIT = 8;
const fours = (n: number) => 4 * Math.ceil(n / 4);
const eights = (n: number) => 8 * Math.ceil(n / 8);
/** bytes before the floats of a scratch */
const TASK_BYTES = 128;
const SPACE_BYTES = 128;
/** floats of a table of decays over n tokens */
const tableSize = (n: number) => 48 * Math.ceil(n / 16);

/** Heads that share one task: as many as leave eight tasks, and no more than eight, for the sake of the scratch. */
function headsPerTask({ H, G }: Sizes, tasksPerBlock: number): number {
  let heads = Math.min(H / G, 8);
  while (heads > 1 && tasksPerBlock * Math.ceil(H / G / heads) < 8) heads = Math.ceil(heads / 2);
  return heads;
}

/** The first arguments of every kernel. */
function common({ L, H, P, G, N }: Sizes, chunk: number, heads: number, dt: Operand, a: Operand): KernelArg[] {
  return [L, H, P, G, N, chunk, heads, dt, a];
}

/**
 * The states after the first (backwards: the gradients of the states before the last) chunks, [B,slots,H,P,N]; see ssd_chunk_states.
 * `v` and `w` are x and b, backwards dy and c. `last` receives the state after the last slot.
 */
function statesBetween(
  lowering: WasmLowering, sizes: Sizes, chunk: number, slots: number,
  { dt, a, v, w, backwards, last }: { dt: Operand; a: Operand; v: Operand; w: Operand; backwards: boolean; last?: Operand },
): Operand {
  const { B, H, P, G, N } = sizes;
  const states = lowering.buffer(B, slots, H, P, N);
  const heads = headsPerTask(sizes, B * slots * G);
  const first = backwards ? 1 : 0;
  const scratch = tableSize(chunk) + TILE + TILE * fours(P) + TILE * eights(N) + P * eights(N);
  lowering.dispatch(
    'ssd_chunk_states', B * slots * G * Math.ceil(H / G / heads), [...common(sizes, chunk, heads, dt, a), v, w, states, slots, first, first], TASK_BYTES + 4 * scratch,
  );
  if (slots > 1 || last !== undefined) {
    const slices = Math.max(1, Math.min(Math.ceil((P * N) / 1024), Math.ceil(16 / (B * H))));
    lowering.dispatch('ssd_pass_states', B * H * slices, [...common(sizes, chunk, 1, dt, a), states, slots, first, first, slices, last ?? 0]);
  }
  return states;
}

export const ssdOp: FusedOp<SsdAttrs> = {
  name: 'Ssd',
  outputs(inputs) {
    const { B, L, H, P, N } = check(inputs);
    return [float(B, L, H, P), float(B, H, P, N)];
  },
  portable: (inputs, { chunk }) => ssdPortable(inputs, chunk),
  gradient(dy, inputs, _, attrs) {
    // not made inside the first thunk: tfjs would dispose of the others' results with that thunk's scope
    const all = callFused(ssdGradientOp, [dy, ...inputs], attrs);
    return all.map((gradient) => () => gradient);
  },
  work: ssdWork,
  wasm(lowering, { chunk }) {
    const sizes = sizesOf(lowering.inputs);
    const { B, L, H, P, G, N } = sizes;
    const [x, dt, a, b, c, d] = lowering.inputs as [Operand, Operand, Operand, Operand, Operand, Operand];
    const [y, finalState] = lowering.outputs as [Operand, Operand];
    if (chunk === 0) {
      lowering.dispatch('ssd_recurrence', B * H * Math.ceil(P / UNIT), [...common(sizes, L, 1, dt, a), x, b, c, d, y, finalState], 4 * (UNIT * N + fours(L)));
      return;
    }
    const chunks = Math.ceil(L / chunk);
    const slots = finalState.used ? chunks : chunks - 1;
    const states = slots === 0 ? 0 : statesBetween(lowering, sizes, chunk, slots, { dt, a, v: x, w: b, backwards: false, ...(finalState.used ? { last: finalState } : {}) });
    if (!y.used) return;
    const tiles = Math.ceil(chunk / TILE);
    const heads = headsPerTask(sizes, B * chunks * G * tiles);
    const scratch = heads * (tableSize(chunk) + TILE * eights(P)) + TILE + 2 * TILE * TILE + TILE * N + Math.max(TILE, N) * eights(P);
    lowering.dispatch(
      'ssd_outputs', B * chunks * G * Math.ceil(H / G / heads) * tiles, [...common(sizes, chunk, heads, dt, a), x, b, c, d, y, states, slots, tiles],
      TASK_BYTES + 4 * scratch,
    );
  },
  webgpu: ssdWebgpu,
};

/** dy and the six inputs → the six gradients. */
export const ssdGradientOp: FusedOp<SsdAttrs> = {
  name: 'SsdGradient',
  outputs: (inputs) => inputs.slice(1).map(({ shape, dtype }) => ({ shape, dtype })),
  portable: (inputs, { chunk }) => ssdGradientPortable(inputs, chunk),
  work: ssdGradientWork,
  wasm(lowering, { chunk }) {
    const sizes = sizesOf(lowering.inputs.slice(1));
    if (chunk === 0) recurrenceGradient(lowering, sizes);
    else chunkedGradient(lowering, sizes, chunk);
  },
  webgpu: ssdGradientWebgpu,
};

/** Where `shares` tasks put their part of an output that is their sum, and the launch that adds the parts. */
function inShares(lowering: WasmLowering, shares: number, output: Operand): { parts: Operand; add(): void } {
  if (shares === 1 || !output.used) return { parts: output, add: () => {} };
  const parts = lowering.buffer(shares, ...output.shape);
  const size = sizeOf(output.shape);
  const per = 2048;
  return { parts, add: () => lowering.dispatch('ssd_sum', Math.ceil(size / per), [parts, shares, size, output, per]) };
}

/** The sums by token (and by tile and chunk, where there are several) that the gradients of dt, a and d are made of. */
interface TokenSums {
  readonly rows: Operand;
  readonly tiles?: { readonly columns: Operand; readonly totals: Operand };
  readonly states?: { readonly before: Operand; readonly after: Operand; readonly through: Operand };
  readonly direct: Operand;
  readonly along: Operand;
  readonly shares: number;
}

/** The gradients of dt, a and d; see ssd_decay_gradient. */
function headGradients(lowering: WasmLowering, sizes: Sizes, chunk: number, { rows, tiles, states, direct, along, shares }: TokenSums): void {
  const { B, L, H } = sizes;
  const [, dt, a] = lowering.inputs.slice(1) as [Operand, Operand, Operand];
  const [, ddt, da, , , dd] = lowering.outputs as [Operand, Operand, Operand, Operand, Operand, Operand];
  const tasks = B * Math.ceil(L / chunk);
  const [daShares, ddShares] = [lowering.buffer(tasks, H), lowering.buffer(tasks, H)];
  lowering.dispatch(
    'ssd_decay_gradient', tasks,
    [
      ...common(sizes, chunk, 1, dt, a), rows, tiles?.columns ?? 0, tiles?.totals ?? 0, states?.before ?? 0, states?.after ?? 0, states?.through ?? 0,
      direct, along, ddt, daShares, ddShares, shares, B * L * H, Math.ceil(chunk / TILE),
    ],
    8 * chunk,
  );
  for (const [parts, output] of [[daShares, da], [ddShares, dd]] as const) {
    if (output.used) lowering.dispatch('ssd_sum', 1, [parts, tasks, H, output, fours(H)]);
  }
}

function chunkedGradient(lowering: WasmLowering, sizes: Sizes, chunk: number): void {
  const { B, L, H, P, G, N } = sizes;
  const [dy, x, dt, a, b, c, d] = lowering.inputs as [Operand, Operand, Operand, Operand, Operand, Operand, Operand];
  const [dx, , , db, dc] = lowering.outputs as [Operand, Operand, Operand, Operand, Operand];
  const chunks = Math.ceil(L / chunk);
  const slots = chunks - 1;
  const states = slots === 0 ? 0 : statesBetween(lowering, sizes, chunk, slots, { dt, a, v: x, w: b, backwards: false });
  const dStates = slots === 0 ? 0 : statesBetween(lowering, sizes, chunk, slots, { dt, a, v: dy, w: c, backwards: true });

  const tiles = Math.ceil(chunk / TILE);
  // several tiles in one task need much scratch, and leave few tasks
  const apart = tiles > 8 || (tiles > 1 && B * chunks * G < 16);
  const tasks = B * chunks * G * (apart ? 2 * tiles : 1);
  const heads = headsPerTask(sizes, tasks);
  const blocks = Math.ceil(H / G / heads);
  const [dbShares, dcShares] = [inShares(lowering, blocks, db), inShares(lowering, blocks, dc)];
  const [rows, direct, along] = [lowering.buffer(B, L, H), lowering.buffer(B, L, H), lowering.buffer(B, L, H)];
  const betweenTiles = tiles === 1 ? undefined : { columns: lowering.buffer(B, L, H), totals: lowering.buffer(B, chunks, H, tiles, tiles) };
  const betweenChunks = slots === 0 ? undefined : { before: lowering.buffer(B, L, H), after: lowering.buffer(B, L, H), through: lowering.buffer(B, chunks, H) };
  const reading = apart ? 1 : tiles;
  const scratch =
    heads * (tableSize(chunk) + TILE + reading * TILE + TILE * eights(P)) + 7 * TILE + 4 * TILE * TILE + (3 + reading) * TILE * eights(N) +
    TILE * N + TILE * eights(P) + Math.max(TILE, N) * eights(P) + Math.max(TILE, P) * eights(N);
  lowering.dispatch(
    'ssd_tile_gradient', tasks * blocks,
    [
      ...common(sizes, chunk, heads, dt, a), dy, x, b, c, d, states, dStates, slots, tiles, dx, dbShares.parts, dcShares.parts,
      rows, betweenChunks?.before ?? 0, betweenChunks?.after ?? 0, direct, along, betweenChunks?.through ?? 0, B * L * G * N,
      betweenTiles?.columns ?? 0, betweenTiles?.totals ?? 0, Number(apart),
    ],
    TASK_BYTES + SPACE_BYTES + 4 * scratch,
  );
  dbShares.add();
  dcShares.add();
  headGradients(lowering, sizes, chunk, {
    rows, direct, along, shares: 1,
    ...(betweenTiles === undefined ? {} : { tiles: betweenTiles }),
    ...(betweenChunks === undefined ? {} : { states: betweenChunks }),
  });
}

function recurrenceGradient(lowering: WasmLowering, sizes: Sizes): void {
  const { B, L, H, P, G, N } = sizes;
  const [dy, x, dt, a, b, c, d] = lowering.inputs as [Operand, Operand, Operand, Operand, Operand, Operand, Operand];
  const [dx, , , db, dc] = lowering.outputs as [Operand, Operand, Operand, Operand, Operand];
  const unitsOfHead = Math.ceil(P / UNIT);
  const units = (H / G) * unitsOfHead;
  // a task takes as many units as leave sixteen tasks
  const unitsPerTask = Math.min(units, Math.max(1, Math.floor((units * B * G) / 16)));
  const tasks = Math.ceil(units / unitsPerTask);
  const span = Math.ceil(Math.sqrt(L));
  const [dbShares, dcShares] = [inShares(lowering, tasks, db), inShares(lowering, tasks, dc)];
  const [rows, direct, along] = [lowering.buffer(unitsOfHead, B, L, H), lowering.buffer(unitsOfHead, B, L, H), lowering.buffer(unitsOfHead, B, L, H)];
  const scratch = UNIT * N * (Math.ceil(L / span) + span + 2) + 4 * N + UNIT + fours(L);
  lowering.dispatch(
    'ssd_recurrence_gradient', B * G * tasks,
    [...common(sizes, L, unitsPerTask, dt, a), dy, x, b, c, d, span, dx, dbShares.parts, dcShares.parts, rows, direct, along, B],
    4 * scratch,
  );
  dbShares.add();
  dcShares.add();
  headGradients(lowering, sizes, Math.min(L, TILE), { rows, direct, along, shares: unitsOfHead });
}
