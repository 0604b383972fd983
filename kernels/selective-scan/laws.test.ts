import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio } from '../judge.ts';
import { cases, mapped, operands, scanCase, tiledCases, type Data } from './cases.ts';
import { selectiveScan } from './op.ts';
import { selectiveScanGradientOracle, selectiveScanOracle } from './oracle.ts';

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
let gpus: Awaited<ReturnType<typeof gpuForms>>;
beforeAll(async () => void (gpus = await gpuForms()));
afterAll(() => Promise.all([...engines, ...gpus].map(({ engine }) => engine.close())));

describe('selective scan', () => {
  test.each(cases)('$name: every form gives the value and all gradients', async (c) => {
    for (const { name, engine } of engines) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });

  test('decay that does nothing and decay that forgets at once', async () => {
    const [x, delta, a, b, c, d] = operands(2, 40, 8, 4);
    for (const rate of [-1e-7, -1e4]) {
      const extreme = scanCase(`a = ${rate}`, [x, delta, mapped(a, () => rate), b, c, d]);
      for (const { name, engine } of [...engines, ...gpus]) {
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

describe('selective scan on a GPU', () => {
  beforeEach((context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
  });

  test.each([...cases, ...tiledCases])('$name: the value and all gradients', async (c) => {
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
    }
  });

  const given = (inputs: readonly Data[]) => Object.fromEntries(inputs.map((t, i) => [`x${i}`, { shape: t.shape, data: Float32Array.from(t.data) }]));
  const call = (v: readonly Tensor[]) => selectiveScan(v[0], v[1], v[2], v[3], v[4], v[5]);
  const gradientsOf = (v: Tensor[], dy: Tensor) => tf.grads((...u: Tensor[]) => tf.sum(tf.mul(call(u).y, dy)))(v);

  test.each([6, 40])('of %i states, an output or gradient that is wanted alone is the same', async (N) => {
    const inputs = operands(2, 150, 37, N);
    const { y, finalState } = selectiveScanOracle(inputs);
    const dy = gaussian(7, 2, 150, 37);
    const gradients = selectiveScanGradientOracle(inputs, dy);
    for (const { name, engine, bound } of gpus) {
      const executable = engine.compile({
        state: {},
        functions: {
          y: (t) => ({ outputs: { result: call(inputs.map((_, i) => t[`x${i}`])).y } }),
          finalState: (t) => ({ outputs: { result: call(inputs.map((_, i) => t[`x${i}`])).finalState } }),
          ...Object.fromEntries(inputs.map((_, k) => [`gradient ${k}`, (t: Record<string, Tensor>) => ({ outputs: { result: gradientsOf(inputs.map((_, i) => t[`x${i}`]), t['dy'])[k] } })])),
        },
      });
      const wanted = { y, finalState, ...Object.fromEntries(gradients.map((g, k) => [`gradient ${k}`, g])) };
      for (const [what, expected] of Object.entries(wanted)) {
        const { result } = await executable.run(what, what.startsWith('gradient') ? { ...given(inputs), dy: { shape: dy.shape, data: Float32Array.from(dy.data) } } : given(inputs)).read();
        expect(rmsRatio(result.data, expected.data), `${name}, ${what}`).toBeLessThan(bound);
      }
      executable.dispose();
    }
  });

  test.each([6, 40])('of %i states, outputs and gradients may be written over inputs that nobody reads again', async (N) => {
    const inputs = operands(2, 150, 8, N);
    const dy = gaussian(7, 2, 150, 8);
    const gradients = selectiveScanGradientOracle(inputs, dy);
    const wanted = { y: selectiveScanOracle(inputs).y, ...Object.fromEntries(gradients.map((g, k) => [`g${k}`, g])) };
    const halves = given([...inputs, dy].map((t) => mapped(t, (v) => v / 2)));
    const twice = (t: Record<string, Tensor>) => Object.keys(halves).map((name) => tf.add(t[name], t[name]));
    for (const { name, engine, bound } of gpus) {
      const executable = engine.compile({
        state: {},
        functions: {
          value: (t) => ({ outputs: { y: call(twice(t)).y } }),
          gradients: (t) => {
            const v = twice(t);
            return { outputs: Object.fromEntries(gradientsOf(v.slice(0, 6), v[6]).map((g, k) => [`g${k}`, g])) };
          },
        },
      });
      const results = { ...(await executable.run('value', halves).read()), ...(await executable.run('gradients', halves).read()) };
      for (const [what, expected] of Object.entries(wanted)) expect(rmsRatio(results[what].data, expected.data), `${name}, ${what}`).toBeLessThan(bound);
      executable.dispose();
    }
  });

  test('two runs give the same bits', async () => {
    const inputs = operands(2, 150, 37, 6);
    for (const { engine } of gpus) {
      const executable = engine.compile({
        state: {},
        functions: {
          f: (t) => ({ outputs: Object.fromEntries(gradientsOf(inputs.map((_, i) => t[`x${i}`]), t['x0']).map((g, i) => [`g${i}`, g])) }),
        },
      });
      const first = await executable.run('f', given(inputs)).read();
      expect(await executable.run('f', given(inputs)).read()).toEqual(first);
      executable.dispose();
    }
  });
});
