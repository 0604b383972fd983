/** The eager engine: the same program, op by op, on tfjs's CPU backend. Slow; it is there to check the others. */
import { cpus } from 'node:os';
import { tf } from '../tf.ts';
import type { Engine, EngineEntry } from '../engine.ts';
import { EagerExecutable } from './executable.ts';

const BACKEND = 'cpu';

/** Opens the eager engine on tfjs's own CPU backend. */
export function openTfjs(): Promise<Engine> {
  return Promise.resolve({
    name: 'tfjs',
    describe: () => ({
      engine: 'tfjs',
      adapter: cpus()[0]?.model ?? 'unknown CPU',
      threads: 1,
      precision: 'fp32',
      features: [`tfjs-backend-${BACKEND}`],
      versions: { tfjs: tf.version.tfjs, node: process.versions.node },
    }),
    compile: (program) => new EagerExecutable(program, BACKEND),
    close: () => Promise.resolve(),
  });
}

export const tfjs: EngineEntry<'tfjs'> = {
  name: 'tfjs',
  summary: "eager tfjs on its own CPU backend: slow, to check the other engines",
  available: () => Promise.resolve({ ok: true, detail: `tfjs ${tf.version.tfjs}` }),
  open: openTfjs,
};
