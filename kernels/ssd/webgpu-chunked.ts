/**
 * The chunked and the quadratic form of SSD as WGSL: attention between the tokens of a chunk in tiles of 64 × 64, states between chunks.
 * Letters: X̃ = dt·x, W = decay ∘ C Bᵀ. A head of more than 64 channels is several units of 64: channels do not see each other, so
 * a unit is like a head.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines } from '#engine/webgpu/wgsl.ts';
import type { Sizes } from './sizes.ts';
import { decayFunctions, decayRows } from './webgpu-decays.ts';
import { addProduct, byColumns, byRows, eachRow, fetchSlice, inFours, putTileRow, rowOf, TILE, tileKernel, wholeProduct, zero, type Product, type Source } from './webgpu-tiles.ts';

/** The sizes of a launch: how sequences are cut into chunks and tiles, and groups into units. */
export interface Cut extends Sizes {
  readonly chunk: number;
  readonly chunks: number;
  /** of a chunk */
  readonly tiles: number;
  /** units of a head, and of a group */
  readonly parts: number;
  readonly units: number;
  /** tiles of the state size */
  readonly columns: number;
}

export function cut(sizes: Sizes, chunk: number): Cut {
  const { L, H, P, G, N } = sizes;
  const parts = Math.ceil(P / TILE);
  return { ...sizes, chunk, chunks: Math.ceil(L / chunk), tiles: Math.ceil(chunk / TILE), parts, units: (H / G) * parts, columns: Math.ceil(N / TILE) };
}

/** Workgroups that keep a large GPU busy. */
const ENOUGH = 2048;

/** Units of a group that share one task, and with it C Bᵀ: two always, up to eight where enough tasks are left. */
export function unitsPerTask({ units }: Cut, tasksPerUnit: number): number {
  let per = Math.min(units, 8);
  while (per > 2 && tasksPerUnit * Math.ceil(units / per) < ENOUGH) per = Math.ceil(per / 2);
  return per;
}

/** Names a task of (batch, chunk, tile, group, block of `per` units); ends it if the chunk has no such tile. */
export function tileTask({ L, G, chunk, chunks, tiles, units }: Cut, per: number): string {
  const blocks = Math.ceil(units / per);
  return `  let block = task % ${blocks}u;
  let shared_by = task / ${blocks}u % ${G}u; // the group
  let own = task / ${blocks * G}u % ${tiles}u;
  let chunk = task / ${blocks * G * tiles}u % ${chunks}u;
  let batch = task / ${blocks * G * tiles * chunks}u;
  let start = batch * ${L}u + chunk * ${chunk}u;
  let length = min(${chunk}u, ${L}u - chunk * ${chunk}u);
  let existing = (length + ${TILE - 1}u) / ${TILE}u;
  if (own >= existing) { return; }
  let own_token = start + own * ${TILE}u;
  let own_rows = min(${TILE}u, length - own * ${TILE}u);
  let first_unit = block * ${per}u;
  let units = min(${per}u, ${units}u - first_unit);`;
}

/** Names the unit of index `u` in the task: its head, the head's first channel in it. */
export function unitOf({ H, G, parts }: Cut): string {
  return `  let h = shared_by * ${H / G}u + (first_unit + u) / ${parts}u;
  let channel = (first_unit + u) % ${parts}u * ${TILE}u;`;
}

/** Names the tiles `reading` and `written` of a pair, of which one is `own`. */
export const pairOf = (reading: string, written: string): string => lines(
  Object.entries({ reading, written }).map(([side, k]) => `  let ${side}_token = start + ${k} * ${TILE}u;
  let ${side}_rows = min(${TILE}u, length - ${k} * ${TILE}u);`),
  `  let diagonal = ${reading === written ? 'true' : `${reading} == ${written}`};`,
);

type Side = 'own' | 'reading' | 'written';

/** Where tiles of the operands lie. */
export function sources({ H, P, G, N, chunks }: Cut) {
  const scaled = (scale: string) => (scale === '' ? {} : { scale: (row: string) => `${scale}[${row}]` });
  return {
    /** x or dy: the unit's channels */
    channels: (name: string, side: Side, scale = ''): Source => ({
      rows: `${side}_rows`,
      four: (row, column) => `read_${name}(((${side}_token + ${row}) * ${H}u + h) * ${P}u, channel + ${column})`,
      ...scaled(scale),
    }),
    /** b or c, from entry `first` on */
    entries: (name: string, side: Side, { first = '0u', scale = '' } = {}): Source => ({
      rows: `${side}_rows`,
      four: (row, column) => `read_${name}(((${side}_token + ${row}) * ${G}u + shared_by) * ${N}u, ${first} + ${column})`,
      ...scaled(scale),
    }),
    /** a unit's states [B,slots,H,P,N] */
    state: (name: string, slot: string, first = '0u'): Source => ({
      rows: `min(${TILE}u, ${P}u - channel)`,
      four: (row, column) => `read_${name}((((batch * ${chunks - 1}u + ${slot}) * ${H}u + h) * ${P}u + channel + ${row}) * ${N}u, ${first} + ${column})`,
    }),
  };
}

/** The states after (backwards: the gradients of the states after) chunks, and what passes a whole chunk. */
export interface States {
  /** [B,chunks−1,H,P,N]: after chunk j; the state after the last chunk is asked for apart, its gradient is 0 */
  readonly states: Operand;
  /** exp(Σ_chunk α) [B,slots,H] */
  readonly across: Operand;
}

/** Tasks that may as well walk over the chunks of a sequence one after the other. */
const WALKS = 128;

/**
 * States between chunks. `v` and `w` are x and b, backwards dy and c. A chunk adds Σ_s f_s v_s w_sᵀ, f the decay to its end times dt
 * (backwards: from its start). One launch that walks over the chunks or, where that gives few tasks, a task for each chunk and another
 * launch for the walk. `last`, if asked for, receives the state after the last chunk. undefined where there is one chunk.
 */
export function statesBetween(
  { buffer, dispatch }: WebgpuLowering, sizes: Cut, { dt, a, v, w, backwards, last }: { dt: Operand; a: Operand; v: Operand; w: Operand; backwards: boolean; last?: Operand },
): States | undefined {
  const { B, H, P, N, chunks, parts, columns } = sizes;
  const between = chunks === 1 ? undefined : buffer(B, chunks - 1, H, P, N);
  const slots = chunks - (last === undefined ? 1 : 0);
  if (slots === 0) return undefined;
  const across = buffer(B, slots, H);
  const run = B * H * parts * columns < WALKS ? 1 : slots;
  dispatch(chunkStates({ sizes, dt, a, v, w, backwards, slots, run, out: between ?? last!, across, ...(between === undefined || last === undefined ? {} : { last }) }));
  if (run < slots) dispatch(passStates(sizes, { states: between!, across, backwards, slots, ...(last === undefined ? {} : { last }) }));
  return between === undefined ? undefined : { states: between, across };
}

/**
 * A task for each (batch, run of slots, head, tile of P × N), which goes through the run's tiles of tokens in the order of time, backwards
 * against it, and begins with a state of zero. Slot j is chunk j, backwards j + 1; slot chunks−1 goes to `last`.
 */
function chunkStates({ sizes, dt, a, v, w, backwards, slots, run, out, across, last }: {
  sizes: Cut; dt: Operand; a: Operand; v: Operand; w: Operand; backwards: boolean; slots: number; run: number; out: Operand; across: Operand; last?: Operand;
}) {
  const { B, L, H, P, G, N, chunk, chunks, tiles, parts, columns } = sizes;
  const [vs, ws, outs] = [inFours('v', v, P), inFours('w', w, N), inFours('out', out, N, 'write')];
  const lasts = last === undefined ? undefined : inFours('last', last, N, 'write');
  const { channels, entries } = sources(sizes);
  const side = backwards ? 'reading' : 'written';
  const added = { left: byColumns(channels('v', side, 'factor')), right: byColumns(entries('w', side, { first: 'entry' })), depth: Math.min(chunk, TILE) };
  const kept = last === undefined ? slots : chunks - 1;
  const runs = slots / run;
  const allTiles = (chunks - 1) * tiles + Math.ceil((L - (chunks - 1) * chunk) / TILE);
  const write = (name: string, slot: string) => eachRow((i) => `    if (channel + ${rowOf(i)} < ${P}u) { write_${name}(((${slot} * ${H}u + h) * ${P}u + channel + ${rowOf(i)}) * ${N}u, entry + 4u * tx, s${i}); }`);
  const tileOf = (step: string) => `    let i = ${backwards ? `end - 1u - (${step})` : `begin + ${step}`};
    let chunk = i / ${tiles}u;
    let ${side}_token = batch * ${L}u + chunk * ${chunk}u + i % ${tiles}u * ${TILE}u;
    let ${side}_rows = min(${TILE}u, min(${chunk}u, ${L}u - chunk * ${chunk}u) - i % ${tiles}u * ${TILE}u);`;
  const fetch = (step: string) => lines(`  if (${step} < end - begin) {`, tileOf(step), `    next_dt = dt_of(${side}_token, ${side}_rows, lane % ${TILE / 4}u, h);`, fetchSlice(added), `  }`);
  return {
    name: backwards ? 'ssd_chunk_state_gradients' : 'ssd_chunk_states',
    bindings: { ...vs.bindings, ...ws.bindings, ...outs.bindings, ...lasts?.bindings, dt_data: dt, a_data: a, across_data: across },
    tasks: B * runs * H * parts * columns,
    code: tileKernel(
      [decayFunctions(sizes), vs.functions, ws.functions, outs.functions, lasts?.functions ?? '', `var<workgroup> factor: array<f32, ${TILE}>;`],
      lines(
        `  let entry = task % ${columns}u * ${TILE}u;
  let channel = task / ${columns}u % ${parts}u * ${TILE}u;
  let h = task / ${columns * parts}u % ${H}u;
  let batch = task / ${columns * parts * H * runs}u;
  let shared_by = h / ${H / G}u;
  let begin = (task / ${columns * parts * H}u % ${runs}u * ${run}u${backwards ? ' + 1u' : ''}) * ${tiles}u;
  let end = min(begin + ${run * tiles}u, ${allTiles}u);
  let a = a_data[h];
  var passed = 0f; // Σ α of the chunk's tiles so far
  var next_dt = vec4f(0);`,
        zero('s'),
        fetch('0u'),
        `  for (var step = 0u; step < end - begin; step++) {`,
        tileOf('step'),
        `  if (lane < ${TILE / 4}u) { keep_${side}(lane, next_dt, a); }
  workgroupBarrier();
  if (lane < ${TILE}u) { factor[lane] = ${backwards ? 'exp(before_and_at(lane))' : 'exp(after(lane)) * written_dt[lane / 4u][lane % 4u]'}; }
  let sum = ${side}_sum(0u, ${TILE / 4}u);
  let decay = exp(sum);
  passed += sum;`,
        eachRow((i) => `  s${i} *= decay;`),
        addProduct('s', added, fetch('step + 1u')),
        `  if (${backwards ? `i % ${tiles}u == 0u` : `i % ${tiles}u == ${tiles - 1}u || i == ${allTiles - 1}u`}) {
    let slot = chunk${backwards ? ' - 1u' : ''};
    if (channel == 0u && entry == 0u && lane == 0u) { across_data[(batch * ${slots}u + slot) * ${H}u + h] = exp(passed); }
    passed = 0f;`,
        lasts === undefined ? write('out', `(batch * ${kept}u + slot)`) : lines(`  if (slot < ${kept}u) {`, write('out', `(batch * ${kept}u + slot)`), `  } else {`, write('last', 'batch'), `  }`),
        `  }`,
        `  }`,
      ),
      false,
    ),
  };
}

/** Turns what chunks add into states, in place: slot j += across_j·(slot j − 1), backwards slot j + 1. An invocation for each four of a state. */
function passStates({ B, H, P, N, chunks }: Cut, { states, across, backwards, slots, last }: { states: Operand; across: Operand; backwards: boolean; slots: number; last?: Operand }) {
  const whole = (P * N) % 4 === 0;
  const [size, type] = whole ? [(P * N) / 4, 'vec4f'] : [P * N, 'f32'];
  const bind = (operand: Operand): GpuBinding => (whole ? { operand, as: 'vec4<f32>' } : operand);
  const kept = last === undefined ? slots : chunks - 1;
  const at = (slot: string) => `((batch * ${kept}u + ${slot}) * ${H}u + h) * ${size}u + i`;
  const decay = (slot: string) => `across_data[(batch * ${slots}u + ${slot}) * ${H}u + h]`;
  return {
    name: backwards ? 'ssd_pass_state_gradients' : 'ssd_pass_states',
    bindings: { states_data: bind(states), across_data: across, ...(last === undefined ? {} : { last_data: bind(last) }) },
    tasks: Math.ceil((B * H * size) / 256),
    code: `
@compute @workgroup_size(256) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let place = task_of(group) * 256u + lane;
  if (place >= ${B * H * size}u) { return; }
  let i = place % ${size}u;
  let h = place / ${size}u % ${H}u;
  let batch = place / ${size * H}u;
  var state = ${type}(0);
  for (var step = 0u; step < ${kept}u; step++) {
    let slot = ${backwards ? `${kept - 1}u - step` : 'step'};
    let at = ${at('slot')};
    state = fma(${type}(${decay('slot')}), state, states_data[at]);
    states_data[at] = state;
  }
${last === undefined ? '' : `  let at = (batch * ${H}u + h) * ${size}u + i;
  last_data[at] = fma(${type}(${decay(`${kept}u`)}), state, last_data[at]);`}
}`,
  };
}

/**
 * y = W X̃ + decay from the chunk's start ∘ (C Sᵀ) + d·x, S the state before the chunk. A task for each (batch, chunk, tile of 64 tokens,
 * group, block of units).
 */
function outputsKernel(sizes: Cut, { x, dt, a, b, c, d, y }: Record<'x' | 'dt' | 'a' | 'b' | 'c' | 'd' | 'y', Operand>, states: Operand | undefined) {
  const { B, H, P, G, N, chunk, chunks, tiles, units } = sizes;
  const [xs, bs, cs, ys] = [inFours('x', x, P), inFours('b', b, N), inFours('c', c, N), inFours('y', y, P, 'write')];
  const ss = states === undefined ? undefined : inFours('states', states, N);
  const per = unitsPerTask(sizes, B * chunks * tiles * G);
  const depth = Math.min(chunk, TILE);
  const { channels, entries, state } = sources(sizes);
  const products = lines(zero('p'), wholeProduct('p', { left: byRows(entries('c', 'reading')), right: byRows(entries('b', 'written')), depth: N }));
  const inChunk: Product = { left: 'whole', right: byColumns(channels('x', 'written')), depth };
  const before = { left: byRows(entries('c', 'reading', { scale: 'factor' })), right: byRows(state('states', '(chunk - 1u)')), depth: N };
  return {
    name: 'ssd_outputs',
    bindings: { ...xs.bindings, ...bs.bindings, ...cs.bindings, ...ys.bindings, ...ss?.bindings, dt_data: dt, a_data: a, d_data: d },
    tasks: B * chunks * tiles * G * Math.ceil(units / per),
    code: tileKernel(
      [decayFunctions(sizes), xs.functions, bs.functions, cs.functions, ys.functions, ss?.functions ?? '', `var<workgroup> factor: array<f32, ${TILE}>;`],
      lines(
        tileTask(sizes, per),
        pairOf('own', 'own'),
        // all heads of a group share C Bᵀ; with several tiles it is made again for each
        tiles === 1 && products,
        `  for (var u = 0u; u < units; u++) {`,
        unitOf(sizes),
        zero('y'),
        `  var between = 0f;`,
        tiles > 1 && lines(`  for (var step = 0u; step <= own; step++) {`, `  let k = own - step;`, pairOf('own', 'k'), products),
        fetchSlice(inChunk),
        `  workgroupBarrier();
  load_decays(lane, reading_token, reading_rows, written_token, written_rows, h);
  workgroupBarrier();`,
        decayRows((i) => putTileRow(i, `m * p${i} * written_dt[tx]`)),
        addProduct('y', inChunk, tiles === 1 && states !== undefined ? lines(`  if (chunk > 0u) {`, fetchSlice(before), `  }`) : ''),
        tiles > 1 && lines(`  if (!diagonal) { between += written_sum(0u, ${TILE / 4}u); }`, `  }`),
        states !== undefined && lines(
          `  if (chunk > 0u) {`,
          `  if (lane < ${TILE}u) { factor[lane] = exp(between + before_and_at(lane)); }`,
          tiles === 1 ? addProduct('y', before) : wholeProduct('y', before),
          `  }`,
        ),
        eachRow((i) => `  if (${rowOf(i)} < own_rows) {
    let row = ((own_token + ${rowOf(i)}) * ${H}u + h) * ${P}u;
    write_y(row, channel + 4u * tx, fma(vec4f(d_data[h]), read_x(row, channel + 4u * tx), y${i}));
  }`),
        `  }`,
      ),
    ),
  };
}

/** Ssd in chunks; quadratic if the chunk is the whole sequence. */
export function chunkedForward(lowering: WebgpuLowering, sizes: Sizes, chunk: number): void {
  const [x, dt, a, b, c, d] = lowering.inputs;
  const [y, last] = lowering.outputs;
  const parts = cut(sizes, chunk);
  const states = statesBetween(lowering, parts, { dt, a, v: x, w: b, backwards: false, ...(last.used ? { last } : {}) });
  if (y.used) lowering.dispatch(outputsKernel(parts, { x, dt, a, b, c, d, y }, states?.states));
}
