/** The backward sweep of the selective scan as WGSL, with all its gradients. */
import { LEAST_GPU, type GpuBinding, type Operand, type WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { Slice } from './sizes.ts';
import type { Planes, Segments } from './webgpu-sweep.ts';
import { columnOfRates, loadVector, stateAt, storeVector, vectors } from './webgpu-text.ts';

/** states of one invocation, each of four channels */
const S = 2;
/** invocations of a workgroup */
const SIZE = 64;
/** vectors that fit into workgroup memory */
const VECTORS = LEAST_GPU.workgroupBytes / 16;
/** steps whose states and decays are held in registers */
export const STEPS = 4;
/** a chunk is not longer */
const LONGEST = 32;

/** How the work is cut. */
interface GradientTile {
  /** channels of a workgroup in fours */
  readonly quads: number;
  /** its invocations along the states */
  readonly groups: number;
  /** rows of sums over channels are padded: neighbours in such a sum lie in different banks */
  readonly pitch: number;
  /** the longest chunk whose states fit into workgroup memory */
  readonly longestChunk: number;
}

export function gradientTile({ E, N }: Slice): GradientTile {
  const groups = Math.ceil(N / S);
  const quads = Math.min(2 ** Math.floor(Math.log2(SIZE / groups)), 2 ** Math.ceil(Math.log2(Math.ceil(E / 4))));
  const pitch = quads === 1 ? 1 : quads + 1;
  const lanes = quads * groups;
  /** operands, parts of sums over states, over channels (vectors of S) and over steps */
  const others = STEPS * (3 * quads + 2 * lanes + (2 * groups * (1 + pitch) * S) / 4) + lanes;
  const kept = Math.floor((VECTORS - others) / (S * lanes));
  return { quads, groups, pitch, longestChunk: Math.min(LONGEST, STEPS * (1 + kept)) };
}

/** Blocks of channels that a workgroup takes in turn: so many that the shares of db and dc take no more room than x and delta. */
export function blocksInTurn(slice: Slice): { shares: number; inTurn: number } {
  const { E, N } = slice;
  const blocks = Math.ceil(E / (4 * gradientTile(slice).quads));
  const inTurn = Math.ceil(blocks / Math.max(1, Math.floor(E / N)));
  return { shares: Math.ceil(blocks / inTurn), inTurn };
}

export interface BackwardSweep {
  readonly slice: Slice;
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
  /** states before each chunk */
  readonly starts: Planes;
  /** gradients that reach the segments' last states from later ones, [B, segments, N, E]; without them 0 */
  readonly entry: Operand | undefined;
  readonly dx: Operand | undefined;
  readonly dDelta: Operand | undefined;
  /** both, those that are wanted, as far as slices that are done give them, [1 or 2, B, L, E]: all but the last write there. It is there if they are several. */
  readonly sofar: Operand | undefined;
  /** shares of the other gradients, still to be summed, all in one buffer: with it, twelve are bound, which is what every adapter allows */
  readonly shares: Operand;
  /** where in it those that are wanted lie: da [B·segments, E, N], db and dc [shares, B, L, N], dd [B·segments, E] */
  readonly at: Readonly<Record<'da' | 'db' | 'dc' | 'dd', number | undefined>>;
}

/**
 * With p_t the gradient of h_t from later steps and s_t that of u_t b_t, backwards in time: s_t = dy_t c_t + p_t, p_{t−1} = 2^(δ_t a) s_t. Then
 * du_t = Σ_n s b, dδ_t = x du + Σ_n p_{t−1} h_{t−1} a, da = Σ_t p_{t−1} h_{t−1} δ, db_t = Σ_e s u, dc_t = Σ_e dy h.
 *
 * A workgroup owns a block of channels of one segment of one sequence (or several blocks in turn, which add to the same shares of db and dc); an invocation
 * owns four channels (a vector) and S states. In each chunk it walks from the kept state to the end, leaving its states in workgroup memory every T steps;
 * then it goes back T steps at a time: forwards once more with states and decays in registers, and backwards. What it needs next is always on its way into
 * registers. Sums over states and over channels pass through workgroup memory.
 */
export function backwardSweepKernel({ dispatch }: Pick<WebgpuLowering, 'dispatch'>, sweep: BackwardSweep): void {
  const { slice, segments, chunk, dy, x, delta, a, b, c, d, starts, entry, dx, dDelta, sofar, shares, at: { da, db, dc, dd } } = sweep;
  const { B, L, E, N, chunks, from, all } = slice;
  const T = STEPS;
  const { quads: Q, groups, pitch } = gradientTile(slice);
  const { shares: shareCount, inTurn } = blocksInTurn(slice);
  const lanes = Q * groups;
  const stops = Math.ceil(chunk / T);
  const perSegment = segments.steps / chunk;
  const channelItems = T * Q;
  const stateItems = T * groups;
  const toChannels = dx !== undefined || dDelta !== undefined;
  const toRows = [...(db === undefined ? [] : ['db']), ...(dc === undefined ? [] : ['dc'])];
  const rows = toRows.length * stateItems;

  const bindings: Record<string, GpuBinding> = {
    all_dy: vectors(dy, 4), all_x: vectors(x, 4), all_delta: vectors(delta, 4), all_a: a, all_b: vectors(b, S), all_c: vectors(c, S), all_starts: vectors(starts.operand, 4),
  };
  if (entry !== undefined) bindings['all_entry'] = vectors(entry, 4);
  if (dx !== undefined && from === 0) bindings['all_d'] = vectors(d, 4);
  if (dx !== undefined && from + N === all) bindings['all_dx'] = vectors(dx, 4);
  if (dDelta !== undefined && from + N === all) bindings['all_dDelta'] = vectors(dDelta, 4);
  if (sofar !== undefined) bindings['all_sofar'] = vectors(sofar, 4);
  if ([da, db, dc, dd].some((at) => at !== undefined)) bindings['all_shares'] = shares;

  const eachState = (text: (n: number) => string) => repeat(S, text);
  const eachStep = (text: (i: number) => string) => repeat(T, text);
  const sum = (count: number, term: (n: number) => string) => Array.from({ length: count }, (_, n) => term(n)).join(' + ');
  const rounds = (items: number, text: (k: number) => string) =>
    repeat(Math.ceil(items / lanes), (k) => (lanes * (k + 1) <= items ? `      { ${text(k)} }` : `      if (lane + ${lanes * k}u < ${items}u) { ${text(k)} }`));
  const inChunk = (k: string, n: number) => `((sequence * ${chunks}u + ${k}) * ${starts.planes}u + n0 + ${starts.first + n}u) * ${E}u + channel, select(0u, live, ${n}u < states)`;
  /** the slice's state n of a step, in b and c */
  const inRow = (n: string) => `(sequence * ${L}u + step) * ${all}u + ${stateAt(slice, n)}`;
  const kept = (n: number) => `kept[(j * ${S}u + ${n}u) * ${lanes}u + lane]`;
  /** steps begin + 4j … of the way forwards, for one's own channels and states; beyond the chunk's end 0, which changes nothing */
  const ahead = (j: string) => eachStep((i) => `
      {
        let step = begin + (${j}) * ${T}u + ${i}u;
        let there = select(0u, live, step < end);
        next_delta${i} = delta_at(base + step * ${E}u, there);
        next_x${i} = x_at(base + step * ${E}u, there);
        next_b${i} = b_at(${inRow('n0')}, select(0u, states, step < end));
      }`);
  /** steps begin + 4j … of the way back: a part of what the workgroup needs */
  const fetch = (j: string) => lines(
    rounds(channelItems, (k) => `
        let step = begin + (${j}) * ${T}u + (lane + ${k * lanes}u) / ${Q}u;
        let there = select(0u, live, step < end);
        ${['x', 'delta', 'dy'].map((v) => `part_${v}${k} = ${v}_at(base + step * ${E}u, there);`).join(' ')}`),
    rounds(stateItems, (k) => `
        let step = begin + (${j}) * ${T}u + (lane + ${k * lanes}u) / ${groups}u;
        let n = (lane + ${k * lanes}u) % ${groups}u * ${S}u;
        ${['b', 'c'].map((v) => `part_${v}${k} = ${v}_at(${inRow('n')}, select(0u, ${N}u - n, step < end));`).join(' ')}`),
  );
  const keep = lines(
    rounds(channelItems, (k) => ['x', 'delta', 'dy'].map((v) => `${v}_tile[lane + ${k * lanes}u] = part_${v}${k};`).join(' ')),
    rounds(stateItems, (k) => ['b', 'c'].map((v) => `${v}_tile[lane + ${k * lanes}u] = part_${v}${k};`).join(' ')),
  );
  /** puts what the slice gives of dx or dDelta, which is the k-th of those that are wanted, beside what slices before it gave */
  const put = (name: string, k: number, value: string) => {
    const among = k === 0 ? 'at' : `at + ${k * B * L * E}u`;
    const sum = from === 0 ? value : `sofar_at(${among}, there) + ${value}`;
    return from + N === all ? `        put_${name}(at, there, ${sum});` : `        put_sofar(${among}, there, ${sum});`;
  };
  const backwards = (i: number) => lines(
    eachState((n) => lines(
      `        let s${i}_${n} = fma(dy${i}, vec4f(c${i}[${n}]), p${n});`,
      `        p${n} = s${i}_${n} * decay${i}_${n};`,
      (da !== undefined || dDelta !== undefined) && `        let ph${i}_${n} = p${n} * h${i}_${n};`,
      da !== undefined && `        da${n} = fma(ph${i}_${n}, delta${i}, da${n});`,
    )),
    toChannels && `        channel_parts[(${i * groups}u + group) * ${Q}u + quad] = ${sum(S, (n) => `s${i}_${n} * b${i}[${n}]`)};`,
    dDelta !== undefined && `        channel_parts[(${(T + i) * groups}u + group) * ${Q}u + quad] = ${sum(S, (n) => `ph${i}_${n} * a${n}`)};`,
    toRows.map((name, which) => `        row_parts[(${(which * T + i) * groups}u + group) * ${pitch}u + quad] = vec${S}f(${
      Array.from({ length: S }, (_, n) => (name === 'db' ? `dot(s${i}_${n}, u${i})` : `dot(dy${i}, h${i + 1}_${n})`)).join(', ')});`),
  );

  dispatch({
    name: 'selective_scan_gradient',
    bindings,
    tasks: B * segments.count * shareCount,
    code: lines(
      loadVector('dy', dy, 4),
      loadVector('x', x, 4),
      loadVector('delta', delta, 4),
      loadVector('b', b, S),
      loadVector('c', c, S),
      loadVector('starts', starts.operand, 4),
      entry !== undefined && loadVector('entry', entry, 4),
      dx !== undefined && lines(from === 0 && loadVector('d', d, 4), from + N === all && storeVector('dx', dx, 4)),
      dDelta !== undefined && from + N === all && storeVector('dDelta', dDelta, 4),
      sofar !== undefined && lines(loadVector('sofar', sofar, 4), storeVector('sofar', sofar, 4)),
      columnOfRates(slice, 4),
      ['x', 'delta', 'dy'].map((v) => `var<workgroup> ${v}_tile: array<vec4f, ${channelItems}>;`),
      ['b', 'c'].map((v) => `var<workgroup> ${v}_tile: array<vec${S}f, ${stateItems}>;`),
      stops > 1 && `var<workgroup> kept: array<vec4f, ${(stops - 1) * S * lanes}>;`,
      toChannels && `var<workgroup> channel_parts: array<vec4f, ${(dDelta === undefined ? 1 : 2) * groups * channelItems}>;`,
      toRows.length > 0 && `var<workgroup> row_parts: array<vec${S}f, ${rows * pitch}>;`,
      dd !== undefined && `var<workgroup> dd_parts: array<vec4f, ${lanes}>;`,
      `@compute @workgroup_size(${lanes}) fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(workgroup);`,
      `  if (task >= TASKS) { return; }`,
      `  let share = task % ${shareCount}u;`,
      `  let segment = task / ${shareCount}u % ${segments.count}u;`,
      `  let sequence = task / ${shareCount * segments.count}u;`,
      `  let quad = lane % ${Q}u;`,
      `  let group = lane / ${Q}u;`,
      `  let n0 = group * ${S}u;`,
      `  let states = ${N}u - n0;`,
      eachStep((i) => `  var next_delta${i} = vec4f(0);\n  var next_x${i} = vec4f(0);\n  var next_b${i} = vec${S}f(0);`),
      repeat(Math.ceil(channelItems / lanes), (k) => ['x', 'delta', 'dy'].map((v) => `  var part_${v}${k} = vec4f(0);`).join('\n')),
      repeat(Math.ceil(stateItems / lanes), (k) => ['b', 'c'].map((v) => `  var part_${v}${k} = vec${S}f(0);`).join('\n')),
      `  for (var turn = 0u; turn < ${inTurn}u; turn++) {`,
      `    let channel = ((share * ${inTurn}u + turn) * ${Q}u + quad) * 4u;`,
      `    let live = ${E}u - min(channel, ${E}u);`,
      `    let base = sequence * ${L * E}u + channel;`,
      eachState((n) => lines(
        `    let a${n} = rates_of(channel, n0 + ${n}u, live);`,
        entry === undefined
          ? `    var p${n} = vec4f(0);`
          : `    var p${n} = entry_at(((sequence * ${segments.count}u + segment) * ${N}u + n0 + ${n}u) * ${E}u + channel, select(0u, live, ${n}u < states));`,
        da !== undefined && `    var da${n} = vec4f(0);`,
      )),
      dx !== undefined && from === 0 && `    let skip = d_at(channel, live);`,
      dd !== undefined && `    var dd = vec4f(0);`,
      `    for (var k = min((segment + 1u) * ${perSegment}u, ${chunks}u); k > segment * ${perSegment}u;) {`,
      `      k--;`,
      `      let begin = k * ${chunk}u;`,
      `      let end = min(begin + ${chunk}u, ${L}u);`,
      eachState((n) => `      var h${n} = starts_at(${inChunk('k', n)});`),
      // a number of passes that compilers do not know: they do not unroll the loops
      `      let stops = (end - begin + ${T - 1}u) / ${T}u;`,
      stops > 1 && ahead('0u'),
      fetch(`stops - 1u`),
      stops > 1 && lines(
        `      for (var j = 0u; j + 1u < stops; j++) {`,
        eachState((n) => `        ${kept(n)} = h${n};`),
        eachStep((i) => `        let delta${i} = next_delta${i};\n        let u${i} = next_delta${i} * next_x${i};\n        let b${i} = next_b${i};`),
        ahead('j + 1u'),
        eachStep((i) => eachState((n) => `        h${n} = fma(exp2(delta${i} * a${n}), h${n}, u${i} * b${i}[${n}]);`)),
        `      }`,
      ),
      keep,
      `      workgroupBarrier();`,
      `      for (var j = stops; j > 0u;) {`,
      `        j--;`,
      `        let t0 = begin + j * ${T}u;`,
      stops > 1 && lines(
        `        if (j + 1u < stops) { ${Array.from({ length: S }, (_, n) => `h${n} = ${kept(n)};`).join(' ')} }`,
        `        if (j > 0u) {`,
        fetch('j - 1u'),
        `        }`,
      ),
      eachStep((i) => lines(
        ['x', 'delta', 'dy'].map((v) => `        let ${v}${i} = ${v}_tile[${i * Q}u + quad];`),
        ['b', 'c'].map((v) => `        let ${v}${i} = ${v}_tile[${i * groups}u + group];`),
      )),
      eachState((n) => `        let h0_${n} = h${n};`),
      eachStep((i) => lines(
        `        let u${i} = delta${i} * x${i};`,
        eachState((n) => lines(
          `        let decay${i}_${n} = exp2(delta${i} * a${n});`,
          `        let h${i + 1}_${n} = fma(decay${i}_${n}, h${i}_${n}, u${i} * b${i}[${n}]);`,
        )),
      )),
      eachStep((back) => backwards(T - 1 - back)),
      `        workgroupBarrier();`,
      // an invocation puts new operands where it has read the old ones
      (toChannels || dd !== undefined) && rounds(channelItems, (k) => {
        const i = `(lane + ${k * lanes}u)`;
        const parts = (which: number) => sum(groups, (g) => `channel_parts[(${which * T}u + ${i} / ${Q}u) * ${lanes}u + ${g * Q}u + quad]`);
        return lines(
          `
        let step = t0 + ${i} / ${Q}u;
        let at = base + step * ${E}u;
        let there = select(0u, live, step < end);
        let x = x_tile[${i}];
        let dy = dy_tile[${i}];`,
          toChannels && `        let du = ${parts(0)};`,
          dx !== undefined && put('dx', 0, `du * delta_tile[${i}]${from === 0 ? ' + skip * dy' : ''}`),
          dDelta !== undefined && put('dDelta', dx === undefined ? 0 : 1, `du * x + ${f32(Math.LN2)} * (${parts(1)})`),
          dd !== undefined && `        dd = fma(dy, x, dd);`,
        );
      }),
      toRows.length > 0 && lines(
        `        for (var i = lane; i < ${rows}u; i += ${lanes}u) {`,
        `          var sum = row_parts[i * ${pitch}u];`,
        repeat(Q - 1, (q) => `          sum += row_parts[i * ${pitch}u + ${q + 1}u];`),
        `          let step = t0 + i / ${groups}u % ${T}u;`,
        `          let n = i % ${groups}u * ${S}u;`,
        `          let first = ${toRows.length === 2 ? `select(${dc}u, ${db}u, i < ${stateItems}u)` : `${db ?? dc}u`};`,
        `          let at = first + ((share * ${B}u + sequence) * ${L}u + step) * ${N}u + n;`,
        `          if (step < end) {`,
        inTurn > 1 && lines(
          `            if (turn > 0u) {`,
          eachState((n) => `              if (n + ${n}u < ${N}u) { sum[${n}] += all_shares[at + ${n}u]; }`),
          `            }`,
        ),
        eachState((n) => `            if (n + ${n}u < ${N}u) { all_shares[at + ${n}u] = sum[${n}]; }`),
        `          }`,
        `        }`,
      ),
      stops > 1 && lines(`        if (j > 0u) {`, keep, `        }`),
      `        workgroupBarrier();`,
      `      }`,
      `    }`,
      da !== undefined && eachState((n) => repeat(4, (i) => `    if (live > ${i}u && ${n}u < states) { all_shares[${da}u + ((sequence * ${segments.count}u + segment) * ${E}u + channel + ${i}u) * ${N}u + n0 + ${n}u] = da${n}[${i}]; }`)),
      dd !== undefined && lines(
        `    dd_parts[lane] = dd;`,
        `    workgroupBarrier();`,
        `    if (group == 0u) {`,
        `      dd = ${sum(groups, (g) => `dd_parts[quad + ${g * Q}u]`)};`,
        repeat(4, (i) => `      if (live > ${i}u) { all_shares[${dd}u + (sequence * ${segments.count}u + segment) * ${E}u + channel + ${i}u] = dd[${i}]; }`),
        `    }`,
      ),
      `  }`,
      `}`,
    ),
  });
}
