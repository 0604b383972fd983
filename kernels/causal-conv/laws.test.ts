import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, judge, type Case } from '../judge.ts';
import { causalConv } from './op.ts';
import { causalConvGradientOracle, causalConvOracle } from './oracle.ts';

function conv(B: number, L: number, C: number, W: number, activation: 'none' | 'silu'): Case {
  return {
    name: `B${B} L${L} C${C} W${W} ${activation}`,
    inputs: [gaussian(1, B, L, C), gaussian(2, C, W), gaussian(3, C)],
    call: ([x, w, b]) => [causalConv(x, w, b, { activation })],
    oracle: ([x, w, b]) => [causalConvOracle(x, w, b, activation)],
    oracleGradient: ([x, w, b], dy) => causalConvGradientOracle(x, w, b, dy, activation),
  };
}

const cases = (['silu', 'none'] as const).flatMap((activation) => [
  conv(1, 1, 1, 4, activation),
  conv(2, 2, 5, 4, activation),
  conv(3, 63, 8, 4, activation),
  conv(1, 65, 12, 4, activation),
  conv(2, 130, 7, 4, activation),
  conv(9, 18, 16, 4, activation),
  conv(40, 6, 9, 4, activation),
  conv(2, 131, 66, 4, activation),
  conv(1, 300, 64, 4, activation),
  ...[1, 2, 3, 5, 8].map((W) => conv(2, 35, 6, W, activation)),
  conv(2, 3, 4, 8, activation),
]);

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
afterAll(() => Promise.all(engines.map(({ engine }) => engine.close())));

describe('causal convolution', () => {
  test.each(cases)('$name: every form gives the value and all gradients', async (c) => {
    for (const { name, engine } of engines) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    const inputs = [gaussian(1, 2, 150, 21), gaussian(2, 21, 4), gaussian(3, 21)];
    const results = [1, 2, 3].map(async (threads) => {
      const engine = await openWasm({ threads, poison: true });
      const executable = engine.compile({
        state: {},
        functions: {
          f: ({ x, w, b }) => {
            const [dx, dw, db] = tf.grads((p, q, r) => tf.sum(tf.square(causalConv(p, q, r, { activation: 'silu' }))))([x, w, b]);
            return { outputs: { dx: dx, dw: dw, db: db } };
          },
        },
      });
      const [x, w, b] = inputs.map((t) => ({ shape: t.shape, data: Float32Array.from(t.data) }));
      const result = await executable.run('f', { x: x, w: w, b: b }).read();
      await engine.close();
      return result;
    });
    const [one, two, three] = await Promise.all(results);
    for (const g of Object.values(one)) expect(g.data.every(Number.isFinite)).toBe(true);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  test('sizes that do not fit are named', () => {
    const x = tf.zeros([2, 5, 6]);
    expect(() => causalConv(x, tf.zeros([4, 6]), tf.zeros([6]), { activation: 'none' })).toThrow('E_SHAPE: causalConv: weight is [4,6], but with x [2,5,6] it must be [C, W] = [6, W ≥ 1]');
    expect(() => causalConv(x, tf.zeros([6, 4]), tf.zeros([5]), { activation: 'none' })).toThrow('E_SHAPE: causalConv: bias is [5], but with x [2,5,6] it must be [C] = [6]');
    expect(() => causalConv(tf.zeros([5, 6]), tf.zeros([6, 4]), tf.zeros([6]), { activation: 'none' })).toThrow('E_SHAPE: causalConv: x is [5,6], not [B, L, C]');
  });
});
