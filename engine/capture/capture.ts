/** Captures a program function as a graph: a tracing tfjs backend records every kernel and computes nothing. */
import { tf, type Tensor } from '../tf.ts';
import { RecallbenchError } from '#core/errors.ts';
import { setFusedKernel } from '../fused-op.ts';
import type { ProgramFunction, Tensors } from '../engine.ts';
import type { DType, TensorSpec } from '../tensor-spec.ts';
import { value, type Graph, type Value } from '../graph/graph.ts';
import { Builder } from './builder.ts';
import { rules } from './rules.ts';

const BACKEND = 'recallbench-capture';

/** Data of a tensor of the capture backend: the value it stands for. */
interface CaptureId {
  value: Value;
}

/** The graph being captured; tfjs's current backend is global, so there is one at a time. */
let building: Builder | undefined;

class CaptureBackend extends tf.KernelBackend {
  // values written by the program itself are constants
  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    return { value: constant(values as ArrayLike<number>, shape, dtype as DType) } satisfies CaptureId;
  }
  override move(id: object, values: tf.BackendValues, shape: number[], dtype: tf.DataType): void {
    (id as CaptureId).value = constant(values as ArrayLike<number>, shape, dtype as DType);
  }
  override readSync(): never {
    throw new RecallbenchError('E_OP', 'the program reads the value of a tensor while it is captured; a captured function may depend on shapes only. Remedy: compute with tfjs ops instead of dataSync(), arraySync() or an if on values.');
  }
  override read(): never {
    return this.readSync();
  }
  override disposeData(): boolean {
    return true;
  }
  override refCount(): number {
    return 1;
  }
  override incRef(): void {}
  override numDataIds(): number {
    return 0;
  }
  override memory(): { unreliable: boolean; reasons: string[] } {
    return { unreliable: true, reasons: ['nothing is computed'] };
  }
  override floatPrecision(): 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {}
}

function constant(values: ArrayLike<number>, shape: number[], dtype: DType): Value {
  const data = dtype === 'int32' ? new Int32Array(values) : new Float32Array(values);
  return building!.constant(data, shape, dtype);
}

function info(v: Value): tf.TensorInfo {
  return { dataId: { value: v } satisfies CaptureId, shape: [...v.shape], dtype: v.dtype };
}

function valueOf(t: tf.TensorInfo): Value {
  const id = t.dataId as Partial<CaptureId>;
  // a tensor made before the capture, on another backend, is a constant
  if (id.value === undefined) return constant(tf.engine().readSync(t.dataId) as Float32Array, t.shape, t.dtype as DType);
  return id.value;
}

function register(): void {
  if (tf.findBackendFactory(BACKEND) !== null) return;
  tf.registerBackend(BACKEND, () => new CaptureBackend(), 0);
  for (const [kernelName, rule] of Object.entries(rules)) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        const values: Record<string, Value> = {};
        for (const [k, t] of Object.entries(inputs)) if (t != null) values[k] = valueOf(t);
        try {
          const result = rule(building!, values, attrs ?? {});
          return Array.isArray(result) ? result.map(info) : info(result);
        } catch (error) {
          if (error instanceof RecallbenchError) throw error;
          throw new RecallbenchError('E_OP', `${(error as Error).message} is not supported in a captured program, at ${callSite(error as Error)}. Remedy: use another tfjs op, or write a fused op.`);
        }
      },
    });
  }
  setFusedKernel(BACKEND, (op, inputs, attrs) => building!.fused({ kind: 'fused', op, attrs }, inputs.map(valueOf)).map(info));
}

/** Where in the program a tfjs op was called: the first stack frame outside tfjs and outside this folder. */
function callSite(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((l) => l.trim().startsWith('at '));
  const own = frames.find((l) => !/node_modules[\\/]@tensorflow|engine[\\/]capture[\\/](capture|builder|rules)\.|engine[\\/]fused-op\.|node:internal/.test(l));
  return own === undefined ? 'an unknown place' : own.trim().replace(/^at /, '');
}

function explain(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RecallbenchError) return error;
  const kernel = /Kernel '([^']+)' not registered/.exec(error.message)?.[1];
  if (kernel !== undefined) {
    return new RecallbenchError('E_OP', `the graph does not know the tfjs op ${kernel}, called at ${callSite(error)}. Remedy: compose it from ops that it knows, or write it as a fused op (kernels/).`, { cause: error });
  }
  const gradient = /gradient function not found for ([^.\s]+)/.exec(error.message)?.[1];
  if (gradient !== undefined) {
    return new RecallbenchError('E_OP', `${gradient} has no gradient, needed at ${callSite(error)}. Remedy: compose it from differentiable ops.`, { cause: error });
  }
  return error;
}

/** Records what `f` does to inputs and state of these shapes. Errors: E_OP, E_SHAPE. */
export function capture(f: ProgramFunction, inputs: Record<string, TensorSpec>, state: Record<string, TensorSpec>): Graph {
  if (building !== undefined) throw new RecallbenchError('E_OP', 'a capture is already under way; a captured function must not compile another program');
  register();
  const graph: Graph = { nodes: [], constants: new Map(), inputs: new Map(), state: new Map(), outputs: new Map(), nextState: new Map() };
  building = new Builder(graph);
  const before = tf.getBackend();
  // deep enough to reach the program's own frame in an error
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 60;
  try {
    // synchronous for a backend that is made synchronously
    void tf.setBackend(BACKEND);
    tf.tidy(() => {
      const place = (specs: Record<string, TensorSpec>, into: Map<string, Value>): Tensors =>
        Object.fromEntries(
          Object.entries(specs).map(([name, spec]) => {
            const v = value(spec.shape, spec.dtype);
            into.set(name, v);
            return [name, tf.engine().makeTensorFromTensorInfo(info(v))];
          }),
        );
      const result = f(place(inputs, graph.inputs), place(state, graph.state));
      const name = (t: Tensor): Value => valueOf(t);
      graph.outputs = new Map(Object.entries(result.outputs).map(([k, t]) => [k, name(t)]));
      graph.nextState = new Map(
        Object.entries(result.state ?? {}).map(([k, t]) => {
          const spec = state[k];
          if (spec === undefined) throw new RecallbenchError('E_OP', `the program returns a state tensor "${k}" that it does not have. Known: ${Object.keys(state).join(', ')}.`);
          if (spec.shape.join() !== t.shape.join()) throw new RecallbenchError('E_SHAPE', `state "${k}" is [${spec.shape}] but the program returns [${t.shape}]`);
          return [k, name(t)];
        }),
      );
    });
    return graph;
  } catch (error) {
    throw explain(error);
  } finally {
    building = undefined;
    Error.stackTraceLimit = stackTraceLimit;
    if (before !== '' && before !== undefined) void tf.setBackend(before);
  }
}
