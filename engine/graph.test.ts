import { expect, test, describe } from 'vitest';
import { tf, type Tensor } from './tf.ts';
import { openWasm } from './wasm/engine.ts';
import { openWebgpu, webgpu } from './webgpu/engine.ts';
import { openTfjs } from './tfjs/engine.ts';
import type { HostTensors, ProgramFunction } from './engine.ts';
import { rng } from '#core/random.ts';

const data = (seed: number, ...shape: number[]) => {
  const s = rng(seed);
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => s.normal()) };
};

/** Programs that together use every kind of node; both engines must agree on all of them. */
const programs: Record<string, { inputs: HostTensors; f: (t: Record<string, Tensor>) => Tensor[] }> = {
  'elementwise with broadcasting': {
    inputs: { a: data(1, 5, 7, 9), b: data(2, 9), c: data(3, 7, 1) },
    f: ({ a, b, c }) => [tf.add(tf.mul(a, b), c), tf.sub(tf.exp(a), tf.sigmoid(tf.mul(b, c))), tf.where(tf.greater(a, 0), tf.softplus(a), tf.tanh(a))],
  },
  'unary functions': {
    inputs: { a: data(4, 1031) },
    f: ({ a }) => [tf.exp(a), tf.log(tf.abs(a)), tf.sqrt(tf.abs(a)), tf.rsqrt(tf.add(tf.abs(a), 1)), tf.sigmoid(a), tf.softplus(a), tf.tanh(a), tf.relu(a), tf.erf(a), tf.square(a), tf.sign(a), tf.floor(a), tf.pow(tf.abs(a), 1.5), tf.elu(a), tf.sin(a), tf.expm1(a), tf.log1p(tf.abs(a)), tf.reciprocal(a)],
  },
  'elements in fours': {
    inputs: { a: data(20, 6, 3, 8), b: data(21, 8), c: data(22, 3, 1), i: { shape: [8], data: Int32Array.of(3, 1, -4, 1, 5, -9, 2, 6) } },
    f: ({ a, b, c, i }) => [tf.add(tf.mul(a, b), c), tf.transpose(tf.softplus(a), [1, 0, 2]), tf.slice(tf.erf(a), [1, 0, 4], [2, 3, 4]), tf.slice(a, [1, 0, 3], [2, 3, 4]), tf.cast(tf.mul(a, 9), 'int32'), tf.add(a, tf.cast(i, 'float32')), tf.add(a, a), tf.reverse(a, 2), tf.cast(tf.isNaN(a), 'float32'), tf.pow(a, 3), tf.expm1(a), tf.log1p(tf.abs(a)), tf.minimum(a, b), tf.mod(tf.abs(a), 0.3)],
  },
  'matrix products': {
    inputs: { a: data(5, 33, 17), b: data(6, 17, 21), c: data(7, 21, 17), d: data(8, 17, 33), e: data(9, 3, 5, 7), g: data(10, 3, 7, 4), bias: data(11, 21) },
    f: ({ a, b, c, d, e, g, bias }) => [tf.matMul(a, b), tf.matMul(a, c, false, true), tf.matMul(d, b, true), tf.matMul(d, c, true, true), tf.matMul(e, g), tf.add(tf.matMul(a, b), bias), tf.add(tf.add(tf.matMul(a, b), tf.matMul(d, b, true)), bias), tf.fused.matMul({ a: a, b: b, bias: bias, activation: 'relu' })],
  },
  'reductions over any axes': {
    inputs: { a: data(12, 6, 11, 5), b: data(13, 40_000), c: data(14, 3000, 5), d: data(23, 3, 17_000) },
    f: ({ a, b, c, d }) => [tf.sum(d, 1), tf.max(d, 0), tf.argMax(d, 1), tf.prod(tf.add(1, tf.mul(d, 1e-3)), 1), tf.sum(a), tf.sum(a, 0), tf.sum(a, 1), tf.sum(a, 2), tf.sum(a, [0, 2]), tf.mean(a, [1, 2], true), tf.max(a, 1), tf.min(a), tf.sum(b), tf.max(b), tf.sum(c, 0), tf.argMax(a, 2), tf.argMax(a, 0), tf.softmax(a), tf.logSoftmax(a), tf.cumsum(a, 1), tf.cumsum(a, 2, true, true)],
  },
  'moving elements': {
    inputs: { a: data(15, 4, 6, 5), b: data(16, 4, 2, 5), i: { shape: [3], data: Int32Array.of(2, 0, 3) }, s: { shape: [4], data: Int32Array.of(1, 0, 1, 2) } },
    f: ({ a, b, i, s }) => [tf.transpose(a, [2, 0, 1]), tf.slice(a, [1, 2, 0], [2, 3, 5]), tf.slice(a, 1, 2), tf.slice(a, [2, 1]), tf.concat([a, b], 1), tf.pad(a, [[1, 0], [0, 2], [3, 1]], 7), tf.tile(b, [1, 3, 2]), tf.reverse(a, 1), tf.gather(a, i), tf.gather(a, i, 2), tf.unsortedSegmentSum(a, s as tf.Tensor1D, 4), ...tf.split(a, [1, 2, 3], 1), tf.stack([b, b], 1), tf.stack([b, tf.neg(b)], -1), ...tf.unstack(b, 1), ...tf.unstack(b, -1), tf.stridedSlice(a, [0, 1, 0], [4, 6, 5], [2, 2, 3]), tf.oneHot(i, 5), tf.broadcastTo(tf.slice(b, [0, 0, 0], [4, 1, 5]), [4, 3, 5]), tf.expandDims(a, 1)],
  },
  'gradients': {
    inputs: { x: data(17, 9, 6), w: data(18, 6, 8), b: data(19, 8) },
    f: ({ x, w, b }) => tf.grads((x_, w_, b_) => {
      const h = tf.tanh(tf.add(tf.matMul(x_, w_), b_));
      const [p, q] = tf.split(h, 2, 1) as [Tensor, Tensor];
      return tf.mean(tf.logSoftmax(tf.mul(p, tf.sigmoid(q)))) as tf.Scalar;
    })([x, w, b]),
  },
};

const run = async (engine: Awaited<ReturnType<typeof openWasm>>, f: ProgramFunction, inputs: HostTensors) => {
  const executable = engine.compile({ state: {}, functions: { f } });
  await executable.run('f', inputs).read();
  const out = await executable.run('f', inputs).read();
  executable.dispose();
  return out;
};

const executors = {
  wasm: [() => openWasm({ threads: 1, poison: true }), () => openWasm({ threads: 2, poison: true })],
  webgpu: [() => openWebgpu({ validate: true, poison: true })],
};

describe.each(Object.entries(executors))('the captured graph on %s agrees with eager tfjs', (executor, opens) => {
  for (const [name, { inputs, f }] of Object.entries(programs)) {
    test(name, async (context) => {
      if (executor === 'webgpu' && !(await webgpu.available()).ok) context.skip();
      const program: ProgramFunction = (t) => ({ outputs: Object.fromEntries(f(t).map((y, i) => [`y${i}`, y])) });
      const expected = await run(await openTfjs(), program, inputs);
      for (const open of opens) {
        const engine = await open();
        const actual = await run(engine, program, inputs);
        await engine.close();
        for (const [k, y] of Object.entries(actual)) {
          const e = expected[k];
          expect(y.shape, k).toEqual(e.shape);
          for (let i = 0; i < y.data.length; i++) {
            const tolerance = 2e-5 * Math.max(1, Math.abs(e.data[i]));
            if (!(Math.abs(y.data[i] - e.data[i]) <= tolerance)) expect.fail(`${name} ${k}[${i}]: ${y.data[i]} is not ${e.data[i]}`);
          }
        }
      }
    });
  }
});
