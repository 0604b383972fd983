import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { packageRoot } from '#core/package-info.ts';
import { simdOf } from './runtime.ts';

/** Compiles the module and prints the number of each exported function whose name has `wide` in it. */
const numbers = `
  const { readFileSync, writeSync } = require('node:fs');
  const module = new WebAssembly.Module(readFileSync(process.argv[1]));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(module, { env: { memory, wide: 1 } });
  for (const [name, f] of Object.entries(exports)) if (/wide/i.test(name)) writeSync(1, '\\nexported ' + name + ' ' + f.name + '\\n');
`;

test.skipIf(simdOf() !== 'wide')('V8 joins the vectors of every kernel that is written for it', () => {
  const flags = ['--experimental-wasm-revectorize', '--trace-wasm-revectorize', '--no-liftoff', '--no-wasm-lazy-compilation', '--wasm-num-compilation-tasks=1'];
  const { stdout, status } = spawnSync(process.execPath, [...flags, '-e', numbers, join(packageRoot, 'dist', 'wasm', 'relaxed.wasm')], { encoding: 'latin1', maxBuffer: 2 ** 28 });
  expect(status).toBe(0);
  const joined = new Set<string>();
  let current = '';
  for (const line of stdout.split('\n')) {
    current = /^Begin revec function wasm-function#(\d+)/.exec(line)?.[1] ?? current;
    if (line.includes('Decide to vectorize')) joined.add(current);
  }
  const wide = [...stdout.matchAll(/^exported (\w+) (\d+)$/gm)].map(([, name, number]) => ({ name, number }));
  expect(wide.map(({ name }) => name)).toEqual(expect.arrayContaining(['gemmWideTile6', 'scan_wide_quad', 'scan_wide_trace', 'scan_wide_gradient_pair']));
  expect(wide.filter(({ number }) => !joined.has(number)).map(({ name }) => name)).toEqual([]);
});

afterEach(() => vi.unstubAllEnvs());

test('RECALLBENCH_SIMD limits the instructions, and has to be one of the kinds', () => {
  vi.stubEnv('RECALLBENCH_SIMD', 'plain');
  expect(simdOf()).toBe('plain');
  expect(simdOf('relaxed')).toBe('plain');
  vi.stubEnv('RECALLBENCH_SIMD', 'wider');
  expect(() => simdOf()).toThrow('RECALLBENCH_SIMD is "wider". Remedy: one of plain, relaxed, wide.');
});
