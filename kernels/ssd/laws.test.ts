import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gpuForms, judge, type Case } from '../judge.ts';
import { call, caseOf, decays, gpuCases, largeCases, operands, smallCases, ssdForms, type Sizes } from './cases.ts';
import type { SsdForm } from './op.ts';

const BAR = 2e-5;
function check(name: string, ratios: Record<string, number>, bound = BAR): void {
  for (const [result, ratio] of Object.entries(ratios)) expect(ratio, `${name}: ${result}`).toBeLessThan(bound);
}

for (const { name, engine } of await forms()) {
  describe(name, () => {
    afterAll(() => engine.close());
    for (const test of smallCases) it(`${test.name} equals the recurrence in float64`, async () => check(test.name, await judge(engine, test)));
  });
}

describe('wasm, memory filled with NaN', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openWasm({ threads: 1, poison: true });
  });
  afterAll(() => engine.close());

  it('any sizes', async () => {
    const sizes = fc.record({
      B: fc.integer({ min: 1, max: 3 }), L: fc.integer({ min: 1, max: 200 }), R: fc.integer({ min: 1, max: 10 }), P: fc.integer({ min: 1, max: 20 }),
      G: fc.integer({ min: 1, max: 2 }), N: fc.integer({ min: 1, max: 20 }), chunk: fc.integer({ min: 1, max: 200 }),
      decay: fc.constantFrom(...(Object.keys(decays) as Sizes['decay'][])),
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.constantFrom(...ssdForms), async ({ R, ...rest }, form) => {
        const test = caseOf({ ...rest, H: R * rest.G }, form);
        check(test.name, await judge(engine, test));
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('training sizes and many tiles, without the final state', async () => {
    for (const test of largeCases) check(test.name, await judge(engine, test));
  });
});

it('the number of threads changes no bit', async () => {
  const sizes: Sizes = { B: 2, L: 130, H: 4, P: 10, G: 2, N: 7, chunk: 32, decay: 'ordinary' };
  for (const form of ssdForms) {
    const [one, two, three] = await Promise.all([1, 2, 3].map((threads) => everything(threads, sizes, form)));
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  }
});

describe('webgpu', () => {
  let all: Awaited<ReturnType<typeof gpuForms>> = [];
  beforeAll(async () => {
    all = await gpuForms();
  });
  afterAll(async () => {
    for (const { engine } of all) await engine.close();
  });

  for (const test of gpuCases) {
    it(`${test.name} equals the recurrence in float64`, async (context) => {
      if (all.length === 0) context.skip('no GPU adapter');
      for (const { engine, bound } of all) check(test.name, await judge(engine, test), bound);
    });
  }

  it('two runs give the same bits', async (context) => {
    if (all.length === 0) context.skip('no GPU adapter');
    const sizes: Sizes = { B: 2, L: 150, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'ordinary' };
    for (const form of ['chunked', 'linear'] as const) {
      const [one, two] = await everythingOn(all[0].engine, sizes, form, 2);
      expect(two).toEqual(one);
    }
  });

  it('what nobody reads is not needed for the rest', async (context) => {
    if (all.length === 0) context.skip('no GPU adapter');
    const sizes: Sizes = { B: 1, L: 70, H: 1, P: 3, G: 1, N: 2, chunk: 66, decay: 'ordinary' };
    for (const [form, wanted] of [['chunked', [0]], ['chunked', [2]], ['chunked', [3]], ['chunked', [5]], ['linear', [1]], ['linear', [4]], ['linear', [5]]] as const) {
      const test = caseOf(sizes, form);
      const alone: Case = { ...test, oracleGradient: (inputs, dy) => test.oracleGradient!(inputs, dy).map((g, i) => (wanted.some((w) => w === i) ? g : null)) };
      check(`${test.name}, gradient ${wanted} alone`, await judge(all[0].engine, alone));
    }
    for (const test of [caseOf(sizes, 'chunked'), caseOf(sizes, 'linear'), caseOf({ ...sizes, P: 16, N: 16 }, 'chunked')]) {
      const last: Case = { name: `${test.name}, final state alone`, inputs: test.inputs, call: (t) => [test.call(t)[1]], oracle: (inputs) => [test.oracle(inputs)[1]] };
      for (const { engine, bound } of all) check(last.name, await judge(engine, last), bound);
    }
  });
});

async function everything(threads: number, sizes: Sizes, form: SsdForm): Promise<HostTensors> {
  const engine = await openWasm({ threads });
  try {
    return (await everythingOn(engine, sizes, form, 1))[0];
  } finally {
    await engine.close();
  }
}

/** Outputs and gradients of some runs. */
async function everythingOn(engine: Engine, sizes: Sizes, form: SsdForm, runs: number): Promise<HostTensors[]> {
  const inputs: HostTensors = Object.fromEntries(operands(sizes).map((t, i) => [`x${i}`, { shape: t.shape, data: Float32Array.from(t.data) }]));
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const xs = operands(sizes).map((_, i) => t[`x${i}`]);
        const f = call(sizes.chunk, form);
        const [y, finalState] = f(xs);
        const gradients = tf.grads((...v: Tensor[]) => tf.sum(tf.square(f(v)[0])))(xs);
        return { outputs: { y: y, finalState: finalState, ...Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])) } };
      },
    },
  });
  try {
    const results: HostTensors[] = [];
    for (let i = 0; i < runs; i++) results.push(await executable.run('f', inputs).read());
    return results;
  } finally {
    executable.dispose();
  }
}

describe('sizes that do not fit', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openTfjs();
  });
  const run = (change: (shapes: number[][]) => void, chunk = 4) => {
    const shapes = [[2, 5, 4, 3], [2, 5, 4], [4], [2, 5, 2, 6], [2, 5, 2, 6], [4]];
    change(shapes);
    const t = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape, data: new Float32Array(shape.reduce((p, q) => p * q, 1)) }]));
    const executable = engine.compile({ state: {}, functions: { f: (x) => ({ outputs: { y: call(chunk, 'chunked')(Object.values(x))[0] } }) } });
    try {
      executable.run('f', t);
    } finally {
      executable.dispose();
    }
  };
  it('names them', () => {
    expect(() => run(() => {})).not.toThrow();
    expect(() => run((s) => (s[1] = [2, 5, 3]))).toThrow('E_SHAPE: ssd: dt is [2,5,3], but with x [2,5,4,3] and b [2,5,2,6] it must be [2,5,4]');
    expect(() => run((s) => (s[4] = [2, 5, 2, 5]))).toThrow('E_SHAPE: ssd: c is [2,5,2,5]');
    expect(() => run((s) => (s[3] = [2, 5, 3, 6]))).toThrow('4 heads');
    expect(() => run((s) => (s[0] = [2, 5, 12]))).toThrow('not [B,L,H,P]');
    expect(() => run(() => {}, 0)).toThrow('chunk');
  });
});
