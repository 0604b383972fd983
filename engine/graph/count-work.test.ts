import { describe, expect, test } from 'vitest';
import { callFused, type FusedOp } from '../fused-op.ts';
import type { ProgramFunction } from '../engine.ts';
import { workOf } from '../program-work.ts';
import { float, int, type TensorSpec } from '../tensor-spec.ts';
import { tf, type Tensor } from '../tf.ts';
import { capture } from '../capture/capture.ts';
import { countWork } from './count-work.ts';
import { instructions, type Instruction } from './elementwise.ts';
import type { Graph } from './graph.ts';
import { value } from './graph.ts';

const one = (f: (t: Record<string, Tensor>) => Tensor): ProgramFunction => (t) => ({ outputs: { y: f(t) } });

/** name: program, inputs, flops, exps, floats moved */
const cases: Record<string, [ProgramFunction, Record<string, TensorSpec>, number, number, number]> = {
  'a product': [one(({ a, b }) => tf.matMul(a, b)), { a: float(5, 3), b: float(3, 7) }, 2 * 5 * 3 * 7, 0, 15 + 21 + 35],
  'a product with bias and addend': [one(({ a, b, c, d }) => tf.add(tf.add(tf.matMul(a, b), c), d)), { a: float(5, 3), b: float(3, 7), c: float(7), d: float(5, 7) }, 35 * (6 + 2), 0, 15 + 21 + 7 + 35 + 35],
  'a batch of products with a shared factor': [one(({ a, b }) => tf.matMul(a, b)), { a: float(4, 5, 3), b: float(3, 7) }, 4 * 2 * 5 * 3 * 7, 0, 60 + 21 + 140],
  'a product of a matrix with itself reads it once': [one(({ a }) => tf.matMul(a, a, false, true)), { a: float(5, 3) }, 2 * 5 * 3 * 5, 0, 15 + 25],
  'a chain of elementwise ops is one, and reads each operand once': [one(({ a, b }) => tf.mul(tf.sigmoid(tf.add(a, b)), tf.exp(tf.neg(a)))), { a: float(6, 4), b: float(4) }, 24 * 3, 24 * 2, 24 + 4 + 24],
  'choices and casts are no arithmetic, comparisons are': [one(({ a, b }) => tf.where(tf.less(a, b), a, b)), { a: float(9), b: float(9) }, 9, 0, 27],
  'what is read twice in time goes through memory twice': [
    ({ a }) => {
      const e = tf.exp(a);
      return { outputs: { y: tf.mul(e, 3), s: tf.sum(e) } };
    },
    { a: float(10) }, 10 + 10, 10, 10 + 10 + (10 + 10) + (10 + 1),
  ],
  'a transposed operand': [one(({ a, b }) => tf.add(tf.transpose(a), b)), { a: float(5, 3), b: float(3, 5) }, 15, 0, 45],
  'a tensor and its transpose are read once': [one(({ a }) => tf.add(tf.transpose(a), a)), { a: float(5, 5) }, 25, 0, 50],
  'a slice reads its part': [one(({ a }) => tf.neg(tf.slice(a, [1, 2], [3, 4]))), { a: float(6, 9) }, 12, 0, 24],
  'slices that overlap': [one(({ a }) => tf.mul(tf.slice(a, [0], [7]), tf.slice(a, [3], [7]))), { a: float(12) }, 7, 0, 10 + 7],
  'slices of rows and columns': [one(({ a }) => tf.sub(tf.slice(a, [0, 0], [3, 2]), tf.slice(a, [1, 1], [3, 2]))), { a: float(4, 5) }, 6, 0, 6 + 6 - 2 + 6],
  'one of them backwards, one in steps': [one(({ a }) => tf.sub(tf.stridedSlice(a, [4], [1], [-1]), tf.stridedSlice(a, [0], [6], [2]))), { a: float(7) }, 3, 0, 3 + 3 - 2 + 3],
  'a slice read where it is': [one(({ a, w }) => tf.matMul(a, tf.slice(w, [16, 0], [8, 16]), false, true)), { a: float(4, 16), w: float(64, 16) }, 2 * 4 * 16 * 8, 0, 64 + 128 + 32],
  'broadcasting reads one row': [one(({ a }) => tf.broadcastTo(a, [5, 3])), { a: float(1, 3) }, 0, 0, 3 + 15],
  'a sum': [one(({ a }) => tf.sum(a, 1)), { a: float(4, 5, 3) }, 60, 0, 60 + 12],
  'a mean': [one(({ a }) => tf.mean(a)), { a: float(4, 5) }, 20 + 1, 0, 20 + 1 + 1 + 1],
  'a largest': [one(({ a }) => tf.argMax(a, 1)), { a: float(4, 5) }, 20, 0, 24],
  'a softmax': [one(({ a }) => tf.softmax(a)), { a: float(4, 5) }, 20 + 20 + 20 + 20, 20, (20 + 4) + (20 + 4 + 20) + (20 + 4) + (20 + 4 + 20)],
  'a prefix sum': [one(({ a }) => tf.cumsum(a, 1)), { a: float(4, 5, 3) }, 60, 0, 120],
  'a sum of segments': [one(({ a, s }) => tf.unsortedSegmentSum(a, s as tf.Tensor1D, 7)), { a: float(6, 5), s: int(6) }, 30, 0, 30 + 6 + 35],
  'concatenation, padding': [one(({ a, b }) => tf.pad(tf.concat([a, b], 1), [[1, 0], [0, 2]], 3)), { a: float(4, 2), b: float(4, 5) }, 0, 0, 28 + 28 + 28 + 5 * 9],
  'a gather of fewer rows than there are': [one(({ a, i }) => tf.gather(a, i)), { a: float(9, 5), i: int(4) }, 0, 0, 20 + 4 + 20],
  'a gather of more': [one(({ a, i }) => tf.gather(a, i, 1)), { a: float(3, 2, 5), i: int(4) }, 0, 0, 30 + 4 + 60],
  'a reshape': [one(({ a }) => tf.reshape(a, [6, 2])), { a: float(3, 4) }, 0, 0, 0],
  'what nobody reads': [
    ({ a }) => {
      tf.exp(a);
      return { outputs: { y: tf.neg(a) } };
    },
    { a: float(8) }, 8, 0, 16,
  ],
  'constants folded': [one(({ a }) => tf.add(tf.mul(a, 1), tf.mul(tf.scalar(2), tf.scalar(3)))), { a: float(8) }, 8, 0, 16],
  'equal nodes shared': [({ a, b }) => ({ outputs: { y: tf.matMul(a, b), z: tf.neg(tf.matMul(a, b)) } }), { a: float(2, 3), b: float(3, 4) }, 2 * 24 + 8, 0, 6 + 12 + 8 + 8 + 8],
  'an empty tensor': [one(({ a }) => tf.exp(a)), { a: float(0, 4) }, 0, 0, 0],
};

describe('work of a program', () => {
  test.each(Object.entries(cases))('%s', (_, [f, inputs, flops, exps, floats]) => {
    expect(workOf(f, inputs)).toEqual({ flops, exps, bytes: 4 * floats });
  });

  test('a state is an operand like others', () => {
    const f: ProgramFunction = ({ g }, { p }) => ({ outputs: {}, state: { p: tf.sub(p, tf.mul(g, 0.1)) } });
    expect(workOf(f, { g: float(10) }, { p: float(10) })).toEqual({ flops: 20, exps: 0, bytes: 120 });
  });

  test('without the passes, every op by itself', () => {
    const graph = capture(one(({ a }) => tf.exp(tf.neg(a))), { a: float(8) }, {});
    expect(countWork(graph)).toEqual({ flops: 8, exps: 8, bytes: 4 * 32 });
  });

  test('an op is told which of its outputs are read, and may read less than its operands', () => {
    const op: FusedOp = {
      name: 'CountedPair',
      outputs: ([a]) => [float(...a.shape), float(...a.shape)],
      portable: ([a]) => [tf.clone(a), tf.clone(a)],
      work: ([a], _, used) => ({ flops: used.filter(Boolean).length * a.shape[0], exps: 1, reads: { 1: 2 } }),
      wasm: () => {},
    };
    const pair = ({ a, b }: Record<string, Tensor>) => callFused(op, [a, b, a], {});
    const inputs = { a: float(10), b: float(7) };
    expect(workOf(one((t) => pair(t)[1]), inputs)).toEqual({ flops: 10, exps: 1, bytes: 4 * (10 + 2 + 10) });
    expect(workOf((t) => ({ outputs: Object.fromEntries(pair(t).entries()) }), inputs)).toEqual({ flops: 20, exps: 1, bytes: 4 * (10 + 2 + 20) });
  });
});

describe('work of an instruction', () => {
  const transcendental: Instruction[] = ['exp', 'expm1', 'log', 'log1p', 'sigmoid', 'softplus', 'tanh', 'erf', 'sin', 'cos', 'pow'];
  const none: Instruction[] = ['copy', 'select', 'and', 'or'];
  test.each(Object.keys(instructions) as Instruction[])('%s', (op) => {
    const [x, y] = [value([5], 'float32'), value([5], 'float32')];
    const args = Array.from({ length: instructions[op] }, () => 'x0' as const);
    const graph: Graph = {
      nodes: [{ operation: { kind: 'elementwise', program: { shape: [5], views: [{ offset: 0, strides: [1] }], code: [{ op, args }] } }, inputs: [x], outputs: [y] }],
      constants: new Map(), inputs: new Map([['x', x]]), state: new Map(), outputs: new Map([['y', y]]), nextState: new Map(),
    };
    expect(countWork(graph)).toEqual({ flops: transcendental.includes(op) || none.includes(op) ? 0 : 5, exps: transcendental.includes(op) ? 5 : 0, bytes: 40 });
  });
});
