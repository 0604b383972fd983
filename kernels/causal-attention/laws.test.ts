import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { callFused, type WebgpuLowering } from '#engine/fused-op.ts';
import { tf } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, gpuForms, judge, rmsRatio, type Case } from '../judge.ts';
import { cases, gpuCases } from './cases.ts';
import { causalAttention, CausalAttention, CausalAttentionGradient } from './op.ts';
import * as oracle from './oracle.ts';
import { attentionGradientWebgpu } from './webgpu.ts';

let all: { name: string; engine: Engine }[] = [];
let gpus: Awaited<ReturnType<typeof gpuForms>> = [];
beforeAll(async () => {
  all = await forms();
  gpus = await gpuForms();
});
afterAll(async () => {
  for (const { engine } of [...all, ...gpus]) await engine.close();
});

describe('causal attention: every form is the oracle', () => {
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });
});

describe('causal attention in WASM that keeps no weights for the backward pass, as in long sequences', () => {
  const { wasmKeeps: _, ...rest } = CausalAttention;
  const Recomputing = { ...rest, name: 'CausalAttentionRecomputing' };
  test.each(cases)('$name', async (c) => {
    for (const { name, engine } of all.filter((form) => form.name.includes('threads'))) {
      const ratios = await judge(engine, { ...c, call: (t) => callFused(Recomputing, t, {}) });
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(2e-5);
    }
  });
});

const hostTensors = (inputs: Case['inputs']) => Object.fromEntries(['q', 'k', 'v'].map((n, i) => [n, { shape: inputs[i].shape, data: Float32Array.from(inputs[i].data) }]));

/** y and some of its gradients (of Σ y²) as a program */
function attentionAndGradients(t: Record<string, tf.Tensor>, wanted: readonly number[] = [0, 1, 2]): Record<string, tf.Tensor> {
  const xs = ['q', 'k', 'v'].map((n) => t[n]);
  const y = causalAttention(xs[0], xs[1], xs[2]);
  const f = (...vars: tf.Tensor[]) => {
    const at = [...xs];
    wanted.forEach((i, j) => (at[i] = vars[j]!));
    return tf.sum(tf.square(causalAttention(at[0], at[1], at[2]))) as tf.Scalar;
  };
  const gradients = tf.grads(f)(wanted.map((i) => xs[i]));
  return { y, ...Object.fromEntries(gradients.map((g, j) => [`g${wanted[j]}`, g])) };
}

/** y and its gradients on one engine */
async function run(engine: Engine, inputs: Case['inputs'], wanted: readonly number[] = [0, 1, 2]): Promise<Float32Array[]> {
  const executable = engine.compile({ state: {}, functions: { f: (t) => ({ outputs: attentionAndGradients(t, wanted) }) } });
  const results = await executable.run('f', hostTensors(inputs)).read();
  executable.dispose();
  return ['y', ...wanted.map((i) => `g${i}`)].map((n) => results[n].data as Float32Array);
}

const data = [gaussian(1, 2, 130, 1, 8), gaussian(2, 2, 130, 1, 8), gaussian(3, 2, 130, 1, 8)];
/** number of a position from which on `spoilt` differs */
const cut = 70;
const spoilt = data.map(({ shape, data: x }) => ({ shape, data: x.map((value, i) => (Math.floor(i / 8) % 130 < cut ? value : 100 + value)) }));
/** y before the cut */
const early = (y: Float32Array): Float32Array[] => [0, 1].map((b) => y.slice(b * 130 * 8, (b * 130 + cut) * 8));
const large = data.map(({ shape, data: x }, i) => ({ shape, data: i === 2 ? x : x.map((value) => Math.fround(30 * value)) }));

test('without a backward pass the log-sum-exp is written nowhere, in WASM', async () => {
  const engine = await openWasm({ threads: 2, poison: true });
  const [q, k, v] = [1, 2, 3].map((seed) => gaussian(seed, 3, 70, 2, 4));
  const executable = engine.compile({ state: {}, functions: { f: (t) => ({ outputs: { y: causalAttention(t['q'], t['k'], t['v']) } }) } });
  const { y } = await executable.run('f', hostTensors([q, k, v])).read();
  expect(rmsRatio(y.data, oracle.attention(q, k, v).y.data)).toBeLessThan(2e-5);
  await engine.close();
});

describe('causal attention as WGSL', () => {
  beforeEach((context) => {
    if (gpus.length === 0) context.skip('no WebGPU adapter');
  });

  test.each(gpuCases)('is the oracle: $name', async (c) => {
    for (const { name, engine, bound } of gpus) {
      const ratios = await judge(engine, c);
      for (const [what, ratio] of Object.entries(ratios)) expect(ratio, `${name}, ${what}`).toBeLessThan(bound);
    }
  });

  test('two runs agree in every bit', async () => {
    const executable = gpus[0].engine.compile({ state: {}, functions: { f: (t) => ({ outputs: attentionAndGradients(t) }) } });
    const first = await executable.run('f', hostTensors(data)).read();
    const second = await executable.run('f', hostTensors(data)).read();
    executable.dispose();
    expect(second).toEqual(first);
  });

  test('what nobody reads is left out, and changes nothing else', async () => {
    const { engine } = gpus[0];
    // several tiles, where keys and queries have kernels of their own, and one tile, where they share one
    const short = [4, 5, 6].map((seed) => gaussian(seed, 2, 40, 2, 6));
    for (const [inputs, some] of [[data, [[0], [1], [2]]], [short, [[0], [1, 2]]]] as const) {
      const [, ...together] = await run(engine, inputs);
      for (const wanted of some) {
        const [, ...alone] = await run(engine, inputs, wanted);
        wanted.forEach((i, j) => expect(rmsRatio(alone[j], together[i]), `gradients ${wanted}`).toBeLessThan(1e-6));
      }
      const exact = oracle.attention(inputs[0], inputs[1], inputs[2]);
      for (const [index, expected] of [exact.y, exact.logSumExp].entries()) {
        const executable = engine.compile({ state: {}, functions: { f: (t) => ({ outputs: { only: callFused(CausalAttention, [t['q'], t['k'], t['v']], {})[index] } }) } });
        const { only } = await executable.run('f', hostTensors(inputs)).read();
        executable.dispose();
        expect(rmsRatio(only.data, expected.data), `output ${index}`).toBeLessThan(2e-5);
      }
    }
  });

  test('ranges of queries, where there is no room for all shares of dq at once, give the same gradients', async () => {
    const { engine } = gpus[0];
    const [B, L, H, K, P] = [2, 130, 1, 8, 6];
    const [q, k, v, dy] = [gaussian(1, B, L, H, K), gaussian(2, B, L, H, K), gaussian(3, B, L, H, P), gaussian(4, B, L, H, P)];
    const exact = oracle.attentionGradient(q, k, v, dy);
    // three blocks and as many shares: room for one block of queries, and for two
    for (const rows of [64, 128]) {
      const op = { ...CausalAttentionGradient, name: `CausalAttentionGradient${rows}`, webgpu: (lowering: WebgpuLowering) => attentionGradientWebgpu(lowering, {}, { room: 4 * 3 * B * rows * H * K }) };
      const f = (t: Record<string, tf.Tensor>) => {
        const forward = callFused(CausalAttention, [t['q'], t['k'], t['v']], {});
        return { outputs: Object.fromEntries(callFused(op, [t['q'], t['k'], t['v'], ...forward, t['dy']], {}).map((g, i) => [['dq', 'dk', 'dv'][i], g])) };
      };
      const executable = engine.compile({ state: {}, functions: { f } });
      const results = await executable.run('f', { ...hostTensors([q, k, v]), dy: { shape: dy.shape, data: Float32Array.from(dy.data) } }).read();
      const launches = executable.kernels('f').filter((kernel) => kernel === 'causal_attention_gradient').length;
      executable.dispose();
      expect(launches).toBe(Math.ceil(192 / rows));
      for (const [name, expected] of Object.entries(exact)) expect(rmsRatio(results[name].data, expected.data), `${name}, ${rows} rows`).toBeLessThan(2e-5);
    }
  });

  test('does not look ahead, and stands large scores', async () => {
    const { engine } = gpus[0];
    const [[clean], [y], [ofLarge]] = [await run(engine, data), await run(engine, spoilt), await run(engine, large)];
    expect(early(y)).toEqual(early(clean));
    oracle.attention(large[0], large[1], large[2]).y.data.forEach((value, i) => expect(Math.abs(ofLarge[i] - value)).toBeLessThan(2e-3));
  });
});

describe('causal attention', () => {
  const wasm = () => all.filter(({ name }) => name.includes('threads'));

  test('the number of threads changes no bit, and nothing unwritten is read', async () => {
    // few heads and many, and segments of several tiles: the divisions of the backward pass into tasks
    for (const inputs of [data, [4, 5, 6].map((seed) => gaussian(seed, 3, 67, 3, 6)), [4, 5, 6].map((seed) => gaussian(seed, 1, 530, 1, 6))]) {
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
    for (const { engine } of wasm()) {
      const [clean] = await run(engine, data);
      const [y] = await run(engine, spoilt);
      expect(early(y)).toEqual(early(clean));
    }
  });

  test('stands large scores', async () => {
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
