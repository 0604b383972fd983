import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gpuForms, judge, type Case } from '../judge.ts';
import { call, caseOf, decays, gpuCases, largeCases, operands, smallCases, variants, type CaseSizes } from './cases.ts';
import { deltaRuleGradientOp, deltaRuleOp } from './op.ts';
import { deltaRuleGradientWebgpu } from './webgpu-gradient.ts';
import { deltaRuleWebgpu } from './webgpu.ts';

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
      B: fc.integer({ min: 1, max: 3 }), L: fc.integer({ min: 1, max: 100 }), H: fc.integer({ min: 1, max: 3 }), K: fc.integer({ min: 1, max: 20 }),
      V: fc.integer({ min: 1, max: 20 }), chunk: fc.integer({ min: 1, max: 50 }), strength: fc.constantFrom(...(Object.keys(decays) as CaseSizes['strength'][])),
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.constantFrom(...variants), async (rest, variant) => {
        const test = caseOf({ ...rest, ...variant });
        check(test.name, await judge(engine, test));
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  for (const test of largeCases) it(`${test.name}, without the final state`, async () => check(test.name, await judge(engine, test)));
});

it('the number of threads changes no bit', async () => {
  for (const variant of variants) {
    const sizes: CaseSizes = { B: 2, L: 70, H: 3, K: 10, V: 7, chunk: 16, strength: 'ordinary', ...variant };
    const [one, two, three] = await Promise.all([1, 2, 3].map((threads) => everything(threads, sizes)));
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

  it('heads one after the other, where memory is short', async (context) => {
    if (all.length === 0) context.skip('no GPU adapter');
    const spies = [
      vi.spyOn(deltaRuleOp, 'webgpu').mockImplementation((lowering, attrs) => deltaRuleWebgpu(lowering, attrs, 1)),
      vi.spyOn(deltaRuleGradientOp, 'webgpu').mockImplementation((lowering, attrs) => deltaRuleGradientWebgpu(lowering, attrs, 1)),
    ];
    try {
      const test = caseOf({ B: 2, L: 19, H: 2, K: 3, V: 2, chunk: 16, strength: 'ordinary', delta: true, decay: 'vector' });
      check(test.name, await judge(all[0].engine, test));
      for (const spy of spies) expect(spy).toHaveBeenCalled();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });

  it('what nobody reads is not needed for the rest', async (context) => {
    if (all.length === 0) context.skip('no GPU adapter');
    const sizes: CaseSizes = { B: 1, L: 20, H: 1, K: 3, V: 2, chunk: 16, strength: 'ordinary', delta: true, decay: 'scalar' };
    const test = caseOf(sizes);
    for (const wanted of [0, 1, 2, 3, 4]) {
      const alone: Case = { ...test, oracleGradient: (inputs, dy) => test.oracleGradient!(inputs, dy).map((g, i) => (i === wanted ? g : null)) };
      check(`${test.name}, gradient ${wanted} alone`, await judge(all[0].engine, alone));
    }
    const last: Case = { name: `${test.name}, final state alone`, inputs: test.inputs, call: (t) => [test.call(t)[1]], oracle: (inputs) => [test.oracle(inputs)[1]] };
    check(last.name, await judge(all[0].engine, last));
  });
});

async function everything(threads: number, sizes: CaseSizes): Promise<HostTensors> {
  const engine = await openWasm({ threads });
  const inputs: HostTensors = Object.fromEntries(operands(sizes).map((t, i) => [`x${i}`, { shape: t.shape, data: Float32Array.from(t.data) }]));
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const f = call(sizes, sizes.chunk);
        const xs = Object.keys(inputs).map((name) => t[name]);
        const [y, finalState] = f(xs);
        const gradients = tf.grads((...v: Tensor[]) => tf.sum(tf.square(f(v)[0])))(xs);
        return { outputs: { y: y, finalState: finalState, ...Object.fromEntries(gradients.map((g, i) => [`g${i}`, g])) } };
      },
    },
  });
  try {
    return await executable.run('f', inputs).read();
  } finally {
    executable.dispose();
    await engine.close();
  }
}

describe('sizes that do not fit', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openTfjs();
  });
  const run = (change: (shapes: number[][]) => void, chunk = 4) => {
    const shapes = [[2, 5, 4, 3], [2, 5, 4, 3], [2, 5, 4, 6], [2, 5, 4, 3], [2, 5, 4]];
    change(shapes);
    const t = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape, data: new Float32Array(shape.reduce((p, q) => p * q, 1)) }]));
    const executable = engine.compile({ state: {}, functions: { f: (x) => ({ outputs: { y: call({ delta: true, decay: 'scalar' }, chunk)(Object.values(x))[0] } }) } });
    try {
      executable.run('f', t);
    } finally {
      executable.dispose();
    }
  };
  it('names them', () => {
    expect(() => run(() => {})).not.toThrow();
    expect(() => run((s) => (s[1] = [2, 5, 4, 2]))).toThrow('E_SHAPE: deltaRule: k is [2,5,4,2], but with q [2,5,4,3] and v [2,5,4,6] it must be [2,5,4,3]');
    expect(() => run((s) => (s[4] = [2, 5, 3]))).toThrow('g is [2,5,3]');
    expect(() => run((s) => (s[2] = [2, 5, 12]))).toThrow('not [B,L,H,V]');
    expect(() => run(() => {}, 0)).toThrow('chunk');
  });
});
