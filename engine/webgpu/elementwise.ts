/** Fused elementwise programs as WGSL. */
import { collapse, isContiguous, rowMajor, type Elementwise, type Instruction, type View } from '../graph/elementwise.ts';
import type { PlacedOperand } from '../graph/lowering.ts';
import { sizeOf } from '../tensor-spec.ts';
import type { GpuBinding, GpuKernel } from '../fused-op.ts';
import { f32, lines, specials } from './wgsl.ts';

const SIZE = 256;

/** Each instruction on values of type T, which is f32 or vec4f; constants are written T(…). */
const expressions: Record<Instruction, (T: string, ...args: string[]) => string> = {
  copy: (_, a) => a,
  neg: (_, a) => `-(${a})`,
  abs: (_, a) => `abs(${a})`,
  exp: (_, a) => `exp(${a})`,
  log: (_, a) => `log(${a})`,
  sqrt: (_, a) => `sqrt(${a})`,
  rsqrt: (_, a) => `inverseSqrt(${a})`,
  square: (_, a) => `${a} * ${a}`,
  reciprocal: (T, a) => `${T}(1) / ${a}`,
  sigmoid: (T, a) => `${T}(1) / (${T}(1) + exp(-${a}))`,
  softplus: (T, a) => `max(${a}, ${T}(0)) + log_one_plus(exp(-abs(${a})))`,
  tanh: (T, a) => `tanh(clamp(${a}, ${T}(-15), ${T}(15)))`,
  relu: (T, a) => `max(${a}, ${T}(0))`,
  floor: (_, a) => `floor(${a})`,
  ceil: (_, a) => `ceil(${a})`,
  round: (_, a) => `round(${a})`,
  trunc: (_, a) => `trunc(${a})`,
  sign: (_, a) => `sign(${a})`,
  sin: (_, a) => `sine(${a})`,
  cos: (_, a) => `cosine(${a})`,
  erf: (_, a) => `erf(${a})`,
  isNaN: (T, a) => `select(${T}(0), ${T}(1), is_nan(${a}))`,
  expm1: (_, a) => `exp_minus_one(${a})`,
  log1p: (_, a) => `log_one_plus(${a})`,
  add: (_, a, b) => `${a} + ${b}`,
  sub: (_, a, b) => `${a} - ${b}`,
  mul: (_, a, b) => `${a} * ${b}`,
  div: (_, a, b) => `${a} / ${b}`,
  max: (_, a, b) => `max(${a}, ${b})`,
  min: (_, a, b) => `min(${a}, ${b})`,
  pow: (_, a, b) => `power(${a}, ${b})`,
  less: (T, a, b) => `select(${T}(0), ${T}(1), ${a} < ${b})`,
  lessEqual: (T, a, b) => `select(${T}(0), ${T}(1), ${a} <= ${b})`,
  equal: (T, a, b) => `select(${T}(0), ${T}(1), ${a} == ${b})`,
  notEqual: (T, a, b) => `select(${T}(0), ${T}(1), ${a} != ${b})`,
  and: (T, a, b) => `select(${T}(0), ${T}(1), (${a} != ${T}(0)) & (${b} != ${T}(0)))`,
  or: (T, a, b) => `select(${T}(0), ${T}(1), (${a} != ${T}(0)) | (${b} != ${T}(0)))`,
  select: (T, c, a, b) => `select(${b}, ${a}, ${c} != ${T}(0))`,
};

/** Functions that some instructions call, for T and its relatives of the same width. */
const functions = (T: string, U: string, B: string): Record<string, string> => ({
  // near 0 by the series, where 1 + x would drop digits
  log_one_plus: `fn log_one_plus(x: ${T}) -> ${T} {
  let near = x * (1 - x * (0.5 - x * (0.3333333433f - x * (0.25 - x * (0.2 - x * 0.1666666716f)))));
  return select(log(1 + x), near, abs(x) < ${T}(0.03));
}`,
  exp_minus_one: `fn exp_minus_one(x: ${T}) -> ${T} {
  let near = x * (1 + x * (0.5 + x * (0.1666666716f + x * (0.0416666679f + x * 0.0083333338f))));
  return select(exp(x) - 1, near, abs(x) < ${T}(0.1));
}`,
  // WGSL's own are right to 2⁻¹¹ only: the nearest multiple of π is taken off in two parts, and sin r of |r| ≤ π/2 is its series
  sine: `fn sine(x: ${T}) -> ${T} {
  let n = round(x * 0.3183098862);
  return turned(x - n * 3.140625 - n * 0.0009676536, n);
}`,
  cosine: `fn cosine(x: ${T}) -> ${T} {
  let n = round(x * 0.3183098862 - 0.5);
  return -turned(x - (n + 0.5) * 3.140625 - (n + 0.5) * 0.0009676536, n);
}`,
  turned: `fn turned(r: ${T}, n: ${T}) -> ${T} {
  let s = r * r;
  let y = r * (1 + s * (-0.1666666667 + s * (0.0083333333 + s * (-0.0001984127 + s * (0.0000027557 - s * 0.0000000250)))));
  return select(y, -y, abs(n - 2 * floor(n * 0.5)) == ${T}(1));
}`,
  is_nan: `fn is_nan(x: ${T}) -> ${B} { return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u); }`,
  // Abramowitz and Stegun 7.1.26, as in tfjs
  erf: `fn erf(x: ${T}) -> ${T} {
  let t = 1 / (1 + 0.3275911 * abs(x));
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (1 - p * exp(-x * x));
}`,
  power: `fn power(x: ${T}, y: ${T}) -> ${T} {
  let size = pow(abs(x), y);
  let odd = abs(y - 2 * floor(y * 0.5)) == ${T}(1);
  return select(select(size, -size, odd & (x < ${T}(0))), ${T}(1), y == ${T}(0));
}`,
});

/** Whether four neighbours of the last dimension can be read as one vector (or are one element repeated). */
function vectorises(view: View, shape: readonly number[]): boolean {
  const last = view.strides.at(-1);
  if (last === 0) return true;
  return last === 1 && view.offset % 4 === 0 && view.strides.slice(0, -1).every((s, d) => s % 4 === 0 || shape[d] === 1);
}

/** output = program(inputs), one launch. */
export function elementwiseKernel(raw: Elementwise, inputs: readonly PlacedOperand[], output: PlacedOperand): GpuKernel {
  const program = collapse(raw);
  const shape = program.shape.length === 0 ? [1] : program.shape;
  const views = program.shape.length === 0 ? program.views.map((v) => ({ offset: v.offset, strides: [0] })) : program.views;
  const total = sizeOf(shape);
  // inputs with one place are bound once; as vectors only if every view of them is one
  const places = [...new Set(inputs.map((x) => x.place))];
  const wide = shape.at(-1)! % 4 === 0 && views.every((v) => vectorises(v, shape));
  const isVector = (p: (typeof places)[number]) => wide && inputs.every((x, k) => x.place !== p || (views[k].strides.at(-1) === 1 && x.dtype === 'float32'));
  const T = wide ? 'vec4f' : 'f32';
  const count = wide ? total / 4 : total;
  const bindings: Record<string, GpuBinding> = {};
  places.forEach((p, j) => {
    const operand = inputs.find((x) => x.place === p)!;
    bindings[`x${j}`] = isVector(p) ? { operand, as: 'vec4<f32>' } : operand;
  });
  const whole = output.dtype === 'int32';
  bindings['y'] = wide && !whole ? { operand: output, as: 'vec4<f32>' } : output;

  const own = rowMajor(shape);
  const loads = inputs.map((x, k) => {
    const name = `x${places.indexOf(x.place)}`;
    const view = views[k];
        const step = wide ? 4 : 1;
    const contiguous = isContiguous({ offset: 0, strides: view.strides }, shape);
    // backwards too: u32 wraps round
    const terms = contiguous ? [` + i * ${step}u`] : view.strides.flatMap((s, d) => (s === 0 || shape[d] === 1 ? [] : [` ${s < 0 ? '-' : '+'} (i * ${step}u / ${own[d]}u % ${shape[d]}u) * ${Math.abs(s)}u`]));
    const at = `${view.offset}u${terms.join('')}`;
    const convert = (e: string) => (x.dtype === 'int32' ? `f32(${e})` : e);
    if (!wide) return `let v${k} = ${convert(`${name}[${at}]`)};`;
    if (isVector(x.place)) return `let v${k} = ${name}[(${at}) / 4u];`;
    if (view.strides.at(-1) === 0) return `let v${k} = vec4f(${convert(`${name}[${at}]`)});`;
    return `let a${k} = ${at};\nlet v${k} = vec4f(${[0, 1, 2, 3].map((j) => convert(`${name}[a${k} + ${j}u]`)).join()});`;
  });
  const helpers = functions(T, wide ? 'vec4u' : 'u32', wide ? 'vec4<bool>' : 'bool');
  const used = new Set<string>();
  const argument = (a: string | number): string => (typeof a === 'number' ? `${T}(${f32(a)})` : a.startsWith('x') ? `v${a.slice(1)}` : a);
  const code = program.code.map((s, i) => {
    const text = expressions[s.op](T, ...s.args.map(argument));
    for (const name of Object.keys(helpers)) if (text.includes(`${name}(`)) used.add(name);
    if (used.has('sine') || used.has('cosine')) used.add('turned');
    return `let r${i} = ${text};`;
  });
  const result = `r${program.code.length - 1}`;
  const store = !whole
    ? `y[i] = ${result};`
    : wide
      ? `let w = vec4i(${result});\n${[0, 1, 2, 3].map((j) => `y[i * 4u + ${j}u] = w[${j}];`).join('\n')}`
      : `y[i] = i32(${result});`;
  return {
    name: 'elementwise',
    bindings,
    tasks: Math.ceil(count / SIZE),
    code: lines(
      specials,
      [...used].map((u) => helpers[u]),
      `@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `  let i = task_of(group) * ${SIZE}u + lane;`,
      `  if (i >= ${count}u) { return; }`,
      loads,
      code,
      store,
      '}',
    ),
  };
}
