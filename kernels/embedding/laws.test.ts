import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, judge, type Case } from '../judge.ts';
import { embedding } from './op.ts';
import * as oracle from './oracle.ts';

/** V, D, shape of the ids, ids are drawn below */
const sizes: [number, number, number[], number][] = [
  [1, 1, [1], 1],
  [3, 5, [2, 2], 3],
  [256, 7, [3, 65], 256],
  [100, 64, [2, 130], 3],
  [500, 33, [1, 63], 520],
  [8192, 16, [130], 8192],
];

const cases: Case[] = sizes.map(([V, D, shape, below]) => {
  const stream = rng(V + D);
  // −1 and ids past the table are among those of the case with `below` > V
  const data = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.below(below) - (below > V ? 1 : 0));
  return {
    name: `V=${V} D=${D} ids=[${shape}] below ${below}`,
    inputs: [gaussian(1, V, D), { shape, data }],
    call: ([table, ids]) => [embedding(table, ids)],
    oracle: ([table, ids]) => [oracle.embedding(table, ids)],
    oracleGradient: ([, ids], dy) => [oracle.embeddingGradient(ids, dy, V), null],
  };
});

let all: { name: string; engine: Engine }[] = [];
beforeAll(async () => {
  all = await forms();
});
afterAll(async () => {
  for (const { engine } of all) await engine.close();
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

describe('embedding', () => {
  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    const ids = { shape: [2000], data: Int32Array.from({ length: 2000 }, (_, i) => (i * i) % 700) };
    const float = (seed: number, ...shape: number[]) => ({ shape, data: Float32Array.from(gaussian(seed, ...shape).data) });
    const results: HostTensors[] = [];
    for (const threads of [1, 2, 3]) {
      const engine = await openWasm({ threads, poison: true });
      const executable = engine.compile({
        state: {},
        functions: {
          f: (t) => {
            const f = (table: tf.Tensor) => tf.sum(tf.mul(embedding(table, t['ids']), t['dy']));
            return { outputs: { y: embedding(t['table'], t['ids']), g: tf.grad(f)(t['table']) } };
          },
        },
      });
      results.push(await executable.run('f', { table: float(5, 900, 20), ids, dy: float(6, 2000, 20) }).read());
      await engine.close();
    }
    for (const r of results) expect(r).toEqual(results[0]);
    for (const { data } of Object.values(results[0])) expect(data.every(Number.isFinite)).toBe(true);
  });

  test('names the operands that do not fit', () => {
    expect(() => embedding(tf.zeros([2, 3, 4]), tf.zeros([2], 'int32'))).toThrow(/E_SHAPE.*\[2,3,4\]/);
    expect(() => embedding(tf.zeros([2, 3]), tf.zeros([2]))).toThrow(/E_SHAPE.*int32 ids, not float32/);
  });
});
