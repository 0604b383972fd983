/**
 * The linear form of SSD as WGSL: S_t = e^α S_{t−1} + X̃_t b_tᵀ token by token. Channels do not see each other: a workgroup has some
 * channels of one head and walks over all tokens, each invocation with 4 × 4 of the state, four channels by four entries. Operands of
 * four tokens at a time lie in workgroup memory.
 */
import type { GpuBinding, WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { Sizes } from './sizes.ts';
import type { Cut } from './webgpu-chunked.ts';
import { decayGradient, PLANES, planeAt, sumShares, sumsSize } from './webgpu-sums.ts';
import { inFours, TILE } from './webgpu-tiles.ts';

/** Invocations of a workgroup at most, and tokens of a group. */
const SIZE = 256;
const GROUP = 4;

/** The largest state size of the recurrence: the entries of four tokens lie in workgroup memory. */
export const MOST_ENTRIES = 256;

interface Lanes {
  /** fours of entries and of channels in a workgroup */
  readonly wide: number;
  readonly high: number;
  readonly size: number;
  /** workgroups of a head */
  readonly parts: number;
}

function lanesOf({ P, N }: Sizes): Lanes {
  const wide = Math.ceil(N / 4);
  const high = Math.min(Math.ceil(P / 4), Math.floor(SIZE / wide));
  return { wide, high, size: wide * high, parts: Math.ceil(P / (4 * high)) };
}

/**
 * Declarations: `load_tokens` fills the tables with four tokens from `first` on; c and dy only if `whole`. Tokens that do not exist change
 * nothing. Begins and ends with a barrier.
 */
function tokenTables({ L, H, P, G, N }: Sizes, { wide, high, size }: Lanes, gradient: boolean): string {
  const channels = (name: string) => `read_${name}(((batch * ${L}u + t) * ${H}u + h) * ${P}u, channel + 4u * k)`;
  const entries = (name: string) => `read_${name}(((batch * ${L}u + t) * ${G}u + h / ${H / G}u) * ${N}u, 4u * k)`;
  return lines(
    // e^α = whole + rest: near 1 the rest alone is exact enough, where many small decays follow each other
    `var<workgroup> whole_decay: array<f32, ${GROUP}>;
var<workgroup> rest_decay: array<f32, ${GROUP}>;
var<workgroup> delta: array<f32, ${GROUP}>;
var<workgroup> scaled: array<vec4f, ${GROUP * high}>; // X̃
var<workgroup> b_of: array<vec4f, ${GROUP * wide}>;
var<workgroup> c_of: array<vec4f, ${GROUP * wide}>;`,
    gradient && `var<workgroup> dy_of: array<vec4f, ${GROUP * high}>;`,
    `fn load_tokens(lane: u32, batch: u32, h: u32, channel: u32, first: u32, whole: bool) {
  workgroupBarrier();
  for (var e = lane; e < ${GROUP}u; e += ${size}u) {
    var dt = 0f;
    if (first + e < ${L}u) { dt = dt_data[(batch * ${L}u + first + e) * ${H}u + h]; }
    delta[e] = dt;
    let alpha = dt * a_data[h];
    let weak = alpha > -0.125;
    whole_decay[e] = select(0f, 1f, weak);
    rest_decay[e] = select(exp(alpha), alpha * (1 + alpha / 2 * (1 + alpha / 3 * (1 + alpha / 4 * (1 + alpha / 5 * (1 + alpha / 6))))), weak);
  }
  for (var e = lane; e < ${GROUP * high}u; e += ${size}u) {
    let t = first + e / ${high}u;
    let k = e % ${high}u;
    var v = vec4f(0);
    if (t < ${L}u) { v = dt_data[(batch * ${L}u + t) * ${H}u + h] * ${channels('x')}; }
    scaled[e] = v;`,
    gradient && `    if (whole) {
      v = vec4f(0);
      if (t < ${L}u) { v = ${channels('dy')}; }
      dy_of[e] = v;
    }`,
    `  }
  for (var e = lane; e < ${GROUP * wide}u; e += ${size}u) {
    let t = first + e / ${wide}u;
    let k = e % ${wide}u;
    var v = vec4f(0);
    if (t < ${L}u) { v = ${entries('b')}; }
    b_of[e] = v;
    if (whole) {
      v = vec4f(0);
      if (t < ${L}u) { v = ${entries('c')}; }
      c_of[e] = v;
    }
  }
  workgroupBarrier();
}`,
  );
}

function main({ H }: Sizes, { wide, high, size, parts }: Lanes, body: string): string {
  return `@compute @workgroup_size(${size}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }
  let across = lane % ${wide}u;
  let down = lane / ${wide}u;
  let unit = task % ${parts}u;
  let h = task / ${parts}u % ${H}u;
  let batch = task / ${parts * H}u;
  let channel = unit * ${4 * high}u;
${body}
}`;
}

const four = (text: (i: number) => string) => repeat(4, text);
const xyzw = ['x', 'y', 'z', 'w'];

/** to_i = e^α from_i + X̃ b of token u of the group, i the invocation's channel. */
const advance = ({ wide, high }: Lanes, u: string, to: string, from: string) => `  {
    let right = b_of[${u} * ${wide}u + across];
    let left = scaled[${u} * ${high}u + down];
${four((i) => `    ${to}${i} = whole_decay[${u}] * ${from}${i} + (rest_decay[${u}] * ${from}${i} + left.${xyzw[i]} * right);`)}
  }`;

/** y_t = S_t c_t + d·x_t, and the state after the last token. */
export function recurrence(lowering: WebgpuLowering, sizes: Sizes): void {
  const [x, dt, a, b, c, d] = lowering.inputs;
  const [y, last] = lowering.outputs;
  const { B, L, H, P, N } = sizes;
  const lanes = lanesOf(sizes);
  const { wide, high, size, parts } = lanes;
  const [xs, bs, cs] = [inFours('x', x, P), inFours('b', b, N), inFours('c', c, N)];
  const ys = y.used ? inFours('y', y, P, 'write') : undefined;
  const lasts = last.used ? inFours('last', last, N, 'write') : undefined;
  lowering.dispatch({
    name: 'ssd_recurrence',
    bindings: { ...xs.bindings, ...bs.bindings, ...cs.bindings, ...ys?.bindings, ...lasts?.bindings, dt_data: dt, a_data: a, ...(y.used ? { d_data: d } : {}) },
    tasks: B * H * parts,
    code: lines(
      xs.functions, bs.functions, cs.functions, ys?.functions ?? '', lasts?.functions ?? '', tokenTables(sizes, lanes, false),
      `var<workgroup> partial: array<vec4f, ${GROUP * size}>;`,
      main(sizes, lanes, lines(
        four((i) => `  var s${i} = vec4f(0);`),
        `  for (var first = 0u; first < ${L}u; first += ${GROUP}u) {
  load_tokens(lane, batch, h, channel, first, ${y.used});`,
        repeat(GROUP, (u) => lines(
          advance(lanes, `${u}u`, 's', 's'),
          y.used && `  { let right = c_of[${u * wide}u + across]; partial[${u * size}u + across * ${high}u + down] = vec4f(${[0, 1, 2, 3].map((i) => `dot(s${i}, right)`).join(', ')}); }`,
        )),
        y.used && `  workgroupBarrier();
  for (var e = lane; e < ${GROUP * high}u; e += ${size}u) {
    let t = first + e / ${high}u;
    let k = e % ${high}u;
    if (t < ${L}u) {
      var sum = vec4f(0);
      for (var n = 0u; n < ${wide}u; n++) { sum += partial[e / ${high}u * ${size}u + n * ${high}u + k]; }
      let row = ((batch * ${L}u + t) * ${H}u + h) * ${P}u;
      write_y(row, channel + 4u * k, sum + d_data[h] * read_x(row, channel + 4u * k));
    }
  }`,
        `  }`,
        last.used && four((i) => `  if (channel + 4u * down + ${i}u < ${P}u) { write_last(((batch * ${H}u + h) * ${P}u + channel + 4u * down + ${i}u) * ${N}u, 4u * across, s${i}); }`),
      )),
    ),
  });
}

/**
 * The recurrence backwards. The state is kept before every `span` tokens, about 2√L; within a span, before every four, which are made
 * again in registers. An invocation reads only what it has kept itself.
 */
export function recurrenceGradient(lowering: WebgpuLowering, sizes: Sizes): void {
  const [dy, x, dt, a, b, c, d] = lowering.inputs;
  const [dx, ddt, da, db, dc, dd] = lowering.outputs;
  const { B, L, H, P, G, N } = sizes;
  const lanes = lanesOf(sizes);
  const { wide, high, size, parts } = lanes;
  const span = GROUP * Math.ceil((2 * Math.sqrt(L)) / GROUP);
  const spans = Math.ceil(L / span);
  const tasks = B * H * parts;
  // sums by token, as if every 64 tokens were a chunk without neighbours
  const cut: Cut = { ...sizes, chunk: TILE, chunks: Math.ceil(L / TILE), tiles: 1, parts, units: (H / G) * parts, columns: 1 };
  const needsSums = ddt.used || da.used || dd.used;
  const sums = lowering.buffer(sumsSize(cut));
  const vec4 = (name: string, ...shape: number[]): Record<string, GpuBinding> => ({ [name]: { operand: lowering.buffer(...shape, 4), as: 'vec4<f32>' } });
  const shares = (output: typeof db) => (output.used && cut.units > 1 ? lowering.buffer(cut.units, ...output.shape) : output);
  const [dbShares, dcShares] = [shares(db), shares(dc)];
  const [dys, xs, bs, cs] = [inFours('dy', dy, P), inFours('x', x, P), inFours('b', b, N), inFours('c', c, N)];
  const dxs = dx.used ? inFours('dx', dx, P, 'write') : undefined;
  const dbs = db.used ? inFours('db', dbShares, N, 'write') : undefined;
  const dcs = dc.used ? inFours('dc', dcShares, N, 'write') : undefined;
  const ofX = dx.used || ddt.used;
  const alpha = ddt.used || da.used;
  const slot = (index: string, i: number) => `((task * ${spans + span / GROUP}u + ${index}) * 4u + ${i}u) * ${size}u + lane`;
  const keep = (index: string) => four((i) => `  kept_data[${slot(index, i)}] = s${i};`);
  const fetch = (index: string, s: string) => four((i) => `  ${s}${i} = kept_data[${slot(index, i)}];`);
  const group = (u: (u: string) => string) => `  for (var u = 0u; u < ${GROUP}u; u++) {\n${u('u')}\n  }`;
  const scalars = [alpha, ddt.used, dd.used];
  lowering.dispatch({
    name: 'ssd_recurrence_gradient',
    bindings: {
      ...dys.bindings, ...xs.bindings, ...bs.bindings, ...cs.bindings, ...dxs?.bindings, ...dbs?.bindings, ...dcs?.bindings, dt_data: dt, a_data: a,
      ...(dx.used ? { d_data: d } : {}), ...(needsSums ? { sums_data: sums } : {}), ...vec4('kept_data', tasks, spans + span / GROUP, 4, size),
    },
    tasks,
    code: lines(
      dys.functions, xs.functions, bs.functions, cs.functions, dxs?.functions ?? '', dbs?.functions ?? '', dcs?.functions ?? '', tokenTables(sizes, lanes, true),
      ofX && `var<workgroup> dx_part: array<vec4f, ${size}>;`,
      db.used && `var<workgroup> db_part: array<vec4f, ${size}>;`,
      dc.used && `var<workgroup> dc_part: array<vec4f, ${size}>;`,
      alpha && `var<workgroup> alpha_part: array<f32, ${size}>;`,
      needsSums && `var<workgroup> token_sums: array<vec3f, ${GROUP * high}>; // α's gradient, x·dX̃, x·dy of four channels`,
      main(sizes, lanes, lines(
        four((i) => `  var s${i} = vec4f(0);\n  var g${i} = vec4f(0); // gradient of the state`),
        repeat(GROUP, (u) => four((i) => `  var s${u + 1}_${i} = vec4f(0);`)),
        `  for (var first = 0u; first < ${L}u; first += ${GROUP}u) {
  if (first % ${span}u == 0u) {
${keep(`first / ${span}u`)}
  }
  load_tokens(lane, batch, h, channel, first, false);
${group((u) => advance(lanes, u, 's', 's'))}
  }
  for (var spans = ${spans}u; spans > 0u; spans--) {
  let begin = (spans - 1u) * ${span}u;
  let end = min(${L}u, begin + ${span}u);
${fetch('spans - 1u', 's')}
  for (var first = begin; first < end; first += ${GROUP}u) {
${keep(`${spans}u + (first - begin) / ${GROUP}u`)}
  load_tokens(lane, batch, h, channel, first, false);
${group((u) => advance(lanes, u, 's', 's'))}
  }
  for (var groups = (end - begin + ${GROUP - 1}u) / ${GROUP}u; groups > 0u; groups--) {
  let first = begin + (groups - 1u) * ${GROUP}u;
${fetch(`${spans}u + groups - 1u`, 's')}
  load_tokens(lane, batch, h, channel, first, true);`,
        repeat(GROUP, (u) => advance(lanes, `${u}u`, `s${u + 1}_`, u === 0 ? 's' : `s${u}_`)),
        [3, 2, 1, 0].map((u) => {
          const [before, after] = [u === 0 ? 's' : `s${u}_`, `s${u + 1}_`];
          return lines(
            `  { // token ${u} of the group`,
            `  let from_y = dy_of[${u * high}u + down];`,
            four((i) => `  g${i} += from_y.${xyzw[i]} * c_of[${u * wide}u + across];`),
            ofX && `  dx_part[across * ${high}u + down] = vec4f(${[0, 1, 2, 3].map((i) => `dot(g${i}, b_of[${u * wide}u + across])`).join(', ')});`,
            db.used && `  let left = scaled[${u * high}u + down];\n  db_part[lane] = ${[0, 1, 2, 3].map((i) => `left.${xyzw[i]} * g${i}`).join(' + ')};`,
            dc.used && `  dc_part[lane] = ${[0, 1, 2, 3].map((i) => `from_y.${xyzw[i]} * ${after}${i}`).join(' + ')};`,
            four((i) => `  g${i} = whole_decay[${u}] * g${i} + rest_decay[${u}] * g${i};`),
            alpha && `  alpha_part[across * ${high}u + down] = dot(${[0, 1, 2, 3].map((i) => `g${i} * ${before}${i}`).join(' + ')}, vec4f(1));`,
            `  let t = first + ${u}u;
  workgroupBarrier();
  for (var e = lane; e < ${high}u; e += ${size}u) {
    if (t < ${L}u) {
      let row = ((batch * ${L}u + t) * ${H}u + h) * ${P}u;`,
            ofX && `      var sum = vec4f(0);
      for (var n = 0u; n < ${wide}u; n++) { sum += dx_part[n * ${high}u + e]; }`,
            alpha && `      var of_alpha = 0f;
      for (var n = 0u; n < ${wide}u; n++) { of_alpha += alpha_part[n * ${high}u + e]; }`,
            (ddt.used || dd.used) && `      let x_here = read_x(row, channel + 4u * e);`,
            needsSums && `      token_sums[${u * high}u + e] = vec3f(${[alpha && 'of_alpha', ddt.used && 'dot(x_here, sum)', dd.used && `dot(x_here, dy_of[${u * high}u + e])`].map((v) => v || '0f').join(', ')});`,
            dx.used && `      write_dx(row, channel + 4u * e, delta[${u}] * sum + d_data[h] * dy_of[${u * high}u + e]);`,
            `    }
  }`,
            ([['db', db.used], ['dc', dc.used]] as const).map(([name, used]) => used && `  for (var e = lane; e < ${wide}u; e += ${size}u) {
    if (t < ${L}u) {
      var sum = vec4f(0);
      for (var n = 0u; n < ${high}u; n++) { sum += ${name}_part[n * ${wide}u + e]; }
      write_${name}((((h % ${H / G}u * ${parts}u + unit) * ${B}u + batch) * ${L}u + t) * ${G * N}u + h / ${H / G}u * ${N}u, 4u * e, sum);
    }
  }`).filter((text) => text !== false),
            `  workgroupBarrier();
  }`,
          );
        }),
        needsSums && `  for (var e = lane; e < ${GROUP}u; e += ${size}u) {
    let t = first + e;
    if (t < ${L}u) {
      var sum = vec3f(0);
      for (var n = 0u; n < ${high}u; n++) { sum += token_sums[e * ${high}u + n]; }
${[PLANES.rows, PLANES.direct, PLANES.along].map((plane, i) => (scalars[i] ? `      sums_data[${planeAt(cut, plane, 'unit', `(batch * ${L}u + t)`, 'h')}] = sum.${xyzw[i]};` : '')).join('\n')}
    }
  }`,
        `  }
  }`,
      )),
    ),
  });
  for (const [share, output] of [[dbShares, db], [dcShares, dc]] as const) {
    if (share !== output) lowering.dispatch(sumShares(share, cut.units, sizeOf(output.shape), output));
  }
  if (needsSums) decayGradient(lowering, cut, { dt, a, sums, stateful: false });
}
