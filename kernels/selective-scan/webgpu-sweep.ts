/** One sweep of the selective scan's recurrence along time, as WGSL. */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { ScanSizes } from './sizes.ts';
import { loadVector, vectors } from './webgpu-text.ts';

/** Stretches of time that run side by side. */
export interface Segments {
  readonly count: number;
  /** steps of each but the last, a whole number of chunks */
  readonly steps: number;
}

export interface Sweep {
  readonly name: string;
  readonly sizes: ScanSizes;
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
  /** [E, N] */
  readonly a: Operand;
  /** [B, L, N] */
  readonly b: Operand;
  /** states that the segments begin with, [B, segments, N, E]; without them 0 */
  readonly entry?: Operand | undefined;
  /** y = h c + d ⊙ x */
  readonly y?: { readonly out: Operand; readonly c: Operand; readonly d: Operand } | undefined;
  /** states before each chunk, [B, chunks, N, E] */
  readonly starts?: Operand | undefined;
  /** state after the last step, [B, E, N] */
  readonly last?: Operand | undefined;
  /** states that the segments end with, [B, segments, N, E], and their sums of δ, [B, segments, E] */
  readonly ends?: { readonly states: Operand; readonly totals: Operand } | undefined;
}

const SIZE = 128;
/** quads of states of one invocation */
const QUADS = 2;

/**
 * A workgroup owns C channels of one segment of one sequence; an invocation owns one channel and 8 of its states, in registers. Operands pass
 * through workgroup memory a tile of T steps at a time, and while a tile is worked on the next is on its way. Where several
 * invocations share a channel, their parts of y are added up at the end of the tile.
 */
export function sweepKernel({ dispatch }: Pick<WebgpuLowering, 'dispatch'>, sweep: Sweep): void {
  const { sizes: { B, L, E, N, chunks }, segments, chunk, reverse, x, delta, a, b, entry, y, starts, last, ends } = sweep;
  const quads = Math.min(QUADS, Math.ceil(N / 4));
  const groups = Math.ceil(N / 4 / quads);
  const C = Math.min(2 ** Math.floor(Math.log2(SIZE / groups)), 2 ** Math.ceil(Math.log2(E)));
  const lanes = C * groups;
  // no more than 8 values of x and of δ are on their way to an invocation
  const T = Math.min(chunk, N > 128 ? 8 : 16, 8 * groups);
  const Q = quads * groups;
  const blocks = Math.ceil(E / C);
  const perChunk = Math.ceil(chunk / T);
  const tiles = Math.ceil(Math.min(segments.steps, L) / chunk) * perChunk;
  const shared = y !== undefined && groups > 1;

  const bindings: Record<string, GpuBinding> = { all_x: x, all_delta: delta, all_a: vectors(a, 4), all_b: vectors(b, 4) };
  if (y !== undefined) Object.assign(bindings, { all_c: vectors(y.c, 4), all_d: y.d, all_y: y.out });
  if (entry !== undefined) bindings['all_entry'] = entry;
  if (starts !== undefined) bindings['all_starts'] = starts;
  if (last !== undefined) bindings['all_last'] = last;
  if (ends !== undefined) Object.assign(bindings, { all_ends: ends.states, all_totals: ends.totals });

  const row = (step: string) => (reverse ? `begin + length - 1u - (${step})` : `begin + ${step}`);
  const names = y === undefined ? ['b'] : ['b', 'c'];
  const channelLoads = Math.ceil((T * C) / lanes);
  const quadLoads = Math.ceil((T * Q) / lanes);
  const everyLane = (k: number, items: number, text: string) => (lanes * (k + 1) <= items ? text : `if (lane + ${lanes * k}u < ${items}u) { ${text} }`);
  /** the tile's steps first … end−1 into registers; what is outside counts as 0, which changes no state */
  const fetch = lines(
    repeat(channelLoads, (k) => `    {
      let step = first + (lane + ${k * lanes}u) / ${C}u;
      let column = channel0 + (lane + ${k * lanes}u) % ${C}u;
      let inside = step < end && column < ${E}u;
      let at = select(0u, (sequence * ${L}u + ${row('step')}) * ${E}u + column, inside);
      next_x${k} = select(0f, all_x[at], inside);
      next_delta${k} = select(0f, all_delta[at], inside);
    }`),
    repeat(quadLoads, (k) => `    {
      let step = first + (lane + ${k * lanes}u) / ${Q}u;
      let n = (lane + ${k * lanes}u) % ${Q}u * 4u;
      let states = select(0u, ${N}u - min(n, ${N}u), step < end);
      let at = (sequence * ${L}u + ${row('step')}) * ${N}u + n;
      ${names.map((v) => `next_${v}${k} = ${v}_at(at, states);`).join('\n      ')}
    }`),
  );
  /** text for each state of an invocation that there is, n its number and h its value */
  const eachState = (text: (h: string, n: string) => string) =>
    repeat(4 * quads, (i) => `      if (live && n0 + ${i}u < ${N}u) { ${text(`h${i >> 2}[${i & 3}]`, `(n0 + ${i}u)`)} }`);

  dispatch({
    name: sweep.name,
    bindings,
    tasks: B * segments.count * blocks,
    code: lines(
      loadVector('a', a, 4),
      loadVector('b', b, 4),
      y !== undefined && loadVector('c', y.c, 4),
      `var<workgroup> x_tile: array<f32, ${T * C}>;`,
      `var<workgroup> delta_tile: array<f32, ${T * C}>;`,
      names.map((v) => `var<workgroup> ${v}_tile: array<vec4f, ${T * Q}>;`),
      shared && `var<workgroup> parts: array<f32, ${groups * T * C}>;`,
      `@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(group);`,
      `  if (task >= TASKS) { return; }`,
      `  let channel0 = task % ${blocks}u * ${C}u;`,
      `  let segment = task / ${blocks}u % ${segments.count}u;`,
      `  let sequence = task / ${blocks * segments.count}u;`,
      `  let begin = segment * ${segments.steps}u;`,
      `  let length = min(${segments.steps}u, ${L}u - begin);`,
      `  let own = lane % ${C}u;`,
      `  let channel = channel0 + own;`,
      `  let live = channel < ${E}u;`,
      `  let quad0 = lane / ${C}u * ${quads}u;`,
      `  let n0 = quad0 * 4u;`,
      repeat(quads, (j) => lines(
        `  let a${j} = ${f32(Math.LOG2E)} * a_at(channel * ${N}u + n0 + ${4 * j}u, select(0u, ${N}u - min(n0 + ${4 * j}u, ${N}u), live));`,
        `  var h${j} = vec4f(0);`,
      )),
      entry !== undefined && `  {\n${eachState((h, n) => `${h} = all_entry[((sequence * ${segments.count}u + segment) * ${N}u + ${n}) * ${E}u + channel];`)}\n  }`,
      y !== undefined && lines(`  var skip = 0f;`, `  if (live && quad0 == 0u) { skip = all_d[channel]; }`),
      ends !== undefined && `  var total = 0f;`,
      repeat(channelLoads, (k) => `  var next_x${k} = 0f;\n  var next_delta${k} = 0f;`),
      repeat(quadLoads, (k) => names.map((v) => `  var next_${v}${k} = vec4f(0);`).join('\n')),
      `  var ready_first = 0u;`,
      `  var ready_end = 0u;`,
      `  for (var tile = 0u; tile <= ${tiles}u; tile++) {`,
      `    let first = tile / ${perChunk}u * ${chunk}u + tile % ${perChunk}u * ${T}u;`,
      `    let end = min(min(first + ${T}u, (tile / ${perChunk}u + 1u) * ${chunk}u), length);`,
      fetch,
      `    if (tile > 0u) {`,
      starts !== undefined && lines(
        `      if ((tile - 1u) % ${perChunk}u == 0u && ready_first < length) {`,
        `        let at = (sequence * ${chunks}u + (begin + ready_first) / ${chunk}u) * ${N}u;`,
        eachState((h, n) => `all_starts[(at + ${n}) * ${E}u + channel] = ${h};`),
        `      }`,
      ),
      `      for (var t = 0u; t < ${T}u; t++) {`,
      `        let delta = delta_tile[t * ${C}u + own];`,
      `        let x = x_tile[t * ${C}u + own];`,
      !reverse && `        let u = delta * x;`,
      repeat(quads, (j) => {
        const bt = `b_tile[t * ${Q}u + quad0 + ${j}u]`;
        return reverse ? `        h${j} = exp2(delta * a${j}) * (h${j} + x * ${bt});` : `        h${j} = exp2(delta * a${j}) * h${j} + u * ${bt};`;
      }),
      ends !== undefined && `        total += delta;`,
      y !== undefined && `        let part = skip * x + ${Array.from({ length: quads }, (_, j) => `dot(h${j}, c_tile[t * ${Q}u + quad0 + ${j}u])`).join(' + ')};`,
      shared && `        parts[(lane / ${C}u * ${T}u + t) * ${C}u + own] = part;`,
      y !== undefined && !shared && `        if (live && ready_first + t < ready_end) { all_y[(sequence * ${L}u + begin + ready_first + t) * ${E}u + channel] = part; }`,
      `      }`,
      `    }`,
      `    workgroupBarrier();`,
      shared && lines(
        `    for (var i = lane; i < ${T * C}u; i += ${lanes}u) {`,
        `      let step = ready_first + i / ${C}u;`,
        `      let column = channel0 + i % ${C}u;`,
        `      if (step < ready_end && column < ${E}u) { all_y[(sequence * ${L}u + begin + step) * ${E}u + column] = ${Array.from({ length: groups }, (_, g) => `parts[i + ${g * T * C}u]`).join(' + ')}; }`,
        `    }`,
      ),
      repeat(channelLoads, (k) => everyLane(k, T * C, `x_tile[lane + ${k * lanes}u] = next_x${k}; delta_tile[lane + ${k * lanes}u] = next_delta${k};`)),
      repeat(quadLoads, (k) => everyLane(k, T * Q, names.map((v) => `${v}_tile[lane + ${k * lanes}u] = next_${v}${k};`).join(' '))),
      `    ready_first = first;`,
      `    ready_end = end;`,
      `    workgroupBarrier();`,
      `  }`,
      last !== undefined && `  if (segment == ${segments.count - 1}u) {\n${eachState((h, n) => `all_last[(sequence * ${E}u + channel) * ${N}u + ${n}] = ${h};`)}\n  }`,
      ends !== undefined && lines(
        `  let place = sequence * ${segments.count}u + segment;`,
        eachState((h, n) => `all_ends[(place * ${N}u + ${n}) * ${E}u + channel] = ${h};`),
        `  if (live && quad0 == 0u) { all_totals[place * ${E}u + channel] = total; }`,
      ),
      `}`,
    ),
  });
}

/**
 * From the states that segments end with when they begin with 0 to the states that they really begin with, written over them: one invocation for
 * each sequence, state and channel goes from segment to segment.
 */
export function joinSegments({ dispatch }: Pick<WebgpuLowering, 'dispatch'>, { name, sizes: { B, E, N }, segments: { count }, reverse, a }: Omit<Sweep, 'ends'>, { states, totals }: NonNullable<Sweep['ends']>): void {
  dispatch({
    name,
    bindings: { all_a: a, all_states: states, all_totals: totals },
    tasks: Math.ceil((B * N * E) / SIZE),
    code: `
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = task_of(group) * ${SIZE}u + lane;
  if (i >= ${B * N * E}u) { return; }
  let channel = i % ${E}u;
  let n = i / ${E}u % ${N}u;
  let sequence = i / ${E * N}u;
  let rate = ${f32(Math.LOG2E)} * all_a[channel * ${N}u + n];
  var h = 0f;
  for (var k = 0u; k < ${count}u; k++) {
    let place = sequence * ${count}u + ${reverse ? `${count - 1}u - k` : 'k'};
    let at = (place * ${N}u + n) * ${E}u + channel;
    let grown = all_states[at];
    all_states[at] = h;
    h = exp2(rate * all_totals[place * ${E}u + channel]) * h + grown;
  }
}`,
  });
}
