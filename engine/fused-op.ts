/**
 * The contract of a fused operation: one equation, several forms. An op is a plain value; `callFused` makes it a
 * kernel of tfjs (so that tfjs's tape differentiates through it), of the captured graph, and of each executor.
 */
import { tf, type Tensor } from './tf.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { TensorSpec } from './tensor-spec.ts';
import type { OpWork } from './work.ts';

export type Attrs = Readonly<Record<string, number | string | boolean>>;

/** A tensor at a fixed place in memory, while a node is lowered. As an argument of a WASM kernel it is its byte address. */
export interface Operand {
  readonly shape: readonly number[];
  /** false for an output that nobody reads: its address is 0, it cannot be bound, and the kernel must not write it */
  readonly used: boolean;
  /** every element is known to be zero (a constant) */
  readonly zero: boolean;
  /** The same from this element on; a GPU wants a multiple of 64. */
  at(elements: number): Operand;
}

/** A 32-bit float among the arguments of a kernel; plain numbers are 32-bit integers. */
export interface FloatArg {
  readonly f32: number;
}
export type KernelArg = number | FloatArg | Operand;

/** What a fused op sees while it is turned into kernel launches. */
export interface WasmLowering {
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  /** A buffer of float32 that lives for this node only, shared by all its dispatches and threads. Not cleared. */
  buffer(...shape: number[]): Operand;
  /**
   * Copies `from` to `to`, of one shape and whole; nothing at all where the planner has put both in one place (`inPlace`). For kernels
   * that write only part of such an output.
   */
  copy(from: Operand, to: Operand): void;
  /**
   * Launches an exported AssemblyScript kernel `(args: usize, task: i32, scratch: usize) => void` for tasks 0 … tasks−1.
   * Tasks run in any order on any thread; all are done before the next dispatch starts. `args` points to one 32-bit
   * word per argument, in order. `scratch` points to `scratchBytes` private to the running thread, 64-byte aligned, not cleared.
   * A task must not depend on the number of threads, and no two tasks may write the same place.
   */
  dispatch(kernel: string, tasks: number, args: readonly KernelArg[], scratchBytes?: number): void;
}

/** What the GPU at hand can do, and in which precision it should: kernels choose their form by it. */
export interface GpuCapabilities {
  /** mixed: products of matrices may take their operands in float16, summed in float32 */
  readonly precision: 'fp32' | 'mixed';
  /** shader-f16 is enabled */
  readonly f16: boolean;
  /** subgroups are enabled, and how many invocations they have; undefined where they are not, or where forms without them are tested */
  readonly subgroups?: { readonly min: number; readonly max: number };
  /** subgroup matrices are enabled, with these shapes: op(A) m×k, op(B) k×n */
  readonly subgroupMatrices: readonly { readonly component: 'f16' | 'f32'; readonly result: 'f16' | 'f32'; readonly m: number; readonly n: number; readonly k: number }[];
  /** bytes of workgroup memory, and invocations, of one workgroup */
  readonly workgroupBytes: number;
  readonly workgroupInvocations: number;
  /** storage bindings of one kernel */
  readonly bindings: number;
}

/** What every GPU that is opened has at least: forms count on it without asking. */
export const LEAST_GPU = { workgroupBytes: 32768, workgroupInvocations: 256, bindings: 12 } as const satisfies Partial<GpuCapabilities>;

/** A tensor bound to a kernel: as array<f32> (array<i32> where its dtype is int32) unless another element type is named. */
export type GpuBinding = Operand | { readonly operand: Operand; readonly as: 'f32' | 'i32' | 'u32' | 'vec2<f32>' | 'vec4<f32>' | 'vec4<f16>' };

/** One launch of a WGSL kernel. */
export interface GpuKernel {
  /** for profiles and messages, in snake_case */
  readonly name: string;
  /**
   * WGSL with an entry point `main`, without its bindings: each name in `bindings` is declared for it as
   * `var<storage, read_write>`. Sizes are written into the text. What the executor declares before it:
   * `const TASKS: u32` and `fn task_of(group: vec3u) -> u32`, which numbers the workgroups (the grid may be two-dimensional and a
   * little larger than TASKS: begin with `let task = task_of(group); if (task >= TASKS) { return; }`, which is uniform control flow).
   */
  readonly code: string;
  readonly bindings: Readonly<Record<string, GpuBinding>>;
  /** number of workgroups */
  readonly tasks: number;
}

/** What a fused op sees while it is turned into WGSL kernels. */
export interface WebgpuLowering {
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  readonly gpu: GpuCapabilities;
  /** A buffer of 32-bit words that lives for this node only. Not cleared. */
  buffer(...shape: number[]): Operand;
  /**
   * Copies `from` to `to`, of one shape and whole; nothing at all where the planner has put both in one place (`inPlace`). For kernels
   * that write only part of such an output.
   */
  copy(from: Operand, to: Operand): void;
  /**
   * Launches a kernel; all its writes are visible to the next one. Every operand starts at a multiple of 256 bytes. An operand may be
   * bound under one name only; where an output is written over an input (`inPlace`) both names mean the same memory. No two
   * workgroups may write the same place, and no float is added atomically: results are the same at every run.
   */
  dispatch(kernel: GpuKernel): void;
}

export interface FusedOp<A extends Attrs = Attrs> {
  /** the kernel's name, in tfjs style: 'Ssd' */
  readonly name: string;
  /** Checks the operands (E_SHAPE, naming sizes) and gives the outputs' shapes. */
  outputs(inputs: readonly TensorSpec[], attrs: A): TensorSpec[];
  /** The same mathematics in tfjs ops, for any tfjs backend. Runs outside the tape. */
  portable(inputs: readonly Tensor[], attrs: A): Tensor[];
  /**
   * Gradients by input, given the gradient `dy` of output 0 (further outputs are by-products without gradient).
   * A thunk for each differentiable input, null for the others. What thunks share is made in the body, not in a thunk:
   * tfjs runs each in a tidy of its own. A by-product that nobody reads costs nothing in a captured program.
   */
  gradient?(dy: Tensor, inputs: readonly Tensor[], outputs: readonly Tensor[], attrs: A): ((() => Tensor) | null)[];
  /**
   * The arithmetic of one call by the rule in work.ts: of the algorithm that the attributes choose, in its plain form, as derived beside the
   * formula. `used` tells which outputs anyone reads; by-products that nobody reads are not counted, the gradients of a gradient op are counted all together.
   */
  work(inputs: readonly TensorSpec[], attrs: A, used: readonly boolean[]): OpWork;
  /**
   * What the WASM form may keep for its gradient op, the one of the name `by`: where the captured program has both, a tensor of this shape follows the
   * outputs of the one and the inputs of the other. undefined where making it again is better.
   */
  readonly wasmKeeps?: { readonly by: string; what(inputs: readonly TensorSpec[]): TensorSpec | undefined };
  /** Kernel launches for the WASM engine. */
  wasm(lowering: WasmLowering, attrs: A): void;
  /** WGSL kernels for the WebGPU engine. */
  webgpu?(lowering: WebgpuLowering, attrs: A): void;
  /** [output, input] pairs where the kernel may write the output over the input (same shape). */
  readonly inPlace?: readonly (readonly [number, number])[];
}

/** ops that were called, by the kernel's name */
const known = new Map<string, FusedOp>();

/** Backends that take a fused op as one kernel (the capture backend) give their own kernel function here. */
export type FusedKernel = (op: FusedOp, inputs: tf.TensorInfo[], attrs: Attrs) => tf.TensorInfo[];
const kernelOf = new Map<string, FusedKernel>();

/** Tells how a tfjs backend runs fused ops; backends not named here run the portable form. */
export function setFusedKernel(backendName: string, kernel: FusedKernel): void {
  kernelOf.set(backendName, kernel);
}

function register(op: FusedOp): void {
  known.set(op.name, op);
  if (op.gradient === undefined) return;
  tf.registerGradient({
    kernelName: op.name,
    saveAllInputs: true,
    outputsToSave: new Array<boolean>(8).fill(true),
    gradFunc: (dy, saved, attrs) => {
      const { _inputs, ...rest } = attrs as unknown as Attrs & { _inputs: number };
      const dy0 = Array.isArray(dy) ? dy[0] : dy;
      const thunks = op.gradient!(dy0, saved.slice(0, _inputs), saved.slice(_inputs), rest);
      return Object.fromEntries(thunks.flatMap((thunk, i) => (thunk === null ? [] : [[String(i), thunk]])));
    },
  });
}

/** Calls a fused op on tensors, on whichever tfjs backend is current; differentiable where the op has a gradient. */
export function callFused<A extends Attrs>(op: FusedOp<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  const untyped = op as unknown as FusedOp;
  const earlier = known.get(op.name);
  if (earlier === undefined) register(untyped);
  else if (earlier !== untyped) throw new RecallbenchError('E_OP', `two fused ops are called ${op.name}`);
  const specs = op.outputs(
    inputs.map((t) => ({ shape: t.shape, dtype: t.dtype as TensorSpec['dtype'] })),
    attrs,
  );
  const backendName = tf.getBackend();
  if (tf.getKernel(op.name, backendName) == null) {
    const kernel = kernelOf.get(backendName);
    tf.registerKernel({
      kernelName: op.name,
      backendName,
      kernelFunc: ({ inputs: named, attrs: given }) => {
        const { _inputs, ...rest } = given as unknown as Attrs & { _inputs: number };
        const infos = Object.values(named) as tf.TensorInfo[];
        if (kernel !== undefined) return kernel(untyped, infos, rest);
        return tf.tidy(() => op.portable(infos as Tensor[], rest as A));
      },
    });
  }
  // an array, as tfjs wants it of kernels that save all their inputs (Concat does the same)
  const result: unknown = tf.engine().runKernel(op.name, [...inputs] as unknown as tf.NamedTensorMap, { ...attrs, _inputs: inputs.length });
  const outputs = (Array.isArray(result) ? result : [result]) as Tensor[];
  if (outputs.length !== specs.length) throw new RecallbenchError('E_OP', `${op.name} gave ${outputs.length} outputs, not ${specs.length}`);
  return outputs;
}
