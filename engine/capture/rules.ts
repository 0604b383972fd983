/** What each tfjs kernel means in the graph. A kernel that is not in this table is refused with E_OP. */
import type { DType } from '../tensor-spec.ts';
import { sizeOf } from '../tensor-spec.ts';
import type { Value } from '../graph/graph.ts';
import { broadcastView, type Expression } from '../graph/elementwise.ts';
import { broadcastShape, type Builder } from './builder.ts';

// attributes are checked by tfjs itself before a kernel is called
// oxlint-disable-next-line typescript/no-explicit-any
type Attrs = Record<string, any>;
type Inputs = Record<string, Value>;
export type Rule = (build: Builder, inputs: Inputs, attrs: Attrs) => Value | Value[];

const unary = (expression: Expression, dtype?: DType): Rule => (b, i) => b.elementwise(expression, [i['x']], dtype ?? 'float32');
/** The element type follows the operands (int32 only when both are). */
const binary = (expression: Expression): Rule => (b, i) =>
  b.elementwise(expression, [i['a'], i['b']], i['a'].dtype === 'int32' && i['b'].dtype === 'int32' ? 'int32' : 'float32');
const compare = (expression: Expression): Rule => (b, i) => b.elementwise(expression, [i['a'], i['b']], 'bool');
const reshape: Rule = (b, i, a) => {
  const x = i['x'] ?? i['input'];
  const shape = [...(a['shape'] as number[])];
  const known = shape.reduce((p, d) => (d === -1 ? p : p * d), 1);
  return b.reshape(x, shape.map((d) => (d === -1 ? sizeOf(x.shape) / known : d)));
};
const axesOf = (x: Value, a: Attrs, key = 'axis'): number[] => {
  // tfjs calls the axes of Max "reductionIndices"
  const raw = (a[key] ?? a['reductionIndices']) as number | number[] | null | undefined;
  if (raw == null) return x.shape.map((_, i) => i);
  return (Array.isArray(raw) ? raw : [raw]).map((d) => (d < 0 ? d + x.shape.length : d));
};
const kept = (x: Value, axes: number[], keepDims: boolean): number[] =>
  keepDims ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) : x.shape.filter((_, i) => !axes.includes(i));
const reduction = (kind: 'sum' | 'max' | 'min' | 'prod'): Rule => (b, i, a) => {
  const axes = axesOf(i['x'], a);
  return b.reshape(b.reduce(kind, i['x'], axes), kept(i['x'], axes, Boolean(a['keepDims'])));
};
const softmaxed = (b: Builder, x: Value, log: boolean): Value => {
  const last = x.shape.length - 1;
  const column = (v: Value) => b.reshape(v, [...x.shape.slice(0, last), 1]);
  const shifted = b.elementwise(['sub', 'x0', 'x1'], [x, column(b.reduce('max', x, [last]))]);
  const e = b.elementwise(['exp', 'x0'], [shifted]);
  const sum = column(b.reduce('sum', e, [last]));
  return log ? b.elementwise(['sub', 'x0', ['log', 'x1']], [shifted, sum]) : b.elementwise(['div', 'x0', 'x1'], [e, sum]);
};
const split = (b: Builder, x: Value, axis: number, sizes: readonly number[]): Value[] => {
  let at = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, i) => (i === axis ? at : 0));
    at += size;
    return b.slice(x, begin, x.shape.map((d, i) => (i === axis ? size : d)));
  });
};
/** tanh-free activations of tfjs's fused matrix product */
const activations: Record<string, Expression> = { linear: 'x0', relu: ['relu', 'x0'], sigmoid: ['sigmoid', 'x0'], relu6: ['min', ['relu', 'x0'], 6] };
const selu = { scale: 1.0507009873554805, alpha: 1.6732632423543772 };

export const rules: Record<string, Rule> = {
  // one operand
  Identity: (b, i) => b.reshape(i['x'], i['x'].shape),
  Reshape: reshape,
  ExpandDims: (b, i, a) => {
    const x = i['input'];
    const dim = (a['dim'] as number) < 0 ? (a['dim'] as number) + x.shape.length + 1 : (a['dim'] as number);
    return b.reshape(x, [...x.shape.slice(0, dim), 1, ...x.shape.slice(dim)]);
  },
  Cast: (b, i, a) => {
    const x = i['x'];
    const to = a['dtype'] as DType;
    if (to === x.dtype) return b.reshape(x, x.shape);
    if (to === 'bool') return b.elementwise(['notEqual', 'x0', 0], [x], 'bool');
    if (x.dtype === 'bool' && to === 'float32') return b.reshape(x, x.shape, 'float32');
    return b.elementwise(to === 'int32' ? ['trunc', 'x0'] : 'x0', [x], to);
  },
  Neg: unary(['neg', 'x0']),
  Abs: unary(['abs', 'x0']),
  Exp: unary(['exp', 'x0']),
  Expm1: unary(['expm1', 'x0']),
  Log: unary(['log', 'x0']),
  Log1p: unary(['log1p', 'x0']),
  Sqrt: unary(['sqrt', 'x0']),
  Rsqrt: unary(['rsqrt', 'x0']),
  Square: unary(['square', 'x0']),
  Reciprocal: unary(['reciprocal', 'x0']),
  Sigmoid: unary(['sigmoid', 'x0']),
  Softplus: unary(['softplus', 'x0']),
  Tanh: unary(['tanh', 'x0']),
  Relu: unary(['relu', 'x0']),
  Relu6: unary(['min', ['relu', 'x0'], 6]),
  Elu: unary(['select', ['less', 'x0', 0], ['expm1', 'x0'], 'x0']),
  Selu: unary(['mul', selu.scale, ['select', ['less', 'x0', 0], ['mul', selu.alpha, ['expm1', 'x0']], 'x0']]),
  LeakyRelu: (b, i, a) => b.elementwise(['select', ['less', 'x0', 0], ['mul', 'x0', a['alpha'] as number], 'x0'], [i['x']]),
  Floor: unary(['floor', 'x0']),
  Ceil: unary(['ceil', 'x0']),
  Round: unary(['round', 'x0']),
  Sign: unary(['sign', 'x0']),
  Sin: unary(['sin', 'x0']),
  Cos: unary(['cos', 'x0']),
  Erf: unary(['erf', 'x0']),
  IsNan: unary(['isNaN', 'x0'], 'bool'),
  LogicalNot: unary(['equal', 'x0', 0], 'bool'),
  Step: (b, i, a) => b.elementwise(['select', ['less', 0, 'x0'], 1, ['mul', a['alpha'] as number, 1]], [i['x']]),
  ClipByValue: (b, i, a) => b.elementwise(['min', ['max', 'x0', a['clipValueMin'] as number], a['clipValueMax'] as number], [i['x']]),
  ZerosLike: (b, i) => b.elementwise(0, [], i['x'].dtype, [...i['x'].shape]),
  OnesLike: (b, i) => b.elementwise(1, [], i['x'].dtype, [...i['x'].shape]),

  // two operands
  Add: binary(['add', 'x0', 'x1']),
  Sub: binary(['sub', 'x0', 'x1']),
  Multiply: binary(['mul', 'x0', 'x1']),
  RealDiv: (b, i) => b.elementwise(['div', 'x0', 'x1'], [i['a'], i['b']]),
  FloorDiv: binary(['floor', ['div', 'x0', 'x1']]),
  Mod: binary(['sub', 'x0', ['mul', 'x1', ['floor', ['div', 'x0', 'x1']]]]),
  Pow: binary(['pow', 'x0', 'x1']),
  Maximum: binary(['max', 'x0', 'x1']),
  Minimum: binary(['min', 'x0', 'x1']),
  SquaredDifference: binary(['square', ['sub', 'x0', 'x1']]),
  Prelu: (b, i) => b.elementwise(['select', ['less', 'x0', 0], ['mul', 'x0', 'x1'], 'x0'], [i['x'], i['alpha']]),
  EluGrad: (b, i) => b.elementwise(['mul', 'x0', ['select', ['less', 'x1', 0], ['add', 'x1', 1], 1]], [i['dy'], i['y']]),
  Less: compare(['less', 'x0', 'x1']),
  LessEqual: compare(['lessEqual', 'x0', 'x1']),
  Greater: compare(['less', 'x1', 'x0']),
  GreaterEqual: compare(['lessEqual', 'x1', 'x0']),
  Equal: compare(['equal', 'x0', 'x1']),
  NotEqual: compare(['notEqual', 'x0', 'x1']),
  LogicalAnd: compare(['and', 'x0', 'x1']),
  LogicalOr: compare(['or', 'x0', 'x1']),
  Select: (b, i) => {
    const [condition, t, e] = [i['condition'], i['t'], i['e']];
    const lifted = condition.shape.length === 1 && t.shape.length > 1 ? b.reshape(condition, [condition.shape[0], ...t.shape.slice(1).map(() => 1)]) : condition;
    return b.elementwise(['select', 'x0', 'x1', 'x2'], [lifted, t, e], t.dtype);
  },
  AddN: (b, i) => {
    const inputs = Object.values(i);
    return inputs.reduce((sum, v) => b.elementwise(['add', 'x0', 'x1'], [sum, v], v.dtype));
  },

  // over axes
  Sum: reduction('sum'),
  Max: reduction('max'),
  Min: reduction('min'),
  Prod: reduction('prod'),
  Mean: (b, i, a) => {
    const x = i['x'];
    const axes = axesOf(x, a);
    const count = axes.reduce((n, d) => n * x.shape[d], 1);
    return b.reshape(b.elementwise(['mul', 'x0', 1 / count], [b.reduce('sum', x, axes)]), kept(x, axes, Boolean(a['keepDims'])));
  },
  ArgMax: (b, i, a) => {
    const x = i['x'];
    const [axis] = axesOf(x, a) as [number];
    if (axis === x.shape.length - 1) return b.reduce('argmax', x, [axis]);
    const order = [...x.shape.keys()].filter((d) => d !== axis).concat(axis);
    return b.reduce('argmax', b.transpose(x, order), [x.shape.length - 1]);
  },
  Softmax: (b, i) => softmaxed(b, i['logits'], false),
  LogSoftmax: (b, i) => softmaxed(b, i['logits'], true),
  Cumsum: (b, i, a) => b.prefixSum(i['x'], axesOf(i['x'], a)[0], Boolean(a['exclusive']), Boolean(a['reverse'])),

  // matrix products
  BatchMatMul: (b, i, a) => b.matmul(i['a'], i['b'], Boolean(a['transposeA']), Boolean(a['transposeB'])),
  _FusedMatMul: (b, i, a) => {
    let y = b.matmul(i['a'], i['b'], Boolean(a['transposeA']), Boolean(a['transposeB']));
    if (i['bias'] !== undefined) y = b.elementwise(['add', 'x0', 'x1'], [y, i['bias']]);
    const activation = activations[(a['activation'] as string | null) ?? 'linear'];
    if (activation === undefined) throw new Error(`activation ${a['activation']} of the fused matrix product`);
    return activation === 'x0' ? y : b.elementwise(activation, [y]);
  },

  // moving elements
  Transpose: (b, i, a) => b.transpose(i['x'], a['perm'] as number[]),
  Slice: (b, i, a) => {
    const x = i['x'];
    // one number, or fewer than there are axes: the rest is whole
    const [begins, sizes] = [[a['begin']].flat() as number[], [a['size']].flat() as number[]];
    const begin = x.shape.map((_, d) => begins[d] ?? 0);
    return b.slice(x, begin, x.shape.map((n, d) => ((sizes[d] ?? -1) === -1 ? n - begin[d] : sizes[d])));
  },
  StridedSlice: (b, i, a) => {
    const x = i['x'];
    const step = a['strides'] as number[];
    if (a['ellipsisMask'] || a['newAxisMask']) throw new Error('stridedSlice with ellipsis or new axes');
    const bound = (v: number, d: number, masked: boolean, open: number) => (masked ? open : Math.min(Math.max(v < 0 ? v + x.shape[d] : v, step[d] > 0 ? 0 : -1), x.shape[d]));
    const begin = (a['begin'] as number[]).map((v, d) => bound(v, d, Boolean(a['beginMask'] & (1 << d)), step[d] > 0 ? 0 : x.shape[d] - 1));
    const end = (a['end'] as number[]).map((v, d) => bound(v, d, Boolean(a['endMask'] & (1 << d)), step[d] > 0 ? x.shape[d] : -1));
    const size = begin.map((v, d) => Math.max(0, Math.ceil((end[d] - v) / step[d])));
    const y = b.slice(x, begin, size, step);
    return b.reshape(y, size.filter((_, d) => !(a['shrinkAxisMask'] & (1 << d))));
  },
  Reverse: (b, i, a) => {
    const x = i['x'];
    const dims = axesOf(x, a, 'dims');
    return b.slice(x, x.shape.map((d, k) => (dims.includes(k) ? d - 1 : 0)), x.shape, x.shape.map((_, k) => (dims.includes(k) ? -1 : 1)));
  },
  Concat: (b, i, a) => {
    const all = Object.values(i);
    const [axis] = axesOf(all[0], a) as [number];
    const inputs = all.filter((v) => v.shape[axis] > 0);
    return inputs.length === 1 ? b.reshape(inputs[0], inputs[0].shape) : b.concat(inputs, axis);
  },
  SplitV: (b, i, a) => {
    const x = i['x'];
    const [axis] = axesOf(x, a) as [number];
    const raw = a['numOrSizeSplits'] as number | number[];
    const size = x.shape[axis];
    const sizes = typeof raw === 'number' ? new Array<number>(raw).fill(size / raw) : raw.map((s) => (s === -1 ? size - raw.reduce((t, v) => t + (v === -1 ? 0 : v), 0) : s));
    return split(b, x, axis, sizes);
  },
  Pack: (b, i, a) => {
    const inputs = Object.values(i);
    const rank = inputs[0].shape.length + 1;
    const axis = ((a['axis'] as number) + rank) % rank;
    return b.concat(inputs.map((v) => b.reshape(v, [...v.shape.slice(0, axis), 1, ...v.shape.slice(axis)])), axis);
  },
  Unpack: (b, i, a) => {
    const x = i['value'];
    const [axis] = axesOf(x, a) as [number];
    const rest = x.shape.filter((_, d) => d !== axis);
    return split(b, x, axis, new Array<number>(x.shape[axis]).fill(1)).map((v) => b.reshape(v, rest));
  },
  PadV2: (b, i, a) => b.pad(i['x'], a['paddings'] as [number, number][], a['constantValue'] as number),
  Tile: (b, i, a) => {
    const x = i['x'];
    const reps = a['reps'] as number[];
    // [r0, d0, r1, d1 …] with stride 0 along the repetitions
    const doubled = x.shape.flatMap((d, k) => [reps[k], d]);
    const view = broadcastView(x.shape.flatMap((d) => [1, d]), doubled);
    return b.reshape(b.view(x, doubled, view), x.shape.map((d, k) => d * reps[k]));
  },
  BroadcastTo: (b, i, a) => {
    const x = i['x'];
    const shape = broadcastShape(x.shape, a['shape'] as number[]);
    return b.view(x, shape, broadcastView(x.shape, shape));
  },
  GatherV2: (b, i, a) => {
    if (a['batchDims']) throw new Error('gather with batch dimensions');
    return b.gather(i['x'], i['indices'], axesOf(i['x'], a)[0]);
  },
  UnsortedSegmentSum: (b, i, a) => b.segmentSum(i['x'], i['segmentIds'], a['numSegments'] as number),
  OneHot: (b, i, a) => {
    const depth = a['depth'] as number;
    const indices = i['indices'];
    const range = b.constant(Float32Array.from({ length: depth }, (_, k) => k), [depth], 'float32');
    return b.elementwise(['select', ['equal', 'x0', 'x1'], a['onValue'] as number, a['offValue'] as number], [b.reshape(indices, [...indices.shape, 1]), range], (a['dtype'] as DType | undefined) ?? 'float32');
  },
  Fill: (b, _i, a) => b.elementwise(a['value'] as number, [], (a['dtype'] as DType | undefined) ?? 'float32', a['shape'] as number[]),
  Range: (b, _i, a) => {
    const [start, stop, step] = [a['start'] as number, a['stop'] as number, a['step'] as number];
    const n = Math.max(0, Math.ceil((stop - start) / step));
    const dtype = (a['dtype'] as DType | undefined) ?? 'float32';
    const make = (_: unknown, k: number) => start + k * step;
    return b.constant(dtype === 'int32' ? Int32Array.from({ length: n }, make) : Float32Array.from({ length: n }, make), [n], dtype);
  },
};
