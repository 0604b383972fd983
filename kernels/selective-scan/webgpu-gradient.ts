/** The backward sweep of the selective scan as WGSL, with all its gradients. */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { ScanSizes } from './sizes.ts';
import type { Segments } from './webgpu-sweep.ts';
import { loadVector, storeVector, vectors } from './webgpu-text.ts';

/** steps whose states and decays are held in registers */
const STEPS = 4;
/** states of one invocation, each of four channels */
const STATES = 2;
const SIZE = 64;
/** vectors that fit into the workgroup memory that every adapter has */
const VECTORS = 32768 / 16;

/** Rows of sums over channels are padded: neighbours in such a sum lie in different banks. */
const rowPitch = (quads: number): number => quads + 1;

/** Channels of a workgroup in fours, its invocations along the states, and the longest chunk whose states fit into workgroup memory. */
export function gradientTile({ E, N }: ScanSizes): { quads: number; pairs: number; longestChunk: number } {
  const pairs = Math.ceil(N / STATES);
  const quads = Math.min(Math.max(1, 2 ** Math.floor(Math.log2(SIZE / pairs))), 2 ** Math.ceil(Math.log2(Math.ceil(E / 4))));
  const parts = STEPS * pairs * (2 * quads + rowPitch(quads));
  const kept = Math.floor((VECTORS - parts) / (STATES * quads * pairs));
  return { quads, pairs, longestChunk: STEPS * Math.min(8, 1 + kept) };
}

export interface BackwardSweep {
  readonly sizes: ScanSizes;
  readonly segments: Segments;
  /** steps between two kept states, at most `longestChunk` */
  readonly chunk: number;
  readonly dy: Operand;
  readonly x: Operand;
  readonly delta: Operand;
  readonly a: Operand;
  readonly b: Operand;
  readonly c: Operand;
  readonly d: Operand;
  /** states before each chunk, [B, chunks, N, E] */
  readonly starts: Operand;
  /** gradients that reach the segments' last states from later ones, [B, segments, N, E]; without them 0 */
  readonly entry: Operand | undefined;
  readonly dx: Operand | undefined;
  readonly dDelta: Operand | undefined;
  /** shares of the other gradients, still to be summed, all in one buffer: adapters bind as few as twelve */
  readonly shares: Operand;
  /** where in it those that are wanted lie: da [B·segments, E, N], db and dc [blocks, B, L, N], dd [B·segments, E] */
  readonly at: Readonly<Record<'da' | 'db' | 'dc' | 'dd', number | undefined>>;
}

/**
 * With p_t the gradient of h_t from later steps and s_t that of u_t b_t, backwards in time: s_t = dy_t c_t + p_t, p_{t−1} = 2^(δ_t a) s_t. Then
 * du_t = Σ_n s b, dδ_t = x du + Σ_n p_{t−1} h_{t−1} a, da = Σ_t p_{t−1} h_{t−1} δ, db_t = Σ_e s u, dc_t = Σ_e dy h.
 *
 * A workgroup owns a block of channels of one segment of one sequence; an invocation owns four channels (a vector) and two states. In each chunk
 * it walks from the kept state to the end, leaving its states in workgroup memory every 4 steps; then it goes back 4 steps at a time: forwards
 * once more with states and decays in registers, and backwards. Sums over states and over channels pass through workgroup memory.
 */
export function backwardSweepKernel({ dispatch }: Pick<WebgpuLowering, 'dispatch'>, sweep: BackwardSweep): void {
  const { sizes, segments, chunk, dy, x, delta, a, b, c, d, starts, entry, dx, dDelta, shares, at: { da, db, dc, dd } } = sweep;
  const { B, L, E, N } = sizes;
  const { quads, pairs } = gradientTile(sizes);
  const lanes = quads * pairs;
  const chunks = Math.ceil(L / chunk);
  const blocks = Math.ceil(E / (4 * quads));
  const T = Math.min(STEPS, chunk);
  const stops = Math.ceil(chunk / T);
  const perSegment = segments.steps / chunk;
  const items = T * quads;
  const pitch = rowPitch(quads);
  const toChannels = [...(dx === undefined ? [] : ['dx']), ...(dDelta === undefined ? [] : ['dDelta'])];
  const toRows = db !== undefined || dc !== undefined;

  const bindings: Record<string, GpuBinding> = {
    all_dy: vectors(dy, 4), all_x: vectors(x, 4), all_delta: vectors(delta, 4), all_a: a, all_b: vectors(b, 2), all_c: vectors(c, 2), all_starts: vectors(starts, 4),
  };
  if (entry !== undefined) bindings['all_entry'] = vectors(entry, 4);
  if (dx !== undefined) Object.assign(bindings, { all_d: vectors(d, 4), all_dx: vectors(dx, 4) });
  if (dDelta !== undefined) bindings['all_dDelta'] = vectors(dDelta, 4);
  if ([da, db, dc, dd].some((at) => at !== undefined)) bindings['all_shares'] = shares;

  /** x, delta and b of steps j·T … into registers; beyond the chunk's end 0, which changes nothing */
  const load = (names: readonly string[]) => repeat(T, (i) => lines(
    `      let here${i} = t0 + ${i}u < end;`,
    `      let live${i} = select(0u, live, here${i});`,
    `      let at${i} = base + (t0 + ${i}u) * ${E}u;`,
    `      let row${i} = (sequence * ${L}u + t0 + ${i}u) * ${N}u + n0;`,
    names.map((v) => `      let ${v}${i} = ${v}_at(${v === 'b' || v === 'c' ? `row${i}, select(0u, states, here${i})` : `at${i}, live${i}`});`),
  ));
  const eachState = (text: (n: number) => string) => repeat(STATES, text);
  const kept = (n: number) => `kept[(j * ${STATES}u + ${n}u) * ${lanes}u + lane]`;

  dispatch({
    name: 'selective_scan_gradient',
    bindings,
    tasks: B * segments.count * blocks,
    code: lines(
      loadVector('dy', dy, 4),
      loadVector('x', x, 4),
      loadVector('delta', delta, 4),
      loadVector('b', b, 2),
      loadVector('c', c, 2),
      loadVector('starts', starts, 4),
      entry !== undefined && loadVector('entry', entry, 4),
      dx !== undefined && lines(loadVector('d', d, 4), storeVector('dx', dx, 4)),
      dDelta !== undefined && storeVector('dDelta', dDelta, 4),
      `fn a_at(channel: u32, n: u32, live: u32) -> vec4f {`,
      `  return ${f32(Math.LOG2E)} * vec4f(${[0, 1, 2, 3].map((i) => `select(0f, all_a[min((channel + ${i}u) * ${N}u + n, ${E * N - 1}u)], live > ${i}u && n < ${N}u)`).join(', ')});`,
      `}`,
      stops > 1 && `var<workgroup> kept: array<vec4f, ${(stops - 1) * STATES * lanes}>;`,
      toChannels.length > 0 && `var<workgroup> channel_parts: array<vec4f, ${toChannels.length * pairs * items}>;`,
      toRows && `var<workgroup> row_parts: array<vec4f, ${T * pairs * pitch}>;`,
      `@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(group);`,
      `  if (task >= TASKS) { return; }`,
      `  let block = task % ${blocks}u;`,
      `  let segment = task / ${blocks}u % ${segments.count}u;`,
      `  let sequence = task / ${blocks * segments.count}u;`,
      `  let quad = lane % ${quads}u;`,
      `  let pair = lane / ${quads}u;`,
      `  let channel = (block * ${quads}u + quad) * 4u;`,
      `  let live = ${E}u - min(channel, ${E}u);`,
      `  let n0 = pair * ${STATES}u;`,
      `  let states = ${N}u - n0;`,
      `  let base = sequence * ${L * E}u + channel;`,
      eachState((n) => lines(
        `  let a${n} = a_at(channel, n0 + ${n}u, live);`,
        entry === undefined
          ? `  var p${n} = vec4f(0);`
          : `  var p${n} = entry_at(((sequence * ${segments.count}u + segment) * ${N}u + n0 + ${n}u) * ${E}u + channel, select(0u, live, ${n}u < states));`,
        da !== undefined && `  var da${n} = vec4f(0);`,
      )),
      dx !== undefined && `  let skip = d_at(channel, select(0u, live, pair == 0u));`,
      dd !== undefined && `  var dd = vec4f(0);`,
      `  for (var k = min((segment + 1u) * ${perSegment}u, ${chunks}u); k > segment * ${perSegment}u;) {`,
      `    k--;`,
      `    let begin = k * ${chunk}u;`,
      `    let end = min(begin + ${chunk}u, ${L}u);`,
      eachState((n) => `    var h${n} = starts_at(((sequence * ${chunks}u + k) * ${N}u + n0 + ${n}u) * ${E}u + channel, select(0u, live, ${n}u < states));`),
      stops > 1 && lines(
        `    for (var j = 0u; j < ${stops - 1}u; j++) {`,
        `      let t0 = begin + j * ${T}u;`,
        eachState((n) => `      ${kept(n)} = h${n};`),
        load(['delta', 'x', 'b']),
        repeat(T, (i) => eachState((n) => `      h${n} = exp2(delta${i} * a${n}) * h${n} + delta${i} * x${i} * b${i}[${n}];`)),
        `    }`,
      ),
      `    for (var j = ${stops}u; j > 0u;) {`,
      `      j--;`,
      `      let t0 = begin + j * ${T}u;`,
      stops > 1 && `      if (j < ${stops - 1}u) { ${Array.from({ length: STATES }, (_, n) => `h${n} = ${kept(n)};`).join(' ')} }`,
      load(['delta', 'x', 'b', 'dy', 'c']),
      eachState((n) => `      let h0_${n} = h${n};`),
      repeat(T, (i) => lines(
        `      let u${i} = delta${i} * x${i};`,
        eachState((n) => lines(
          `      let decay${i}_${n} = exp2(delta${i} * a${n});`,
          `      let h${i + 1}_${n} = decay${i}_${n} * h${i}_${n} + u${i} * b${i}[${n}];`,
        )),
      )),
      Array.from({ length: T }, (_, back) => {
        const i = T - 1 - back;
        const s = (n: number) => `s${i}_${n}`;
        const ph = (n: number) => `ph${i}_${n}`;
        const sum = (term: (n: number) => string) => Array.from({ length: STATES }, (_, n) => term(n)).join(' + ');
        return lines(
          eachState((n) => lines(
            `      let ${s(n)} = dy${i} * c${i}[${n}] + p${n};`,
            `      p${n} = ${s(n)} * decay${i}_${n};`,
            (da !== undefined || dDelta !== undefined) && `      let ${ph(n)} = p${n} * h${i}_${n};`,
            da !== undefined && `      da${n} += ${ph(n)} * delta${i};`,
          )),
          toChannels.length > 0 && `      let du${i} = ${sum((n) => `${s(n)} * b${i}[${n}]`)};`,
          toChannels.map((name, which) => {
            const part = name === 'dx' ? `du${i} * delta${i} + skip * dy${i}` : `du${i} * x${i} + ${f32(Math.LN2)} * (${sum((n) => `${ph(n)} * a${n}`)})`;
            return `      channel_parts[(${which * pairs}u + pair) * ${items}u + ${i * quads}u + quad] = ${part};`;
          }),
          toRows && `      row_parts[(${i * pairs}u + pair) * ${pitch}u + quad] = vec4f(${[
            ...[0, 1].map((n) => (db === undefined ? '0' : `dot(${s(n)}, u${i})`)),
            ...[0, 1].map((n) => (dc === undefined ? '0' : `dot(dy${i}, h${i + 1}_${n})`)),
          ].join(', ')});`,
          dd !== undefined && `      dd += dy${i} * x${i};`,
        );
      }).join('\n'),
      `      workgroupBarrier();`,
      toChannels.length > 0 && lines(
        `      for (var i = lane; i < ${toChannels.length * items}u; i += ${lanes}u) {`,
        `        let which = i / ${items}u;`,
        `        let item = i % ${items}u;`,
        `        var sum = vec4f(0);`,
        `        for (var g = 0u; g < ${pairs}u; g++) { sum += channel_parts[(which * ${pairs}u + g) * ${items}u + item]; }`,
        `        let step = t0 + item / ${quads}u;`,
        `        let column = (block * ${quads}u + item % ${quads}u) * 4u;`,
        `        let at = (sequence * ${L}u + step) * ${E}u + column;`,
        `        let rest = select(0u, ${E}u - min(column, ${E}u), step < end);`,
        toChannels.map((name, which) => `        if (which == ${which}u) { put_${name}(at, rest, sum); }`),
        `      }`,
      ),
      toRows && lines(
        `      for (var i = lane; i < ${T * pairs}u; i += ${lanes}u) {`,
        `        var sum = vec4f(0);`,
        `        for (var q = 0u; q < ${quads}u; q++) { sum += row_parts[i * ${pitch}u + q]; }`,
        `        let step = t0 + i / ${pairs}u;`,
        `        let n = i % ${pairs}u * ${STATES}u;`,
        `        let at = ((block * ${B}u + sequence) * ${L}u + step) * ${N}u + n;`,
        [db, dc].flatMap((first, which) => (first === undefined ? [] : [0, 1].map((n) => `        if (step < end && n + ${n}u < ${N}u) { all_shares[${first + n}u + at] = sum[${2 * which + n}]; }`))),
        `      }`,
      ),
      `      workgroupBarrier();`,
      `    }`,
      `  }`,
      da !== undefined && eachState((n) => repeat(4, (i) => `  if (live > ${i}u && ${n}u < states) { all_shares[${da}u + ((sequence * ${segments.count}u + segment) * ${E}u + channel + ${i}u) * ${N}u + n0 + ${n}u] = da${n}[${i}]; }`)),
      dd !== undefined && repeat(4, (i) => `  if (live > ${i}u && pair == 0u) { all_shares[${dd}u + (sequence * ${segments.count}u + segment) * ${E}u + channel + ${i}u] = dd[${i}]; }`),
      `}`,
    ),
  });
}
