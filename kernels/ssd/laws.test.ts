import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { forms, gaussian, judge, type Case } from '../judge.ts';
import { ssd, type SsdForm } from './op.ts';
import { ssdOracle, ssdOracleGradient } from './oracle.ts';

const BAR = 2e-5;
const ssdForms: readonly SsdForm[] = ['chunked', 'linear', 'quadratic'];

/** How much a token decays, dt·a: from 1e-4 to 20. */
const decays = {
  weak: { a: -0.01, dt: (u: number) => 0.005 + 0.01 * u },
  ordinary: { a: -8, dt: (u: number) => 10 ** (-3 + 2 * u) },
  strong: { a: -20, dt: (u: number) => 0.9 + 0.1 * u },
  mixed: { a: -10, dt: (u: number) => 10 ** (-5 + 5.3 * u) },
} as const;

interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly H: number;
  readonly P: number;
  readonly G: number;
  readonly N: number;
  readonly chunk: number;
  readonly decay: keyof typeof decays;
}

function operands({ B, L, H, P, G, N, decay }: Sizes): Case['inputs'] {
  const stream = rng(99);
  const { a, dt } = decays[decay];
  return [
    gaussian(1, B, L, H, P),
    { shape: [B, L, H], data: Float64Array.from({ length: B * L * H }, () => Math.fround(dt(stream.uniform()))) },
    { shape: [H], data: Float64Array.from({ length: H }, (_, h) => Math.fround((a * (H + h)) / (2 * H))) },
    gaussian(2, B, L, G, N),
    gaussian(3, B, L, G, N),
    gaussian(4, H),
  ];
}

function call(chunk: number, form: SsdForm): Case['call'] {
  return (t) => {
    const { y, finalState } = ssd(t[0], t[1], t[2], t[3], t[4], t[5], { chunk, form });
    return [y, finalState];
  };
}

/** `outputs`: 1 leaves the final state out, which is then not computed. */
function caseOf(sizes: Sizes, form: SsdForm, outputs = 2): Case {
  return {
    name: `${form} ${JSON.stringify(sizes)}`,
    inputs: operands(sizes),
    call: (t) => call(sizes.chunk, form)(t).slice(0, outputs),
    oracle: ([x, dt, a, b, c, d]) => {
      const { y, finalState } = ssdOracle(x, dt, a, b, c, d);
      return [y, finalState].slice(0, outputs);
    },
    oracleGradient: ([x, dt, a, b, c, d], dy) => ssdOracleGradient(x, dt, a, b, c, d, dy),
  };
}

const table: readonly Sizes[] = [
  { B: 1, L: 1, H: 1, P: 5, G: 1, N: 3, chunk: 64, decay: 'ordinary' },
  { B: 3, L: 2, H: 4, P: 4, G: 2, N: 4, chunk: 1, decay: 'weak' },
  { B: 2, L: 63, H: 2, P: 5, G: 1, N: 3, chunk: 7, decay: 'ordinary' },
  { B: 2, L: 63, H: 2, P: 5, G: 1, N: 3, chunk: 7, decay: 'strong' },
  { B: 1, L: 65, H: 4, P: 16, G: 2, N: 16, chunk: 64, decay: 'ordinary' },
  { B: 1, L: 65, H: 2, P: 6, G: 2, N: 9, chunk: 16, decay: 'mixed' },
  { B: 2, L: 130, H: 3, P: 9, G: 1, N: 10, chunk: 100, decay: 'weak' },
  { B: 1, L: 130, H: 2, P: 3, G: 1, N: 5, chunk: 64, decay: 'strong' },
  { B: 1, L: 130, H: 2, P: 3, G: 1, N: 5, chunk: 100, decay: 'mixed' },
  { B: 1, L: 210, H: 2, P: 3, G: 1, N: 5, chunk: 140, decay: 'ordinary' },
  { B: 1, L: 257, H: 2, P: 5, G: 1, N: 7, chunk: 256, decay: 'mixed' },
  { B: 1, L: 257, H: 2, P: 5, G: 1, N: 7, chunk: 256, decay: 'weak' },
];

function check(name: string, ratios: Record<string, number>): void {
  for (const [result, ratio] of Object.entries(ratios)) expect(ratio, `${name}: ${result}`).toBeLessThan(BAR);
}

for (const { name, engine } of await forms()) {
  describe(name, () => {
    afterAll(() => engine.close());
    for (const sizes of table) {
      for (const form of ssdForms) {
        const test = caseOf(sizes, form);
        it(`${test.name} equals the recurrence in float64`, async () => check(test.name, await judge(engine, test)));
      }
    }
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
    for (const sizes of [
      { B: 1, L: 64, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'ordinary' },
      { B: 1, L: 200, H: 2, P: 64, G: 1, N: 64, chunk: 64, decay: 'ordinary' },
      { B: 1, L: 130, H: 4, P: 32, G: 1, N: 16, chunk: 128, decay: 'ordinary' },
      { B: 1, L: 96, H: 1, P: 64, G: 1, N: 256, chunk: 64, decay: 'ordinary' },
      { B: 8, L: 130, H: 2, P: 2, G: 2, N: 3, chunk: 130, decay: 'ordinary' },
      { B: 1, L: 600, H: 1, P: 4, G: 1, N: 4, chunk: 64, decay: 'weak' },
    ] as const) {
      for (const form of ssdForms) {
        const test = caseOf(sizes, form, 1);
        check(test.name, await judge(engine, test));
      }
    }
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

async function everything(threads: number, sizes: Sizes, form: SsdForm): Promise<HostTensors> {
  const engine = await openWasm({ threads });
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
