/** Matrix products with few rows, few columns or few results altogether, and the sum of the shares of a split product. */
import type { GpuKernel, Operand } from '../fused-op.ts';
import { bind, destinationBindings, stored, vector, type Destination, type MatMulOperands, type Product } from './matmul-operands.ts';
import type { Thin } from './matmul-plan.ts';
import { lines } from './wgsl.ts';

const SIZE = 256;

/** Adds up `parts` shares of one sum, which lie `apart` in workgroup memory, in order; the first invocation of them gets the whole. */
const addShares = (T: string, parts: number, apart: number): string =>
  lines(
    parts > 1 && `  shares[lane] = sum;`,
    parts > 1 && `  workgroupBarrier();`,
    parts > 1 && `  if (part == 0u) { for (var s = 1u; s < ${parts}u; s++) { sum += ${T}(shares[lane + s * ${apart}u]); } }`,
  );

/**
 * `lanes` invocations for each result. Where the larger factor is contiguous along k they are neighbours, and results that share its row come one after
 * the other; elsewhere neighbours hold neighbouring results.
 */
export function thinKernel({ a, b }: MatMulOperands, { batch, m, n, k, transposeA, transposeB, strideA, strideB }: Product, { lanes, splits }: Thin, to: Destination): GpuKernel {
  const tall = m >= n;
  const deep = !(tall ? a : b).across;
  const results = batch * m * n;
  const perGroup = SIZE / lanes;
  const groups = Math.ceil(results / perGroup);
  const run = Math.ceil(k / splits);
  const [few, many] = tall ? [n, m] : [m, n];
  const [small, large] = deep ? [`e % ${few}u`, `e / ${few}u % ${many}u`] : [`e / ${many}u % ${few}u`, `e % ${many}u`];
  return {
    name: 'matmul_thin',
    bindings: { a: bind(a.operand, 1), b: bind(b.operand, 1), ...destinationBindings({ ...to, width: 1 }) },
    tasks: groups * splits,
    code: lines(
      lanes > 1 && `var<workgroup> shares: array<f32, ${SIZE}>;`,
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(group);`,
      `  if (task >= TASKS) { return; }`,
      deep ? `  let part = lane % ${lanes}u; let own = lane / ${lanes}u;` : `  let part = lane / ${perGroup}u; let own = lane % ${perGroup}u;`,
      `  let e = task % ${groups}u * ${perGroup}u + own;`,
      `  let split = task / ${groups}u;`,
      `  let small = ${small};`,
      `  let large = ${large};`,
      `  let index = e / ${m * n}u;`,
      tall ? `  let row = large; let column = small;` : `  let row = small; let column = large;`,
      `  var sum = 0f;`,
      `  if (e < ${results}u) {`,
      `    let start_a = index * ${strideA}u + row${transposeA ? '' : ` * ${k}u`};`,
      `    let start_b = index * ${strideB}u + column${transposeB ? ` * ${k}u` : ''};`,
      `    for (var p = split * ${run}u + part; p < min((split + 1u) * ${run}u, ${k}u); p += ${lanes}u) {`,
      `      sum = fma(a[start_a + p${transposeA ? ` * ${m}u` : ''}], b[start_b + p${transposeB ? '' : ` * ${n}u`}], sum);`,
      `    }`,
      `  }`,
      addShares('f32', lanes, deep ? 1 : perGroup),
      `  if (part == 0u && e < ${results}u) {`,
      `    let at = (index * ${m}u + row) * ${n}u + column;`,
      `    c[split * ${results}u + at] = ${stored('sum', 'at', 'column', to.epilogue)};`,
      `  }`,
      `}`,
    ),
  };
}

/** C = the sum of `splits` shares [splits, batch, m, n] (+ bias) (+ addend), always in the same order. Without shares it is the epilogue alone. */
export function sumKernel(shares: Operand | undefined, splits: number, batch: number, to: Destination): GpuKernel {
  const { width, m, n, epilogue } = to;
  const T = vector(width);
  const units = (batch * m * n) / width;
  let parts = 1;
  while (2 * parts <= Math.min(splits, 64) && 2 * parts * units <= 65536) parts *= 2;
  const perGroup = SIZE / parts;
  return {
    name: 'matmul_sum',
    bindings: { ...(shares === undefined ? {} : { x: bind(shares, width) }), ...destinationBindings(to) },
    tasks: Math.ceil(units / perGroup),
    code: lines(
      parts > 1 && `var<workgroup> shares: array<${T}, ${SIZE}>;`,
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let task = task_of(group);`,
      `  if (task >= TASKS) { return; }`,
      `  let part = lane / ${perGroup}u;`,
      `  let at = task * ${perGroup}u + lane % ${perGroup}u;`,
      `  var sum = ${T}(0);`,
      shares !== undefined && `  if (at < ${units}u) { for (var s = part; s < ${splits}u; s += ${parts}u) { sum += x[s * ${units}u + at]; } }`,
      addShares(T, parts, perGroup),
      `  if (part == 0u && at < ${units}u) { c[at] = ${stored('sum', 'at', `at % ${n / width}u`, epilogue)}; }`,
      `}`,
    ),
  };
}
