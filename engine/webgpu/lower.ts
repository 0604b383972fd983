/** From graph nodes to launches of WGSL kernels. */
import { RecallbenchError } from '#core/errors.ts';
import type { GpuCapabilities, GpuKernel, Operand } from '../fused-op.ts';
import type { Graph } from '../graph/graph.ts';
import { lowerGraph, type Copy, type Lowered, type PlacedOperand } from '../graph/lowering.ts';
import { elementwiseKernel } from './elementwise.ts';
import { copyKernel, lowerConcat, lowerGather, lowerPad, lowerPrefixSum, lowerSegmentSum } from './layout.ts';
import { lowerMatMul } from './matmul.ts';
import { lowerReduce } from './reduce.ts';

/** Lowers every node in order. E_OP where a fused op has no WGSL form. */
export function lower(graph: Graph, gpu: GpuCapabilities): Lowered<GpuKernel> {
  return lowerGraph<GpuKernel>(graph, ({ operation }, given) => {
    const launch = (kernel: GpuKernel, copied?: Copy) => {
      if (kernel.tasks > 0) given.launch(kernel, copied);
    };
    const l = { ...given, launch };
    switch (operation.kind) {
      case 'elementwise':
        return launch(elementwiseKernel(operation.program, l.inputs, l.outputs[0]));
      case 'reduce':
        return lowerReduce(l, operation.reduction);
      case 'matmul': {
        const { epilogue, ...sizes } = operation.product;
        const [a, b, ...extra] = l.inputs;
        return lowerMatMul({ buffer: l.buffer, dispatch: launch, gpu }, a, b, l.outputs[0], sizes, Object.fromEntries(epilogue.map((kind, i) => [kind, extra[i]])));
      }
      case 'concat':
        return lowerConcat(l, operation, gpu);
      case 'pad':
        return lowerPad(l, operation);
      case 'gather':
        return lowerGather(l, operation);
      case 'segmentSum':
        return lowerSegmentSum(l, operation);
      case 'prefixSum':
        return lowerPrefixSum(l, operation);
      case 'fused': {
        const { op, attrs } = operation;
        if (op.webgpu === undefined) throw new RecallbenchError('E_OP', `${op.name} has no WGSL form. Remedy: --engine wasm, or write one (kernels/).`);
        const copy = (from: Operand, to: Operand) => {
          const [x, y] = [from, to] as [PlacedOperand, PlacedOperand];
          launch(copyKernel(x, y), { from: x.place, to: y.place });
        };
        return op.webgpu({ inputs: l.inputs, outputs: l.outputs, buffer: l.buffer, copy, dispatch: launch, gpu }, attrs);
      }
      default:
        return operation satisfies never;
    }
  });
}
