import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio } from '../judge.ts';
import { cases } from './cases.ts';
import { longConv } from './op.ts';

let engines: Awaited<ReturnType<typeof forms>>;
beforeAll(async () => void (engines = await forms()));
let gpus: Awaited<ReturnType<typeof gpuForms>>;
beforeAll(async () => void (gpus = await gpuForms()));
afterAll(() => Promise.all([...engines, ...gpus].map(({ engine }) => engine.close())));

const float = (seed: number, ...shape: number[]) => ({ shape, data: Float32Array.from(gaussian(seed, ...shape).data) });
/** the gradients of Σ y² by name */
const gradients = ({ u, h }: Record<string, Tensor>) => {
  const [du, dh] = tf.grads((p, q) => tf.sum(tf.square(longConv(p, q))))([u, h]);
  return { du: du, dh: dh };
};

describe('long convolution', () => {
  test.each(cases)('$name: every form gives the value and all gradients', async (c) => {
    for (const { name, engine } of engines) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });

  test.for(cases)('$name: every WGSL form gives the value and all gradients', async (c, context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
    }
  });

  test('a filter of three taps at the longest length, and its transpose', async () => {
    const L = 2 ** 19;
    const taps = [[0, 0.5], [77_777, -1.25], [L - 1, 2]] as const;
    const u = float(1, 1, L, 1);
    const dy = float(2, 1, L, 1);
    const h = { shape: [L, 1], data: new Float32Array(L) };
    for (const [s, v] of taps) h.data[s] = v;
    const at = (x: Float32Array, t: number) => (t >= 0 && t < L ? x[t] : 0);
    const y = Float64Array.from(u.data, (_, t) => taps.reduce((sum, [s, v]) => sum + v * at(u.data, t - s), 0));
    const du = Float64Array.from(u.data, (_, t) => taps.reduce((sum, [s, v]) => sum + v * at(dy.data, t + s), 0));
    // the portable form would take minutes
    for (const { name, engine } of [...engines.filter(({ name }) => name !== 'portable'), ...gpus]) {
      const executable = engine.compile({
        state: {},
        functions: { f: (x) => ({ outputs: { y: longConv(x['u'], x['h']), du: tf.grad((v: Tensor) => tf.sum(tf.mul(longConv(v, x['h']), x['dy'])))(x['u']) } }) },
      });
      const result = await executable.run('f', { u: u, h: h, dy: dy }).read();
      expect(rmsRatio(result['y'].data, y), `${name}, y`).toBeLessThan(2e-5);
      expect(rmsRatio(result['du'].data, du), `${name}, du`).toBeLessThan(2e-5);
      executable.dispose();
    }
  });

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    for (const [B, L, C] of [[2, 300, 70], [11, 100, 3]] as const) {
      const inputs = { u: float(1, B, L, C), h: float(2, L, C) };
      const results = [1, 2, 3].map(async (threads) => {
        const engine = await openWasm({ threads, poison: true });
        const executable = engine.compile({ state: {}, functions: { f: (t) => ({ outputs: { y: longConv(t['u'], t['h']), ...gradients(t) } }) } });
        const first = await executable.run('f', inputs).read();
        for (let run = 0; run < 20; run++) {
          const again = await executable.run('f', inputs).read();
          for (const [what, { data }] of Object.entries(first)) expect(data.every((v, i) => v === again[what].data[i]), `run ${run}, ${what}`).toBe(true);
        }
        await engine.close();
        return first;
      });
      const [one, two, three] = await Promise.all(results);
      for (const t of Object.values(one)) expect(t.data.every(Number.isFinite)).toBe(true);
      expect(two).toEqual(one);
      expect(three).toEqual(one);
    }
  });

  test('a gradient read alone is the same, and two runs give the same bits', async () => {
    for (const [B, L, C] of [[3, 70, 21], [2, 1030, 1]] as const) {
      const inputs = { u: float(1, B, L, C), h: float(2, L, C) };
      for (const { name, engine } of [...engines, ...gpus]) {
        const reading = (wanted: readonly ('du' | 'dh')[]) => (t: Record<string, Tensor>) => {
          const both = gradients(t);
          return { outputs: Object.fromEntries(wanted.map((n) => [n, both[n]])) };
        };
        const executable = engine.compile({ state: {}, functions: { both: reading(['du', 'dh']), du: reading(['du']), dh: reading(['dh']) } });
        const both = await executable.run('both', inputs).read();
        expect(await executable.run('both', inputs).read(), name).toEqual(both);
        for (const n of ['du', 'dh']) {
          const alone = await executable.run(n, inputs).read();
          expect(rmsRatio(alone[n].data, both[n].data), `${name}, ${n} alone`).toBeLessThan(1e-6);
        }
        executable.dispose();
      }
    }
  });

  test('sizes that do not fit are named', () => {
    const u = tf.zeros([2, 5, 6]);
    expect(() => longConv(u, tf.zeros([6, 5]))).toThrow('E_SHAPE: longConv: h is [6,5], but with u [2,5,6] it must be [L, C] = [5,6]');
    expect(() => longConv(tf.zeros([5, 6]), tf.zeros([5, 6]))).toThrow('E_SHAPE: longConv: u is [5,6], not [B, L, C]');
    expect(() => longConv(tf.zeros([2, 5, 6], 'int32'), tf.zeros([5, 6]))).toThrow('E_SHAPE: longConv: operands must be float32, not int32');
  });
});
