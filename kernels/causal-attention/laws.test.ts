import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { callFused } from '#engine/fused-op.ts';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, judge, type Case } from '../judge.ts';
import { causalAttention, CausalAttention } from './op.ts';
import * as oracle from './oracle.ts';

/** B, L, H, K, P */
const sizes: [number, number, number, number, number][] = [
  [1, 1, 1, 4, 4],
  [2, 2, 3, 5, 7],
  [1, 63, 2, 16, 8],
  [2, 64, 1, 8, 8],
  [3, 65, 1, 7, 9],
  [1, 130, 2, 8, 12],
  [9, 66, 1, 3, 5],
];

const cases: Case[] = sizes.map(([B, L, H, K, P]) => ({
  name: `B=${B} L=${L} H=${H} K=${K} P=${P}`,
  inputs: [gaussian(1, B, L, H, K), gaussian(2, B, L, H, K), gaussian(3, B, L, H, P)],
  call: ([q, k, v]) => callFused(CausalAttention, [q, k, v], {}),
  oracle: ([q, k, v]) => {
    const { y, logSumExp } = oracle.attention(q, k, v);
    return [y, logSumExp];
  },
  oracleGradient: ([q, k, v], dy) => {
    const { dq, dk, dv } = oracle.attentionGradient(q, k, v, dy);
    return [dq, dk, dv];
  },
}));

let all: { name: string; engine: Engine }[] = [];
beforeAll(async () => {
  all = await forms();
});
afterAll(async () => {
  for (const { engine } of all) await engine.close();
});

describe('causal attention: every form is the oracle', () => {
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });
});

/** y and its gradients on one engine */
async function run(engine: Engine, inputs: Case['inputs'], wanted = [0, 1, 2]): Promise<Float32Array[]> {
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const xs = ['q', 'k', 'v'].map((n) => t[n]);
        const y = causalAttention(xs[0], xs[1], xs[2]);
        const f = (...vars: tf.Tensor[]) => {
          const at = [...xs];
          wanted.forEach((i, j) => (at[i] = vars[j]!));
          return tf.sum(tf.square(causalAttention(at[0], at[1], at[2]))) as tf.Scalar;
        };
        const gradients = tf.grads(f)(wanted.map((i) => xs[i]));
        return { outputs: { y, ...Object.fromEntries(gradients.map((g, j) => [`g${wanted[j]}`, g])) } };
      },
    },
  });
  const host = Object.fromEntries(['q', 'k', 'v'].map((n, i) => [n, { shape: inputs[i].shape, data: Float32Array.from(inputs[i].data) }]));
  const results = await executable.run('f', host).read();
  executable.dispose();
  return ['y', ...wanted.map((i) => `g${i}`)].map((n) => results[n].data as Float32Array);
}

describe('causal attention', () => {
  const wasm = () => all.filter(({ name }) => name.includes('threads'));
  const data = [gaussian(1, 2, 130, 1, 8), gaussian(2, 2, 130, 1, 8), gaussian(3, 2, 130, 1, 8)];

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    // few heads and many: both divisions of the backward pass into tasks
    for (const inputs of [data, [4, 5, 6].map((seed) => gaussian(seed, 3, 67, 3, 6))]) {
      const results: Float32Array[][] = [];
      for (const threads of [1, 2, 3]) {
        const engine = await openWasm({ threads, poison: true });
        results.push(await run(engine, inputs));
        await engine.close();
      }
      for (const r of results) expect(r).toEqual(results[0]);
      for (const x of results[0]) expect(x.every(Number.isFinite)).toBe(true);
    }
  });

  test('gives a gradient alone as it gives it together with the others', async () => {
    const { engine } = wasm()[0];
    const [, ...together] = await run(engine, data);
    for (const i of [0, 1, 2]) expect((await run(engine, data, [i]))[1]).toEqual(together[i]);
  });

  test('does not look ahead, bit for bit', async () => {
    const cut = 70;
    const spoilt = data.map(({ shape, data: x }) => ({ shape, data: x.map((value, i) => (Math.floor(i / 8) % 130 < cut ? value : 100 + value)) }));
    for (const { engine } of wasm()) {
      const [clean] = await run(engine, data);
      const [y] = await run(engine, spoilt);
      for (let b = 0; b < 2; b++) expect(y.slice(b * 130 * 8, (b * 130 + cut) * 8)).toEqual(clean.slice(b * 130 * 8, (b * 130 + cut) * 8));
    }
  });

  test('stands large scores', async () => {
    const large = data.map(({ shape, data: x }, i) => ({ shape, data: i === 2 ? x : x.map((value) => Math.fround(30 * value)) }));
    const [q, k, v] = large;
    for (const { engine, name } of wasm()) {
      const [y] = await run(engine, large);
      const exact = oracle.attention(q, k, v).y.data;
      exact.forEach((value, i) => expect(Math.abs(y[i] - value), `${name} ${i}`).toBeLessThan(2e-3));
    }
  });

  test('names the sizes that do not fit', () => {
    const t = (...shape: number[]) => tf.zeros(shape);
    expect(() => causalAttention(t(2, 3, 1, 4), t(2, 3, 1, 5), t(2, 3, 1, 4))).toThrow(/E_SHAPE.*q \[2,3,1,4\], k \[2,3,1,5\]/);
    expect(() => causalAttention(t(2, 3, 1, 4), t(2, 3, 1, 4), t(2, 4, 1, 4))).toThrow(/E_SHAPE.*another B, L or H/);
    expect(() => causalAttention(t(3, 1, 4), t(3, 1, 4), t(3, 1, 4))).toThrow(/E_SHAPE.*q has 3 axes/);
  });
});
