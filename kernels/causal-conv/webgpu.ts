/**
 * Causal depthwise convolution in WGSL. An invocation owns a few neighbouring channels and a run of steps, which it walks with the window of
 * the convolution in registers; neighbouring invocations own neighbouring channels. Channels are counted in vectors, C = columns · width.
 */
import type { Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { lines, repeat } from '#engine/webgpu/wgsl.ts';
import { partials, SIZE, sumPartials, sumRows } from '../webgpu-sums.ts';
import { sigmoid, vectorFor, type Vector } from '../webgpu-vector.ts';
import type { ConvAttrs } from './portable.ts';

/** Steps that are loaded at once: a run is some of these. */
const BLOCK = 4;
/** Steps of the shortest and of the longest run. What lies W − 1 steps around a run is loaded twice, from a cache as a rule. */
const SHORTEST = 8;
const LONGEST = 32;
/** Invocations that are worth more than longer runs: a large GPU has half as many on the way at a time. */
const ENOUGH = 2 ** 19;

/** Steps of a run. */
function runLength(B: number, L: number, columns: number): number {
  let run = SHORTEST;
  while (run < Math.min(LONGEST, L) && (B * L * columns) / (2 * run) >= ENOUGH) run *= 2;
  return run;
}

const times = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** `fn ${name}_at(base, t)`: the vector of a tensor at step t of the sequence and channels at `base`; 0 before and after the sequence (t may have wrapped). */
function loader(name: string, { T }: Vector, L: number, columns: number): string {
  return `fn ${name}_at(base: u32, t: u32) -> ${T} { return select(${T}(), ${name}[base + min(t, ${L - 1}u) * ${columns}u], t < ${L}u); }`;
}

/** The weight as it is bound, and the text that loads the taps of column c, `w0` … for the channels of a vector each. */
function taps(weight: Operand, { T, width }: Vector) {
  const W = weight.shape[1];
  const whole = W % 4 === 0;
  const tap = (i: number, j: number) => (whole ? `weight[(c * ${width}u + ${i}u) * ${W / 4}u + ${j >> 2}u][${j % 4}]` : `weight[(c * ${width}u + ${i}u) * ${W}u + ${j}u]`);
  return {
    weight: { operand: weight, as: whole ? 'vec4<f32>' : 'f32' } as const,
    load: repeat(W, (j) => `  let w${j} = ${T}(${times(width).map((i) => tap(i, j)).join()});`),
  };
}

/** Text for bias + Σ_j w_j x_{first+j}. */
const preActivation = (W: number, x: (k: number) => string): string => ['b', ...times(W).map((j) => `w${j} * ${x(j)}`)].join(' + ');

/** x [B, L, C], weight [C, W], bias [C] → y [B, L, C]. One launch. */
export function causalConvWebgpu({ inputs, outputs, dispatch }: WebgpuLowering, { silu }: ConvAttrs): void {
  const [x, weight, bias] = inputs;
  const [B, L, C] = x.shape;
  const W = weight.shape[1];
  const vector = vectorFor(C);
  const { T } = vector;
  const columns = C / vector.width;
  const run = runLength(B, L, columns);
  const runs = Math.ceil(L / run);
  const count = B * runs * columns;
  const { load, ...bound } = taps(weight, vector);
  dispatch({
    name: 'conv_forward',
    bindings: { x: { operand: x, as: T }, ...bound, bias: { operand: bias, as: T }, y: { operand: outputs[0], as: T } },
    tasks: Math.ceil(count / SIZE),
    code: lines(
      loader('x', vector, L, columns),
      sigmoid(vector),
      `fn act(v: ${T}) -> ${T} { return ${silu ? 'v * sigmoid(v)' : 'v'}; }`,
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let i = task_of(group) * ${SIZE}u + lane;`,
      `  if (i >= ${count}u) { return; }`,
      `  let c = i % ${columns}u;`,
      `  let base = i / ${columns * runs}u * ${L * columns}u + c;`,
      `  let start = i / ${columns}u % ${runs}u * ${run}u;`,
      load,
      '  let b = bias[c];',
      // a window: x_k belongs to step at + k − (W − 1)
      repeat(W - 1, (k) => `  var x${k} = x_at(base, start + ${k}u - ${W - 1}u);`),
      `  for (var at = start; at < start + ${run}u; at += ${BLOCK}u) {`,
      repeat(BLOCK, (u) => `    let x${u + W - 1} = x_at(base, at + ${u}u);`),
      repeat(BLOCK, (u) => `    if (at + ${u}u < ${L}u) { y[base + (at + ${u}u) * ${columns}u] = act(${preActivation(W, (j) => `x${u + j}`)}); }`),
      repeat(W - 1, (k) => `    x${k} = x${k + BLOCK};`),
      '  }',
      '}',
    ),
  });
}

/**
 * dy, x, weight, bias → dx, dweight, dbias. One launch, and one that adds the shares of the workgroups. With g_t the gradient before the
 * activation, step s takes dx_s = Σ_j w_j g_{s+W−1−j}, dweight_j += x_s g_{s+W−1−j} and dbias += g_s, so that a run looks W − 1 steps ahead
 * for g, and as many back for x.
 */
export function causalConvGradientWebgpu(lowering: WebgpuLowering, { silu }: ConvAttrs): void {
  const [dy, x, weight, bias] = lowering.inputs;
  const [dx, dw, db] = lowering.outputs as [Operand, Operand, Operand];
  const [B, L, C] = x.shape;
  const W = weight.shape[1];
  // pairs of channels: with four, registers would leave too few invocations to hide the memory's latency
  const vector = vectorFor(C, 2);
  const { T, width, component } = vector;
  const columns = C / width;
  const run = runLength(B, L, columns);
  const runs = Math.ceil(L / run);
  // a workgroup has `across` columns, and one run for each of its rows
  let across = 1;
  while (across < 32 && across < columns) across *= 2;
  const blocks = Math.ceil(columns / across);
  const count = Math.ceil((B * runs * across) / SIZE);
  const shares = { dw: partials(lowering, count, dw), db: partials(lowering, count, db) };
  const { load, ...bound } = taps(weight, vector);
  /** the gradient before the activation of step k of the window, whose dy is d */
  const gradient = (k: number, d: string, x: (k: number) => string) => `before_activation(${d}, ${preActivation(W, (j) => x(k - W + 1 + j))})`;
  /** text for what step u of a block gives */
  const step = (u: number): string => {
    const g = (j: number) => `g${u + W - 1 - j}`;
    return lines(
      dx.used && `    if (live && at + ${u}u < ${L}u) { dx[base + (at + ${u}u) * ${columns}u] = ${times(W).map((j) => `w${j} * ${g(j)}`).join(' + ')}; }`,
      dw.used && repeat(W, (j) => `    dw${j} += x${u} * ${g(j)};`),
      db.used && `    db0 += g${u};`,
    );
  };
  /** text that writes the workgroup's share of one sum */
  const share = (sum: string, store: string) => sumRows(across, `select(${T}(), ${sum}, live)`, `if (column < ${columns}u) { ${store} }`);
  lowering.dispatch({
    name: 'conv_gradient',
    bindings: {
      dy: { operand: dy, as: T }, x: { operand: x, as: T }, ...bound, bias: { operand: bias, as: T },
      ...(dx.used && { dx: { operand: dx, as: T } }), ...(dw.used && { dw: shares.dw }), ...(db.used && { db: { operand: shares.db, as: T } }),
    },
    tasks: blocks * count,
    code: lines(
      `var<workgroup> rows: array<${T}, ${SIZE}>;`,
      loader('x', vector, L, columns),
      loader('dy', vector, L, columns),
      sigmoid(vector),
      `fn before_activation(d: ${T}, v: ${T}) -> ${T} {`,
      silu ? '  let s = sigmoid(v);\n  return d * s * (1 + v * (1 - s));' : '  return d;',
      '}',
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      '  let task = task_of(group);',
      '  if (task >= TASKS) { return; }',
      `  let column = task % ${blocks}u * ${across}u + lane % ${across}u;`,
      `  let part = task / ${blocks}u;`,
      `  let run = part * ${SIZE / across}u + lane / ${across}u;`,
      `  let live = column < ${columns}u && run < ${B * runs}u;`,
      // who has no work repeats another's, and throws it away
      `  let c = min(column, ${columns - 1}u);`,
      `  let sequence = min(run / ${runs}u, ${B - 1}u);`,
      `  let base = sequence * ${L * columns}u + c;`,
      `  let start = run % ${runs}u * ${run}u;`,
      load,
      '  let b = bias[c];',
      dw.used && repeat(W, (j) => `  var dw${j} = ${T}();`),
      db.used && `  var db0 = ${T}();`,
      // a window: x_k and g_k belong to step start + k, later at + k; p_k to start + k − (W − 1)
      repeat(2 * (W - 1), (k) => `  let p${k} = x_at(base, start + ${k}u - ${W - 1}u);`),
      repeat(W - 1, (k) => `  var x${k} = p${k + W - 1};\n  var g${k} = ${gradient(k, `dy_at(base, start + ${k}u)`, (i) => `p${i + W - 1}`)};`),
      `  for (var at = start; at < start + ${run}u; at += ${BLOCK}u) {`,
      repeat(BLOCK, (u) => `    let x${u + W - 1} = x_at(base, at + ${u + W - 1}u);\n    let d${u} = dy_at(base, at + ${u + W - 1}u);`),
      repeat(BLOCK, (u) => `    let g${u + W - 1} = ${gradient(u + W - 1, `d${u}`, (i) => `x${i}`)};`),
      times(BLOCK).map(step),
      repeat(W - 1, (k) => `    x${k} = x${k + BLOCK};\n    g${k} = g${k + BLOCK};`),
      '  }',
      dw.used && times(W).map((j) => share(`dw${j}`, times(width).map((i) => `dw[(part * ${C}u + c * ${width}u + ${i}u) * ${W}u + ${j}u] = ${component('sum', i)};`).join(' '))),
      db.used && share('db0', `db[part * ${columns}u + c] = sum;`),
      '}',
    ),
  });
  sumPartials(lowering, [
    { shares: shares.dw, count, out: dw },
    { shares: shares.db, count, out: db },
  ]);
}
