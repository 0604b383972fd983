/** A program run as it is written, op by op, on one of tfjs's own backends. */
import { RecallbenchError } from '#core/errors.ts';
import { tf } from '../tf.ts';
import type { Executable, HostTensors, Program, Results, Tensors } from '../engine.ts';
import { specOf } from '../tensor-spec.ts';

function toTensor(t: HostTensors[string], dtype = specOf(t).dtype): tf.Tensor {
  return tf.tensor(t.data, [...t.shape], dtype);
}

function toHost(t: tf.Tensor): HostTensors[string] {
  const data = t.dataSync();
  return { shape: t.shape, data: t.dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data) };
}

export class EagerExecutable implements Executable {
  readonly #program: Program;
  readonly #backend: string;
  readonly #state: Tensors = {};
  #peak = 0;
  /** `backend` is the name of a tfjs backend that is registered */
  constructor(program: Program, backend: string) {
    this.#program = program;
    this.#backend = backend;
    void tf.setBackend(backend);
    for (const [name, t] of Object.entries(program.state)) this.#state[name] = toTensor(t, t.dtype ?? specOf(t).dtype);
  }

  run(name: string, inputs: HostTensors): Results {
    const f = this.#program.functions[name];
    if (f === undefined) throw new RecallbenchError('E_NAME', `the program has no function "${name}". Known: ${Object.keys(this.#program.functions).join(', ')}.`);
    void tf.setBackend(this.#backend);
    tf.engine().startScope();
    try {
      const tensors = Object.fromEntries(Object.entries(inputs).map(([k, t]) => [k, toTensor(t)]));
      const { outputs, state = {} } = f(tensors, this.#state);
      const host = Object.fromEntries(Object.entries(outputs).map(([k, t]) => [k, toHost(t)]));
      this.#peak = Math.max(this.#peak, tf.memory().numBytes);
      for (const [k, t] of Object.entries(state)) {
        this.#state[k].dispose();
        this.#state[k] = tf.keep(t.clone());
      }
      return { read: () => Promise.resolve(host) };
    } finally {
      tf.engine().endScope();
    }
  }

  readState(): Promise<HostTensors> {
    return Promise.resolve(Object.fromEntries(Object.entries(this.#state).map(([k, t]) => [k, toHost(t)])));
  }

  writeState(state: HostTensors): void {
    void tf.setBackend(this.#backend);
    for (const [k, t] of Object.entries(state)) {
      this.#state[k].dispose();
      this.#state[k] = toTensor(t);
    }
  }

  peakBytes(): number {
    return this.#peak;
  }

  kernels(): readonly string[] {
    return [];
  }

  dispose(): void {
    for (const t of Object.values(this.#state)) t.dispose();
  }
}
