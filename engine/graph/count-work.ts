/** Counts what a graph computes and moves, by the rule in ../work.ts. */
import { sizeOf } from '../tensor-spec.ts';
import type { OpWork, Work } from '../work.ts';
import { collapse, rowMajor, type Elementwise, type Instruction, type View } from './elementwise.ts';
import { root, useCounts, type Graph, type Node, type Value } from './graph.ts';

/** What an instruction counts as. */
const kinds: Record<Instruction, 'flop' | 'exp' | 'none'> = {
  copy: 'none', select: 'none', and: 'none', or: 'none',
  add: 'flop', sub: 'flop', mul: 'flop', div: 'flop', neg: 'flop', abs: 'flop', square: 'flop', sqrt: 'flop', rsqrt: 'flop', reciprocal: 'flop',
  floor: 'flop', ceil: 'flop', round: 'flop', trunc: 'flop', sign: 'flop',
  max: 'flop', min: 'flop', relu: 'flop', less: 'flop', lessEqual: 'flop', equal: 'flop', notEqual: 'flop', isNaN: 'flop',
  exp: 'exp', expm1: 'exp', log: 'exp', log1p: 'exp', sigmoid: 'exp', softplus: 'exp', tanh: 'exp', erf: 'exp', sin: 'exp', cos: 'exp', pow: 'exp',
};

/** The work of a graph is the sum over its nodes: what passes between two nodes is written by one and read by the other. */
export function countWork(graph: Graph): Work {
  const uses = useCounts(graph);
  const total = { flops: 0, exps: 0, bytes: 0 };
  for (const node of graph.nodes) {
    const used = node.outputs.map((v) => uses.has(v));
    const { flops, exps, reads, writes = {} } = computed(node, used);
    total.flops += flops;
    total.exps += exps;
    total.bytes += 4 * elementsRead(node, reads);
    node.outputs.forEach((v, i) => (total.bytes += used[i] ? 4 * (writes[i] ?? sizeOf(v.shape)) : 0));
  }
  return total;
}

function computed({ operation, inputs }: Node, used: readonly boolean[]): OpWork {
  const only = (flops: number): OpWork => ({ flops, exps: 0 });
  switch (operation.kind) {
    case 'elementwise':
      return elementwise(operation.program);
    case 'reduce': {
      const { outer, n, inner } = operation.reduction;
      return only(outer * n * inner);
    }
    case 'matmul': {
      const { batch, m, n, k, epilogue } = operation.product;
      return only(batch * m * n * (2 * k + epilogue.length));
    }
    case 'segmentSum':
      return only(operation.n * operation.inner);
    case 'prefixSum':
      return only(operation.outer * operation.n * operation.inner);
    case 'concat':
    case 'pad':
      return only(0);
    case 'gather':
      return { ...only(0), reads: { 0: operation.outer * Math.min(operation.size, operation.indices) * operation.inner } };
    case 'fused':
      return operation.op.work(inputs, operation.attrs, used);
    default:
      return operation satisfies never;
  }
}

function elementwise({ shape, code }: Elementwise): OpWork {
  const count = (kind: 'flop' | 'exp') => sizeOf(shape) * code.filter(({ op }) => kinds[op] === kind).length;
  return { flops: count('flop'), exps: count('exp') };
}

/** A box of elements of a storage. */
interface Box {
  readonly shape: readonly number[];
  readonly view: View;
}

/** Elements that a node reads, each once: an elementwise program's views, other operations' operands, less what `reads` spares. */
function elementsRead(node: Node, reads: OpWork['reads'] = {}): number {
  const { operation } = node;
  const boxes = new Map<Value, Box[]>();
  let elements = 0;
  node.inputs.forEach((v, i) => {
    if (reads[i] !== undefined) {
      elements += reads[i];
      return;
    }
    const { shape, view } = operation.kind === 'elementwise' ? { shape: operation.program.shape, view: operation.program.views[i] } : { shape: v.shape, view: { offset: 0, strides: rowMajor(v.shape) } };
    boxes.set(root(v), [...(boxes.get(root(v)) ?? []), simplest(shape, { offset: view.offset + (v.offset ?? 0), strides: view.strides })]);
  });
  for (const [storage, all] of boxes) elements += unionSize(all, sizeOf(storage.shape));
  return elements;
}

/** The same elements without repetition (strides of 0), neighbouring dimensions merged. No two of its indices are one element. */
function simplest(shape: readonly number[], { offset, strides }: View): Box {
  const walked = shape.map((d, i) => (strides[i] === 0 && d > 0 ? 1 : d));
  const { shape: merged, views } = collapse({ shape: walked, views: [{ offset, strides }], code: [] });
  return { shape: merged, view: views[0] };
}

/** How many elements of a storage lie in any of the boxes. */
function unionSize(boxes: readonly Box[], storage: number): number {
  const distinct = [...new Map(boxes.map((box) => [JSON.stringify(box), box])).values()];
  const sizes = distinct.map(({ shape }) => sizeOf(shape));
  if (sizes.includes(storage)) return storage;
  if (distinct.length === 1) return sizes[0];
  const marked = new Uint8Array(storage);
  const mark = (box: Box, axis: number, at: number): void => {
    const { shape, view: { strides } } = box;
    if (axis === shape.length) marked[at] = 1;
    else for (let i = 0; i < shape[axis]; i++) mark(box, axis + 1, at + i * strides[axis]);
  };
  for (const box of distinct) mark(box, 0, box.view.offset);
  return marked.reduce((n, m) => n + m, 0);
}
