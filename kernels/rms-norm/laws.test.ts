import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio } from '../judge.ts';
import { cases, gated, plain } from './cases.ts';
import { gatedRmsNorm, rmsNorm } from './op.ts';

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
let gpus: Awaited<ReturnType<typeof gpuForms>>;
beforeAll(async () => void (gpus = await gpuForms()));
afterAll(() => Promise.all([...engines, ...gpus].map(({ engine }) => engine.close())));

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
      for (const { name, engine } of [...engines, ...gpus]) {
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

  test.for(cases)('$name: every WGSL form gives the value and all gradients', async (c, context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
    }
  });

  test('on a GPU norms written over their operands are right, two runs give the same bits, and a gradient read alone is right', async (context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
    const [x, z, w] = [gaussian(1, 70, 51), gaussian(2, 70, 51), gaussian(3, 51)].map((t) => ({ shape: t.shape, data: Float32Array.from(t.data) }));
    const names = ['dx', 'dz', 'dw'] as const;
    const reading = (wanted: readonly string[]) => (t: Record<string, Tensor>) => {
      const gradients = tf.grads((p, q, r) => tf.sum(tf.square(gatedRmsNorm(rmsNorm(p, r), q, r))))([t['x'], t['z'], t['w']]);
      return { outputs: Object.fromEntries(names.flatMap((n, i) => (wanted.includes(n) ? [[n, gradients[i]]] : []))) };
    };
    const program = { state: {}, functions: { all: reading(names), dx: reading(['dx']), dz: reading(['dz']), dw: reading(['dw']) } };
    const expected = await engines[0].engine.compile(program).run('all', { x: x, z: z, w: w }).read();
    for (const { name, engine } of gpus) {
      const executable = engine.compile(program);
      const all = await executable.run('all', { x: x, z: z, w: w }).read();
      expect(await executable.run('all', { x: x, z: z, w: w }).read(), name).toEqual(all);
      for (const n of names) {
        const alone = await executable.run(n, { x: x, z: z, w: w }).read();
        for (const [what, { data }] of [['with the others', all[n]], ['alone', alone[n]]] as const) expect(rmsRatio(data, expected[n].data), `${name}, ${n} ${what}`).toBeLessThan(2e-5);
      }
      executable.dispose();
    }
  });

  test('sizes that do not fit are named', () => {
    const x = tf.zeros([2, 6]);
    const w = tf.zeros([6]);
    expect(() => rmsNorm(x, tf.zeros([5]))).toThrow('E_SHAPE: rmsNorm: weight is [5], but with x [2,6] it must be [D] = [6]');
    expect(() => rmsNorm(x, w, { groups: 4 })).toThrow('E_SHAPE: rmsNorm: 4 groups do not divide D = 6');
    expect(() => gatedRmsNorm(x, tf.zeros([6, 2]), w)).toThrow('E_SHAPE: gatedRmsNorm: z is [6,2], but x is [2,6]');
  });
});
