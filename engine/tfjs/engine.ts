/** The eager engine: the same program, op by op, on a tfjs backend. Slow; it is there to check the others. */
import { cpus } from 'node:os';
import { RecallbenchError } from '#core/errors.ts';
import { tf } from '../tf.ts';
import type { Engine, EngineDescription, EngineEntry, Executable, HostTensors, Program, Tensors } from '../engine.ts';
import { specOf } from '../tensor-spec.ts';

const BACKEND = 'cpu';

function toTensor(t: HostTensors[string], dtype = specOf(t).dtype): tf.Tensor {
  return tf.tensor(t.data, [...t.shape], dtype);
}

function toHost(t: tf.Tensor): HostTensors[string] {
  const data = t.dataSync();
  return { shape: t.shape, data: t.dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data) };
}

class TfjsExecutable implements Executable {
  readonly #program: Program;
  readonly #state: Tensors = {};
  #peak = 0;
  constructor(program: Program) {
    this.#program = program;
    for (const [name, t] of Object.entries(program.state)) this.#state[name] = toTensor(t, t.dtype ?? specOf(t).dtype);
  }

  run(name: string, inputs: HostTensors): { read(): Promise<HostTensors> } {
    const f = this.#program.functions[name];
    if (f === undefined) throw new RecallbenchError('E_NAME', `the program has no function "${name}". Known: ${Object.keys(this.#program.functions).join(', ')}.`);
    void tf.setBackend(BACKEND);
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
    for (const [k, t] of Object.entries(state)) {
      this.#state[k].dispose();
      this.#state[k] = toTensor(t);
    }
  }

  peakBytes(): number {
    return this.#peak;
  }

  dispose(): void {
    for (const t of Object.values(this.#state)) t.dispose();
  }
}

/** Opens the eager engine on tfjs's own CPU backend. */
export function openTfjs(): Promise<Engine> {
  const describe = (): EngineDescription => ({
    engine: 'tfjs',
    adapter: cpus()[0]?.model ?? 'unknown CPU',
    threads: 1,
    precision: 'fp32',
    features: [`tfjs-backend-${BACKEND}`],
    versions: { tfjs: tf.version.tfjs, node: process.versions.node },
  });
  return Promise.resolve({
    name: 'tfjs',
    describe,
    compile: (program: Program) => {
      void tf.setBackend(BACKEND);
      return new TfjsExecutable(program);
    },
    close: () => Promise.resolve(),
  });
}

export const tfjs: EngineEntry<'tfjs'> = {
  name: 'tfjs',
  summary: "eager tfjs on its own CPU backend: slow, to check the other engines",
  available: () => Promise.resolve({ ok: true, detail: `tfjs ${tf.version.tfjs}` }),
  open: openTfjs,
};
