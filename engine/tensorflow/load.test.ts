import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { tf } from '../tf.ts';
import { cudaLibraries } from './cuda.ts';
import { tensorflow, tensorflowGpu } from './engine.ts';

const root = mkdtempSync(join(tmpdir(), 'recallbench-tensorflow-'));
beforeAll(() => tf.setBackend('cpu'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

const tfjs = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs/package.json'));

/** A folder in which a package of that name and text is installed, with a tfjs that is not ours if wanted. RECALLBENCH_TENSORFLOW names it. */
function install(name: string, index: string, { version = tf.version.tfjs, foreign = false } = {}): string {
  const folder = mkdtempSync(join(root, 'at-'));
  const write = (at: string, text: string, of = '{}') => {
    mkdirSync(join(folder, 'node_modules', at), { recursive: true });
    writeFileSync(join(folder, 'node_modules', at, 'index.js'), text);
    writeFileSync(join(folder, 'node_modules', at, 'package.json'), of);
  };
  write(name, index, JSON.stringify({ name, version }));
  for (const peer of ['tfjs', 'tfjs-core']) {
    if (foreign) write(`@tensorflow/${peer}`, 'throw new Error("a second tfjs was loaded")');
    else symlinkSync(join(dirname(tfjs), peer), join(folder, 'node_modules/@tensorflow', peer));
  }
  vi.stubEnv('RECALLBENCH_TENSORFLOW', folder);
  return folder;
}

test('says that the package is not installed, and where it looked', async () => {
  vi.stubEnv('RECALLBENCH_TENSORFLOW', '/nowhere/at/all');
  expect(await tensorflow.available()).toMatchObject({ ok: false, reason: '@tensorflow/tfjs-node is not installed in /nowhere/at/all, which RECALLBENCH_TENSORFLOW names' });
  await expect(tensorflowGpu.open()).rejects.toThrow(/E_ENGINE: @tensorflow\/tfjs-node-gpu is not installed.*Remedy: npm install @tensorflow\/tfjs-node-gpu@4/);
});

const failures: [string, string, RegExp][] = [
  ['a binding not built', "throw new Error('The Node.js native addon module (tfjs_binding.node) can not be found at path: x. \\nPlease')", /its binding has not been built/],
  ['TensorFlow missing', "throw Object.assign(new Error('libtensorflow.so.2: cannot open shared object file: No such file or directory'), { code: 'ERR_DLOPEN_FAILED' })", /library libtensorflow\.so\.2$/],
  ['another reason of the loader', "throw Object.assign(new Error('tfjs_binding.node: invalid ELF header'), { code: 'ERR_DLOPEN_FAILED' })", /does not load: tfjs_binding\.node: invalid ELF header$/],
  ['anything else', "throw new TypeError('util.x is not a function')", /on Node \d+\.\d+\.\d+: util\.x is not a function$/],
];
test.each(failures)('tells %s', async (_, index, reason) => {
  install('@tensorflow/tfjs-node', index);
  const available = await tensorflow.available();
  expect(available).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
  expect(tf.getBackend()).toBe('cpu');
});

test('tells a version that is not that of tfjs', async () => {
  install('@tensorflow/tfjs-node', '', { version: '1.0.0' });
  expect(await tensorflow.available()).toMatchObject({ ok: false, reason: expect.stringContaining(`is version 1.0.0, but tfjs is ${tf.version.tfjs}`) });
});

test('names the libraries of each version of TensorFlow', () => {
  expect(cudaLibraries('2.9.1')).toContain('libcudnn.so.8');
  expect(cudaLibraries('2.9.1')).toContain('libcudart.so.11.0');
  expect(cudaLibraries('2.21.0')).toContain('libcudart.so.12');
  expect(cudaLibraries('2.21.0')).toContain('libcudnn.so.9');
});

// last, for a process loads one only
test('gives the package our tfjs and the functions that Node lost, keeps the backend, and loads no second one', async () => {
  const index = `
    const tf = require('@tensorflow/tfjs');
    if (!require('util').isNullOrUndefined(null) || !require('util').isArray([])) throw new Error('util');
    tf.registerBackend('tensorflow', () => Object.assign(new tf.KernelBackend(), { binding: { TF_Version: '2.9.1' }, isUsingGpuDevice: false }));
    tf.setBackend('tensorflow');`;
  const folder = install('@tensorflow/tfjs-node', index, { foreign: true });
  const where = join(folder, 'node_modules/@tensorflow/tfjs-node');
  expect(await tensorflow.available()).toEqual({ ok: true, detail: `TensorFlow 2.9.1, @tensorflow/tfjs-node in ${where}` });
  expect(tf.getBackend()).toBe('cpu');
  expect((await tensorflow.open()).describe()).toMatchObject({ engine: 'tensorflow', precision: 'fp32', versions: { tensorflow: '2.9.1' } });
  install('@tensorflow/tfjs-node-gpu', index);
  expect(await tensorflowGpu.available()).toMatchObject({ ok: false, reason: 'this process has loaded @tensorflow/tfjs-node, and holds one TensorFlow only' });
});
