/** One sweep of the selective scan's recurrence along time, as WGSL. */
import { LEAST_GPU, type GpuBinding, type Operand, type WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { Slice } from './sizes.ts';
import { columnOfRates, loadVector, stateAt, storeVector, vectors } from './webgpu-text.ts';

/** Stretches of time that run side by side. */
export interface Segments {
  readonly count: number;
  /** steps of each but the last, a whole number of chunks */
  readonly steps: number;
}

/** States by plane, [B, …, planes, E]: those of the slice lie in planes from `first` on. */
export interface Planes {
  readonly operand: Operand;
  readonly planes: number;
  readonly first: number;
}

export interface Sweep {
  readonly name: string;
  readonly slice: Slice;
  readonly segments: Segments;
  /** steps between two kept states */
  readonly chunk: number;
  /**
   * Forwards in time h ← 2^(δ a) h + (δ x) b. Backwards h ← 2^(δ a) (h + x b), which with dy for x and c for b is the gradient that reaches
   * the state before a step.
   */
  readonly reverse: boolean;
  /** [B, L, E] */
  readonly x: Operand;
  readonly delta: Operand;
  /** [E, all states] */
  readonly a: Operand;
  /** [B, L, all states] */
  readonly b: Operand;
  /** states that the segments begin with, [B, segments, N, E]; without them 0 */
  readonly entry?: Operand | undefined;
  /** y = h c + d ⊙ x, summed over the slices: all but the last write to `sofar` [B, L, E], which is there if they are several */
  readonly y?: { readonly out: Operand; readonly c: Operand; readonly d: Operand; readonly sofar: Operand | undefined } | undefined;
  /** states before each chunk */
  readonly starts?: Planes | undefined;
  /** state after the last step, [B, E, all states] */
  readonly last?: Operand | undefined;
  /** states that the segments end with, [B, segments, N, E], and their sums of δ, [B, segments, E] */
  readonly ends?: { readonly states: Operand; readonly totals: Operand } | undefined;
}

/** states of one invocation, a multiple of 4, at most */
const STATES = 8;
/** invocations of a workgroup */
const SIZE = 32;
/** invocations from which on a GPU is busy: below, each does better with more operands on their way, above with fewer registers */
const BUSY = 131072;
/** numbers that fit into workgroup memory */
const ROOM = LEAST_GPU.workgroupBytes / 4;

/**
 * A workgroup owns a block of channels of one segment of one sequence; an invocation owns one channel and S of its states, in registers. Operands pass through
 * workgroup memory a tile of T steps at a time, and while a tile is worked on the next is on its way into registers. Parts of y are added up at the end of
 * the tile.
 */
export function sweepKernel({ dispatch }: Pick<WebgpuLowering, 'dispatch'>, sweep: Sweep): void {
  const { slice, segments, chunk, reverse, x, delta, a, b, entry, y, starts, last, ends } = sweep;
  const { B, L, E, N, chunks, from, all } = slice;
  const S = Math.min(STATES, 4 * Math.ceil(N / 4));
  const groups = Math.ceil(N / S);
  const Q = Math.min(2 ** Math.floor(Math.log2(SIZE / groups)), 2 ** Math.ceil(Math.log2(E)));
  const lanes = Q * groups;
  /** vectors of states of a step */
  const units = (groups * S) / 4;
  /** steps of one pass through the text of the inner loop */
  const unroll = B * segments.count * E * groups < BUSY && chunk > 4 ? 8 : 4;
  // what is on its way fits into registers, and what is there into workgroup memory
  const T = unroll * Math.max(1, Math.floor(Math.min(2 * unroll, chunk + unroll - 1, 16 * groups, ROOM / ((2 + groups) * Q + 8 * units)) / unroll));
  const blocks = Math.ceil(E / Q);
  const perChunk = Math.ceil(chunk / T);
  const tiles = Math.ceil(Math.min(segments.steps, L) / chunk) * perChunk;
  // what the last segment (backwards, the first) ends with is not asked for
  const running = ends === undefined ? segments.count : segments.count - 1;

  const bindings: Record<string, GpuBinding> = {
    all_x: x, all_delta: delta, all_a: a, all_b: vectors(b, 4),
    ...(y && { all_c: vectors(y.c, 4), ...(from === 0 && { all_d: y.d }), ...(from + N === all && { all_y: y.out }), ...(y.sofar && { all_sofar: y.sofar }) }),
    ...(entry && { all_entry: entry }), ...(starts && { all_starts: starts.operand }), ...(last && { all_last: last }),
    ...(ends && { all_ends: ends.states, all_totals: ends.totals }),
  };

  const row = (step: string) => (reverse ? `begin + length - 1u - (${step})` : `begin + ${step}`);
  const names = y === undefined ? ['b'] : ['b', 'c'];
  const channelItems = T * Q;
  const stateItems = T * units;
  const rounds = (items: number, text: (k: number) => string) =>
    repeat(Math.ceil(items / lanes), (k) => (lanes * (k + 1) <= items ? `    { ${text(k)} }` : `    if (lane + ${lanes * k}u < ${items}u) { ${text(k)} }`));
  /** the tile's steps first … end−1 into registers; what is outside counts as 0, which changes no state */
  const fetch = lines(
    rounds(channelItems, (k) => `
      let step = first + (lane + ${k * lanes}u) / ${Q}u;
      let at = (sequence * ${L}u + ${row('step')}) * ${E}u + channel;
      let there = select(0u, live, step < end);
      next_x${k} = x_at(at, there);
      next_delta${k} = delta_at(at, there);`),
    rounds(stateItems, (k) => `
      let step = first + (lane + ${k * lanes}u) / ${units}u;
      let n = (lane + ${k * lanes}u) % ${units}u * 4u;
      let states = select(0u, ${N}u - min(n, ${N}u), step < end);
      let at = (sequence * ${L}u + ${row('step')}) * ${all}u + ${stateAt(slice, 'n')};
      ${names.map((v) => `next_${v}${k} = ${v}_at(at, states);`).join('\n      ')}`),
  );
  const eachState = (text: (n: number) => string) => repeat(S, text);
  const stored = (name: string, place: string, planes: number, first: number) =>
    eachState((n) => `    put_${name}(((${place}) * ${planes}u + n0 + ${first + n}u) * ${E}u + channel, select(0u, live, n0 + ${n}u < ${N}u), h${n});`);
  const component = (v: string, i: number, n: number) => `${v}${i}_${n >> 2}[${n & 3}]`;

  dispatch({
    name: sweep.name,
    bindings,
    tasks: B * running * blocks,
    code: lines(
      loadVector('x', x, 1),
      loadVector('delta', delta, 1),
      loadVector('b', b, 4),
      y !== undefined && lines(loadVector('c', y.c, 4), from === 0 && loadVector('d', y.d, 1), from + N === all && storeVector('y', y.out, 1)),
      y?.sofar !== undefined && lines(loadVector('sofar', y.sofar, 1), storeVector('sofar', y.sofar, 1)),
      entry !== undefined && loadVector('entry', entry, 1),
      starts !== undefined && storeVector('starts', starts.operand, 1),
      ends !== undefined && lines(storeVector('ends', ends.states, 1), storeVector('totals', ends.totals, 1)),
      columnOfRates(slice, 1),
      `var<workgroup> x_tile: array<f32, ${channelItems}>;`,
      `var<workgroup> delta_tile: array<f32, ${channelItems}>;`,
      names.map((v) => `var<workgroup> ${v}_tile: array<vec4f, ${stateItems}>;`),
      y !== undefined && `var<workgroup> parts: array<f32, ${groups * channelItems}>;`,
      `@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(workgroup);`,
      `  if (task >= TASKS) { return; }`,
      `  let segment = task / ${blocks}u % ${running}u${reverse && ends !== undefined ? ' + 1u' : ''};`,
      `  let sequence = task / ${blocks * running}u;`,
      `  let begin = segment * ${segments.steps}u;`,
      `  let length = min(${segments.steps}u, ${L}u - begin);`,
      `  let column = lane % ${Q}u;`,
      `  let group = lane / ${Q}u;`,
      `  let channel = task % ${blocks}u * ${Q}u + column;`,
      `  let live = ${E}u - min(channel, ${E}u);`,
      `  let n0 = group * ${S}u;`,
      eachState((n) => `  let a${n} = rates_of(channel, n0 + ${n}u, live);`),
      eachState((n) => entry === undefined
        ? `  var h${n} = 0f;`
        : `  var h${n} = entry_at(((sequence * ${segments.count}u + segment) * ${N}u + n0 + ${n}u) * ${E}u + channel, select(0u, live, n0 + ${n}u < ${N}u));`),
      y !== undefined && from === 0 && `  let skip = d_at(channel, live);`,
      ends !== undefined && `  var total = 0f;`,
      repeat(Math.ceil(channelItems / lanes), (k) => `  var next_x${k} = 0f;\n  var next_delta${k} = 0f;`),
      repeat(Math.ceil(stateItems / lanes), (k) => names.map((v) => `  var next_${v}${k} = vec4f(0);`).join('\n')),
      `  var ready_first = 0u;`,
      `  var ready = 0u;`,
      `  for (var tile = 0u; tile <= ${tiles}u; tile++) {`,
      `    let first = tile / ${perChunk}u * ${chunk}u + tile % ${perChunk}u * ${T}u;`,
      `    let end = min(min(first + ${T}u, (tile / ${perChunk}u + 1u) * ${chunk}u), length);`,
      fetch,
      `    if (tile > 0u) {`,
      starts !== undefined && lines(
        `      if ((tile - 1u) % ${perChunk}u == 0u && ready > 0u) {`,
        stored('starts', `sequence * ${chunks}u + (begin + ready_first) / ${chunk}u`, starts.planes, starts.first),
        `      }`,
      ),
      // as many passes as there are steps, which compilers do not know: they do not unroll the loop
      `      for (var t = 0u; t < ready; t += ${unroll}u) {`,
      repeat(unroll, (i) => lines(
        `        let delta${i} = delta_tile[(t + ${i}u) * ${Q}u + column];`,
        `        let x${i} = x_tile[(t + ${i}u) * ${Q}u + column];`,
        names.flatMap((v) => Array.from({ length: S / 4 }, (_, j) => `        let ${v}${i}_${j} = ${v}_tile[(t + ${i}u) * ${units}u + group * ${S / 4}u + ${j}u];`)),
      )),
      repeat(unroll, (i) => lines(
        !reverse && `        let u${i} = delta${i} * x${i};`,
        eachState((n) => (reverse
          ? `        h${n} = exp2(delta${i} * a${n}) * fma(x${i}, ${component('b', i, n)}, h${n});`
          : `        h${n} = fma(exp2(delta${i} * a${n}), h${n}, u${i} * ${component('b', i, n)});`)),
        ends !== undefined && `        total += delta${i};`,
        y !== undefined && lines(
          `        var part${i} = h0 * ${component('c', i, 0)};`,
          repeat(S - 1, (n) => `        part${i} = fma(h${n + 1}, ${component('c', i, n + 1)}, part${i});`),
        ),
      )),
      y !== undefined && repeat(unroll, (i) => `        parts[(group * ${T}u + t + ${i}u) * ${Q}u + column] = part${i};`),
      `      }`,
      `    }`,
      `    workgroupBarrier();`,
      // an invocation puts new operands where it has read the old ones
      rounds(channelItems, (k) => {
        const i = `lane + ${k * lanes}u`;
        return lines(
          y !== undefined && `
      let t = (${i}) / ${Q}u;
      let at = (sequence * ${L}u + begin + ready_first + t) * ${E}u + channel;
      let there = select(0u, live, t < ready);
      let sum = ${from === 0 ? `skip * x_tile[${i}]` : 'sofar_at(at, there)'} + ${Array.from({ length: groups }, (_, g) => `parts[${i} + ${g * channelItems}u]`).join(' + ')};
      put_${from + N === all ? 'y' : 'sofar'}(at, there, sum);`,
          `      x_tile[${i}] = next_x${k};`,
          `      delta_tile[${i}] = next_delta${k};`,
        );
      }),
      rounds(stateItems, (k) => names.map((v) => `${v}_tile[lane + ${k * lanes}u] = next_${v}${k};`).join(' ')),
      `    ready_first = first;`,
      `    ready = end - min(first, end);`,
      `    workgroupBarrier();`,
      `  }`,
      last !== undefined && lines(
        `  if (segment == ${segments.count - 1}u) {`,
        eachState((n) => `    if (live > 0u && n0 + ${n}u < ${N}u) { all_last[(sequence * ${E}u + channel) * ${all}u + n0 + ${from + n}u] = h${n}; }`),
        `  }`,
      ),
      ends !== undefined && lines(
        `  let place = sequence * ${segments.count}u + segment;`,
        stored('ends', 'place', N, 0),
        `  put_totals(place * ${E}u + channel, select(0u, live, group == 0u), total);`,
      ),
      `}`,
    ),
  });
}

const JOIN = 64;

/**
 * From the states that segments end with when they begin with 0 to the states that they really begin with, written over them: one invocation for
 * each sequence, state and channel goes from segment to segment.
 */
export function joinSegments({ dispatch }: Pick<WebgpuLowering, 'dispatch'>, { name, slice, segments: { count }, reverse, a }: Pick<Sweep, 'name' | 'slice' | 'segments' | 'reverse' | 'a'>, { states, totals }: NonNullable<Sweep['ends']>): void {
  const { B, E, N, all } = slice;
  dispatch({
    name,
    bindings: { all_a: a, all_states: states, all_totals: totals },
    tasks: Math.ceil((B * N * E) / JOIN),
    code: `
@compute @workgroup_size(${JOIN}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = task_of(group) * ${JOIN}u + lane;
  if (i >= ${B * N * E}u) { return; }
  let channel = i % ${E}u;
  let n = i / ${E}u % ${N}u;
  let sequence = i / ${E * N}u;
  let rate = ${f32(Math.LOG2E)} * all_a[channel * ${all}u + ${stateAt(slice, 'n')}];
  var h = 0f;
  for (var k = 0u; k < ${count}u; k++) {
    let place = sequence * ${count}u + ${reverse ? `${count - 1}u - k` : 'k'};
    let at = (place * ${N}u + n) * ${E}u + channel;
    let grown = all_states[at];
    let total = all_totals[place * ${E}u + channel];
    all_states[at] = h;
    h = exp2(rate * total) * h + grown;
  }
}`,
  });
}
