import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge } from '../judge.ts';
import { cases } from './cases.ts';
import { embedding } from './op.ts';

let all: { name: string; engine: Engine }[] = [];
let gpus: Awaited<ReturnType<typeof gpuForms>> = [];
beforeAll(async () => {
  all = await forms();
  gpus = await gpuForms();
});
afterAll(async () => {
  for (const { engine } of [...all, ...gpus]) await engine.close();
});

describe('embedding: every form is the oracle', () => {
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all) {
      const ratios = await judge(engine, c);
      expect(ratios['output 0'], `${name}, output`).toBe(0);
      expect(ratios['gradient 0'], `${name}, gradient`).toBeLessThan(2e-5);
    }
  });
});

describe('embedding: every form on a GPU is the oracle', () => {
  test.for(cases)('$name', async (c, context) => {
    if (gpus.length === 0) context.skip('no adapter');
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      expect(ratios['output 0'], `${name}, output`).toBe(0);
      expect(ratios['gradient 0'], `${name}, gradient`).toBeLessThan(bound);
    }
  });
});

/** rows by 2000 ids, of which the first is the most frequent, and the gradient of their products with dy */
async function run(engine: Engine): Promise<HostTensors> {
  const ids = { shape: [2000], data: Int32Array.from({ length: 2000 }, (_, i) => (i % 3 === 0 ? (i * i) % 700 : 0)) };
  const float = (seed: number, ...shape: number[]) => ({ shape, data: Float32Array.from(gaussian(seed, ...shape).data) });
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const f = (table: tf.Tensor) => tf.sum(tf.mul(embedding(table, t['ids']), t['dy']));
        return { outputs: { y: embedding(t['table'], t['ids']), g: tf.grad(f)(t['table']) } };
      },
    },
  });
  const result = await executable.run('f', { table: float(5, 900, 20), ids, dy: float(6, 2000, 20) }).read();
  executable.dispose();
  return result;
}

describe('embedding', () => {
  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    const results: HostTensors[] = [];
    for (const threads of [1, 2, 3]) {
      const engine = await openWasm({ threads, poison: true });
      results.push(await run(engine));
      await engine.close();
    }
    for (const r of results) expect(r).toEqual(results[0]);
    for (const { data } of Object.values(results[0])) expect(data.every(Number.isFinite)).toBe(true);
  });

  test('comes out of a GPU the same to the bit every time', async (context) => {
    if (gpus.length === 0) context.skip('no adapter');
    for (const { engine, name } of gpus) expect(await run(engine), name).toEqual(await run(engine));
  });

  test('names the operands that do not fit', () => {
    expect(() => embedding(tf.zeros([2, 3, 4]), tf.zeros([2], 'int32'))).toThrow(/E_SHAPE.*\[2,3,4\]/);
    expect(() => embedding(tf.zeros([2, 3]), tf.zeros([2]))).toThrow(/E_SHAPE.*int32 ids, not float32/);
  });
});
