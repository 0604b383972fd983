import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { callFused } from '#engine/fused-op.ts';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio, type Case } from '../judge.ts';
import { cases, ints, labels } from './cases.ts';
import { LabelledCrossEntropy, labelledCrossEntropy } from './op.ts';
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
const threaded = () => all.filter(({ name }) => name.includes('threads'));

describe('labelled cross-entropy: every form is the oracle', () => {
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all) {
      const ratios = await judge(engine, c);
      expect(ratios['output 2'], `${name}, predictions`).toBe(0);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });
});

describe('labelled cross-entropy: every form on a GPU is the oracle', () => {
  test.for(cases)('$name', async (c, context) => {
    if (gpus.length === 0) context.skip('no adapter');
    for (const { name, engine, bound } of gpus) {
      const { 'output 2': predictions, ...ratios } = await judge(engine, c);
      if (bound < 1e-3) expect(predictions, `${name}, predictions`).toBe(0);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
    }
  });
});

/** outputs and gradients, or without gradients what an evaluation computes */
async function run(engine: Engine, inputs: Case['inputs'], differentiated: readonly number[]): Promise<Record<string, ArrayLike<number>>> {
  const names = ['hidden', 'table', 'rows', 'targets'];
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const xs = names.map((n) => t[n]);
        const { loss, losses, predictions } = labelledCrossEntropy(xs[0], xs[1], xs[2], xs[3]);
        const f = (...vars: tf.Tensor[]) => {
          const at = [...xs];
          differentiated.forEach((i, j) => (at[i] = vars[j]!));
          return labelledCrossEntropy(at[0], at[1], at[2], at[3]).loss as tf.Scalar;
        };
        const gradients = differentiated.length === 0 ? [] : tf.grads(f)(differentiated.map((i) => xs[i]));
        return { outputs: { loss, losses, predictions, ...Object.fromEntries(gradients.map((g, j) => [`d ${names[differentiated[j]]}`, g])) } };
      },
    },
  });
  const host = Object.fromEntries(inputs.map(({ shape, data }, i) => [names[i], { shape, data: data instanceof Int32Array ? data : Float32Array.from(data) }]));
  const results = await executable.run('f', host).read();
  executable.dispose();
  return Object.fromEntries(Object.entries(results).map(([n, r]) => [n, r.data]));
}

describe('labelled cross-entropy', () => {
  const { rows, targets } = labels(9, 400, 300, 500);
  const data = [gaussian(1, 400, 20), gaussian(2, 500, 20), rows, targets];

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    for (const differentiated of [[0, 1], []]) {
      const results: Awaited<ReturnType<typeof run>>[] = [];
      for (const threads of [1, 2, 3]) {
        const engine = await openWasm({ threads, poison: true });
        results.push(await run(engine, data, differentiated));
        await engine.close();
      }
      for (const r of results) expect(r).toEqual(results[0]);
      for (const [name, x] of Object.entries(results[0])) expect(Array.from(x).every(Number.isFinite), name).toBe(true);
    }
  });

  test('evaluates to the same with and without gradients, and gives one gradient without the other', async () => {
    for (const { engine, name: form } of [threaded()[0], ...gpus]) {
      const both = await run(engine, data, [0, 1]);
      for (const wanted of [[], [0], [1]]) {
        const some = await run(engine, data, wanted);
        for (const [name, value] of Object.entries(some)) expect(value, `${form}, ${name}`).toEqual(both[name]);
      }
    }
  });

  test('comes out of a GPU the same to the bit every time', async (context) => {
    if (gpus.length === 0) context.skip('no adapter');
    for (const { engine, name } of gpus) expect(await run(engine, data, [0, 1]), name).toEqual(await run(engine, data, [0, 1]));
  });

  test('computes on a GPU only what is read', async (context) => {
    if (gpus.length === 0) context.skip('no adapter');
    const [hidden, table] = data.map(({ shape, data: x }) => ({ shape, data: Float32Array.from(x) }));
    for (const { engine, name } of gpus) {
      const all5 = await run(engine, data, [0, 1]);
      for (const [i, output] of ['loss', 'losses', 'predictions', 'd hidden', 'd table'].entries()) {
        const executable = engine.compile({ state: {}, functions: { f: (t) => ({ outputs: { [output]: callFused(LabelledCrossEntropy, [t['hidden'], t['table'], t['rows'], t['targets']], {})[i] } }) } });
        const result = await executable.run('f', { hidden, table, rows, targets }).read();
        executable.dispose();
        expect(result[output].data, `${name}, ${output}`).toEqual(all5[output]);
      }
    }
  });

  test('predicts the first of equal words', async () => {
    const table = { shape: [600, 2], data: Float64Array.from({ length: 1200 }, (_, i) => (i % 2 === 0 && [70, 71, 300, 599].includes(i / 2) ? 1 : 0)) };
    const hidden = { shape: [3, 2], data: Float64Array.of(1, 0, -1, 0, 0, 1) };
    for (const { engine, name } of [...all, ...gpus]) {
      const { predictions } = await run(engine, [hidden, table, ints(0, 1, 2), ints(1, 1, 1)], []);
      expect([...(predictions as Int32Array)], name).toEqual([70, 0, 0]);
    }
  });

  test('keeps the digits of a small loss, and stands large logits', async () => {
    // logits of about 400, exact in float32, of which one leads by 7; in the second row a hundred times that
    const D = 4;
    const table = { shape: [50, D], data: Float64Array.from({ length: 50 * D }, (_, i) => (Math.floor(i / D) === 7 ? 103 : 100 + (i % 3))) };
    const hidden = { shape: [2, D], data: Float64Array.of(1, 1, 1, 1, 100, 100, 100, 100) };
    const inputs = [hidden, table, ints(0, 1), ints(7, 3)];
    const [h, w, rows, targets] = inputs.map(({ shape, data: x }) => ({ shape, data: Float64Array.from(x) }));
    const exact = oracle.labelledCrossEntropy(h, w, rows, targets);
    for (const { engine, name } of [...all, ...gpus]) {
      const { losses } = await run(engine, inputs, [0, 1]);
      [0, 1].forEach((r) => expect(losses[r] / exact.losses.data[r] - 1, `${name}, row ${r}`).toBeCloseTo(0, 3));
    }
  });

  test('leaves out rows and targets that do not exist', async () => {
    const inputs = [gaussian(1, 4, 5), gaussian(2, 40, 5), ints(2, 99, 1, -3), ints(7, 8, 40, 9)];
    for (const { engine, name } of [...all, ...gpus]) {
      const { loss, losses, 'd hidden': dHidden } = await run(engine, inputs, [0, 1]);
      const one = await run(engine, [inputs[0], inputs[1], ints(2), ints(7)], [0]);
      expect(Array.from(losses).slice(1), name).toEqual([0, 0, 0]);
      expect(loss[0], name).toBe(losses[0]);
      expect(rmsRatio(dHidden, one['d hidden']), name).toBeLessThan(1e-6);
    }
  });

  test('names the operands that do not fit', () => {
    const t = (...shape: number[]) => tf.zeros(shape);
    const i = (...shape: number[]) => tf.zeros(shape, 'int32');
    expect(() => labelledCrossEntropy(t(4, 3), t(9, 2), i(2), i(2))).toThrow(/E_SHAPE.*widths 3 and 2.*hidden \[4,3\], table \[9,2\]/);
    expect(() => labelledCrossEntropy(t(4, 3), t(9, 3), i(2), i(3))).toThrow(/E_SHAPE.*different lengths/);
    expect(() => labelledCrossEntropy(t(4, 3), t(9, 3), t(2), i(2))).toThrow(/E_SHAPE.*rows is float32/);
  });
});
