/** Builds graph nodes from tensors' values: what the capture rules are written in. */
import { RecallbenchError } from '#core/errors.ts';
import { sizeOf, type DType } from '../tensor-spec.ts';
import type { Graph, Operation, Reduction, Value } from '../graph/graph.ts';
import { reshaped, value } from '../graph/graph.ts';
import { broadcastView, compileExpression, rowMajor, type Expression, type View } from '../graph/elementwise.ts';

/** The shape of a numpy broadcast, or E_SHAPE. */
export function broadcastShape(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((d, i) => {
      const at = i + rank - shape.length;
      if (d === out[at] || d === 1) return;
      if (out[at] !== 1) throw new RecallbenchError('E_SHAPE', `shapes ${shapes.map((s) => `[${s}]`).join(' and ')} do not broadcast`);
      out[at] = d;
    });
  }
  return out;
}

export class Builder {
  readonly graph: Graph;
  constructor(graph: Graph) {
    this.graph = graph;
  }

  #add(operation: Operation, inputs: Value[], outputs: Value[]): Value[] {
    this.graph.nodes.push({ operation, inputs, outputs });
    return outputs;
  }

  constant(data: Float32Array | Int32Array, shape: readonly number[], dtype: DType): Value {
    const v = value(shape, dtype);
    this.graph.constants.set(v, data);
    return v;
  }

  scalar(x: number, dtype: DType = 'float32'): Value {
    return this.constant(dtype === 'int32' ? Int32Array.of(x) : Float32Array.of(x), [], dtype);
  }

  reshape(v: Value, shape: readonly number[], dtype: DType = v.dtype): Value {
    return reshaped(v, shape, dtype);
  }

  /** An expression over x0, x1 …, each broadcast to the common shape. */
  elementwise(expression: Expression, inputs: Value[], dtype: DType = 'float32', shape = broadcastShape(...inputs.map((v) => v.shape))): Value {
    const program = { shape, views: inputs.map((v) => broadcastView(v.shape, shape)), code: compileExpression(expression) };
    return this.#add({ kind: 'elementwise', program }, inputs, [value(shape, dtype)])[0];
  }

  /** The elements of x in another order: out[index] = x[view(index)]. */
  view(x: Value, shape: readonly number[], view: View): Value {
    const program = { shape, views: [view], code: compileExpression('x0') };
    return this.#add({ kind: 'elementwise', program }, [x], [value(shape, x.dtype)])[0];
  }

  transpose(x: Value, order: readonly number[]): Value {
    const strides = rowMajor(x.shape);
    return this.view(x, order.map((i) => x.shape[i]), { offset: 0, strides: order.map((i) => strides[i]) });
  }

  slice(x: Value, begin: readonly number[], size: readonly number[], step: readonly number[] = begin.map(() => 1)): Value {
    const strides = rowMajor(x.shape);
    const offset = begin.reduce((sum, b, i) => sum + b * strides[i], 0);
    return this.view(x, size, { offset, strides: strides.map((s, i) => s * step[i]) });
  }

  /** Reduces over some axes, innermost run first; the result has those axes removed. */
  reduce(kind: Reduction['kind'], x: Value, axes: readonly number[]): Value {
    const reduced = new Set(axes.map((a) => (a < 0 ? a + x.shape.length : a)));
    let shape = [...x.shape];
    let current = x;
    let end = shape.length;
    for (let i = shape.length - 1; i >= -1; i--) {
      if (i >= 0 && reduced.has(i)) continue;
      // axes i+1 … end−1 are a run to reduce
      if (i + 1 < end) {
        const outer = sizeOf(shape.slice(0, i + 1));
        const n = sizeOf(shape.slice(i + 1, end));
        const inner = sizeOf(shape.slice(end));
        shape = [...shape.slice(0, i + 1), ...shape.slice(end)];
        const dtype = kind === 'argmax' ? 'int32' : x.dtype;
        if (n === 1 && kind !== 'argmax') current = this.reshape(current, shape);
        else current = this.#add({ kind: 'reduce', reduction: { kind, outer, n, inner } }, [current], [value(shape, dtype)])[0]!;
      }
      end = i;
    }
    return current;
  }

  matmul(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
    const rank = Math.max(a.shape.length, b.shape.length);
    const [aShape, bShape] = [a, b].map((v) => [...new Array<number>(rank - v.shape.length).fill(1), ...v.shape]) as [number[], number[]];
    const batchShape = broadcastShape(aShape.slice(0, -2), bShape.slice(0, -2));
    const m = aShape[rank - (transposeA ? 1 : 2)];
    const k = aShape[rank - (transposeA ? 2 : 1)];
    const n = bShape[rank - (transposeB ? 2 : 1)];
    const batch = sizeOf(batchShape);
    const expand = (v: Value, own: number[]): [Value, number] => {
      const count = sizeOf(own.slice(0, -2));
      if (count === batch) return [v, sizeOf(own.slice(-2))];
      if (count === 1) return [v, 0];
      const shape = [...batchShape, ...own.slice(-2)];
      return [this.view(v, shape, broadcastView(own, shape)), sizeOf(own.slice(-2))];
    };
    const [av, strideA] = expand(a, aShape);
    const [bv, strideB] = expand(b, bShape);
    const shape = [...batchShape, m, n];
    // a shared right operand and contiguous left rows are one tall product
    const tall = batch > 1 && strideB === 0 && !transposeA;
    const product = tall
      ? { batch: 1, m: batch * m, n, k, transposeA, transposeB, strideA: 0, strideB: 0, epilogue: [] }
      : { batch, m, n, k, transposeA, transposeB, strideA: batch === 1 ? 0 : strideA, strideB: batch === 1 ? 0 : strideB, epilogue: [] };
    return this.#add({ kind: 'matmul', product }, [av, bv], [value(shape, 'float32')])[0];
  }

  concat(inputs: Value[], axis: number): Value {
    const first = inputs[0].shape;
    const sizes = inputs.map((v) => v.shape[axis]);
    const shape = first.map((d, i) => (i === axis ? sizes.reduce((x, y) => x + y, 0) : d));
    const outer = sizeOf(first.slice(0, axis));
    const inner = sizeOf(first.slice(axis + 1));
    return this.#add({ kind: 'concat', outer, inner, sizes }, inputs, [value(shape, inputs[0].dtype)])[0];
  }

  pad(x: Value, paddings: readonly (readonly [number, number])[], fill: number): Value {
    const shape = x.shape.map((d, i) => d + paddings[i][0] + paddings[i][1]);
    return this.#add({ kind: 'pad', before: paddings.map((p) => p[0]), fill }, [x], [value(shape, x.dtype)])[0];
  }

  gather(x: Value, index: Value, axis: number): Value {
    const shape = [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)];
    const operation = { kind: 'gather' as const, outer: sizeOf(x.shape.slice(0, axis)), size: x.shape[axis], inner: sizeOf(x.shape.slice(axis + 1)), indices: sizeOf(index.shape) };
    return this.#add(operation, [x, index], [value(shape, x.dtype)])[0];
  }

  segmentSum(x: Value, segment: Value, segments: number): Value {
    const rank = segment.shape.length;
    const operation = { kind: 'segmentSum' as const, n: sizeOf(segment.shape), segments, inner: sizeOf(x.shape.slice(rank)) };
    return this.#add(operation, [x, segment], [value([segments, ...x.shape.slice(rank)], x.dtype)])[0];
  }

  prefixSum(x: Value, axis: number, exclusive: boolean, reverse: boolean): Value {
    const operation = { kind: 'prefixSum' as const, outer: sizeOf(x.shape.slice(0, axis)), n: x.shape[axis], inner: sizeOf(x.shape.slice(axis + 1)), exclusive, reverse };
    return this.#add(operation, [x], [value(x.shape, x.dtype)])[0];
  }

  fused(operation: Extract<Operation, { kind: 'fused' }>, inputs: Value[]): Value[] {
    const specs = operation.op.outputs(inputs, operation.attrs);
    return this.#add(operation, inputs, specs.map((s) => value(s.shape, s.dtype)));
  }
}
