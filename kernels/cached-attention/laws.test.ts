import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { openWebgpu } from '#engine/webgpu/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio } from '../judge.ts';
import type { NdArray } from '../nd-array.ts';
import { cases, operands } from './cases.ts';
import { cachedAttention } from './op.ts';
import * as oracle from './oracle.ts';

let all: { name: string; engine: Engine }[] = [];
let gpus: Awaited<ReturnType<typeof gpuForms>> = [];
beforeAll(async () => {
  all = await forms();
  gpus = await gpuForms();
});
afterAll(async () => {
  for (const { engine } of [...all, ...gpus]) await engine.close();
});

describe('cached attention: every form is the oracle', () => {
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all) {
      const ratios = await judge(engine, c);
      expect(ratios['output 0'], `${name}, y`).toBeLessThan(2e-6);
      expect([ratios['output 1'], ratios['output 2']], `${name}, caches`).toEqual([0, 0]);
    }
  });
});

describe('cached attention as WGSL is the oracle', () => {
  test.for(cases)('$name', async (c, context) => {
    if (gpus.length === 0) context.skip('no adapter');
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      expect(ratios['output 0'], `${name}, y`).toBeLessThan(bound);
      expect([ratios['output 1'], ratios['output 2']], `${name}, caches`).toEqual([0, 0]);
    }
  });
});

const NAMES = ['q', 'k', 'v', 'keys', 'values', 'places'];
type Named = Record<string, Tensor>;
const call = ({ q, k, v, keys, values, places }: Named): Named => cachedAttention(q, k, v, keys, values, places);
const named = (inputs: readonly { shape: readonly number[]; data: Float64Array | Int32Array }[]): HostTensors =>
  Object.fromEntries(inputs.map(({ shape, data }, i) => [NAMES[i], { shape, data: data instanceof Int32Array ? data : Float32Array.from(data) }]));

async function once(engine: Engine, inputs: HostTensors, wanted: readonly string[] = ['y', 'keys', 'values']): Promise<HostTensors> {
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const outputs = call(t);
        return { outputs: Object.fromEntries(wanted.map((name) => [name, outputs[name]])) };
      },
    },
  });
  const results = await executable.run('f', inputs).read();
  executable.dispose();
  return results;
}

describe('cached attention', () => {
  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    for (const inputs of [operands(1, 700, 20, [699, 300]), operands(9, 200, 7, [150, 0, 199, 64])].map(named)) {
      const results: HostTensors[] = [];
      for (const threads of [1, 2, 3]) {
        const engine = await openWasm({ threads, poison: true });
        results.push(await once(engine, inputs));
        await engine.close();
      }
      for (const r of results) expect(r).toEqual(results[0]);
      expect(results[0]['y'].data.every(Number.isFinite)).toBe(true);
    }
  });

  test('rows from the place on are not read', async () => {
    const [H, C, K] = [2, 400, 8];
    const places = [130, 0, 398];
    const clean = named(operands(H, C, K, places));
    const spoil = ({ shape, data }: HostTensors[string]) => ({ shape, data: Float32Array.from(data, (x, i) => (Math.floor(i / K) % C >= places[Math.floor(i / (H * C * K))] ? NaN : x)) });
    const spoilt = { ...clean, keys: spoil(clean['keys']), values: spoil(clean['values']) };
    for (const { name, engine } of [...all, ...gpus]) expect(await once(engine, spoilt, ['y']), name).toEqual(await once(engine, clean, ['y']));
  });

  test('what nobody reads is left out, and changes nothing else', async () => {
    const inputs = named(operands(2, 300, 12, [299, 17]));
    for (const { name, engine } of [...all, ...gpus]) {
      const together = await once(engine, inputs);
      for (const wanted of [['y'], ['keys'], ['values'], ['y', 'keys'], ['keys', 'values']]) {
        expect(await once(engine, inputs, wanted), `${name}, ${wanted}`).toEqual(Object.fromEntries(wanted.map((n) => [n, together[n]])));
      }
    }
  });

  test('stands large scores', async () => {
    const [q, k, v, keys, values, places] = operands(1, 500, 8, [499]);
    const large = ({ shape, data }: typeof q) => ({ shape, data: Float64Array.from(data, (x) => Math.fround(30 * x)) });
    const inputs = [large(q), large(k), v, large(keys), values, places];
    const exact = oracle.cachedAttention(...(inputs.map(({ shape, data }) => ({ shape, data: Float64Array.from(data) })) as [NdArray, NdArray, NdArray, NdArray, NdArray, NdArray]));
    for (const { name, engine } of [...all, ...gpus]) {
      const { y } = await once(engine, named(inputs), ['y']);
      exact.y.data.forEach((value, i) => expect(Math.abs(y.data[i] - value), `${name} ${i}`).toBeLessThan(2e-3));
    }
  });

  const [B, H, C, K] = [2, 2, 150, 12];
  const token = (t: number) => [1, 2, 3].map((seed) => gaussian(1000 * seed + t, B, H, K));
  const cache = () => ({ shape: [B, H, C, K], data: new Float64Array(B * H * C * K) });

  /** Fills a cache that lies in the engine, token by token: y of each token, the cache at the end, and the launches of a step. */
  async function decode(open: (profile: (compiled: { kernels: readonly string[]; arenaBytes: number }) => void) => Promise<Engine>) {
    let compiled: { kernels: readonly string[]; arenaBytes: number } = { kernels: [], arenaBytes: 0 };
    const engine = await open((c) => (compiled = c));
    const { keys, values } = named([...token(0), cache(), cache()]);
    const executable = engine.compile({
      state: { keys, values },
      functions: {
        step: (inputs, state) => {
          const next = call({ ...inputs, ...state });
          return { outputs: { y: next['y'] }, state: { keys: next['keys'], values: next['values'] } };
        },
      },
    });
    const ys: HostTensors[] = [];
    for (let t = 0; t < C; t++) ys.push(await executable.run('step', { ...named(token(t)), places: { shape: [B], data: Int32Array.of(t, t) } }).read());
    const state = await executable.readState();
    await engine.close();
    return { ys: ys.map((r) => r['y']), state, ...compiled };
  }

  const expected = () => {
    let [keys, values]: NdArray[] = [cache(), cache()];
    const ys = Array.from({ length: C }, (_, t) => {
      const [q, k, v] = token(t);
      const next = oracle.cachedAttention(q, k, v, keys, values, { shape: [B], data: Float64Array.of(t, t) });
      [keys, values] = [next.keys, next.values];
      return next.y;
    });
    return { ys, keys, values };
  };

  const decoded = async (name: string, open: Parameters<typeof decode>[0]) => {
    const { ys, state, kernels, arenaBytes } = await decode(open);
    const exact = expected();
    ys.forEach((y, t) => expect(rmsRatio(y.data, exact.ys[t].data), `${name}, token ${t}`).toBeLessThan(2e-5));
    for (const n of ['keys', 'values'] as const) expect([...state[n].data], `${name}, ${n}`).toEqual([...exact[n].data]);
    // nothing is copied, and there is no second cache
    expect(kernels.every((kernel) => kernel.startsWith('cached_attention')), `${name}: ${kernels}`).toBe(true);
    expect(arenaBytes).toBeLessThan(4 * B * H * C * K);
  };

  test('a cache in the engine grows in place over many steps: WASM', async () => {
    for (const threads of [1, 2, 3]) await decoded(`${threads} threads`, (profile) => openWasm({ threads, poison: true, profile }));
  });

  test('a cache in the engine grows in place over many steps: WebGPU', async (context) => {
    if (gpus.length === 0) context.skip('no adapter');
    await decoded('webgpu', (profile) => openWebgpu({ validate: true, poison: true, profile }));
  });

  test('a cache that is still needed is copied first', async () => {
    const inputs = named(operands(2, 40, 5, [20, 39]));
    const { q, k, v, keys, values, places } = inputs;
    for (const { name, engine } of [...all, ...gpus]) {
      const executable = engine.compile({
        state: { keys, values },
        functions: {
          step: (t, state) => {
            const next = call({ ...t, ...state });
            return { outputs: { before: state['keys'], sum: tf.sum(state['values']), y: next['y'] }, state: { keys: next['keys'], values: next['values'] } };
          },
        },
      });
      const { before, sum } = await executable.run('step', { q, k, v, places }).read();
      const state = await executable.readState();
      executable.dispose();
      expect(before.data, name).toEqual(keys.data);
      expect(sum.data[0]).toBeCloseTo(Float64Array.from(values.data).reduce((a, b) => a + b, 0), 3);
      const after = await once(engine, inputs);
      for (const n of ['keys', 'values']) expect(state[n].data, `${name}, ${n}`).toEqual(after[n].data);
    }
  });

  test('names the sizes that do not fit', () => {
    const t = (...shape: number[]) => tf.zeros(shape);
    const places = tf.zeros([2], 'int32');
    const [row, rows] = [t(2, 3, 4), t(2, 3, 9, 4)];
    expect(() => cachedAttention(row, row, t(2, 3, 5), rows, rows, places)).toThrow(/E_SHAPE.*v is not \[2,3,4\].*v float32 \[2,3,5\]/);
    expect(() => cachedAttention(row, row, row, rows, t(2, 3, 8, 4), places)).toThrow(/E_SHAPE.*keys and values differ/);
    expect(() => cachedAttention(row, row, row, t(2, 3, 0, 4), t(2, 3, 0, 4), places)).toThrow(/E_SHAPE.*empty/);
    expect(() => cachedAttention(row, row, row, row, row, places)).toThrow(/E_SHAPE.*keys has 3 axes/);
    expect(() => cachedAttention(row, row, row, rows, rows, t(2))).toThrow(/E_SHAPE.*places is not int32 \[2\]/);
  });
});
