/** From graph nodes to launches of compiled kernels. */
import type { KernelArg, Operand, WasmLowering } from '../fused-op.ts';
import { sizeOf } from '../tensor-spec.ts';
import { collapse, instructions, isContiguous, rowMajor, type Elementwise, type Instruction } from '../graph/elementwise.ts';
import type { Graph, Node, Reduction } from '../graph/graph.ts';
import { lowerGraph, type Copy, type Lowered, type PlacedOperand } from '../graph/lowering.ts';
import { lowerMatMul } from './gemm-lowering.ts';

/** One launch of a compiled kernel. */
export interface Dispatch {
  readonly kernel: string;
  readonly tasks: number;
  readonly args: readonly KernelArg[];
  readonly scratchBytes: number;
}

const opcode = Object.fromEntries(Object.keys(instructions).map((name, i) => [name, i])) as Record<Instruction, number>;
const BLOCK = 512;
/** elements per task of a memory-bound kernel: 32 KiB of each operand */
const GRAIN = 8192;

const reductionKinds = { sum: 0, max: 1, min: 2, prod: 3, argmax: 4 } as const;

/** Lowers every node in order. */
export function lower(graph: Graph): Lowered<Dispatch> {
  return lowerGraph<Dispatch>(graph, (node, { launch, ...rest }) => {
    const dispatching = (copied?: Copy): Lowering['dispatch'] => (kernel, tasks, args, scratchBytes = 0) => {
      if (tasks > 0) launch({ kernel, tasks, args, scratchBytes }, copied);
    };
    lowerNode(node, {
      ...rest,
      dispatch: dispatching(),
      copy: (from, to) => {
        const [x, y] = [from, to] as [PlacedOperand, PlacedOperand];
        const [rows, length] = [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1) ?? 1];
        copyBox({ dispatch: dispatching({ from: x.place, to: y.place }) }, x, y, rows, length, [rows], [length]);
      },
    });
  });
}

type Lowering = Omit<WasmLowering, 'inputs' | 'outputs'> & { readonly inputs: readonly PlacedOperand[]; readonly outputs: readonly PlacedOperand[] };

function lowerNode(node: Node, l: Lowering): void {
  const { operation } = node;
  switch (operation.kind) {
    case 'elementwise':
      return lowerElementwise(operation.program, l);
    case 'reduce':
      return lowerReduce(operation.reduction, l);
    case 'matmul': {
      const { epilogue, ...sizes } = operation.product;
      const [a, b, ...extra] = l.inputs as [PlacedOperand, PlacedOperand, ...PlacedOperand[]];
      return lowerMatMul(l, a, b, l.outputs[0], sizes, Object.fromEntries(epilogue.map((kind, i) => [kind, extra[i]])));
    }
    case 'concat': {
      const total = operation.sizes.reduce((x, y) => x + y, 0);
      let at = 0;
      operation.sizes.forEach((size, i) => {
        const length = size * operation.inner;
        copyBox(l, l.inputs[i], l.outputs[0].at(at * operation.inner), operation.outer, length, [operation.outer], [total * operation.inner]);
        at += size;
      });
      return;
    }
    case 'pad': {
      const x = l.inputs[0];
      const y = l.outputs[0];
      const strides = rowMajor(y.shape);
      l.dispatch('fill', Math.ceil(sizeOf(y.shape) / GRAIN), [y, sizeOf(y.shape), { f32: operation.fill }, GRAIN]);
      const corner = operation.before.reduce((sum, b, d) => sum + b * strides[d], 0);
      if (x.shape.length === 0) return copyBox(l, x, y, 1, 1, [1], [1]);
      const outer = x.shape.slice(0, -1);
      return copyBox(l, x, y.at(corner), sizeOf(outer), x.shape.at(-1)!, outer, strides.slice(0, -1));
    }
    case 'gather': {
      const rows = operation.outer * operation.indices;
      const per = Math.max(1, Math.floor(GRAIN / operation.inner));
      return l.dispatch('gather_rows', Math.ceil(rows / per), [l.inputs[0], l.inputs[1], l.outputs[0], rows, operation.indices, operation.size, operation.inner, per]);
    }
    case 'segmentSum': {
      const per = Math.ceil(operation.segments / 8);
      return l.dispatch('segment_sum', Math.ceil(operation.segments / per), [l.inputs[0], l.inputs[1], l.outputs[0], operation.n, operation.segments, operation.inner, per]);
    }
    case 'prefixSum':
      return l.dispatch('prefix_sum', operation.outer, [l.inputs[0], l.outputs[0], operation.n, operation.inner, Number(operation.exclusive), Number(operation.reverse)]);
    case 'fused':
      return operation.op.wasm(l, operation.attrs);
    default:
      return operation satisfies never;
  }
}

function copyBox(l: Pick<Lowering, 'dispatch'>, x: PlacedOperand, y: PlacedOperand, rows: number, length: number, dims: readonly number[], strides: readonly number[]): void {
  const per = Math.max(1, Math.floor(GRAIN / Math.max(1, length)));
  l.dispatch('copy_box', Math.ceil(rows / per), [x, y, rows, length, per, dims.length, ...dims, ...strides]);
}

function lowerElementwise(raw: Elementwise, l: Lowering): void {
  const program = collapse(raw);
  const total = sizeOf(program.shape);
  const rank = Math.max(1, program.shape.length);
  const dims = program.shape.length === 0 ? [1] : program.shape;
  const immediates = [...new Set(program.code.flatMap((s) => s.args).filter((a) => typeof a === 'number'))];
  // registers: inputs, immediates, then results, reused once dead
  const base = l.inputs.length + immediates.length;
  const lastUse = program.code.map((_, i) => program.code.findLastIndex((s) => s.args.includes(`r${i}`)));
  const slot: number[] = [];
  const free: number[] = [];
  let registers = base;
  const code: number[] = [];
  program.code.forEach((step, i) => {
    const args = step.args.map((a) => (typeof a === 'number' ? l.inputs.length + immediates.indexOf(a) : a.startsWith('x') ? Number(a.slice(1)) : slot[Number(a.slice(1))]));
    const last = i === program.code.length - 1;
    slot[i] = last ? -1 : (free.pop() ?? registers++);
    code.push(opcode[step.op], args[0] ?? 0, args[1] ?? 0, args[2] ?? 0, slot[i]);
    for (const a of new Set(step.args)) if (typeof a === 'string' && a.startsWith('r') && lastUse[Number(a.slice(1))] === i) free.push(slot[Number(a.slice(1))]);
  });
  const output = l.outputs[0];
  const args: KernelArg[] = [total, GRAIN / BLOCK, l.inputs.length, program.code.length, immediates.length, output, Number(output.dtype === 'int32'), rank, ...dims];
  l.inputs.forEach((x, k) => {
    const view = program.views[k];
    const strides = program.shape.length === 0 ? [1] : view.strides;
    const whole = view.offset === 0 && isContiguous(view, program.shape);
    const single = strides.every((s) => s === 0) || total === 1;
    args.push(x.at(view.offset), single ? 1 : whole ? 0 : 2, Number(x.dtype === 'int32'), ...strides);
  });
  args.push(...immediates.map((f32) => ({ f32 })), ...code);
  l.dispatch('elementwise', Math.ceil(total / GRAIN), args, 1024 + 2048 * registers);
}

function lowerReduce(reduction: Reduction, l: Lowering): void {
  const kind = reductionKinds[reduction.kind];
  const { outer, inner } = reduction;
  let { n } = reduction;
  let x: Operand = l.inputs[0];
  const y: Operand = l.outputs[0];
  if (kind === 4 || (inner === 1 && (outer >= 8 || outer * n <= GRAIN))) {
    const per = Math.max(1, Math.floor(GRAIN / n));
    return l.dispatch('reduce_rows', Math.ceil(outer / per), [x, y, outer, n, kind, per]);
  }
  for (;;) {
    const tasks = Math.min(64, Math.ceil((outer * n * inner) / (4 * GRAIN)));
    const outers = Math.ceil(outer / tasks);
    const parts = Math.ceil(tasks / Math.ceil(outer / outers));
    // pieces of rows need no second launch, but prefetchers want them long
    const columns = inner < 256 * parts ? inner : 16 * Math.ceil(inner / parts / 16);
    const rows = columns < inner ? n : Math.max(16, Math.ceil(n / parts));
    const chunks = Math.ceil(n / rows);
    const to = chunks === 1 ? y : l.buffer(outer, chunks, inner);
    l.dispatch('reduce_columns', Math.ceil(outer / outers) * chunks * Math.ceil(inner / columns), [x, to, outer, n, inner, kind, outers, rows, columns], 512);
    if (chunks === 1) return;
    x = to;
    n = chunks;
  }
}
