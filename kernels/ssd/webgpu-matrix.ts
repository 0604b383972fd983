/**
 * The chunked form of SSD by subgroup matrices: float16 factors, float32 sums, in chunks of 64 tokens. Three launches: C Bᵀ of every chunk
 * and group, with b and c in float16; a walk over the chunks, which leaves the state S before each in float16; the outputs of every chunk.
 * Letters as in webgpu-chunked.ts; here W has dt in it, and d on its diagonal: y = W X + decay from the chunk's start ∘ (C Sᵀ).
 *
 * Decays are products of exponentials of sums of α = dt·a within and between fours of tokens, all of one sign: no sum is a difference of
 * sums. Factors become float16 only when they are done.
 */
import type { GpuCapabilities, GpuKernel, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { Sizes } from './sizes.ts';
import { decayTables, dtFunction } from './webgpu-decays.ts';
import { TILE } from './webgpu-tiles.ts';

/** Tokens of a chunk, and rows, columns and depth of a subgroup matrix. */
const CHUNK = TILE;
const SIZE = 16;
const LANES = 32;
const FOURS = CHUNK / 4;
/** Vectors from line to line of a matrix of float32 in workgroup memory, of the state on its way to float16, and how many of a subgroup's go together. */
const SUMS_LINE = 4;
const TOGETHER = 2;
/** Subgroups of a workgroup that makes outputs. */
const SUBGROUPS = 8;

/** Vectors of four from line to line in workgroup memory: 32 bytes of float32 or 16 of float16 more keep the lines of a matrix in different banks. */
const pitch = (n: number): number => n / 4 + 2;

const vectors = (operand: Operand) => ({ operand, as: 'vec4<f32>' }) as const;

/** Text for each of `count` vectors that the invocations of a workgroup share: `e` is the vector, `r` its number among the invocation's. */
function each(count: number, invocations: number, text: (r: number) => string): string {
  return repeat(Math.ceil(count / invocations), (r) => lines(
    `  {`,
    `    let e = lane + ${r * invocations}u;`,
    `    ${(r + 1) * invocations <= count ? '' : `if (e < ${count}u) `}{ ${text(r)} }`,
    `  }`,
  ));
}

const directives = `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);`;

const eightHalves = `fn packed(low: vec4<f16>, high: vec4<f16>) -> vec4f { return vec4f(bitcast<vec2f>(low), bitcast<vec2f>(high)); }
fn low(v: vec4f) -> vec4<f16> { return bitcast<vec4<f16>>(v.xy); }
fn high(v: vec4f) -> vec4<f16> { return bitcast<vec4<f16>>(v.zw); }`;

const main = (invocations: number): string =>
  `@compute @workgroup_size(${invocations}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) sg: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }`;

const load = (kind: 'left' | 'right', layout: 'row_major' | 'col_major', from: string, at: string, step: number): string =>
  `subgroupMatrixLoad<subgroup_matrix_${kind}<f16, ${SIZE}, ${SIZE}>, ${layout}>(&${from}, ${at}, ${step}u)`;

/**
 * b in float16, matrix by matrix [B,chunks,G,N/16,4,16,16], and where y is wanted (`forOutputs`) C Bᵀ [B,chunks,G,64,64] up to the diagonal's
 * matrices, and c in float16 [B,chunks,G,64,N]. A task for each chunk and group.
 */
function productsKernel({ B, L, G, N }: Sizes, { b, b16, forOutputs }: Record<'b' | 'b16', Operand> & { forOutputs?: Record<'c' | 'c16' | 'products', Operand> }): GpuKernel {
  const chunks = Math.ceil(L / CHUNK);
  const invocations = 4 * LANES;
  const eights = N / 8;
  const line = pitch(N);
  const fill = (name: 'b' | 'c', to: string): string => each(CHUNK * eights, invocations, () => `
      let row = e / ${eights}u;
      let column = 2u * (e % ${eights}u);
      var first = vec4<f16>(0);
      var second = vec4<f16>(0);
      if (row < rows) {
        let at = ((start + row) * ${G}u + group_of) * ${N / 4}u + column;
        first = vec4<f16>(${name}_data[at]);
        second = vec4<f16>(${name}_data[at + 1u]);
      }
      ${forOutputs === undefined ? '' : `${name}_tile[row * ${line}u + column] = first; ${name}_tile[row * ${line}u + column + 1u] = second;`}
      ${name}16_data[task * ${CHUNK * eights}u + ${to}] = packed(first, second);
    `);
  return {
    name: forOutputs === undefined ? 'ssd_b_f16' : 'ssd_products_f16',
    bindings: {
      b_data: vectors(b), b16_data: vectors(b16),
      ...(forOutputs && { c_data: vectors(forOutputs.c), c16_data: vectors(forOutputs.c16), products_data: vectors(forOutputs.products) }),
    },
    tasks: B * chunks * G,
    code: lines(
      directives,
      eightHalves,
      forOutputs && repeat(2, (i) => `var<workgroup> ${'bc'[i]}_tile: array<vec4<f16>, ${CHUNK * line}>;`),
      main(invocations),
      `  let group_of = task % ${G}u;
  let chunk = task / ${G}u % ${chunks}u;
  let start = task / ${G * chunks}u * ${L}u + chunk * ${CHUNK}u;
  let rows = min(${CHUNK}u, ${L}u - chunk * ${CHUNK}u);`,
      forOutputs && fill('c', 'e'),
      fill('b', `(column / 4u * ${CHUNK}u + row) * 2u + column / 2u % 2u`),
      forOutputs && lines(
        `  workgroupBarrier();`,
        repeat(4, (j) => `  var p${j}: subgroup_matrix_result<f32, ${SIZE}, ${SIZE}>;`),
        repeat(N / SIZE, (k) => lines(
          `  {`,
          `    let left = ${load('left', 'row_major', 'c_tile', `sg * ${SIZE * line}u + ${4 * k}u`, line)};`,
          repeat(4, (j) => `    if (sg >= ${j}u) { p${j} = subgroupMatrixMultiplyAccumulate(left, ${load('right', 'col_major', 'b_tile', `${j * SIZE * line + 4 * k}u`, line)}, p${j}); }`),
          `  }`,
        )),
        repeat(4, (j) => `  if (sg >= ${j}u) { subgroupMatrixStore<row_major>(&products_data, task * ${CHUNK * FOURS}u + sg * ${SIZE * FOURS}u + ${4 * j}u, p${j}, ${FOURS}u); }`),
      ),
      `}`,
    ),
  };
}

/** Reads x of a chunk and the task's channels into x0, x1, …; tokens that do not exist are 0. */
const readX = ({ L, H, P }: Sizes, channels: number, invocations: number, chunk: string): string => each((CHUNK * channels) / 4, invocations, (r) => `
      let row = ${chunk} * ${CHUNK}u + e / ${channels / 4}u;
      x${r} = vec4f(0);
      if (row < ${L}u) { x${r} = x_data[((batch * ${L}u + row) * ${H}u + h) * ${P / 4}u + slice * ${channels / 4}u + e % ${channels / 4}u]; }
    `);

/** Reads dt of a chunk into `dt_next`, four tokens for each of the first invocations. */
const readDt = ({ L }: Sizes, chunk: string): string => `  if (lane < ${FOURS}u) { dt_next = dt_of(batch * ${L}u + ${chunk} * ${CHUNK}u, ${L}u - min(${L}u, ${chunk} * ${CHUNK}u), lane, h); }`;

const vectorsFor = (name: string, count: number, invocations: number): string => repeat(Math.ceil(count / invocations), (r) => `  var ${name}${r}: vec4f;`);

/**
 * Walks over the chunks of a sequence: `states` in float16, after each chunk but the last, [B,chunks−1,H,P/16,N/16,16,16] (so that a matrix is read
 * in one piece), and the state after the last token in `last`; either undefined where nobody reads it. S ← decay across the chunk · S +
 * (decay to its end · dt · x)ᵀ b. A task for each head and slice of its channels, a subgroup for each sixteen entries of the state.
 */
function statesKernel(sizes: Sizes, { x, dt, a, b16, states, last }: Record<'x' | 'dt' | 'a' | 'b16', Operand> & { states?: Operand; last?: Operand }): GpuKernel {
  const { B, L, H, P, G, N } = sizes;
  const chunks = Math.ceil(L / CHUNK);
  const channels = walkChannels(P);
  const slices = P / channels;
  const columns = N / SIZE;
  const rows = channels / SIZE;
  const invocations = columns * LANES;
  const xLine = pitch(channels);
  const vectorsOfX = (CHUNK * channels) / 4;
  const depth = CHUNK / SIZE;
  const readB = (chunk: string): string => lines(
    `  {`,
    `    let at = (((batch * ${chunks}u + ${chunk}) * ${G}u + group_of) * ${columns}u + sg) * ${CHUNK * 4}u;`,
    repeat(depth, (k) => `    b${k} = ${load('right', 'row_major', 'b16_data', `at + ${k * SIZE * 4}u`, 4)};`),
    `  }`,
  );
  /** Rows of matrices become float16 on their way through workgroup memory, some at a time. */
  const write = (first: number): string => {
    const count = Math.min(TOGETHER, rows - first);
    return lines(
      first > 0 && `  workgroupBarrier();`,
      repeat(count, (i) => `  subgroupMatrixStore<row_major>(&sums, (sg + ${i * columns}u) * ${SIZE * SUMS_LINE}u, s${first + i}, ${SUMS_LINE}u);`),
      `  workgroupBarrier();`,
      each(2 * SIZE * count * columns, invocations, () => `
      let at = e / 2u * ${SUMS_LINE}u + e % 2u * 2u;
      states_data[(((batch * ${chunks - 1}u + chunk) * ${H}u + h) * ${P}u + slice * ${channels}u) * ${N / 8}u + ${first * columns * 2 * SIZE}u + e] = packed(vec4<f16>(sums[at]), vec4<f16>(sums[at + 1u]));
    `),
      first + count < rows && write(first + count),
    );
  };
  const count = last === undefined ? chunks - 1 : chunks;
  return {
    name: 'ssd_states_f16',
    bindings: {
      x_data: vectors(x), b16_data: { operand: b16, as: 'vec4<f16>' }, dt_data: dt, a_data: a,
      ...(states === undefined ? {} : { states_data: vectors(states) }), ...(last === undefined ? {} : { last_data: vectors(last) }),
    },
    tasks: B * H * slices,
    code: lines(
      directives,
      eightHalves,
      dtFunction(sizes),
      decayTables('chunk'),
      `var<workgroup> x_tile: array<vec4<f16>, ${CHUNK * xLine}>;
var<workgroup> until: array<vec4f, ${FOURS}>; // from each token to the chunk's end, times dt
var<workgroup> across: f32;`,
      states !== undefined && `var<workgroup> sums: array<vec4f, ${Math.min(TOGETHER, rows) * columns * SIZE * SUMS_LINE}>;`,
      `fn make_tables(lane: u32) {
  if (lane < ${FOURS}u) {
    let after = chunk_sum(lane + 1u, ${FOURS}u);
    let v = chunk_alpha[lane];
    until[lane] = exp(vec4f(v.y + v.z + v.w, v.z + v.w, v.w, 0f) + after) * chunk_dt[lane];
    if (lane == 0u) { across = exp(chunk_fours[0] + after); }
  }
}`,
      main(invocations),
      `  let slice = task % ${slices}u;
  let h = task / ${slices}u % ${H}u;
  let batch = task / ${slices * H}u;
  let group_of = h / ${H / G}u;
  let a = a_data[h];
  var dt_next: vec4f;`,
      vectorsFor('x', vectorsOfX, invocations),
      repeat(depth, (k) => `  var b${k}: subgroup_matrix_right<f16, ${SIZE}, ${SIZE}>;`),
      repeat(rows, (i) => `  var s${i}: subgroup_matrix_result<f32, ${SIZE}, ${SIZE}>;`),
      readDt(sizes, '0u'),
      readX(sizes, channels, invocations, '0u'),
      readB('0u'),
      `  if (lane < ${FOURS}u) { keep_chunk(lane, dt_next, a); }
  workgroupBarrier();
  make_tables(lane);`,
      readDt(sizes, '1u'),
      `  workgroupBarrier();
  for (var chunk = 0u; chunk < ${count}u; chunk++) {`,
      each(vectorsOfX, invocations, (r) => `
      let row = e / ${channels / 4}u;
      x_tile[row * ${xLine}u + e % ${channels / 4}u] = vec4<f16>(x${r} * until[row / 4u][row % 4u]);
    `),
      `  let decay = across;
  if (lane < ${FOURS}u) { keep_chunk(lane, dt_next, a); }
  workgroupBarrier();
  if (chunk + 1u < ${count}u) {
  make_tables(lane);`,
      readX(sizes, channels, invocations, '(chunk + 1u)'),
      readDt(sizes, '(chunk + 2u)'),
      `  }`,
      repeat(rows, (i) => lines(
        `  s${i} = subgroupMatrixScalarMultiply(s${i}, decay);`,
        repeat(depth, (k) => `  s${i} = subgroupMatrixMultiplyAccumulate(${load('left', 'col_major', 'x_tile', `${k * SIZE * xLine + 4 * i}u`, xLine)}, b${k}, s${i});`),
      )),
      `  if (chunk + 1u < ${count}u) {`,
      readB('(chunk + 1u)'),
      `  }`,
      count === chunks && `  if (chunk == ${chunks - 1}u) { break; }`,
      states === undefined ? `  workgroupBarrier();` : write(0),
      `  }`,
      last !== undefined && repeat(rows, (i) => `  subgroupMatrixStore<row_major>(&last_data, ((batch * ${H}u + h) * ${P}u + slice * ${channels}u + ${i * SIZE}u) * ${N / 4}u + 4u * sg, s${i}, ${N / 4}u);`),
      `}`,
    ),
  };
}

/** y. A task for each chunk, head and slice of its channels. A subgroup has the products of one column of matrices in y, in one or two rows. */
function outputsKernel(sizes: Sizes, { x, dt, a, d, c16, products, states, y }: Record<'x' | 'dt' | 'a' | 'd' | 'c16' | 'products' | 'y', Operand> & { states?: Operand }): GpuKernel {
  const { B, L, H, P, G, N } = sizes;
  const chunks = Math.ceil(L / CHUNK);
  const channels = outputChannels(P);
  const slices = P / channels;
  const invocations = SUBGROUPS * LANES;
  const eights = N / 8;
  const [line, xLine, wLine] = [pitch(N), pitch(channels), pitch(CHUNK)];
  const vectorsOfX = (CHUNK * channels) / 4;
  const columns = channels / SIZE;
  const own = Math.ceil((4 * columns) / SUBGROUPS);
  const active = (4 * columns) / own;
  // products with W are fewer in the first rows
  const rows = own === 2 ? ['sg_row', '(3u - sg_row)'] : ['sg_row'];
  const eachRow = (text: (row: string, j: number) => string): string => lines(rows.map(text));
  /** Text for each four by four of W up to the diagonal's matrices. */
  const eachFour = (text: (r: number) => string): string => each(FOURS ** 2, invocations, (r) => lines(
    `let row4 = e / ${FOURS}u;
    let column4 = e % ${FOURS}u;
    if (column4 / 4u <= row4 / 4u) {`,
    text(r),
    `    }`,
  ));
  /** rows of the last matrices that are only in part */
  const rest = L % SIZE;
  const yAt = (row: string): string => `((batch * ${L}u + ${row}) * ${H}u + h) * ${P / 4}u + slice * ${channels / 4}u`;
  return {
    name: 'ssd_outputs_f16',
    bindings: {
      x_data: vectors(x), c16_data: vectors(c16), products_data: vectors(products), dt_data: dt, a_data: a, d_data: d, y_data: vectors(y),
      ...(states === undefined ? {} : { states_data: { operand: states, as: 'vec4<f16>' } as const }),
    },
    tasks: B * chunks * H * slices,
    code: lines(
      directives,
      eightHalves,
      dtFunction(sizes),
      decayTables('chunk'),
      `var<workgroup> pool: array<vec4<f16>, ${CHUNK * Math.max(wLine + xLine, states === undefined ? 0 : line)}>; // W and x, then c
var<workgroup> steps: array<vec4f, ${FOURS}>; // e^α
var<workgroup> ends: array<vec4f, ${FOURS}>; // from each token to its four's end, times dt
var<workgroup> since: array<vec4f, ${FOURS}>; // from the chunk's start`,
      rest > 0 && `var<workgroup> edge: array<vec4f, ${SIZE * xLine}>;`,
      main(invocations),
      `  let slice = task % ${slices}u;
  let h = task / ${slices}u % ${H}u;
  let chunk = task / ${slices * H}u % ${chunks}u;
  let batch = task / ${slices * H * chunks}u;
  let group_of = h / ${H / G}u;
  let d = d_data[h];
  let sg_column = sg % ${columns}u;
  let sg_row = sg / ${columns}u;
  var dt_next: vec4f;`,
      states !== undefined && lines(
        // the first chunk reads the first state for nothing
        `  let state_at = (((batch * ${chunks - 1}u + max(chunk, 1u) - 1u) * ${H}u + h) * ${P}u + slice * ${channels}u + sg_column * ${SIZE}u) * ${N / 4}u;`,
        repeat(N / SIZE, (k) => `  let state${k} = ${load('right', 'col_major', 'states_data', `state_at + ${k * SIZE * 4}u`, 4)};`),
      ),
      vectorsFor('x', vectorsOfX, invocations),
      vectorsFor('c', CHUNK * eights, invocations),
      repeat(4 * Math.ceil(FOURS ** 2 / invocations), (i) => `  var p${i}: vec4f;`),
      readDt(sizes, 'chunk'),
      readX(sizes, channels, invocations, 'chunk'),
      eachFour((r) => lines(
        `    let at = ((batch * ${chunks}u + chunk) * ${G}u + group_of) * ${CHUNK * FOURS}u + row4 * ${4 * FOURS}u + column4;`,
        repeat(4, (i) => `    p${4 * r + i} = products_data[at + ${i * FOURS}u];`),
      )),
      states !== undefined && each(CHUNK * eights, invocations, (r) => `c${r} = c16_data[((batch * ${chunks}u + chunk) * ${G}u + group_of) * ${CHUNK * eights}u + e];`),
      `  if (lane < ${FOURS}u) { keep_chunk(lane, dt_next, a_data[h]); }`,
      each(vectorsOfX, invocations, (r) => `pool[${CHUNK * wLine}u + e / ${channels / 4}u * ${xLine}u + e % ${channels / 4}u] = vec4<f16>(x${r});`),
      `  workgroupBarrier();
  if (lane < ${FOURS}u) {
    let before = chunk_sum(0u, lane);
    let v = chunk_alpha[lane];
    steps[lane] = exp(v);
    ends[lane] = exp(vec4f(v.y + v.z + v.w, v.z + v.w, v.w, 0f)) * dt_next;
    since[lane] = exp(before + vec4f(v.x, v.x + v.y, v.x + v.y + v.z, v.x + v.y + v.z + v.w));
  }
  workgroupBarrier();`,
      eachFour((r) => lines(
        `    var m = select(vec4f(0), exp(chunk_sum(column4 + 1u, row4)) * ends[column4], column4 < row4);
    let step = steps[row4];`,
        repeat(4, (i) => lines(
          `    {`,
          `      let diagonal = vec4<bool>(column4 == row4) & (vec4u(0, 1, 2, 3) == vec4u(${i}));`,
          `      m = select(m * step[${i}], chunk_dt[column4], diagonal);`,
          `      pool[(4u * row4 + ${i}u) * ${wLine}u + column4] = vec4<f16>(fma(p${4 * r + i}, m, select(vec4f(0), vec4f(d), diagonal)));`,
          `    }`,
        )),
      )),
      `  workgroupBarrier();`,
      eachRow((_, j) => `  var y${j}: subgroup_matrix_result<f32, ${SIZE}, ${SIZE}>;`),
      active < SUBGROUPS && `  if (sg < ${active}u) {`,
      repeat(CHUNK / SIZE, (k) => lines(
        `  if (${rows.map((row) => `${k}u <= ${row}`).join(' || ')}) {`,
        `    let right = ${load('right', 'row_major', 'pool', `${CHUNK * wLine + k * SIZE * xLine}u + 4u * sg_column`, xLine)};`,
        eachRow((row, j) => `    if (${k}u <= ${row}) { y${j} = subgroupMatrixMultiplyAccumulate(${load('left', 'row_major', 'pool', `${row} * ${SIZE * wLine}u + ${4 * k}u`, wLine)}, right, y${j}); }`),
        `  }`,
      )),
      active < SUBGROUPS && `  }`,
      states !== undefined && lines(
        `  if (chunk > 0u) {
  workgroupBarrier();`,
        each(CHUNK * eights, invocations, (r) => `
      let row = e / ${eights}u;
      let at = row * ${line}u + 2u * (e % ${eights}u);
      let scale = f16(since[row / 4u][row % 4u]);
      pool[at] = low(c${r}) * scale;
      pool[at + 1u] = high(c${r}) * scale;
    `),
        `  workgroupBarrier();`,
        active < SUBGROUPS && `  if (sg < ${active}u) {`,
        repeat(N / SIZE, (k) => eachRow((row, j) => `  y${j} = subgroupMatrixMultiplyAccumulate(${load('left', 'row_major', 'pool', `${row} * ${SIZE * line}u + ${4 * k}u`, line)}, state${k}, y${j});`)),
        active < SUBGROUPS && `  }`,
        `  }`,
      ),
      active < SUBGROUPS && `  if (sg < ${active}u) {`,
      eachRow((row, j) => lines(
        `  {
  let first = chunk * ${CHUNK}u + ${row} * ${SIZE}u;
  if (first + ${SIZE}u <= ${L}u) { subgroupMatrixStore<row_major>(&y_data, ${yAt('first')} + 4u * sg_column, y${j}, ${(H * P) / 4}u); }`,
        rest > 0 && `  else if (first < ${L}u) { subgroupMatrixStore<row_major>(&edge, 4u * sg_column, y${j}, ${xLine}u); }`,
        `  }`,
      )),
      active < SUBGROUPS && `  }`,
      rest > 0 && lines(
        `  if (chunk == ${chunks - 1}u) {
  workgroupBarrier();`,
        each(rest * (channels / 4), invocations, () => `y_data[${yAt(`${L - rest}u + e / ${channels / 4}u`)} + e % ${channels / 4}u] = edge[e / ${channels / 4}u * ${xLine}u + e % ${channels / 4}u];`),
        `  }`,
      ),
      `}`,
    ),
  };
}

/** The most channels, of those that divide a head, that a task of the walk and one of the outputs has. */
const walkChannels = (P: number): number => [32, 16].find((n) => P % n === 0)!;
const outputChannels = (P: number): number => [64, 32, 16].find((n) => P % n === 0)!;

/** Whether the form can be taken: where subgroups of 32 multiply matrices of 16 × 16, and the sizes fit. */
export function byMatrices({ P, L, N }: Sizes, chunk: number, gpu: GpuCapabilities): boolean {
  const unit = gpu.subgroupMatrices.some((u) => u.component === 'f16' && u.result === 'f32' && u.m === SIZE && u.n === SIZE && u.k === SIZE);
  const fixed = gpu.subgroups !== undefined && gpu.subgroups.min === LANES && gpu.subgroups.max === LANES;
  const room = gpu.workgroupInvocations >= SUBGROUPS * LANES && 16 * CHUNK * pitch(N) <= gpu.workgroupBytes;
  return gpu.precision === 'mixed' && unit && fixed && room && (chunk >= CHUNK || chunk === L) && P % SIZE === 0 && N % SIZE === 0 && N <= 128;
}

export function matrixForward({ inputs, outputs, buffer, dispatch }: WebgpuLowering, sizes: Sizes): void {
  const [x, dt, a, b, c, d] = inputs;
  const [y, last] = outputs;
  const { B, L, H, P, G, N } = sizes;
  const chunks = Math.ceil(L / CHUNK);
  const b16 = buffer(B, chunks, G, CHUNK, N / 2);
  const forOutputs = y.used ? { c, c16: buffer(B, chunks, G, CHUNK, N / 2), products: buffer(B, chunks, G, CHUNK, CHUNK) } : undefined;
  dispatch(productsKernel(sizes, { b, b16, ...(forOutputs && { forOutputs }) }));
  const states = y.used && chunks > 1 ? buffer(B, chunks - 1, H, P, N / 2) : undefined;
  if (states !== undefined || last.used) dispatch(statesKernel(sizes, { x, dt, a, b16, ...(states && { states }), ...(last.used && { last }) }));
  if (forOutputs !== undefined) dispatch(outputsKernel(sizes, { x, dt, a, d, ...forOutputs, y, ...(states && { states }) }));
}
