/**
 * Elementwise programs. Every tfjs kernel that computes element by element, and every one that only moves elements
 * (transpose, slice, tile, broadcast), becomes one small straight-line program over strided views of its inputs;
 * fusing two of them is joining their code.
 */
import type { Value } from './graph.ts';

/** The instructions that every executor knows; numbers of arguments beside them. Comparisons give 0 or 1. */
export const instructions = {
  copy: 1, neg: 1, abs: 1, exp: 1, log: 1, sqrt: 1, rsqrt: 1, square: 1, reciprocal: 1, sigmoid: 1, softplus: 1, tanh: 1,
  relu: 1, floor: 1, ceil: 1, round: 1, sign: 1, sin: 1, cos: 1, erf: 1, isNaN: 1, trunc: 1, expm1: 1, log1p: 1,
  add: 2, sub: 2, mul: 2, div: 2, max: 2, min: 2, pow: 2, less: 2, lessEqual: 2, equal: 2, notEqual: 2, and: 2, or: 2,
  select: 3,
} as const;
export type Instruction = keyof typeof instructions;

/** An argument: "x2" an input, "r0" the result of instruction 0, a number an immediate. */
export type Arg = `x${number}` | `r${number}` | number;

export interface Step {
  readonly op: Instruction;
  readonly args: readonly Arg[];
}

/** How an input is read along the iteration shape: element offset + Σ index·stride. */
export interface View {
  readonly offset: number;
  readonly strides: readonly number[];
}

export interface Elementwise {
  /** the iteration shape; its size is that of the output */
  readonly shape: readonly number[];
  /** one per input of the node */
  readonly views: readonly View[];
  /** the result of the last step is the output */
  readonly code: readonly Step[];
}

/** Row-major strides of a shape. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/** The view of a tensor of `shape` broadcast to `to` by numpy's rules. */
export function broadcastView(shape: readonly number[], to: readonly number[]): View {
  const own = rowMajor(shape);
  const lead = to.length - shape.length;
  return { offset: 0, strides: to.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : own[i - lead])) };
}

/** Whether the view reads the whole tensor in order. */
export function isContiguous(view: View, shape: readonly number[]): boolean {
  if (view.offset !== 0) return false;
  const own = rowMajor(shape);
  return shape.every((d, i) => d === 1 || view.strides[i] === own[i]);
}

/** An expression over inputs x0, x1 … for building code. */
export type Expression = Arg | readonly [Instruction, ...Expression[]];

/** Flattens an expression into steps. */
export function compileExpression(expression: Expression): Step[] {
  const code: Step[] = [];
  const emit = (e: Expression): Arg => {
    if (typeof e === 'number' || typeof e === 'string') return e;
    const [op, ...args] = e;
    const flat = args.map(emit);
    code.push({ op, args: flat });
    return `r${code.length - 1}`;
  };
  const last = emit(expression);
  if (code.length === 0) code.push({ op: 'copy', args: [last] });
  return code;
}

/** A common refinement of two shapes of equal size (every dimension of each is a run of its dimensions), or undefined. */
export function refine(a: readonly number[], b: readonly number[]): number[] | undefined {
  const out: number[] = [];
  let [i, j, x, y] = [0, 0, 1, 1];
  for (;;) {
    while (x === 1 && i < a.length) x = a[i++]!;
    while (y === 1 && j < b.length) y = b[j++]!;
    if (x === 1 && y === 1) return out;
    // from the left: the smaller leading factor is a dimension of the refinement
    const d = Math.min(x, y);
    if (d === 1 || x % d !== 0 || y % d !== 0) return undefined;
    out.push(d);
    x /= d;
    y /= d;
  }
}

/** Re-expresses a view over `shape` as a view over its refinement. */
export function refineView(view: View, shape: readonly number[], refined: readonly number[]): View {
  const strides: number[] = [];
  let at = 0;
  shape.forEach((d, i) => {
    if (d === 1) return;
    const parts: number[] = [];
    for (let product = 1; product < d; ) {
      parts.push(refined[at]);
      product *= refined[at++];
    }
    const inner = rowMajor(parts);
    for (const s of inner) strides.push(s * view.strides[i]);
  });
  return { offset: view.offset, strides };
}

/** Merges neighbouring dimensions that every view walks as one, and drops those of size 1. */
export function collapse(program: Elementwise): Elementwise {
  const shape: number[] = [];
  const strides: number[][] = program.views.map(() => []);
  program.shape.forEach((d, i) => {
    if (d === 1) return;
    const last = shape.length - 1;
    const joins = last >= 0 && program.views.every((v, k) => strides[k][last] === v.strides[i] * d);
    if (joins) {
      shape[last] *= d;
      program.views.forEach((v, k) => (strides[k][last] = v.strides[i]!));
    } else {
      shape.push(d);
      program.views.forEach((v, k) => strides[k].push(v.strides[i]));
    }
  });
  return { shape, views: program.views.map((v, k) => ({ offset: v.offset, strides: strides[k] })), code: program.code };
}

/**
 * Joins producer into consumer, whose input number `slot` is the producer's output read in order.
 * Returns undefined when their shapes cannot be expressed in common dimensions.
 */
export function join(
  consumer: { program: Elementwise; inputs: readonly Value[] },
  slot: number,
  producer: { program: Elementwise; inputs: readonly Value[] },
): { program: Elementwise; inputs: Value[] } | undefined {
  const shape = refine(consumer.program.shape, producer.program.shape);
  if (shape === undefined) return undefined;
  const inputs: Value[] = [];
  const views: View[] = [];
  const place = (v: Value, view: View): number => {
    const same = inputs.findIndex((u, k) => u === v && views[k].offset === view.offset && views[k].strides.join() === view.strides.join());
    if (same >= 0) return same;
    inputs.push(v);
    views.push(view);
    return inputs.length - 1;
  };
  const consumerSlots = consumer.inputs.map((v, k) => (k === slot ? -1 : place(v, refineView(consumer.program.views[k], consumer.program.shape, shape))));
  const producerSlots = producer.inputs.map((v, k) => place(v, refineView(producer.program.views[k], producer.program.shape, shape)));
  const shift = producer.program.code.length;
  const rename = (slots: number[], by: number, result: Arg) => (arg: Arg): Arg => {
    if (typeof arg === 'number') return arg;
    const n = Number(arg.slice(1));
    if (arg.startsWith('r')) return `r${n + by}`;
    return slots[n] === -1 ? result : `x${slots[n]}`;
  };
  const fromProducer = rename(producerSlots, 0, 0);
  const fromConsumer = rename(consumerSlots, shift, `r${shift - 1}`);
  const code = [
    ...producer.program.code.map((s) => ({ op: s.op, args: s.args.map(fromProducer) })),
    ...consumer.program.code.map((s) => ({ op: s.op, args: s.args.map(fromConsumer) })),
  ];
  return { program: { shape, views, code }, inputs };
}
