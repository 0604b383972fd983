/** What moves elements without computing: concat, pad, gather, and the two sums along an axis that tfjs's gradients need. */
import type { Operation } from '../graph/graph.ts';
import { rowMajor } from '../graph/elementwise.ts';
import type { NodeLowering, PlacedOperand } from '../graph/lowering.ts';
import type { GpuCapabilities, GpuKernel } from '../fused-op.ts';
import { sizeOf } from '../tensor-spec.ts';
import { f32, specials } from './wgsl.ts';

const SIZE = 256;

/** A kernel of one invocation for each of `total` elements i. */
function each(name: string, total: number, bindings: GpuKernel['bindings'], body: string): GpuKernel {
  return {
    name,
    bindings,
    tasks: Math.ceil(total / SIZE),
    code: `${specials}
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = task_of(group) * ${SIZE}u + lane;
  if (i >= ${total}u) { return; }
${body}
}`,
  };
}

/** All elements of x. */
export function copyKernel(x: PlacedOperand, y: PlacedOperand): GpuKernel {
  return each('copy', sizeOf(x.shape), { x, y }, '  y[i] = x[i];');
}

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

/** One launch for as many inputs as can be bound beside the output. */
export function lowerConcat(l: NodeLowering<GpuKernel>, { outer, inner, sizes }: Of<'concat'>, { bindings }: GpuCapabilities): void {
  const width = sizes.reduce((a, b) => a + b, 0) * inner;
  const together = bindings - 1;
  for (let first = 0; first < sizes.length; first += together) {
    const lengths = sizes.slice(first, first + together).map((size) => size * inner);
    const before = sizes.slice(0, first).reduce((a, b) => a + b, 0) * inner;
    const row = lengths.reduce((a, b) => a + b, 0);
    let end = 0;
    const pieces = lengths.map((length, k) => {
      const start = end;
      end += length;
      return length === 0 ? '' : `if (at < ${end}u) { y[to] = x${k}[i / ${row}u * ${length}u + at - ${start}u]; return; }`;
    });
    if (outer * row === 0) continue;
    const inputs = Object.fromEntries(lengths.flatMap((length, k) => (length === 0 ? [] : [[`x${k}`, l.inputs[first + k]] as const])));
    l.launch(each('concat', outer * row, { ...inputs, y: l.outputs[0] }, `  let at = i % ${row}u;\n  let to = i / ${row}u * ${width}u + ${before}u + at;\n  ${pieces.join('\n  ')}`));
  }
}

export function lowerPad(l: NodeLowering<GpuKernel>, { before, fill }: Of<'pad'>): void {
  const [x] = l.inputs;
  const [y] = l.outputs;
  const own = rowMajor(y.shape);
  const from = rowMajor(x.shape);
  const coordinates = y.shape.map((d, k) => `  let c${k} = i / ${own[k]}u % ${d}u - ${before[k]}u;`);
  // below the border wraps round to large numbers
  const inside = y.shape.map((_, k) => `c${k} < ${x.shape[k]}u`).join(' && ') || 'true';
  const at = y.shape.map((_, k) => `c${k} * ${from[k]}u`).join(' + ') || '0u';
  const value = x.dtype === 'int32' ? `${Math.trunc(fill)}i` : f32(fill);
  l.launch(each('pad', sizeOf(y.shape), { x, y }, `${coordinates.join('\n')}\n  if (${inside}) { y[i] = x[${at}]; } else { y[i] = ${value}; }`));
}

/** An index outside gives 0, as in tfjs on a GPU. */
export function lowerGather(l: NodeLowering<GpuKernel>, { outer, size, inner, indices }: Of<'gather'>): void {
  const [x, index] = l.inputs;
  l.launch(
    each('gather', outer * indices * inner, { x, index, y: l.outputs[0] }, `  let row = index[i / ${inner}u % ${indices}u];
  if (row >= 0 && row < ${size}) { y[i] = x[(i / ${inner * indices}u * ${size}u + u32(row)) * ${inner}u + i % ${inner}u]; } else { y[i] = ${x.dtype === 'int32' ? '0i' : '0f'}; }`),
  );
}

export function lowerSegmentSum(l: NodeLowering<GpuKernel>, { n, segments, inner }: Of<'segmentSum'>): void {
  const [x, segment] = l.inputs;
  l.launch(
    each('segment_sum', segments * inner, { x, segment, y: l.outputs[0] }, `  let own = i32(i / ${inner}u);
  var sum = 0f;
  for (var k = 0u; k < ${n}u; k++) { if (segment[k] == own) { sum += f32(x[k * ${inner}u + i % ${inner}u]); } }
  y[i] = ${l.outputs[0].dtype === 'int32' ? 'i32(sum)' : 'sum'};`),
  );
}

export function lowerPrefixSum(l: NodeLowering<GpuKernel>, { outer, n, inner, exclusive, reverse }: Of<'prefixSum'>): void {
  l.launch(
    each('prefix_sum', outer * inner, { x: l.inputs[0], y: l.outputs[0] }, `  let base = i / ${inner}u * ${n * inner}u + i % ${inner}u;
  var sum = 0f;
  for (var k = 0u; k < ${n}u; k++) {
    let at = base + ${reverse ? `(${n - 1}u - k)` : 'k'} * ${inner}u;
    let e = f32(x[at]);
    ${exclusive ? 'y[at] = sum;\n    sum += e;' : 'sum += e;\n    y[at] = sum;'}
  }`),
  );
}
