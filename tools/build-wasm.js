// Compiles the AssemblyScript kernels (*.as.ts under engine/wasm/assembly and kernels/) into two modules, at the same time:
// dist/wasm/simd.wasm and dist/wasm/relaxed.wasm (relaxed SIMD: fused multiply-add), unless they are newer than all that they are made of.
// `--only FILE…` and `--out DIR` are for work on one kernel.
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const modules = {
  simd: ['simd', 'threads'],
  relaxed: ['simd', 'threads', 'relaxed-simd'],
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string', default: 'dist/wasm' }, only: { type: 'boolean' } } });
const found = ['engine/wasm/assembly', 'kernels']
  .flatMap((root) => readdirSync(root, { recursive: true }).map((f) => join(root, String(f))))
  .filter((f) => f.endsWith('.as.ts'))
  .sort();
const entries = values.only ? positionals : found;

/** When a file was last written, or a folder changed. @param {string} path */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function isUpToDate() {
  // a folder, because of what was taken out of it
  const sources = [...found, ...found.map((f) => dirname(f)), 'tools/build-wasm.js', 'package-lock.json'];
  return !values.only && Math.min(...Object.keys(modules).map((name) => changed(join(values.out, `${name}.wasm`)))) > Math.max(...sources.map(changed));
}

if (isMainThread && !isUpToDate()) {
  mkdirSync(values.out, { recursive: true });
  for (const name of Object.keys(modules)) {
    const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), workerData: name });
    worker.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    });
  }
} else if (!isMainThread) {
  const { default: asc } = await import('assemblyscript/asc');
  const name = /** @type {keyof typeof modules} */ (workerData);
  const { error, stderr } = await asc.main([
    ...entries,
    '--outFile', join(values.out, `${name}.wasm`),
    '--runtime', 'stub', '--use', 'abort=', '--noAssert',
    '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536',
    '-O3', '--noExportMemory', '--disableWarning', '112', '--disableWarning', '201',
    ...modules[name].flatMap((f) => ['--enable', f]),
  ]);
  if (error) throw new Error(`${name}.wasm: ${stderr.toString()}\n${error.message}`);
  process.stdout.write(`${values.out}/${name}.wasm from ${entries.length} files\n`);
}
