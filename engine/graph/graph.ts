/** The captured program: a static graph in execution order. */
import type { FusedOp } from '../fused-op.ts';
import type { DType, TensorSpec } from '../tensor-spec.ts';
import type { Elementwise } from './elementwise.ts';

/** One tensor of the graph. Several values may name one storage (a reshape): they have the same root. */
export interface Value extends TensorSpec {
  readonly id: number;
  /** the value whose storage this is; absent on roots */
  readonly root?: Value;
  /** elements of the storage before this value's first, which `viewSlices` makes; otherwise absent */
  readonly offset?: number;
}

/** Reduction over the middle axis of [outer, n, inner]. */
export interface Reduction {
  readonly kind: 'sum' | 'max' | 'min' | 'prod' | 'argmax';
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
}

/** C[b] = op(A[b])·op(B[b]) with op(A) m×k and op(B) k×n; a batch stride of 0 broadcasts. */
export interface MatMul {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly strideA: number;
  readonly strideB: number;
  /** which of the further inputs a fused epilogue takes, in order */
  readonly epilogue: readonly ('bias' | 'addend')[];
}

/** What a node computes. */
export type Operation =
  | { readonly kind: 'elementwise'; readonly program: Elementwise }
  | { readonly kind: 'reduce'; readonly reduction: Reduction }
  | { readonly kind: 'matmul'; readonly product: MatMul }
  /** inputs side by side along the middle axis: sizes[i] rows of `inner` for each of `outer` */
  | { readonly kind: 'concat'; readonly outer: number; readonly inner: number; readonly sizes: readonly number[] }
  /** a constant border */
  | { readonly kind: 'pad'; readonly before: readonly number[]; readonly fill: number }
  /** inputs x [outer, size, inner], index [indices] */
  | { readonly kind: 'gather'; readonly outer: number; readonly size: number; readonly inner: number; readonly indices: number }
  /** inputs x [n, inner], segment [n] → [segments, inner] */
  | { readonly kind: 'segmentSum'; readonly n: number; readonly segments: number; readonly inner: number }
  | { readonly kind: 'prefixSum'; readonly outer: number; readonly n: number; readonly inner: number; readonly exclusive: boolean; readonly reverse: boolean }
  | { readonly kind: 'fused'; readonly op: FusedOp; readonly attrs: Readonly<Record<string, number | string | boolean>> };

export interface Node {
  operation: Operation;
  inputs: Value[];
  outputs: readonly Value[];
}

export interface Graph {
  nodes: Node[];
  /** by root; int32 data for int32, else float32 */
  readonly constants: Map<Value, Float32Array | Int32Array>;
  readonly inputs: Map<string, Value>;
  readonly state: Map<string, Value>;
  outputs: Map<string, Value>;
  /** what replaces a state tensor after the call */
  nextState: Map<string, Value>;
}

let nextId = 0;

/** A fresh value with a storage of its own. */
export function value(shape: readonly number[], dtype: DType): Value {
  return { id: nextId++, shape: [...shape], dtype };
}

/** The same storage under another shape (and, for masks, another element type of the same bits). */
export function reshaped(v: Value, shape: readonly number[], dtype: DType = v.dtype): Value {
  return { id: nextId++, shape: [...shape], dtype, root: root(v) };
}

/** Part of a value's storage: its elements from `offset` on. */
export function part(v: Value, shape: readonly number[], offset: number): Value {
  return { id: nextId++, shape: [...shape], dtype: v.dtype, root: root(v), offset };
}

/** The value that owns the storage. */
export function root(v: Value): Value {
  return v.root ?? v;
}

/** Every value that must survive: outputs and next states. */
export function results(graph: Graph): Value[] {
  return [...graph.outputs.values(), ...graph.nextState.values()];
}

/** How many times each storage is read, by nodes and as a result. */
export function useCounts(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const read = (v: Value) => uses.set(root(v), (uses.get(root(v)) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(read);
  results(graph).forEach(read);
  return uses;
}

/** Puts other storages in place of some roots everywhere, following chains; shapes as seen by the readers stay. */
export function substitute(graph: Graph, replacement: ReadonlyMap<Value, Value>): void {
  if (replacement.size === 0) return;
  const final = (v: Value): Value => {
    let at = root(v);
    for (let next = replacement.get(at); next !== undefined; next = replacement.get(at)) at = root(next);
    return at === root(v) ? v : reshaped(at, v.shape, v.dtype);
  };
  for (const node of graph.nodes) node.inputs = node.inputs.map(final);
  graph.outputs = new Map([...graph.outputs].map(([k, v]) => [k, final(v)]));
  graph.nextState = new Map([...graph.nextState].map(([k, v]) => [k, final(v)]));
}

/** The graph as text, one node a line: what a program really does. */
export function print(graph: Graph): string {
  const name = (v: Value) => `%${root(v).id}${v.offset === undefined ? '' : `+${v.offset}`}[${v.shape.join(',')}]`;
  const what = (o: Operation): string => {
    if (o.kind === 'elementwise') return `{${o.program.code.map((i) => `${i.op}(${i.args.join(',')})`).join('; ')}}`;
    if (o.kind === 'fused') return o.op.name;
    if (o.kind === 'matmul') return `matmul ${o.product.m}×${o.product.k}×${o.product.n} ${o.product.epilogue.join('+')}`;
    return o.kind;
  };
  return graph.nodes.map((n) => `${n.outputs.map(name).join(', ')} = ${what(n.operation)}(${n.inputs.map(name).join(', ')})`).join('\n');
}
