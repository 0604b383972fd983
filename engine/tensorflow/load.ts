/**
 * Loads tfjs-node or tfjs-node-gpu, which run tfjs's ops in TensorFlow's C library, and says precisely why not. They are optional
 * peers: they are looked for beside recallbench, or in the folder that RECALLBENCH_TENSORFLOW names (docs/tensorflow.md).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import util from 'node:util';
import { tf } from '../tf.ts';
import { DRIVER, missingCudaLibraries } from './cuda.ts';

/** The name that tfjs-node gives its backend, on a CPU and on a GPU. */
export const BACKEND = 'tensorflow';

export type PackageName = '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu';

export interface Loaded {
  readonly ok: true;
  /** of the C library: "2.21.0" */
  readonly tensorflow: string;
  readonly gpu: boolean;
  /** where the package lies */
  readonly folder: string;
}

export interface NotLoaded {
  readonly ok: false;
  /** in one line */
  readonly reason: string;
  readonly remedy: string;
}

/** What is used of tfjs-node's backend. */
interface Backend {
  readonly binding: { readonly TF_Version: string };
  readonly isUsingGpuDevice: boolean;
}

const own = createRequire(import.meta.url);
const setupOf = (name: PackageName): string => `node tools/setup-tensorflow.js <folder>${name === '@tensorflow/tfjs-node-gpu' ? ' --cuda' : ''}`;

/** The package's package.json, or undefined. */
function find(name: PackageName, from: string | undefined): string | undefined {
  const require = from === undefined ? own : createRequire(join(resolve(from), 'package.json'));
  try {
    return require.resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
}

/** tfjs-node brings a tfjs of its own; tensors, gradients and kernels of two do not mix, so it is given ours. */
function shareTfjs(require: NodeJS.Require): void {
  const ours = own.resolve('@tensorflow/tfjs');
  for (const [name, path] of [['@tensorflow/tfjs', ours], ['@tensorflow/tfjs-core', createRequire(ours).resolve('@tensorflow/tfjs-core')]]) {
    own(path);
    require.cache[require.resolve(name)] = require.cache[path];
  }
}

/** Functions of Node's that tfjs-node calls, and that Node 23 no longer has. */
function restoreUtil(): void {
  Object.assign(util, { isArray: Array.isArray, isNullOrUndefined: (x: unknown) => x === null || x === undefined });
}

/** What an error of loading the package means. */
function explain(name: PackageName, folder: string, error: NodeJS.ErrnoException): NotLoaded {
  const setup = `set TensorFlow up with "${setupOf(name)}" (docs/tensorflow.md)`;
  const rebuild = `run "npm rebuild ${name} --build-addon-from-source", which downloads TensorFlow, or ${setup}`;
  const line = error.message.split('\n')[0];
  if (error.message.includes('native addon module')) return { ok: false, reason: `${name} is installed in ${folder}, but its binding has not been built`, remedy: rebuild };
  const library = /^(?:Error: )?(lib\S+): cannot open shared object file/.exec(line)?.[1];
  if (library !== undefined) return { ok: false, reason: `the binding of ${name} does not find the library ${library}`, remedy: /tensorflow/.test(library) ? rebuild : `install ${library}, or add its folder to LD_LIBRARY_PATH` };
  if (error.code === 'ERR_DLOPEN_FAILED') return { ok: false, reason: `the binding of ${name} does not load: ${line}`, remedy: rebuild };
  return { ok: false, reason: `${name} in ${folder} does not load on Node ${process.versions.node}: ${line}`, remedy: `install it again, or ${setup}` };
}

/** Why TensorFlow, loaded, has taken the CPU. */
function noGpu(name: PackageName, tensorflow: string): NotLoaded {
  const missing = missingCudaLibraries(tensorflow);
  const reason = `TensorFlow ${tensorflow} does not find ${missing.join(', ')}`;
  if (missing.includes(DRIVER)) return { ok: false, reason, remedy: 'install the NVIDIA driver, and in a container make it visible (docker run --gpus all)' };
  if (missing.length > 0) return { ok: false, reason, remedy: `add their folder to LD_LIBRARY_PATH, or fetch them with "${setupOf(name)}" (docs/tensorflow.md)` };
  return {
    ok: false,
    reason: `TensorFlow ${tensorflow} finds no GPU, though its CUDA libraries are there`,
    remedy: 'see nvidia-smi and CUDA_VISIBLE_DEVICES; set TF_CPP_MIN_LOG_LEVEL=0 to hear what TensorFlow says',
  };
}

/** A process holds one TensorFlow only: a second would find the libraries of the first. */
let loaded: { readonly name: PackageName; readonly result: Loaded | NotLoaded } | undefined;

/** Loads the package, once. The current backend of tfjs stays what it was. */
export function load(name: PackageName): Loaded | NotLoaded {
  if (loaded?.name === name) return loaded.result;
  const from = process.env['RECALLBENCH_TENSORFLOW'];
  const packageJson = find(name, from);
  const version = tf.version.tfjs;
  if (packageJson === undefined) {
    return {
      ok: false,
      reason: `${name} is not installed${from === undefined ? '' : ` in ${from}, which RECALLBENCH_TENSORFLOW names`}`,
      remedy: `npm install ${name}@${version} beside recallbench, or "${setupOf(name)}" and RECALLBENCH_TENSORFLOW=<folder> (docs/tensorflow.md)`,
    };
  }
  const folder = dirname(packageJson);
  const found = (JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string }).version;
  if (found !== version) return { ok: false, reason: `${name} in ${folder} is version ${found}, but tfjs is ${version}`, remedy: `npm install ${name}@${version}` };
  if (loaded !== undefined) {
    return { ok: false, reason: `this process has loaded ${loaded.name}, and holds one TensorFlow only`, remedy: `name this engine alone, or uninstall ${loaded.name}` };
  }
  const result = open(name, packageJson);
  // once its backend is there, its libraries are too, even where it is of no use
  if (tf.engine().registryFactory[BACKEND] !== undefined) loaded = { name, result };
  return result;
}

function open(name: PackageName, packageJson: string): Loaded | NotLoaded {
  const folder = dirname(packageJson);
  const before = tf.getBackend() as string | null | undefined;
  // TensorFlow greets on stderr; and its products are to be what the record says, float32, not the GPU's 19-bit TF32
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
  restoreUtil();
  const require = createRequire(packageJson);
  try {
    shareTfjs(require);
    require(folder);
  } catch (error) {
    return explain(name, folder, error as NodeJS.ErrnoException);
  } finally {
    // loading it makes its backend the current one
    void tf.setBackend(before ?? 'cpu');
  }
  const backend = tf.findBackend(BACKEND) as unknown as Backend;
  const tensorflow = backend.binding.TF_Version;
  if (name === '@tensorflow/tfjs-node-gpu' && !backend.isUsingGpuDevice) return noGpu(name, tensorflow);
  return { ok: true, tensorflow, gpu: backend.isUsingGpuDevice, folder };
}
