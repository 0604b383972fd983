import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine, HostTensors } from '../engine.ts';
import { callFused, type FusedOp, type GpuCapabilities, type GpuKernel, type Operand } from '../fused-op.ts';
import { sizeOf } from '../tensor-spec.ts';
import { tf } from '../tf.ts';
import { openWebgpu, webgpu } from './engine.ts';
import { lowerMatMul, type FactorMap } from './matmul.ts';
import type { Product } from './matmul-operands.ts';
import { blocksOf, planOf, tileBytes, type Matrix, type Plan, type Tiled } from './matmul-plan.ts';
import { acted, compileErrors, h100, placeless } from './stand-in.ts';

const BOUND = 2e-5;

interface Case {
  readonly product: Product;
  readonly bias?: boolean;
  readonly addend?: boolean;
  /** A is `mapOf` what is in memory */
  readonly map?: boolean;
  readonly plan?: Plan;
}

const plain = (m: number, k: number, n: number, more: Partial<Product> = {}): Product => {
  const batch = more.batch ?? 1;
  return { batch, m, n, k, transposeA: false, transposeB: false, strideA: batch === 1 ? 0 : m * k, strideB: batch === 1 ? 0 : k * n, ...more };
};
const transposes = [[false, false], [true, false], [false, true], [true, true]].map(([transposeA, transposeB]) => ({ transposeA, transposeB }));
const tiled = (rows: Tiled['rows'], columns: Tiled['columns'], high: number, wide: number, depth: number, splits = 1): Tiled => ({ form: 'tiled', rows, columns, high, wide, depth, splits, half: false });

/** A row of A in memory times the first of its `rows` numbers [row, 4], but 1 in the column that is the second. */
const mapOf = (rows: Operand): FactorMap => ({
  bindings: { rows: { operand: rows, as: 'vec4<f32>' } },
  functions: 'fn mapped(x: vec4f, s: vec4f, column: u32) -> vec4f { return select(x * s.x, vec4f(1), vec4f(s.y - f32(column)) == vec4f(0, 1, 2, 3)); }',
  ofRow: (row) => `rows[${row}]`,
  four: (value, ofRow, column) => `mapped(${value}, ${ofRow}, ${column})`,
});

/** A product as a fused op, so that the plan can be chosen. Float16 and subgroup matrices are acted out. */
type Attrs = { readonly spec: string };
const op: FusedOp<Attrs> = {
  name: 'TestMatMul',
  outputs: (_, { spec }) => {
    const { batch, m, n } = (JSON.parse(spec) as Case).product;
    return [{ shape: [batch, m, n], dtype: 'float32' }];
  },
  portable: () => {
    throw new Error('has no portable form');
  },
  work: () => {
    throw new Error('is not counted');
  },
  wasm: () => {
    throw new Error('has no WASM form');
  },
  webgpu: (l, { spec }) => {
    const { product, bias, addend, map, plan } = JSON.parse(spec) as Case;
    const [a, b, ...more] = l.inputs;
    const epilogue = { ...(bias && { bias: more.shift()! }), ...(addend && { addend: more.shift()! }) };
    const dispatch = (kernel: GpuKernel) => l.dispatch(plan?.form === 'matrix' ? acted(kernel, plan) : kernel);
    lowerMatMul({ ...l, dispatch }, a, b, l.outputs[0], product, epilogue, { ...(map && { map: mapOf(more[0]) }), ...(plan && { plan }) });
  },
};

const draw = (seed: number, ...shape: number[]) => {
  const stream = rng(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => stream.normal()) };
};
/** Numbers that float16 has. */
const drawHalves = (seed: number, ...shape: number[]) => {
  const { data } = draw(seed, ...shape);
  return { shape, data: data.map((x) => Math.round(64 * x) / 64) };
};

function rmsRatio(actual: ArrayLike<number>, expected: Float64Array): number {
  let [difference, norm] = [0, 0];
  expected.forEach((e, i) => {
    difference += (actual[i] - e) ** 2;
    norm += e ** 2;
  });
  return actual.length === expected.length ? Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-30) : Infinity;
}

function exact({ product: s, bias, addend, map }: Case, x: HostTensors, i: number): Float64Array {
  const [a, b] = [x[`a${i}`].data, x[`b${i}`].data];
  const width = s.transposeA ? s.m : s.k;
  const ofA = (at: number): number => {
    if (!map) return a[at];
    const [scale, one] = x[`rows${i}`].data.slice(4 * Math.floor(at / width));
    return at % width === one ? 1 : a[at] * scale;
  };
  const y = new Float64Array(s.batch * s.m * s.n);
  const [ars, acs, brs, bcs] = [s.transposeA ? 1 : s.k, s.transposeA ? s.m : 1, s.transposeB ? 1 : s.n, s.transposeB ? s.k : 1];
  let at = 0;
  for (let g = 0; g < s.batch; g++) {
    for (let r = 0; r < s.m; r++) {
      for (let j = 0; j < s.n; j++, at++) {
        let sum = (bias ? x[`bias${i}`].data[j] : 0) + (addend ? x[`addend${i}`].data[at] : 0);
        for (let p = 0; p < s.k; p++) sum += ofA(g * s.strideA + r * ars + p * acs) * b[g * s.strideB + p * brs + j * bcs];
        y[at] = sum;
      }
    }
  }
  return y;
}

/** Runs all cases as one program, twice. */
async function run(engine: Engine, cases: readonly Case[]): Promise<{ results: HostTensors; again: HostTensors; inputs: HostTensors }> {
  const inputs: HostTensors = {};
  cases.forEach(({ product: s, bias, addend, map, plan }, i) => {
    // factors that lose nothing in float16 tell a mistake from rounding
    const drawFactor = plan?.form === 'matrix' ? drawHalves : draw;
    inputs[`a${i}`] = drawFactor(1, s.strideA === 0 ? 1 : s.batch, s.m * s.k);
    inputs[`b${i}`] = drawFactor(2, s.strideB === 0 ? 1 : s.batch, s.n * s.k);
    if (bias) inputs[`bias${i}`] = draw(3, s.n);
    if (addend) inputs[`addend${i}`] = draw(4, s.batch, s.m, s.n);
    const rows = s.transposeA ? s.k : s.m;
    if (map) inputs[`rows${i}`] = { shape: [rows, 4], data: Float32Array.from({ length: 4 * rows }, (_, j) => [[0.5, -1, 2][(j >> 2) % 3], (5 * j) % 17, 0, 0][j % 4]) };
  });
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => ({
        outputs: Object.fromEntries(
          cases.map((c, i) => {
            const given = [t[`a${i}`], t[`b${i}`], c.bias && t[`bias${i}`], c.addend && t[`addend${i}`], c.map && t[`rows${i}`]].filter((x) => x instanceof tf.Tensor);
            return [`c${i}`, callFused(op, given, { spec: JSON.stringify(c) })[0]];
          }),
        ),
      }),
    },
  });
  try {
    const results = await executable.run('f', inputs).read();
    return { results, again: await executable.run('f', inputs).read(), inputs };
  } finally {
    executable.dispose();
  }
}

async function expectExact(engine: Engine, cases: readonly Case[]): Promise<void> {
  const { results, again, inputs } = await run(engine, cases);
  cases.forEach((c, i) => {
    const ratio = rmsRatio(results[`c${i}`].data, exact(c, inputs, i));
    expect(ratio, JSON.stringify(c)).toBeLessThan(BOUND);
    expect(again[`c${i}`].data.every((x, j) => x === results[`c${i}`].data[j]), 'a second run is the same to the bit').toBe(true);
  });
}

const there = await webgpu.available();

describe.skipIf(!there.ok)('matrix products in WGSL', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openWebgpu({ validate: true, poison: true });
  });
  afterAll(async () => engine.close());

  // the software adapter takes long to compile: each size and each cut has one of the transpositions
  const turn = (i: number) => transposes[i % 4];

  test('sizes of every kind, every transposition', async () => {
    const sizes = [[1, 1, 1], [5, 7, 9], [4, 4, 4], [64, 64, 64], [130, 33, 70], [66, 50, 34], [1, 64, 301], [301, 64, 1], [2, 40, 33], [70, 18, 3], [129, 12, 65], [33, 14, 66]];
    await expectExact(engine, sizes.map(([m, k, n], i) => ({ product: plain(m, k, n, turn(i + (i >> 2))) })));
  });

  test('what is added to it, also over itself', async () => {
    await expectExact(engine, [
      { product: plain(33, 20, 50), bias: true },
      { product: plain(33, 20, 50), bias: true, addend: true },
      { product: plain(5, 3, 7), addend: true },
      { product: plain(3, 1500, 70, { transposeA: true }), bias: true, addend: true },
      { product: plain(20, 700, 12), bias: true, addend: true },
    ]);
  });

  test('nothing to sum, nothing to give', async () => {
    await expectExact(engine, [{ product: plain(3, 0, 4) }, { product: plain(30, 0, 6), bias: true, addend: true }, { product: plain(1, 0, 1), bias: true }, { product: plain(0, 5, 4) }]);
  });

  test('batches, one factor for all', async () => {
    await expectExact(engine, [
      { product: plain(20, 18, 22, { batch: 3, transposeB: true }) },
      { product: plain(20, 18, 22, { batch: 3, strideB: 0 }), bias: true },
      { product: plain(20, 18, 22, { batch: 3, strideB: 0, transposeA: true }) },
      { product: plain(20, 18, 22, { batch: 3, strideA: 0 }), addend: true },
      { product: plain(7, 5, 3, { batch: 60 }) },
      { product: plain(1, 40, 30, { batch: 5 }) },
    ]);
  });

  test('long sums, split among workgroups', async () => {
    const products = [plain(36, 1100, 22, { transposeA: true }), plain(36, 1001, 22, { transposeB: true }), plain(64, 3000, 3, { transposeA: true }), plain(2, 5000, 1), plain(17, 900, 18, { batch: 2, transposeA: true })];
    for (const p of products) expect(planOf(p, capabilities).splits, JSON.stringify(p)).toBeGreaterThan(1);
    await expectExact(engine, products.map((product) => ({ product })));
  });

  test('tiles of every kind', async () => {
    const plans = [tiled(8, 8, 16, 16, 8), tiled(8, 8, 32, 8, 8), tiled(8, 8, 16, 10, 8), tiled(8, 8, 8, 8, 8, 3), tiled(8, 4, 8, 20, 16), tiled(4, 8, 16, 14, 8, 2), tiled(4, 4, 16, 16, 16), tiled(4, 4, 4, 8, 8)];
    for (const p of plans) {
      expect(tileBytes(p)).toBeLessThanOrEqual(32768);
      expect(blocksOf(p)).toBeLessThanOrEqual(p.high * p.wide);
    }
    // sizes that divide nothing but two, odd ones, and whole tiles
    const sizes = [[150, 70, 130], [135, 37, 141], [256, 64, 160]];
    const cases = plans.map((plan, i) => {
      const [m, k, n] = sizes[i % 3];
      return { product: plain(m, k, n, turn(i)), plan, bias: i % 2 === 0 };
    });
    await expectExact(engine, [...cases, { product: plain(128, 32, 128), plan: plans[0] }]);
  });

  test('subgroup matrices, acted out', async () => {
    const plan: Matrix = { form: 'matrix', size: 8, rows: 2, columns: 1, high: 2, wide: 2, lanes: 4, depth: 16, splits: 1 };
    await expectExact(engine, [
      { product: plain(64, 32, 32, turn(0)), plan },
      { product: plain(64, 32, 32, { batch: 2, ...turn(3) }), plan, addend: true },
      { product: plain(37, 50, 45, turn(1)), plan: { ...plan, rows: 1, splits: 2 }, bias: true, addend: true },
      { product: plain(32, 48, 32, { batch: 2, ...turn(2) }), plan: { ...plan, high: 1 } },
      { product: plain(37, 50, 46, turn(3)), plan: { ...plan, columns: 2, wide: 1 }, bias: true },
      { product: plain(37, 50, 45, turn(1)), plan, map: true, addend: true },
      { product: plain(64, 41, 32, turn(2)), plan, map: true },
    ]);
  });

  test('as tfjs writes it: broadcasts, a tensor by itself, a tensor added to what it makes', async () => {
    const [x, w] = [draw(1, 2, 6, 6), draw(2, 6, 6)];
    const executable = engine.compile({
      state: {},
      functions: {
        f: (t) => {
          const tall = t['x'].reshape([12, 6]);
          return { outputs: { shared: tf.matMul(t['x'], t['w'].expandDims(0)), gram: tf.matMul(tall, tall, true), wide: tf.matMul(tall, t['x'].reshape([6, 12])), residual: tf.add(tall, tf.matMul(tall, t['w'])) } };
        },
      },
    });
    const y = await executable.run('f', { x, w }).read();
    executable.dispose();
    const check = (name: string, product: Product, b: typeof w, addend?: Float32Array) => {
      const inputs: HostTensors = { a0: x, b0: b, ...(addend && { addend0: { shape: [product.m, product.n], data: addend } }) };
      expect(rmsRatio(y[name].data, exact({ product, addend: addend !== undefined }, inputs, 0)), name).toBeLessThan(BOUND);
    };
    check('shared', plain(12, 6, 6), w);
    check('gram', plain(6, 12, 6, { transposeA: true }), x);
    check('wide', plain(12, 6, 12), x);
    check('residual', plain(12, 6, 6), w, x.data);
  });
});

const capabilities: GpuCapabilities = { ...h100, precision: 'fp32' };

describe('plans', () => {
  test.each([plain(1024, 1024, 1024), plain(262144, 64, 386), plain(64, 262144, 386, { transposeA: true }), plain(64, 64, 64, { batch: 4096 })])('%j gives every core work', (product) => {
    for (const precision of ['fp32', 'mixed'] as const) {
      const plan = planOf(product, { ...capabilities, precision });
      const unit = plan.form === 'matrix' ? plan.size : 1;
      const tiles = plan.form === 'thin' ? Infinity : Math.ceil(product.m / (unit * plan.rows * plan.high)) * Math.ceil(product.n / (unit * plan.columns * plan.wide));
      expect(product.batch * tiles * plan.splits).toBeGreaterThanOrEqual(128);
    }
  });

  test('mixed precision multiplies by subgroup matrices where there are, else by float16 tiles', () => {
    const mixed = { ...capabilities, precision: 'mixed' } as const;
    expect(planOf(plain(512, 64, 386), mixed).form).toBe('matrix');
    expect(planOf(plain(512, 64, 386), { ...mixed, subgroupMatrices: [] })).toMatchObject({ form: 'tiled', half: true });
    expect(planOf(plain(512, 64, 386), capabilities)).toMatchObject({ form: 'tiled', half: false });
  });
});

test('float16 and subgroup matrices compile', async () => {
  const kernels: GpuKernel[] = [];
  for (const product of [...transposes.map((t) => plain(130, 50, 70, t)), ...transposes.map((t) => plain(256, 64, 256, t)), plain(64, 5000, 386, { transposeA: true })]) {
    for (const subgroupMatrices of [h100.subgroupMatrices, []]) {
      for (const epilogue of [{}, { addend: placeless(product.m, product.n) }, { bias: placeless(product.n), addend: placeless(product.m, product.n) }]) {
        for (const map of [undefined, mapOf(placeless(product.transposeA ? product.k : product.m, 4))]) {
          lowerMatMul({ gpu: { ...h100, subgroupMatrices }, buffer: placeless, dispatch: (k) => kernels.push(k) }, placeless(), placeless(), placeless(), product, epilogue, { ...(map && { map }) });
        }
      }
    }
  }
  expect(await compileErrors(kernels)).toEqual([]);
});
