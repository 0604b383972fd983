/** Reductions as WGSL: over the middle axis of [outer, n, inner], always in the same order. */
import type { Reduction } from '../graph/graph.ts';
import type { NodeLowering, PlacedOperand } from '../graph/lowering.ts';
import type { GpuKernel } from '../fused-op.ts';
import { bind, vector, widthOf } from './matmul-operands.ts';
import { f32, lines } from './wgsl.ts';

const SIZE = 256;
/** invocations that keep a large GPU busy */
const ENOUGH = 131072;
/** loads of an invocation that are under way together */
const TOGETHER = 8;

const start = { sum: 0, max: -3.4028234663852886e38, min: 3.4028234663852886e38, prod: 1, argmax: -3.4028234663852886e38 } as const;
const combine = { sum: (a: string, b: string) => `${a} + ${b}`, max: (a: string, b: string) => `max(${a}, ${b})`, min: (a: string, b: string) => `min(${a}, ${b})`, prod: (a: string, b: string) => `${a} * ${b}`, argmax: (a: string) => a };

/** Launches y = reduction of x. */
export function lowerReduce(l: NodeLowering<GpuKernel>, reduction: Reduction): void {
  const { kind, outer, n, inner } = reduction;
  const [x] = l.inputs;
  const [y] = l.outputs;
  if (inner === 1) {
    if (kind !== 'argmax' && outer < 64 && n > 64 * SIZE) {
      const run = Math.ceil(n / Math.ceil(Math.min(1024, n / (8 * SIZE))));
      const parts = Math.ceil(n / run);
      const shares = l.buffer(outer, parts);
      l.launch(rows(kind, x, shares, outer, n, run));
      return l.launch(rows(kind, shares, y, outer, parts, parts));
    }
    return l.launch(rows(kind, x, y, outer, n, n));
  }
  const width = kind === 'argmax' || x.dtype !== 'float32' || y.dtype !== 'float32' ? 1 : widthOf(inner);
  const units = (outer * inner) / width;
  // rows side by side in a workgroup, and workgroups for the rows of one column
  const side = kind === 'argmax' ? 1 : Math.min(SIZE / Math.min(16, power(units)), power(Math.min(n, ENOUGH / units)));
  // a second launch takes longer than some more rows
  const parts = kind === 'argmax' || n <= 8 * TOGETHER * side ? 1 : Math.max(1, Math.min(Math.ceil(n / (TOGETHER * side)), Math.floor(ENOUGH / units / side)));
  const run = Math.ceil(n / parts);
  const count = Math.ceil(n / run);
  const shares = count === 1 ? y : l.buffer(outer, count, inner);
  l.launch(columnsKernel(kind, x, shares, { outer, n, inner, width, side, run }));
  if (count > 1) lowerReduce({ ...l, inputs: [shares], outputs: [y] }, { kind, outer, n: count, inner });
}

/** The power of two from x on. */
const power = (x: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, x)));

/** One workgroup for each run of `run` elements of a row, its invocations side by side. */
function rows(kind: Reduction['kind'], x: PlacedOperand, y: PlacedOperand, outer: number, n: number, run: number): GpuKernel {
  const parts = Math.ceil(n / run);
  const arg = kind === 'argmax';
  // short rows: several to a workgroup
  let width = SIZE;
  while (width > 1 && width / 2 >= run) width /= 2;
  const perGroup = SIZE / width;
  return {
    name: 'reduce_rows',
    bindings: { x, y },
    tasks: Math.ceil((outer * parts) / perGroup),
    code: `
var<workgroup> shared_value: array<f32, ${SIZE}>;
${arg ? `var<workgroup> shared_index: array<u32, ${SIZE}>;` : ''}
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = task_of(group) * ${perGroup}u + lane / ${width}u;
  let column = lane % ${width}u;
  let first = (row % ${parts}u) * ${run}u;
  let base = (row / ${parts}u) * ${n}u;
  var value = ${f32(start[kind])};
  var index = 0u;
  if (row < ${outer * parts}u) {
    for (var i = first + column; i < min(first + ${run}u, ${n}u); i += ${width}u) {
      let e = f32(x[base + i]);
      ${arg ? 'if (e > value) { value = e; index = i; }' : `value = ${combine[kind]('value', 'e')};`}
    }
  }
  shared_value[lane] = value;
  ${arg ? 'shared_index[lane] = index;' : ''}
  for (var half = ${Math.floor(width / 2)}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (column < half) {
      let other = shared_value[lane + half];
      ${arg
        ? `let place = shared_index[lane + half];
      if (other > shared_value[lane] || (other == shared_value[lane] && place < shared_index[lane])) { shared_value[lane] = other; shared_index[lane] = place; }`
        : `shared_value[lane] = ${combine[kind]('shared_value[lane]', 'other')};`}
    }
  }
  if (column == 0u && row < ${outer * parts}u) { y[row] = ${arg ? 'i32(shared_index[lane])' : y.dtype === 'int32' ? 'i32(shared_value[lane])' : 'shared_value[lane]'}; }
}`,
  };
}

/** A workgroup for some columns, `width` to a unit, and a run of rows, of which `side` are read side by side. */
function columnsKernel(
  kind: Reduction['kind'], x: PlacedOperand, y: PlacedOperand, { outer, n, inner, width, side, run }: { outer: number; n: number; inner: number; width: 1 | 2 | 4; side: number; run: number },
): GpuKernel {
  const parts = Math.ceil(n / run);
  const pitch = inner / width;
  const total = outer * parts * pitch;
  const units = SIZE / side;
  const T = vector(width);
  const arg = kind === 'argmax';
  const loads = arg ? 1 : Math.min(TOGETHER, Math.ceil(run / side));
  const at = (k: number) => `i + ${k * side}u`;
  const element = (k: number) => `${T}(x[base + (${at(k)}) * ${pitch}u])`;
  return {
    name: 'reduce_columns',
    bindings: { x: bind(x, width), y: bind(y, width) },
    tasks: Math.ceil(total / units),
    code: lines(
      side > 1 && `var<workgroup> shares: array<${T}, ${SIZE}>;`,
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let to = task_of(group) * ${units}u + lane % ${units}u;
  let column = to % ${pitch}u;
  let part = to / ${pitch}u;
  let end = select(0u, min((part % ${parts}u + 1u) * ${run}u, ${n}u), to < ${total}u);
  let base = (part / ${parts}u) * ${n * pitch}u + column;
  var value = ${T}(${f32(start[kind])});
  var index = 0u;
  var i = part % ${parts}u * ${run}u + lane / ${units}u;`,
      arg
        ? `  for (; i < end; i++) {
    let e = ${element(0)};
    if (e > value) { value = e; index = i; }
  }`
        : lines(
            loads > 1 && `  for (; i + ${(loads - 1) * side}u < end; i += ${loads * side}u) {`,
            loads > 1 && Array.from({ length: loads }, (_, k) => `    let e${k} = ${element(k)};`),
            loads > 1 && Array.from({ length: loads }, (_, k) => `    value = ${combine[kind]('value', `e${k}`)};`),
            loads > 1 && `  }`,
            `  for (; i < end; i += ${side}u) { value = ${combine[kind]('value', element(0))}; }`,
          ),
      side > 1 && `  shares[lane] = value;
  for (var half = ${side / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half * ${units}u) { shares[lane] = ${combine[kind]('shares[lane]', `shares[lane + half * ${units}u]`)}; }
  }
  value = shares[lane];`,
      `  if (${side > 1 ? `lane < ${units}u && ` : ''}to < ${total}u) { y[to] = ${arg ? 'i32(index)' : y.dtype === 'int32' ? 'i32(value)' : 'value'}; }`,
      `}`,
    ),
  };
}
