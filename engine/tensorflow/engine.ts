/** Two eager engines: the same program, op by op, in TensorFlow, on a CPU and on an NVIDIA GPU. */
import { availableParallelism, cpus } from 'node:os';
import { RecallbenchError } from '#core/errors.ts';
import type { Engine, EngineDescription, EngineEntry } from '../engine.ts';
import { tf } from '../tf.ts';
import { EagerExecutable } from '../tfjs/executable.ts';
import { nvidiaDriver } from './cuda.ts';
import { BACKEND, load, type Loaded, type PackageName } from './load.ts';

function description(engine: string, { tensorflow, gpu }: Loaded): EngineDescription {
  const versions = { tensorflow, tfjs: tf.version.tfjs, node: process.versions.node };
  const features = [`tfjs-backend-${BACKEND}`];
  if (gpu) {
    const { gpu: adapter = 'NVIDIA GPU', driver } = nvidiaDriver();
    return { engine, adapter, ...(driver === undefined ? {} : { driver }), precision: process.env['NVIDIA_TF32_OVERRIDE'] === '0' ? 'fp32' : 'tf32', features, versions };
  }
  const threads = Number(process.env['TF_NUM_INTRAOP_THREADS']) || availableParallelism();
  return { engine, adapter: cpus()[0]?.model ?? 'unknown CPU', threads, precision: 'fp32', features, versions };
}

function entry<N extends string>(name: N, packageName: PackageName, summary: string): EngineEntry<N> {
  return {
    name,
    summary,
    available: async () => {
      const loaded = load(packageName);
      return loaded.ok ? { ok: true, detail: `TensorFlow ${loaded.tensorflow}, ${packageName} in ${loaded.folder}` } : loaded;
    },
    open: async (): Promise<Engine> => {
      const loaded = load(packageName);
      if (!loaded.ok) throw new RecallbenchError('E_ENGINE', `${loaded.reason}. Remedy: ${loaded.remedy}.`);
      return {
        name,
        describe: () => description(name, loaded),
        compile: (program) => new EagerExecutable(program, BACKEND),
        close: () => Promise.resolve(),
      };
    },
  };
}

export const tensorflowGpu: EngineEntry<'tensorflow-gpu'> = entry('tensorflow-gpu', '@tensorflow/tfjs-node-gpu', 'eager TensorFlow on an NVIDIA GPU, where @tensorflow/tfjs-node-gpu is installed');
export const tensorflow: EngineEntry<'tensorflow'> = entry('tensorflow', '@tensorflow/tfjs-node', 'eager TensorFlow on the CPU, where @tensorflow/tfjs-node is installed');
