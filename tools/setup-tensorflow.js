// Sets up tfjs-node on the TensorFlow of pip's wheels in a folder of its own, and runs the parity tests on it:
//
//     node tools/setup-tensorflow.js <folder> [--cuda] [--wheel <file or requirement>]
//
// --cuda takes the wheel with CUDA and NVIDIA's libraries (about 3 GB), for the engine tensorflow-gpu; without it there is the engine
// tensorflow. --wheel names another wheel: a file, or a requirement such as tensorflow-cpu==2.20.0. Needs Linux, npm, pip and a C++ compiler.
// What npm installs by itself is TensorFlow 2.9 with CUDA 11, from a server that not everybody reaches; docs/tensorflow.md says more.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** of the package that the folder is */
const NAME = 'recallbench-tensorflow';
const HEADERS = 'node-api-headers@1.9.0';
/** of the wheel, which holds no Python that runs here: any that all wheels of late are made for */
const PYTHON = '3.12';
/** what is taken out of the wheel */
const WANTED = ['tensorflow/libtensorflow_', 'tensorflow/include/tensorflow/c/', 'tensorflow/include/tensorflow/core/platform/', 'tensorflow/include/tsl/', 'tensorflow/include/xla/tsl/'];

/** @type {(message: string) => never} */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Runs a program and shows what it prints. @type {(program: string, args: string[], options?: import('node:child_process').SpawnSyncOptions) => void} */
function run(program, args, options = {}) {
  process.stdout.write(`$ ${program} ${args.join(' ').replace(/\n[^]*/, '…')}\n`);
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', ...options });
  if (error !== undefined) fail(`${program} does not run: ${error.message}`);
  if (status !== 0) fail(`${program} failed`);
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { cuda: { type: 'boolean', default: false }, wheel: { type: 'string' } } });
if (positionals.length !== 1) fail('usage: node tools/setup-tensorflow.js <folder> [--cuda] [--wheel <file or requirement>]');
if (process.platform !== 'linux') fail(`this is for Linux; on ${process.platform} npm install @tensorflow/tfjs-node`);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(positionals[0]);
const name = values.cuda ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// the JavaScript, without the scripts that would download TensorFlow 2.9
mkdirSync(folder, { recursive: true });
const manifest = join(folder, 'package.json');
if (readdirSync(folder).length === 0) writeFileSync(manifest, `${JSON.stringify({ name: NAME, private: true })}\n`);
else if (!existsSync(manifest) || JSON.parse(readFileSync(manifest, 'utf8')).name !== NAME) fail(`${folder} is neither empty nor made by this script`);
run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${peerDependencies[name]}`, HEADERS], { cwd: folder });

// the libraries and their headers
const wheels = join(folder, 'wheels');
const given = values.wheel ?? (values.cuda || process.arch === 'arm64' ? 'tensorflow' : 'tensorflow-cpu');
let wheel = resolve(given);
if (!existsSync(wheel)) {
  rmSync(wheels, { recursive: true, force: true });
  run('python3', ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--python-version', PYTHON, '--dest', wheels, given]);
  wheel = join(wheels, readdirSync(wheels)[0]);
}
const unpack = `import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
for name in wheel.namelist():
    if name.startswith(tuple(sys.argv[3:])) or name.endswith('.dist-info/METADATA'):
        wheel.extract(name, sys.argv[2])`;
for (const old of readdirSync(folder).filter((n) => n.startsWith('tensorflow'))) rmSync(join(folder, old), { recursive: true });
run('python3', ['-c', unpack, wheel, folder, ...WANTED]);
rmSync(wheels, { recursive: true, force: true });
if (values.cuda) {
  const [info] = readdirSync(folder).filter((n) => n.endsWith('.dist-info') && n.startsWith('tensorflow'));
  const needed = [...readFileSync(join(folder, info, 'METADATA'), 'utf8').matchAll(/^Requires-Dist: ([^;\n]+); extra == "and-cuda"/gm)].map((m) => m[1].trim());
  if (needed.length === 0) fail(`${wheel} names no CUDA libraries`);
  run('python3', ['-m', 'pip', 'install', '--no-deps', '--upgrade', '--no-warn-conflicts', '--target', folder, ...needed]);
}

// the addon, which finds the libraries by its own place: <folder>/node_modules/@tensorflow/<package>/lib/napi-v8
const addon = join(folder, 'node_modules', name);
mkdirSync(join(addon, 'lib/napi-v8'), { recursive: true });
run(process.env['CXX'] ?? 'c++', [
  '-O2', '-std=c++17', '-shared', '-fPIC', '-DNAPI_VERSION=8', '-w',
  '-I', join(folder, 'tensorflow/include'), '-I', join(folder, 'node_modules/node-api-headers/include'),
  join(addon, 'binding/tfjs_backend.cc'), join(addon, 'binding/tfjs_binding.cc'),
  '-L', join(folder, 'tensorflow'), '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2', '-Wl,-rpath,$ORIGIN/../../../../../tensorflow',
  '-o', join(addon, 'lib/napi-v8/tfjs_binding.node'),
]);

const engine = values.cuda ? 'tensorflow-gpu' : 'tensorflow';
process.stdout.write(`\nrecallbench finds it by\n\n    export RECALLBENCH_TENSORFLOW=${folder}\n    recallbench train --engine ${engine} …\n\n`);
run('npx', ['vitest', 'run', 'engine/tensorflow', 'harness/tensorflow.test.ts'], { cwd: root, env: { ...process.env, RECALLBENCH_TENSORFLOW: folder } });
