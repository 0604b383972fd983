import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, judge, type Case } from '../judge.ts';
import { gatedRmsNorm, rmsNorm } from './op.ts';
import { gatedRmsNormGradientOracle, gatedRmsNormOracle, rmsNormGradientOracle, rmsNormOracle } from './oracle.ts';

function plain(shape: number[], groups = 1, epsilon = 1e-5): Case {
  const sizes = { epsilon, groups };
  return {
    name: `plain [${shape}], ${groups} groups, ε ${epsilon}`,
    inputs: [gaussian(1, ...shape), gaussian(2, shape.at(-1))],
    call: ([x, w]) => [rmsNorm(x, w, sizes)],
    oracle: ([x, w]) => [rmsNormOracle(x, w, sizes)],
    oracleGradient: ([x, w], dy) => rmsNormGradientOracle(x, w, dy, sizes),
  };
}

function gated(shape: number[], groups = 1, epsilon = 1e-5): Case {
  const sizes = { epsilon, groups };
  return {
    name: `gated [${shape}], ${groups} groups, ε ${epsilon}`,
    inputs: [gaussian(1, ...shape), gaussian(2, ...shape), gaussian(3, shape.at(-1))],
    call: ([x, z, w]) => [gatedRmsNorm(x, z, w, sizes)],
    oracle: ([x, z, w]) => [gatedRmsNormOracle(x, z, w, sizes)],
    oracleGradient: ([x, z, w], dy) => gatedRmsNormGradientOracle(x, z, w, dy, sizes),
  };
}

const cases = [plain, gated].flatMap((kind) => [
  kind([1, 1], 1, 0.5),
  kind([3], 1),
  kind([2, 3, 7]),
  kind([1, 63, 64]),
  kind([3, 65, 30], 2),
  kind([130, 12], 3),
  kind([2, 5, 20], 10, 0.1),
  kind([5, 2, 3, 17]),
  kind([300, 257]),
  kind([2, 1100], 4),
  kind([77, 40], 2),
]);

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
afterAll(() => Promise.all(engines.map(({ engine }) => engine.close())));

describe('RMS norm', () => {
  test.each(cases)('$name: every form gives the value and all gradients', async (c) => {
    for (const { name, engine } of engines) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });

  test('a row of zeros gives zeros and finite gradients', async () => {
    const x = { shape: [2, 6], data: new Float64Array(12) };
    for (const c of [plain([2, 6]), gated([2, 6])]) {
      for (const { name, engine } of engines) {
        const ratios = await judge(engine, { ...c, inputs: [x, ...c.inputs.slice(1)] });
        for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
      }
    }
  });

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    const inputs = [gaussian(1, 3, 50, 37), gaussian(2, 3, 50, 37), gaussian(3, 37)];
    const results = [1, 2, 3].map(async (threads) => {
      const engine = await openWasm({ threads, poison: true });
      const executable = engine.compile({
        state: {},
        functions: {
          f: ({ x, z, w }) => {
            const [dx, dz, dw] = tf.grads((a, b, c) => tf.sum(tf.square(gatedRmsNorm(rmsNorm(a, c), b, c))))([x, z, w]);
            return { outputs: { dx: dx, dz: dz, dw: dw } };
          },
        },
      });
      const [x, z, w] = inputs.map((t) => ({ shape: t.shape, data: Float32Array.from(t.data) }));
      const result = await executable.run('f', { x: x, z: z, w: w }).read();
      await engine.close();
      return result;
    });
    const [one, two, three] = await Promise.all(results);
    for (const g of Object.values(one)) expect(g.data.every(Number.isFinite)).toBe(true);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  test('sizes that do not fit are named', () => {
    const x = tf.zeros([2, 6]);
    const w = tf.zeros([6]);
    expect(() => rmsNorm(x, tf.zeros([5]))).toThrow('E_SHAPE: rmsNorm: weight is [5], but with x [2,6] it must be [D] = [6]');
    expect(() => rmsNorm(x, w, { groups: 4 })).toThrow('E_SHAPE: rmsNorm: 4 groups do not divide D = 6');
    expect(() => gatedRmsNorm(x, tf.zeros([6, 2]), w)).toThrow('E_SHAPE: gatedRmsNorm: z is [6,2], but x is [2,6]');
  });
});
