/**
 * The chunked form of SSD by subgroup matrices: float16 factors, float32 sums, in chunks of 64 tokens. Two launches: C Bᵀ of every chunk
 * and group, with b and c in float16; and a walk over the chunks in which the state of some channels of a head never leaves the
 * workgroup. Letters as in webgpu-chunked.ts; here W has dt in it, and d on its diagonal: y = W X + decay from the chunk's start ∘ (C Sᵀ).
 *
 * Decays are products of exponentials of sums of α = dt·a within and between fours of tokens, all of one sign: no sum is a difference of
 * sums. Factors become float16 only when they are done.
 */
import type { GpuCapabilities, GpuKernel, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import type { Sizes } from './sizes.ts';

/** Tokens of a chunk, and rows, columns and depth of a subgroup matrix. */
const CHUNK = 64;
const SIZE = 16;
const LANES = 32;
const FOURS = CHUNK / 4;

/** How the walk is cut. */
export interface Walk {
  /** of a workgroup */
  readonly channels: number;
  readonly subgroups: 4 | 8;
  /** in how many parts a state becomes float16, which bounds the memory that it passes through */
  readonly passes: number;
}

/** Vectors of four from line to line in workgroup memory: 32 bytes of float32 or 16 of float16 more keep the lines of a matrix in different banks. */
const pitch = (n: number): number => n / 4 + 2;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

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

const main = (invocations: number): string =>
  `@compute @workgroup_size(${invocations}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) sg: u32) {
  let task = task_of(group);
  if (task >= TASKS) { return; }`;

const load = (kind: 'left' | 'right', layout: 'row_major' | 'col_major', from: string, at: string, step: number): string =>
  `subgroupMatrixLoad<subgroup_matrix_${kind}<f16, ${SIZE}, ${SIZE}>, ${layout}>(&${from}, ${at}, ${step}u)`;

/** C Bᵀ [B,chunks,G,64,64] up to the diagonal's matrices, and `halves` [B,chunks,G,2,64,N]: c and b in float16. A task for each chunk and group. */
function productsKernel({ B, L, G, N }: Sizes, { b, c, halves, products }: Record<'b' | 'c' | 'halves' | 'products', Operand>): GpuKernel {
  const chunks = Math.ceil(L / CHUNK);
  const invocations = 4 * LANES;
  const eights = N / 8;
  const line = pitch(N);
  const fill = (name: 'b' | 'c'): string => each(CHUNK * eights, invocations, () => `
      let row = e / ${eights}u;
      let column = 2u * (e % ${eights}u);
      var low = vec4<f16>(0);
      var high = vec4<f16>(0);
      if (row < rows) {
        let at = ((start + row) * ${G}u + group_of) * ${N / 4}u + column;
        low = vec4<f16>(${name}_data[at]);
        high = vec4<f16>(${name}_data[at + 1u]);
      }
      ${name}_tile[row * ${line}u + column] = low;
      ${name}_tile[row * ${line}u + column + 1u] = high;
      halves_data[task * ${2 * CHUNK * eights}u + ${name === 'b' ? CHUNK * eights : 0}u + e] = vec4f(packed(low), packed(high));
    `);
  return {
    name: 'ssd_products_f16',
    bindings: { b_data: vectors(b), c_data: vectors(c), halves_data: vectors(halves), products_data: vectors(products) },
    tasks: B * chunks * G,
    code: lines(
      directives,
      `fn packed(v: vec4<f16>) -> vec2f { return bitcast<vec2f>(v); }`,
      range(2).map((i) => `var<workgroup> ${'bc'[i]}_tile: array<vec4<f16>, ${CHUNK * line}>;`),
      main(invocations),
      `  let group_of = task % ${G}u;
  let chunk = task / ${G}u % ${chunks}u;
  let start = task / ${G * chunks}u * ${L}u + chunk * ${CHUNK}u;
  let rows = min(${CHUNK}u, ${L}u - chunk * ${CHUNK}u);`,
      fill('c'),
      fill('b'),
      `  workgroupBarrier();`,
      repeat(4, (j) => `  var p${j}: subgroup_matrix_result<f32, ${SIZE}, ${SIZE}>;`),
      repeat(N / SIZE, (k) => lines(
        `  {`,
        `    let left = ${load('left', 'row_major', 'c_tile', `sg * ${SIZE * line}u + ${4 * k}u`, line)};`,
        repeat(4, (j) => `    if (sg >= ${j}u) { p${j} = subgroupMatrixMultiplyAccumulate(left, ${load('right', 'col_major', 'b_tile', `${j * SIZE * line + 4 * k}u`, line)}, p${j}); }`),
        `  }`,
      )),
      repeat(4, (j) => `  if (sg >= ${j}u) { subgroupMatrixStore<row_major>(&products_data, task * ${CHUNK * FOURS}u + sg * ${SIZE * FOURS}u + ${4 * j}u, p${j}, ${FOURS}u); }`),
      `}`,
    ),
  };
}

/**
 * Tables of a chunk's decays in one head, from α and dt in `next_alpha` and `next_dt`: what a later four of tokens keeps of an earlier one
 * (`between`, of the tokens between the two), e^α, from each token to its four's end times dt, from the chunk's start, to its end times dt,
 * and across it all.
 */
const decayTables = `var<workgroup> next_alpha: array<vec4f, ${FOURS}>;
var<workgroup> next_dt: array<vec4f, ${FOURS}>;
var<workgroup> between: array<f32, ${FOURS * FOURS}>;
var<workgroup> steps: array<vec4f, ${FOURS}>;
var<workgroup> dts: array<vec4f, ${FOURS}>;
var<workgroup> ends: array<vec4f, ${FOURS}>;
var<workgroup> since: array<vec4f, ${FOURS}>;
var<workgroup> until: array<vec4f, ${FOURS}>;
var<workgroup> across: f32;
fn make_tables(lane: u32) {
  if (lane < ${FOURS}u) {
    var before = 0f;
    var after = 0f;
    for (var q = 0u; q < ${FOURS}u; q++) {
      let sum = dot(next_alpha[q], vec4f(1));
      before += select(0f, sum, q < lane);
      after += select(0f, sum, q > lane);
    }
    let alpha = next_alpha[lane];
    let dt = next_dt[lane];
    let started = vec4f(alpha.x, alpha.x + alpha.y, alpha.x + alpha.y + alpha.z, alpha.x + alpha.y + alpha.z + alpha.w);
    let left = vec4f(alpha.y + alpha.z + alpha.w, alpha.z + alpha.w, alpha.w, 0f);
    steps[lane] = exp(alpha);
    dts[lane] = dt;
    ends[lane] = exp(left) * dt;
    since[lane] = exp(before + started);
    until[lane] = exp(left + after) * dt;
    if (lane == 0u) { across = exp(started.w + after); }
  } else if (lane >= 64u && lane < 128u) {
    // an earlier four and four later ones
    let column = lane % ${FOURS}u;
    let first = (lane - 64u) / ${FOURS}u * 4u;
    var sum = 0f;
    for (var q = 0u; q < ${FOURS}u; q++) {
      if (q >= first && q < first + 4u) { between[q * ${FOURS}u + column] = exp(sum); }
      sum += select(0f, dot(next_alpha[q], vec4f(1)), q > column);
    }
  }
}`;

/** y, and the state after the last token in `last`, either undefined where nobody reads it. A task for each head and slice of its channels. */
function walkKernel(
  { B, L, H, P, G, N }: Sizes, { channels, subgroups, passes }: Walk, { x, dt, a, d, halves, products, y, last }: Record<'x' | 'dt' | 'a' | 'd' | 'halves' | 'products', Operand> & { y?: Operand; last?: Operand },
): GpuKernel {
  const chunks = Math.ceil(L / CHUNK);
  const slices = P / channels;
  const invocations = subgroups * LANES;
  const eights = N / 8;
  const [line, xLine, wLine] = [pitch(N), pitch(channels), pitch(CHUNK)];
  /** matrices of a subgroup: one row of y, some of its columns; all rows of the state, some of its columns */
  const [stateRows, stateColumns] = [channels / SIZE, N / SIZE];
  const yColumns = (4 * stateRows) / subgroups;
  const own = Math.ceil(stateColumns / subgroups);
  const passRows = stateRows / passes;
  /** vectors of a row of W that an invocation makes, in four rows */
  const wide = 256 / invocations;
  const byColumn = `${FOURS / wide}u`;
  const vectorsOfX = (CHUNK * channels) / 4;
  const vectorsOfHalves = CHUNK * eights;

  const readX = (chunk: string): string => each(vectorsOfX, invocations, (r) => `
      let row = ${chunk} * ${CHUNK}u + e / ${channels / 4}u;
      x${r} = vec4f(0);
      if (row < ${L}u) { x${r} = x_data[((batch * ${L}u + row) * ${H}u + h) * ${P / 4}u + slice * ${channels / 4}u + e % ${channels / 4}u]; }
    `);
  const readProducts = (chunk: string): string => lines(
    `  if (below) {`,
    `    let at = ((batch * ${chunks}u + ${chunk}) * ${G}u + group_of) * ${CHUNK * FOURS}u + row4 * ${4 * FOURS}u + column4;`,
    repeat(4 * wide, (k) => `    p${k} = products_data[at + ${Math.floor(k / wide) * FOURS + (k % wide)}u];`),
    `  }`,
  );
  const readHalves = (chunk: string, which: 0 | 1): string =>
    each(vectorsOfHalves, invocations, (r) => `halves${r} = halves_data[(((batch * ${chunks}u + ${chunk}) * ${G}u + group_of) * 2u + ${which}u) * ${vectorsOfHalves}u + e];`);
  const readDt = (chunk: string): string => lines(
    `  if (lane < ${FOURS}u) {`,
    `    let token = ${chunk} * ${CHUNK}u + 4u * lane;`,
    `    dt_next = vec4f(0);`,
    repeat(4, (k) => `    if (token + ${k}u < ${L}u) { dt_next[${k}] = dt_data[(batch * ${L}u + token + ${k}u) * ${H}u + h]; }`),
    `  }`,
  );
  const keepDt = `  if (lane < ${FOURS}u) {
    next_alpha[lane] = dt_next * a_data[h];
    next_dt[lane] = dt_next;
  }`;
  const keepHalves = (scale: string): string => each(vectorsOfHalves, invocations, (r) => `
      let row = e / ${eights}u;
      let at = row * ${line}u + 2u * (e % ${eights}u);
      let scale = f16(${scale}[row / 4u][row % 4u]);
      pool[at] = unpacked(halves${r}.xy) * scale;
      pool[at + 1u] = unpacked(halves${r}.zw) * scale;
    `);

  const makeW = lines(
    `  if (below) {`,
    repeat(wide, (v) => lines(
      `    let q${v} = column4 + ${v}u;`,
      `    var m${v} = select(vec4f(0), between[row4 * ${FOURS}u + q${v}] * ends[q${v}], vec4<bool>(q${v} < row4));`,
    )),
    `    let step = steps[row4];`,
    repeat(4, (i) => repeat(wide, (v) => lines(
      `    {`,
      `      let diagonal = vec4<bool>(q${v} == row4) & (vec4u(0, 1, 2, 3) == vec4u(${i}));`,
      `      m${v} = select(m${v} * step[${i}], dts[q${v}], diagonal);`,
      `      pool[(4u * row4 + ${i}u) * ${wLine}u + q${v}] = vec4<f16>(fma(p${i * wide + v}, m${v}, select(vec4f(0), vec4f(d), diagonal)));`,
      `    }`,
    ))),
    `  }`,
  );

  const sums = (n: number, text: (j: number) => string): string => repeat(n, text);
  const rowOfY = `sg % 4u`;
  const columnOfY = (j: number): string => (subgroups === 4 ? `${j}u` : `(sg / 4u * ${yColumns}u + ${j}u)`);
  const within = repeat(4, (k) => lines(
    `  if (row16 >= ${k}u) {`,
    `    let left = ${load('left', 'row_major', 'pool', `row16 * ${SIZE * wLine}u + ${4 * k}u`, wLine)};`,
    sums(yColumns, (j) => `    y${j} = subgroupMatrixMultiplyAccumulate(left, ${load('right', 'row_major', 'x_tile', `${k * SIZE * xLine}u + 4u * ${columnOfY(j)}`, xLine)}, y${j});`),
    `  }`,
  ));
  const fromState = repeat(stateColumns, (k) => lines(
    `  {`,
    `    let left = ${load('left', 'row_major', 'pool', `row16 * ${SIZE * line}u + ${4 * k}u`, line)};`,
    sums(yColumns, (j) => `    y${j} = subgroupMatrixMultiplyAccumulate(left, ${load('right', 'col_major', 'state', `${columnOfY(j)} * ${SIZE * line}u + ${4 * k}u`, line)}, y${j});`),
    `  }`,
  ));
  const ownColumn = (j: number): string => `(sg + ${j * subgroups}u)`;
  const guard = (j: number): string => ((j + 1) * subgroups <= stateColumns ? '' : `if (${ownColumn(j)} < ${stateColumns}u) `);
  const eachState = (text: (i: number, j: number) => string): string => repeat(own, (j) => lines(`  ${guard(j)}{`, repeat(stateRows, (i) => text(i, j)), `  }`));
  const toState = repeat(4, (k) => lines(
    `  {`,
    repeat(stateRows, (i) => `    let left${i} = ${load('left', 'col_major', 'x_tile', `${k * SIZE * xLine + 4 * i}u`, xLine)};`),
    repeat(own, (j) => lines(
      `    ${guard(j)}{`,
      `      let right = ${load('right', 'row_major', 'pool', `${k * SIZE * line}u + 4u * ${ownColumn(j)}`, line)};`,
      repeat(stateRows, (i) => `      s${i}_${j} = subgroupMatrixMultiplyAccumulate(left${i}, right, s${i}_${j});`),
      `    }`,
    )),
    `  }`,
  ));
  const halve = repeat(passes, (pass) => lines(
    eachState((i, j) => (Math.floor(i / passRows) === pass ? `    subgroupMatrixStore<row_major>(&sums, ${(i % passRows) * SIZE * line}u + 4u * ${ownColumn(j)}, s${i}_${j}, ${line}u);` : '')),
    `  workgroupBarrier();`,
    each(passRows * SIZE * (N / 4), invocations, () => `
      let at = e / ${N / 4}u * ${line}u + e % ${N / 4}u;
      state[${pass * passRows * SIZE * line}u + at] = vec4<f16>(sums[at]);
    `),
    pass < passes - 1 && `  workgroupBarrier();`,
  ));

  const yAt = (row: string): string => `((batch * ${L}u + ${row}) * ${H}u + h) * ${P / 4}u + slice * ${channels / 4}u`;
  const storeY = (indent: string): string => sums(yColumns, (j) => `${indent}subgroupMatrixStore<row_major>(&y_data, ${yAt(`first`)} + 4u * ${columnOfY(j)}, y${j}, ${(H * P) / 4}u);`);
  /** rows of the last chunk's matrices that are only in part */
  const rest = L % SIZE;
  const write = lines(
    `  let first = chunk * ${CHUNK}u + row16 * ${SIZE}u;`,
    `  if (first + ${SIZE}u <= ${L}u) {`,
    storeY('    '),
    `  }`,
    rest > 0 && lines(
      `  if (chunk == ${chunks - 1}u) {`,
      `    if (row16 == ${Math.floor((L % CHUNK) / SIZE)}u) {`,
      sums(yColumns, (j) => `      subgroupMatrixStore<row_major>(&sums, 4u * ${columnOfY(j)}, y${j}, ${xLine}u);`),
      `    }`,
      `    workgroupBarrier();`,
      each(rest * (channels / 4), invocations, () => `y_data[${yAt(`${L - rest}u + e / ${channels / 4}u`)} + e % ${channels / 4}u] = sums[e / ${channels / 4}u * ${xLine}u + e % ${channels / 4}u];`),
      `  }`,
    ),
  );

  return {
    name: 'ssd_walk_f16',
    bindings: {
      x_data: vectors(x), halves_data: vectors(halves), products_data: vectors(products), dt_data: dt, a_data: a, d_data: d,
      ...(y === undefined ? {} : { y_data: vectors(y) }), ...(last === undefined ? {} : { last_data: vectors(last) }),
    },
    tasks: B * H * slices,
    code: lines(
      directives,
      `fn unpacked(v: vec2f) -> vec4<f16> { return bitcast<vec4<f16>>(v); }`,
      `var<workgroup> pool: array<vec4<f16>, ${CHUNK * Math.max(line, wLine)}>; // W, then c, then b
var<workgroup> x_tile: array<vec4<f16>, ${CHUNK * xLine}>;
var<workgroup> state: array<vec4<f16>, ${channels * line}>;
var<workgroup> sums: array<vec4f, ${sumsSize(N, { channels, passes })}>;`,
      decayTables,
      main(invocations),
      `  let slice = task % ${slices}u;
  let h = task / ${slices}u % ${H}u;
  let batch = task / ${slices * H}u;
  let group_of = h / ${H / G}u;
  let d = d_data[h];
  let row16 = ${rowOfY};
  let column4 = lane % ${byColumn} * ${wide}u;
  let row4 = lane / ${byColumn};
  let below = column4 / 4u <= row4 / 4u;
  var dt_next: vec4f;`,
      repeat(Math.ceil(vectorsOfX / invocations), (r) => `  var x${r}: vec4f;`),
      repeat(Math.ceil(vectorsOfHalves / invocations), (r) => `  var halves${r}: vec4f;`),
      repeat(4 * wide, (r) => `  var p${r}: vec4f;`),
      repeat(own * stateRows, (e) => `  var s${e % stateRows}_${Math.floor(e / stateRows)}: subgroup_matrix_result<f32, ${SIZE}, ${SIZE}>;`),
      readDt('0u'),
      keepDt,
      readX('0u'),
      y !== undefined && readProducts('0u'),
      `  workgroupBarrier();`,
      `  make_tables(lane);`,
      readDt('1u'),
      `  workgroupBarrier();
  for (var chunk = 0u; chunk < ${chunks}u; chunk++) {`,
      y === undefined ? readHalves('chunk', 1) : makeW,
      each(vectorsOfX, invocations, (r) => `x_tile[e / ${channels / 4}u * ${xLine}u + e % ${channels / 4}u] = vec4<f16>(x${r});`),
      keepDt,
      `  if (chunk + 1u < ${chunks}u) {`,
      readX('(chunk + 1u)'),
      y !== undefined && readProducts('(chunk + 1u)'),
      `  }`,
      `  workgroupBarrier();`,
      y !== undefined && lines(
        sums(yColumns, (j) => `  var y${j} = subgroup_matrix_result<f32, ${SIZE}, ${SIZE}>();`),
        within,
        `  if (chunk > 0u) {`,
        `  workgroupBarrier();`,
        keepHalves('since'),
        `  workgroupBarrier();`,
        readHalves('chunk', 1),
        fromState,
        `  } else {`,
        readHalves('chunk', 1),
        `  }`,
        write,
      ),
      last === undefined && `  if (chunk == ${chunks - 1}u) { break; }`,
      `  workgroupBarrier();`,
      keepHalves('until'),
      `  let decay = across;
  workgroupBarrier();`,
      y !== undefined && lines(`  if (chunk + 1u < ${chunks}u) {`, readHalves('(chunk + 1u)', 0), `  }`),
      `  make_tables(lane);`,
      readDt('(chunk + 2u)'),
      eachState((i, j) => `    s${i}_${j} = subgroupMatrixScalarMultiply(s${i}_${j}, decay);`),
      toState,
      last !== undefined && `  if (chunk == ${chunks - 1}u) { break; }`,
      y === undefined ? `  workgroupBarrier();` : halve,
      `  }`,
      last !== undefined && eachState((i, j) => `    subgroupMatrixStore<row_major>(&last_data, ((batch * ${H}u + h) * ${P}u + slice * ${channels}u + ${i * SIZE}u) * ${N / 4}u + 4u * ${ownColumn(j)}, s${i}_${j}, ${N / 4}u);`),
      `}`,
    ),
  };
}

/** Vectors of float32 that a part of a state, or sixteen rows of y, pass through. */
const sumsSize = (N: number, { channels, passes }: Pick<Walk, 'channels' | 'passes'>): number => Math.max((channels / passes) * pitch(N), SIZE * pitch(channels));

/** Bytes of workgroup memory that the walk takes. */
const walkBytes = (N: number, { channels, passes }: Pick<Walk, 'channels' | 'passes'>): number =>
  8 * (CHUNK * Math.max(pitch(N), pitch(CHUNK)) + CHUNK * pitch(channels) + channels * pitch(N)) + 16 * sumsSize(N, { channels, passes }) + 4 * (FOURS * FOURS + 7 * CHUNK + 1);

/** The form by subgroup matrices with a given cut. */
export function walkForward({ inputs, outputs, buffer, dispatch }: WebgpuLowering, sizes: Sizes, walk: Walk): void {
  const [x, dt, a, b, c, d] = inputs;
  const [y, last] = outputs;
  const { B, L, G, N } = sizes;
  const chunks = Math.ceil(L / CHUNK);
  const halves = buffer(B, chunks, G, CHUNK, N);
  const products = buffer(B, chunks, G, CHUNK, CHUNK);
  dispatch(productsKernel(sizes, { b, c, halves, products }));
  dispatch(walkKernel(sizes, walk, { x, dt, a, d, halves, products, ...(y.used ? { y } : {}), ...(last.used ? { last } : {}) }));
}

/** How to walk, where subgroups of 32 multiply matrices of 16 × 16 and the sizes fit; undefined elsewhere. */
export function walkFor({ P, L, N }: Sizes, chunk: number, gpu: GpuCapabilities): Walk | undefined {
  const unit = gpu.subgroupMatrices.some((u) => u.component === 'f16' && u.result === 'f32' && u.m === SIZE && u.n === SIZE && u.k === SIZE);
  const fixed = gpu.subgroups !== undefined && gpu.subgroups.min === LANES && gpu.subgroups.max === LANES;
  if (gpu.precision !== 'mixed' || !unit || !fixed || gpu.workgroupInvocations < 8 * LANES || (chunk < CHUNK && chunk !== L) || P % SIZE !== 0 || N % SIZE !== 0 || N > 128) return undefined;
  for (const channels of [64, 32, 16]) {
    for (const passes of channels === SIZE ? [1] : [1, 2]) {
      const walk: Walk = { channels, subgroups: channels === SIZE ? 4 : 8, passes };
      if (P % channels === 0 && Math.max(walkBytes(N, walk), 16 * CHUNK * pitch(N)) <= gpu.workgroupBytes) return walk;
    }
  }
  return undefined;
}
