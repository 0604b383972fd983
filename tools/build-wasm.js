// Compiles the AssemblyScript kernels (*.as.ts under engine/wasm/assembly and kernels/) into two modules: dist/wasm/simd.wasm and
// dist/wasm/relaxed.wasm (relaxed SIMD: fused multiply-add). `--only FILE…` and `--out DIR` are for work on one kernel.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import asc from 'assemblyscript/asc';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string', default: 'dist/wasm' }, only: { type: 'boolean' } } });
const found = ['engine/wasm/assembly', 'kernels']
  .flatMap((root) => readdirSync(root, { recursive: true }).map((f) => join(root, String(f))))
  .filter((f) => f.endsWith('.as.ts'))
  .sort();
const entries = values.only ? positionals : found;
mkdirSync(values.out, { recursive: true });

for (const [name, features] of [
  ['simd', ['simd', 'threads']],
  ['relaxed', ['simd', 'threads', 'relaxed-simd']],
]) {
  const { error, stderr } = await asc.main([
    ...entries,
    '--outFile', join(values.out, `${name}.wasm`),
    '--runtime', 'stub', '--use', 'abort=', '--noAssert',
    '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536',
    '-O3', '--noExportMemory', '--disableWarning', '112', '--disableWarning', '201',
    ...features.flatMap((f) => ['--enable', f]),
  ]);
  if (error) {
    process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
    process.exit(1);
  }
  process.stdout.write(`${values.out}/${name}.wasm from ${entries.length} files\n`);
}
