import { afterAll, beforeAll, describe, expect, test, vi, type TestContext } from 'vitest';
import type { Engine, HostTensors, Program } from '../engine.ts';
import { callFused, type FusedOp } from '../fused-op.ts';
import { float } from '../tensor-spec.ts';
import { tf, type Tensor } from '../tf.ts';
import { openWasm } from '../wasm/engine.ts';
import { openWebgpu, webgpu } from './engine.ts';

let there = false;
const engines: Engine[] = [];
const open = async (options: Parameters<typeof openWebgpu>[0] = { validate: true, poison: true }): Promise<Engine> => {
  const engine = await openWebgpu(options);
  engines.push(engine);
  return engine;
};
beforeAll(async () => {
  there = (await webgpu.available()).ok;
});
afterAll(async () => {
  for (const e of engines) await e.close();
});
/** A test that needs an adapter, software or not. */
const onGpu = (name: string, body: (context: TestContext) => Promise<void>) =>
  test(name, async (context) => {
    if (!there) context.skip();
    await body(context);
  });

const wave = (n: number, shift = 0) => Float32Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + shift));
const tensor = (shape: number[], shift = 0) => ({ shape, data: wave(shape.reduce((a, b) => a * b, 1), shift) });

/** The largest difference, relative to 1 + the value. */
function difference(a: HostTensors, b: HostTensors): Record<string, number> {
  return Object.fromEntries(
    Object.entries(a).map(([k, { shape, data }]) => {
      expect(b[k].shape).toEqual(shape);
      return [k, Math.max(...Array.from(data, (x, i) => Math.abs(x - b[k].data[i]) / (1 + Math.abs(x))))];
    }),
  );
}

describe('reductions', () => {
  onGpu('over the middle axis, of few and of many rows and columns', async () => {
    const shapes = [[1, 20000, 64], [3, 5000, 7], [2, 9, 3000], [1, 33, 4], [40, 1, 6], [2, 700, 1], [1, 40000, 2]];
    const engine = await open();
    const inputs = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, tensor(shape, i)]));
    const executable = engine.compile({
      state: {},
      functions: { f: (xs) => ({ outputs: Object.fromEntries(Object.entries(xs).flatMap(([k, x]) => [[`sum_${k}`, tf.sum(x, 1)], [`max_${k}`, tf.max(x, 1)], [`arg_${k}`, tf.argMax(x, 1)]])) }) },
    });
    const results = await executable.run('f', inputs).read();
    shapes.forEach(([outer, n, inner], i) => {
      const { data } = inputs[`x${i}`];
      for (let o = 0; o < outer; o++) {
        for (let c = 0; c < inner; c++) {
          const column = Array.from({ length: n }, (_, r) => data[(o * n + r) * inner + c]);
          const most = Math.max(...column);
          const at = o * inner + c;
          expect(Math.abs(results[`sum_x${i}`].data[at] - column.reduce((a, b) => a + b, 0))).toBeLessThan(1e-6 * n + 1e-4);
          expect(results[`max_x${i}`].data[at]).toBe(most);
          expect(results[`arg_x${i}`].data[at]).toBe(column.indexOf(most));
        }
      }
    });
  });
});

describe('replay', () => {
  const program: Program = {
    state: { w: tensor([20, 70], 3), count: { shape: [], data: Int32Array.of(0) } },
    functions: {
      step: ({ x, y, rate }, { w, count }) => {
        const { value, grad } = tf.valueAndGrad((v: Tensor) => tf.mean(tf.square(tf.sub(tf.tanh(tf.matMul(x as never, v as never)), y))) as never)(w);
        return { outputs: { loss: value }, state: { w: tf.sub(w, tf.mul(grad, rate)), count: tf.add(count, tf.scalar(1, 'int32')) } };
      },
      swap: (_, { w }) => ({ outputs: { old: w }, state: { w: tf.neg(w) } }),
      wide: ({ x }) => ({ outputs: { y: tf.sum(tf.matMul(x as never, x as never, true), 0) } }),
    },
  };
  const batch = (i: number) => ({ x: tensor([9, 20], i), y: tensor([9, 70], 2 * i), rate: { shape: [], data: Float32Array.of(0.5) } });

  async function losses(engine: Engine, read: 'each' | 'late'): Promise<{ losses: number[]; state: HostTensors }> {
    const executable = engine.compile(program);
    const results = [];
    for (let i = 0; i < 21; i++) {
      const r = executable.run('step', batch(i));
      if (read === 'each') await r.read();
      results.push(r);
      // other functions in between, with an arena of another size
      if (i === 10) executable.run('swap', {});
      if (i === 12) executable.run('wide', { x: tensor([5, 900]) });
    }
    const found = [];
    for (const r of results) found.push((await r.read())['loss'].data[0]);
    return { losses: found, state: await executable.readState() };
  }

  onGpu('is WASM, whether losses are read at once or late; the order of calls is kept', async () => {
    const cpu = await openWasm({ threads: 1 });
    const expected = await losses(cpu, 'late');
    await cpu.close();
    for (const read of ['each', 'late'] as const) {
      const { losses: found, state } = await losses(await open(), read);
      found.forEach((x, i) => expect(x).toBeCloseTo(expected.losses[i], 5));
      expect(state['count'].data[0]).toBe(21);
      expect(difference(expected.state, state)['w']).toBeLessThan(1e-5);
    }
  });

  onGpu('two runs give the same bits, and so do runs without validation', async () => {
    const runs = [];
    for (const options of [undefined, undefined, {}]) runs.push(await losses(await open(options), 'late'));
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  onGpu('state is written and read between calls', async () => {
    const executable = (await open()).compile(program);
    const result = executable.run('swap', {});
    executable.writeState({ w: tensor([20, 70], 9) });
    expect((await result.read())['old'].data).toEqual(wave(1400, 3));
    expect((await executable.readState())['w'].data).toEqual(wave(1400, 9));
    expect(executable.peakBytes()).toBeGreaterThan(4 * 1400);
    expect(() => executable.writeState({ v: tensor([1]) })).toThrow(/E_NAME/);
    expect(() => executable.writeState({ w: tensor([7]) })).toThrow(/E_SHAPE/);
  });

  onGpu('launches are timed one by one', async () => {
    let kernels: readonly string[] = [];
    let milliseconds: Float64Array = new Float64Array();
    const engine = await open({ profile: (c) => ([kernels, milliseconds] = [c.kernels, c.milliseconds]) });
    const executable = engine.compile(program);
    for (let i = 0; i < 3; i++) await executable.run('step', batch(i)).read();
    expect(kernels).toContain('matmul');
    expect(milliseconds.some((t) => t > 0)).toBe(true);
  });
});

describe('what goes wrong', () => {
  const one = (f: (x: Tensor) => Tensor): Program => ({ state: {}, functions: { f: ({ x }) => ({ outputs: { y: f(x) } }) } });
  const op = (name: string, code?: string): FusedOp => ({
    name,
    outputs: () => [float(4)],
    portable: ([x]) => [tf.clone(x)],
    work: () => ({ flops: 0, exps: 0 }),
    wasm: () => {},
    ...(code === undefined ? {} : { webgpu: ({ inputs, outputs, dispatch }) => dispatch({ name: 'faulty', bindings: { x: inputs[0], y: outputs[0] }, tasks: 1, code }) }),
  });

  onGpu('an unknown function, an op without WGSL, and WGSL that does not compile are named', async () => {
    const engine = await open();
    await expect(engine.compile(one(tf.neg)).run('g', { x: tensor([4]) }).read()).rejects.toThrow(/E_NAME: .*no function "g".*f/);
    await expect(engine.compile(one((x) => callFused(op('NoWgsl'), [x], {})[0])).run('f', { x: tensor([4]) }).read()).rejects.toThrow(/E_OP: NoWgsl has no WGSL form/);
    const faulty = op('Faulty', '@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {\n  y[i] = x[i] + nowhere;\n}');
    await expect(engine.compile(one((x) => callFused(faulty, [x], {})[0])).run('f', { x: tensor([4]) }).read()).rejects.toThrow(/E_OP: kernel faulty does not compile at line \d+: y\[i\] = x\[i\] \+ nowhere/);
  });

  onGpu('a tensor larger than the device allows is out of memory before anything is allocated', async () => {
    const engine = await open();
    const huge = one((x) => tf.sum(tf.exp(tf.add(tf.reshape(x, [-1, 1]), tf.reshape(x, [1, -1]))), 0));
    await expect(engine.compile(huge).run('f', { x: tensor([65536]) }).read()).rejects.toThrow(/E_MEMORY: .*16384 MiB.*Remedy/);
  });

  onGpu('an adapter that allows less than kernels count on is not available, and says why', async () => {
    const request = GPU.prototype.requestAdapter;
    const small = { maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256, maxStorageBuffersPerShaderStage: 10 };
    const spy = vi.spyOn(GPU.prototype, 'requestAdapter').mockImplementation(async function (this: GPU, options) {
      return Object.assign((await request.call(this, options))!, { limits: small as GPUSupportedLimits });
    });
    try {
      await expect(openWebgpu()).rejects.toThrow(/^E_ENGINE: the adapter .* allows only 16384 bytes of workgroup memory, where kernels take 32768, and only 10 storage buffers in a shader, where kernels take 12\. Remedy: /);
      expect(await webgpu.available()).toMatchObject({ ok: false, reason: expect.stringMatching(/allows only 16384 bytes/), remedy: expect.stringMatching(/--engine wasm$/) });
    } finally {
      spy.mockRestore();
    }
  });

  onGpu('a lost device says so', async () => {
    const engine = await openWebgpu();
    const executable = engine.compile(one(tf.neg));
    await executable.run('f', { x: tensor([4]) }).read();
    await engine.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(() => executable.run('f', { x: tensor([4]) })).toThrow(/E_DEVICE: .*was lost.*Remedy/);
  });
});

describe('timed calls', () => {
  onGpu('tell how long the GPU worked, more for more work, and their results are those of other calls', async () => {
    const program = (m: number): Program => ({ state: { a: tensor([m, m]) }, functions: { f: ({ x }, { a }) => ({ outputs: { y: tf.sum(tf.matMul(a, tf.add(a, x))) } }) } });
    const engine = await open({ timed: true });
    const plain = await open({});
    const took: number[] = [];
    for (const m of [16, 512]) {
      const executable = engine.compile(program(m));
      const calls = [1, 2, 3].map((x) => executable.run('f', { x: { shape: [], data: Float32Array.of(x) } }));
      const results = await Promise.all(calls.map((c) => c.read()));
      const times = await Promise.all(calls.map((c) => c.milliseconds!()));
      expect(times.every((t) => t > 0)).toBe(true);
      took.push(Math.min(...times));
      expect(executable.kernels('f').filter((k) => k.startsWith('matmul'))).not.toEqual([]);
      const again = plain.compile(program(m));
      for (const [i, x] of [1, 2, 3].entries()) {
        const call = again.run('f', { x: { shape: [], data: Float32Array.of(x) } });
        expect(results[i].y.data).toEqual((await call.read()).y.data);
        expect(call.milliseconds).toBeUndefined();
      }
    }
    expect(took[1]).toBeGreaterThan(took[0]);
  });
});
