import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '#core/package-info.ts';
import { simdOf } from './runtime.ts';

const N = 2 ** 16;
const X = 65536;
const Y = X + 4 * N;

type Probe = (x: number, y: number, n: number) => void;
const folder = mkdtempSync(join(tmpdir(), 'recallbench-math-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Compiles math-probe.as.ts; the result maps a kernel's name to a function on arrays of at most N floats. */
async function compile(relaxed: boolean): Promise<(kernel: string, x: ArrayLike<number>) => Float32Array> {
  const out = join(folder, `${relaxed}.wasm`);
  const { error, stderr } = await asc.main([
    'engine/wasm/math-probe.as.ts', '--baseDir', packageRoot, '--outFile', out, '--runtime', 'stub', '--use', 'abort=', '--noAssert', '-O3',
    '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536', '--noExportMemory',
    '--enable', 'simd', '--enable', 'threads', ...(relaxed ? ['--enable', 'relaxed-simd'] : []),
  ]);
  if (error) throw new Error(`${stderr.toString()}\n${error.message}`);
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(out)), { env: { memory } });
  return (kernel, x) => {
    new Float32Array(memory.buffer, X, N).fill(1).set(x);
    (exports[kernel] as Probe)(X, Y, N);
    return new Float32Array(memory.buffer, Y, x.length).slice();
  };
}

/** n numbers from a to b, evenly spaced or (b/a > 0) evenly in their logarithm. */
const linear = (a: number, b: number) => Float32Array.from({ length: N }, (_, i) => a + ((b - a) * i) / (N - 1));
const logarithmic = (a: number, b: number) => Float32Array.from({ length: N }, (_, i) => a * (b / a) ** (i / (N - 1)));

/** Largest |y − exact| / |exact|. NaN counts as infinite. */
function relativeError(y: Float32Array, x: Float32Array, exact: (x: number) => number): number {
  let worst = 0;
  y.forEach((v, i) => {
    const e = exact(x[i]);
    const r = v === e ? 0 : Math.abs(v - e) / Math.abs(e);
    worst = Number.isNaN(r) ? Infinity : Math.max(worst, r);
  });
  return worst;
}

const ULP = 2 ** -23;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

for (const relaxed of [false, ...(simdOf() === 'plain' ? [] : [true])]) {
  describe(relaxed ? 'relaxed SIMD' : 'plain SIMD', async () => {
    const run = await compile(relaxed);

    test.each([
      ['probeExp', Math.exp, linear(-87.33, 88.37), 1],
      ['probeExp', Math.exp, linear(-1, 1), 1],
      ['probeExp', Math.exp, linear(-1e-4, 1e-4), 1],
      ['probeLog', Math.log, logarithmic(2 ** -126, 3.4e38), 1],
      ['probeLog', Math.log, logarithmic(2 ** -149, 2 ** -126), 1],
      ['probeLog', Math.log, linear(0.25, 4), 1],
      ['probeLog', Math.log, linear(0.9999, 1.0001), 1],
      ['probeSigmoid', sigmoid, linear(-87, 100), 2],
      ['probeSigmoid', sigmoid, linear(-1, 1), 2],
      ['probeSoftplus', softplus, linear(-87, 100), 2],
      ['probeSoftplus', softplus, linear(-2, 2), 2],
      ['probeSoftplus', softplus, linear(-20, -5), 2],
    ] as const)('%s is right to a few units in the last place (%#)', (kernel, exact, x, ulps) => {
      expect(relativeError(run(kernel, x), x, exact)).toBeLessThan(ulps * ULP);
    });

    test('extremes', () => {
      const large = run('probeExp', [88.5, 1e3, 3e38, Infinity]);
      for (const v of large) expect(v).toBeGreaterThan(2.4e38);
      for (const v of large) expect(v).toBeLessThan(Infinity);
      expect([...run('probeExp', [-87.4, -1e3, -3e38, -Infinity, NaN, 0, -0])]).toEqual([0, 0, 0, 0, NaN, 1, 1]);
      expect([...run('probeLog', [0, -0, Infinity, -Infinity, -1, -1e-45, NaN, 1])]).toEqual([-Infinity, -Infinity, Infinity, NaN, NaN, NaN, NaN, 0]);
      expect([...run('probeSigmoid', [Infinity, 3e38, NaN, 0])]).toEqual([1, 1, NaN, 0.5]);
      for (const v of run('probeSigmoid', [-Infinity, -3e38, -100])) expect(v).toBeLessThan(1e-37);
      expect([...run('probeSoftplus', [Infinity, -Infinity, NaN, 1e30, -1e30])]).toEqual([Infinity, 0, NaN, Math.fround(1e30), 0]);
    });

    test('lanes', () => {
      expect(run('probeSum', [1, 2, 4, 8])[0]).toBe(15);
      for (let i = 0; i < 4; i++) expect(run('probeMax', [-4, -3, -2, -1].map((_, j) => (j === i ? -1 : -5 - j)))[0]).toBe(-1);
    });
  });
}
