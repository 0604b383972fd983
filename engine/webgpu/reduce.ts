/** Reductions as WGSL: over the middle axis of [outer, n, inner], always in the same order. */
import type { Reduction } from '../graph/graph.ts';
import type { NodeLowering, PlacedOperand } from '../graph/lowering.ts';
import type { GpuKernel } from '../fused-op.ts';
import { f32 } from './wgsl.ts';

const SIZE = 256;
/** columns that keep a large GPU busy */
const ENOUGH = 65536;
/** rows that one invocation adds up at least, before work is split further */
const RUN = 32;

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
  const columns = outer * inner;
  const parts = kind === 'argmax' ? 1 : Math.max(1, Math.min(Math.ceil(n / RUN), Math.floor(ENOUGH / columns)));
  if (parts === 1) return l.launch(columnsKernel(kind, x, y, outer, n, inner, n));
  const run = Math.ceil(n / parts);
  const count = Math.ceil(n / run);
  const shares = l.buffer(outer, count, inner);
  l.launch(columnsKernel(kind, x, shares, outer, n, inner, run));
  lowerReduce({ ...l, inputs: [shares], outputs: [y] }, { kind, outer, n: count, inner });
}

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
  for (var half = ${width / 2}u; half > 0u; half /= 2u) {
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

/** One invocation for each column and run of rows. */
function columnsKernel(kind: Reduction['kind'], x: PlacedOperand, y: PlacedOperand, outer: number, n: number, inner: number, run: number): GpuKernel {
  const parts = Math.ceil(n / run);
  const total = outer * parts * inner;
  const arg = kind === 'argmax';
  return {
    name: 'reduce_columns',
    bindings: { x, y },
    tasks: Math.ceil(total / SIZE),
    code: `
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let to = task_of(group) * ${SIZE}u + lane;
  if (to >= ${total}u) { return; }
  let column = to % ${inner}u;
  let part = to / ${inner}u;
  let first = (part % ${parts}u) * ${run}u;
  let base = (part / ${parts}u) * ${n * inner}u + column;
  var value = ${f32(start[kind])};
  var index = 0u;
  for (var i = first; i < min(first + ${run}u, ${n}u); i++) {
    let e = f32(x[base + i * ${inner}u]);
    ${arg ? 'if (e > value) { value = e; index = i; }' : `value = ${combine[kind]('value', 'e')};`}
  }
  y[to] = ${arg ? 'i32(index)' : y.dtype === 'int32' ? 'i32(value)' : 'value'};
}`,
  };
}
