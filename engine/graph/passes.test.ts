import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { tf, type Tensor } from '../tf.ts';
import { capture } from '../capture/capture.ts';
import type { ProgramFunction } from '../engine.ts';
import { float } from '../tensor-spec.ts';
import { optimise } from './passes.ts';
import { planMemory } from './memory-plan.ts';
import { collapse, refine, refineView, rowMajor } from './elementwise.ts';

const graphOf = (f: ProgramFunction, inputs: Record<string, ReturnType<typeof float>>) => optimise(capture(f, inputs, {}));
const kinds = (graph: ReturnType<typeof graphOf>) => graph.nodes.map((n) => n.operation.kind);

describe('passes', () => {
  test('a chain of elementwise ops is one node', () => {
    const g = graphOf(({ a, b }) => ({ outputs: { y: tf.mul(tf.sigmoid(tf.add(a, b)), tf.exp(tf.neg(a))) } }), { a: float(8, 4), b: float(4) });
    expect(kinds(g)).toEqual(['elementwise']);
  });
  test('reshapes cost nothing and do not stop fusion', () => {
    const g = graphOf(({ a }) => ({ outputs: { y: tf.exp(tf.reshape(tf.neg(a), [32])) } }), { a: float(8, 4) });
    expect(kinds(g)).toEqual(['elementwise']);
  });
  test('a transpose is read by the fused consumer', () => {
    const g = graphOf(({ a, b }) => ({ outputs: { y: tf.add(tf.transpose(a), b) } }), { a: float(8, 4), b: float(4, 8) });
    expect(kinds(g)).toEqual(['elementwise']);
  });
  test('equal expressions are computed once', () => {
    const g = graphOf(({ a, w }) => ({ outputs: { y: tf.matMul(a, w), z: tf.matMul(a, w) } }), { a: float(8, 4), w: float(4, 4) });
    expect(kinds(g)).toEqual(['matmul']);
  });
  test('what nobody reads is not computed', () => {
    const g = graphOf(({ a, w }) => {
      tf.matMul(a, w);
      return { outputs: { y: tf.neg(a) } };
    }, { a: float(8, 4), w: float(4, 4) });
    expect(kinds(g)).toEqual(['elementwise']);
  });
  test('a bias and a running sum move into the product', () => {
    const g = graphOf(({ a, w, b }) => ({ outputs: { y: tf.add(tf.add(tf.matMul(a, w), b), tf.matMul(a, w, false, true)) } }), { a: float(8, 4), w: float(4, 4), b: float(4) });
    expect(kinds(g)).toEqual(['matmul', 'matmul']);
    expect(g.nodes.map((n) => n.operation.kind === 'matmul' && n.operation.product.epilogue)).toEqual([['bias'], ['addend']]);
  });
  test('a product takes both a bias and an addend', () => {
    const g = graphOf(({ a, w, b, r }) => ({ outputs: { y: tf.add(r, tf.add(tf.matMul(a, w), b)) } }), { a: float(8, 4), w: float(4, 4), b: float(4), r: float(8, 4) });
    expect(g.nodes.map((n) => n.operation.kind === 'matmul' && n.operation.product.epilogue)).toEqual([['bias', 'addend']]);
  });
  test('a slice of neighbours is read where it is, unless its reader has the storage bound already', () => {
    const g = graphOf(({ a, w }) => ({ outputs: { y: tf.matMul(a, tf.slice(w, [16, 0], [8, 16]), false, true) } }), { a: float(4, 16), w: float(64, 16) });
    expect(kinds(g)).toEqual(['matmul']);
    expect(g.nodes[0].inputs[1]).toMatchObject({ shape: [8, 16], offset: 256 });
    const square = graphOf(({ w }) => ({ outputs: { y: tf.matMul(tf.slice(w, [16, 0], [16, 16]), w, false, true) } }), { w: float(64, 16) });
    expect(kinds(square)).toEqual(['elementwise', 'matmul']);
    const odd = graphOf(({ a, w }) => ({ outputs: { y: tf.matMul(a, tf.slice(w, [3, 0], [8, 16]), false, true), z: tf.matMul(a, tf.slice(w, [0, 0], [64, 8]), true) } }), { a: float(64, 16), w: float(64, 16) });
    expect(kinds(odd).filter((k) => k === 'elementwise')).toHaveLength(2);
  });
  test('gradients of slices are put side by side', () => {
    const g = graphOf(({ w, a, b }) => {
      const f = (v: Tensor) => tf.sum(tf.add(tf.mul(tf.slice(v, [0, 0], [3, 4]), a), tf.sum(tf.square(tf.matMul(tf.slice(v, [3, 0], [5, 4]), b)))));
      return { outputs: { dw: tf.grad(f)(w) } };
    }, { w: float(8, 4), a: float(3, 4), b: float(4, 2) });
    const joined = g.nodes.find((n) => n.operation.kind === 'concat');
    expect(joined?.operation).toMatchObject({ sizes: [3, 5], inner: 4 });
    expect(kinds(g)).not.toContain('pad');
  });
  test('times one, plus zero and multiplication of constants disappear', () => {
    const g = graphOf(({ a }) => ({ outputs: { y: tf.neg(tf.add(tf.mul(a, tf.mul(tf.scalar(2), tf.scalar(0.5))), tf.zerosLike(a))) } }), { a: float(3, 5) });
    expect(g.nodes).toHaveLength(1);
    const { operation } = g.nodes[0];
    expect(operation.kind === 'elementwise' && operation.program.code).toEqual([{ op: 'neg', args: ['x0'] }]);
  });
});

describe('memory plan', () => {
  test('tensors that live at the same time never overlap, and the arena is no larger than their sum', () => {
    const tensor = fc.record({ bytes: fc.integer({ min: 1, max: 5000 }), first: fc.nat(30), length: fc.nat(10) }).map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 40 }), (tensors) => {
        const { offsets, bytes } = planMemory(tensors);
        tensors.forEach((a, i) => {
          expect(offsets[i] % 64).toBe(0);
          expect(offsets[i] + a.bytes).toBeLessThanOrEqual(bytes);
          tensors.forEach((b, j) => {
            if (j <= i || a.last < b.first || b.last < a.first) return;
            expect(offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i]).toBe(true);
          });
        });
        expect(bytes).toBeLessThanOrEqual(tensors.reduce((s, t) => s + Math.ceil(t.bytes / 64) * 64, 0));
      }),
    );
  });
  test('tensors one after the other share one place', () => {
    expect(planMemory([0, 1, 2, 3].map((i) => ({ bytes: 640, first: i, last: i }))).bytes).toBe(640);
  });
});

describe('views', () => {
  const dims = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
  test('collapsing keeps every address', () => {
    fc.assert(
      fc.property(dims, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), (shape, broadcast) => {
        const strides = rowMajor(shape).map((s, i) => (broadcast[i] ? 0 : s));
        const small = collapse({ shape, views: [{ offset: 3, strides }], code: [{ op: 'copy', args: ['x0'] }] });
        expect(addresses(small.shape, small.views[0])).toEqual(addresses(shape, { offset: 3, strides }));
      }),
    );
  });
  test('a common refinement keeps every address of both', () => {
    fc.assert(
      fc.property(dims, fc.nat(3), (shape, at) => {
        // merge two neighbours
        const k = at % shape.length;
        const merged = k + 1 < shape.length ? [...shape.slice(0, k), shape[k] * shape[k + 1], ...shape.slice(k + 2)] : shape;
        const refined = refine(shape, merged)!;
        expect(refined).toBeDefined();
        for (const s of [shape, merged]) {
          const view = { offset: 0, strides: rowMajor(s) };
          expect(addresses(refined, refineView(view, s, refined))).toEqual(addresses(s, view));
        }
      }),
    );
  });
  test('shapes without one are told apart', () => {
    expect(refine([2, 3], [3, 2])).toBeUndefined();
  });
});

function addresses(shape: readonly number[], view: { offset: number; strides: readonly number[] }): number[] {
  let all = [view.offset];
  shape.forEach((d, i) => (all = all.flatMap((base) => Array.from({ length: d }, (_, k) => base + k * view.strides[i]))));
  return all;
}
