import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, judge, type Case } from '../judge.ts';
import { selectiveScan } from './op.ts';
import { selectiveScanGradientOracle, selectiveScanOracle } from './oracle.ts';

type Operand = { shape: number[]; data: Float64Array };
const mapped = (t: Operand, f: (v: number) => number): Operand => ({ shape: t.shape, data: t.data.map((v) => Math.fround(f(v))) });

/** Decays from slow to fast: Δ about 0.02 … 2, a = −0.1 … −20. */
function operands(B: number, L: number, E: number, N: number): Operand[] {
  return [
    gaussian(1, B, L, E),
    mapped(gaussian(2, B, L, E), (v) => 0.2 * Math.exp(v)),
    mapped(gaussian(3, E, N), (v) => -Math.exp(1.2 * v)),
    gaussian(4, B, L, N),
    gaussian(5, B, L, N),
    gaussian(6, E),
  ];
}

function scanCase(name: string, inputs: Operand[], chunk?: number): Case {
  return {
    name,
    inputs,
    call: ([x, delta, a, b, c, d]) => {
      const { y, finalState } = selectiveScan(x, delta, a, b, c, d, chunk === undefined ? {} : { chunk });
      return [y, finalState];
    },
    oracle: (t) => {
      const { y, finalState } = selectiveScanOracle(t);
      return [y, finalState];
    },
    oracleGradient: selectiveScanGradientOracle,
  };
}

const sized = (B: number, L: number, E: number, N: number, chunk?: number): Case =>
  scanCase(`B${B} L${L} E${E} N${N}${chunk === undefined ? '' : ` chunk ${chunk}`}`, operands(B, L, E, N), chunk);

const cases = [
  sized(1, 1, 1, 1),
  sized(2, 2, 3, 2),
  sized(3, 63, 5, 3),
  sized(1, 65, 18, 16),
  sized(2, 130, 7, 5, 7),
  sized(1, 33, 6, 4, 1),
  sized(1, 40, 4, 9, 500),
  sized(3, 32, 35, 4, 32),
  sized(33, 5, 6, 4),
  sized(33, 3, 66, 2),
];

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
afterAll(() => Promise.all(engines.map(({ engine }) => engine.close())));

describe('selective scan', () => {
  test.each(cases)('$name: every form gives the value and all gradients', async (c) => {
    for (const { name, engine } of engines) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });

  test('decay that does nothing and decay that forgets at once', async () => {
    const [x, delta, a, b, c, d] = operands(2, 40, 8, 4) as [Operand, Operand, Operand, Operand, Operand, Operand];
    for (const rate of [-1e-7, -1e4]) {
      const extreme = scanCase(`a = ${rate}`, [x, delta, mapped(a, () => rate), b, c, d]);
      for (const { name, engine } of engines) {
        const { ['gradient 2']: da, ...ratios } = await judge(engine, extreme);
        // where nothing is remembered, the gradient of a is nothing but underflow
        if (rate > -1) expect(da, `${name}, gradient of a`).toBeLessThan(2e-5);
        for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}, a = ${rate}`).toBeLessThan(2e-5);
      }
    }
  });

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    const inputs = operands(2, 70, 37, 6);
    const results = [1, 2, 3].map(async (threads) => {
      const engine = await openWasm({ threads, poison: true });
      const executable = engine.compile({
        state: {},
        functions: {
          f: (t) => {
            const gradients = tf.grads((...v: Tensor[]) => tf.sum(tf.square(selectiveScan(v[0], v[1], v[2], v[3], v[4], v[5]).y)));
            return { outputs: Object.fromEntries(gradients(inputs.map((_, i) => t[`x${i}`])).map((g, i) => [`g${i}`, g])) };
          },
        },
      });
      const given = Object.fromEntries(inputs.map((t, i) => [`x${i}`, { shape: t.shape, data: Float32Array.from(t.data) }]));
      const result = await executable.run('f', given).read();
      await engine.close();
      return result;
    });
    const [one, two, three] = await Promise.all(results);
    for (const g of Object.values(one)) expect(g.data.every(Number.isFinite)).toBe(true);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  test('sizes that do not fit are named', () => {
    const t = operands(2, 5, 8, 4).map(({ shape, data }) => tf.tensor(Float32Array.from(data), shape));
    const [x, delta, a, b, c, d] = t as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    expect(() => selectiveScan(x, delta, a, tf.zeros([2, 5, 3]), c, d)).toThrow('E_SHAPE: selectiveScan: b is [2,5,3], but with x [2,5,8] and a [8,4] it must be [B, L, N] = [2,5,4]');
    expect(() => selectiveScan(tf.zeros([5, 8]), delta, a, b, c, d)).toThrow('E_SHAPE: selectiveScan: x is [5,8]');
    expect(() => selectiveScan(x, delta, a, b, c, d, { chunk: 0 })).toThrow('E_SHAPE: selectiveScan: chunk');
  });
});
