import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio } from '../judge.ts';
import { cases } from './cases.ts';
import { causalConv } from './op.ts';

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
let gpus: Awaited<ReturnType<typeof gpuForms>>;
beforeAll(async () => void (gpus = await gpuForms()));
afterAll(() => Promise.all([...engines, ...gpus].map(({ engine }) => engine.close())));

describe('causal convolution', () => {
  test.each(cases)('$name: every form gives the value and all gradients', async (c) => {
    for (const { name, engine } of engines) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });

  test('many runs on two threads give the same bits: no task touches the scratch of another thread', async () => {
    const [B, L, C] = [3, 77, 132];
    const float = (seed: number, ...shape: number[]) => ({ shape, data: Float32Array.from(gaussian(seed, ...shape).data) });
    const inputs = { x: float(1, B, L, C), w: float(2, C, 4), b: float(3, C), dy: float(4, B, L, C) };
    const engine = await openWasm({ threads: 2 });
    const executable = engine.compile({
      state: {},
      functions: { f: ({ x, w, b, dy }) => ({ outputs: { dx: tf.grad((v: tf.Tensor) => tf.sum(tf.mul(causalConv(v, w, b, { activation: 'silu' }), dy)))(x) } }) },
    });
    const first = (await executable.run('f', inputs).read())['dx'].data;
    for (let run = 0; run < 300; run++) {
      const { data } = (await executable.run('f', inputs).read())['dx'];
      expect(data.every((v, i) => v === first[i]), `run ${run}`).toBe(true);
    }
    await engine.close();
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

  test.for(cases)('$name: every WGSL form gives the value and all gradients', async (c, context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
    }
  });

  test('on a GPU two runs give the same bits, and a gradient read alone is the same', async (context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
    const [x, w, b] = [gaussian(1, 3, 150, 21), gaussian(2, 21, 4), gaussian(3, 21)].map((t) => ({ shape: t.shape, data: Float32Array.from(t.data) }));
    const names = ['dx', 'dw', 'db'] as const;
    for (const { name, engine } of gpus) {
      const reading = (wanted: readonly string[]) => (t: Record<string, Tensor>) => {
        const gradients = tf.grads((p, q, r) => tf.sum(tf.square(causalConv(p, q, r, { activation: 'silu' }))))([t['x'], t['w'], t['b']]);
        return { outputs: Object.fromEntries(names.flatMap((n, i) => (wanted.includes(n) ? [[n, gradients[i]]] : []))) };
      };
      const executable = engine.compile({ state: {}, functions: { all: reading(names), dx: reading(['dx']), dw: reading(['dw']), db: reading(['db']) } });
      const all = await executable.run('all', { x: x, w: w, b: b }).read();
      expect(await executable.run('all', { x: x, w: w, b: b }).read(), name).toEqual(all);
      for (const n of names) {
        const alone = await executable.run(n, { x: x, w: w, b: b }).read();
        expect(rmsRatio(alone[n].data, all[n].data), `${name}, ${n} alone`).toBeLessThan(1e-6);
      }
      executable.dispose();
    }
  });

  test('sizes that do not fit are named', () => {
    const x = tf.zeros([2, 5, 6]);
    expect(() => causalConv(x, tf.zeros([4, 6]), tf.zeros([6]), { activation: 'none' })).toThrow('E_SHAPE: causalConv: weight is [4,6], but with x [2,5,6] it must be [C, W] = [6, W ≥ 1]');
    expect(() => causalConv(x, tf.zeros([6, 4]), tf.zeros([5]), { activation: 'none' })).toThrow('E_SHAPE: causalConv: bias is [5], but with x [2,5,6] it must be [C] = [6]');
    expect(() => causalConv(tf.zeros([5, 6]), tf.zeros([6, 4]), tf.zeros([6]), { activation: 'none' })).toThrow('E_SHAPE: causalConv: x is [5,6], not [B, L, C]');
  });
});
