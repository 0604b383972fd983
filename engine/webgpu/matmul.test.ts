import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create } from 'webgpu';
import { rng } from '#core/random.ts';
import type { Engine, HostTensors } from '../engine.ts';
import { callFused, type FusedOp, type GpuCapabilities, type GpuKernel, type Operand } from '../fused-op.ts';
import { sizeOf } from '../tensor-spec.ts';
import { tf } from '../tf.ts';
import { openWebgpu, webgpu } from './engine.ts';
import { lowerMatMul } from './matmul.ts';
import type { Product } from './matmul-operands.ts';
import { PlacedOperand } from '../graph/lowering.ts';
import { blocksOf, planOf, tileBytes, type Matrix, type Plan, type Tiled } from './matmul-plan.ts';

const BOUND = 2e-5;

interface Case {
  readonly product: Product;
  readonly bias?: boolean;
  readonly addend?: boolean;
  readonly plan?: Plan;
}

const plain = (m: number, k: number, n: number, more: Partial<Product> = {}): Product => {
  const batch = more.batch ?? 1;
  return { batch, m, n, k, transposeA: false, transposeB: false, strideA: batch === 1 ? 0 : m * k, strideB: batch === 1 ? 0 : k * n, ...more };
};
const transposes = [[false, false], [true, false], [false, true], [true, true]].map(([transposeA, transposeB]) => ({ transposeA, transposeB }));
const tiled = (rows: Tiled['rows'], columns: Tiled['columns'], high: number, wide: number, depth: number, splits = 1): Tiled => ({ form: 'tiled', rows, columns, high, wide, depth, splits, half: false });

/** A product as a fused op, so that the plan can be chosen. Float16 and subgroup matrices are acted out in float32 where `act` is given. */
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
    const { product, bias, addend, plan } = JSON.parse(spec) as Case;
    const [a, b, ...more] = l.inputs;
    const epilogue = { ...(bias && { bias: more[0] }), ...(addend && { addend: more.at(-1)! }) };
    lowerMatMul({ ...l, dispatch: (kernel) => l.dispatch(plan?.form === 'matrix' && kernel.name !== 'matmul_sum' ? acted(kernel, plan) : kernel) }, a, b, l.outputs[0], product, epilogue, plan && { plan });
  },
};

/** The kernel with subgroup matrices acted out: factors are read from workgroup memory when they are multiplied, and each lane keeps every lanes-th result. */
function acted(kernel: GpuKernel, { size, lanes }: Matrix): GpuKernel {
  const kept = size ** 2 / lanes;
  const store = (name: string) => `fn store_${name}(at: u32, x: array<f32, ${kept}>, stride: u32, lane: u32) {
  for (var e = 0u; e < ${kept}u; e++) { let i = e * ${lanes}u + lane; ${name}[at + i / ${size}u * stride + i % ${size}u / 4u][i % 4u] = x[e]; }
}`;
  const addend = `fn load_addend(at: u32, stride: u32, lane: u32) -> array<f32, ${kept}> {
  var x: array<f32, ${kept}>;
  for (var e = 0u; e < ${kept}u; e++) { let i = e * ${lanes}u + lane; x[e] = addend[at + i / ${size}u * stride + i % ${size}u / 4u][i % 4u]; }
  return x;
}`;
  const element = (name: string, row: string, column: string) => `select(${name}_tile[f.x + ${row} * f.y + ${column} / 4u][${column} % 4u], ${name}_tile[f.x + ${column} * f.y + ${row} / 4u][${row} % 4u], f.z == 1u)`;
  const code = kernel.code
    .replaceAll(/enable (f16|chromium_experimental_subgroup_matrix);/g, '')
    .replaceAll('vec4<f16>', 'vec4f')
    .replaceAll(/subgroupMatrixLoad<subgroup_matrix_result<[^(]*, row_major>\(&addend, (.*), (\d+u)\);/g, 'load_addend($1, $2, sg_lane);')
    .replaceAll(/subgroupMatrixLoad<[^(]*, (row|col)_major>\(&\w+, (.*), (\d+u)\);/g, (_, by: string, at: string, stride: string) => `vec3u(${at}, ${stride}, ${by === 'col' ? 1 : 0}u);`)
    .replaceAll(/subgroup_matrix_result<[^>]*>/g, `array<f32, ${kept}>`)
    .replaceAll(/subgroupMatrixMultiplyAccumulate\((\w+), (\w+), (\w+)\)/g, 'multiply_add($1, $2, $3, sg_lane)')
    .replaceAll(/subgroupMatrixStore<row_major>\(&(\w+), (.*), (\w+), (\d+u)\);/g, 'store_$1($2, $3, $4, sg_lane);');
  return {
    ...kernel,
    code: `${code}
fn left(f: vec3u, r: u32, p: u32) -> f32 { return ${element('a', 'r', 'p')}; }
fn right(f: vec3u, p: u32, s: u32) -> f32 { return ${element('b', 'p', 's')}; }
fn multiply_add(f: vec3u, g: vec3u, x: array<f32, ${kept}>, lane: u32) -> array<f32, ${kept}> {
  var y = x;
  for (var e = 0u; e < ${kept}u; e++) {
    let i = e * ${lanes}u + lane;
    for (var p = 0u; p < ${size}u; p++) { y[e] += left(f, i / ${size}u, p) * right(g, p, i % ${size}u); }
  }
  return y;
}
${code.includes('store_out') ? store('out') : store('c')}
${code.includes('load_addend') ? addend : ''}`,
  };
}

const draw = (seed: number, ...shape: number[]) => {
  const stream = rng(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => stream.normal()) };
};

function rmsRatio(actual: ArrayLike<number>, expected: Float64Array): number {
  let [difference, norm] = [0, 0];
  expected.forEach((e, i) => {
    difference += (actual[i] - e) ** 2;
    norm += e ** 2;
  });
  return actual.length === expected.length ? Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-30) : Infinity;
}

function exact({ product: s, bias, addend }: Case, x: HostTensors, i: number): Float64Array {
  const [a, b] = [x[`a${i}`].data, x[`b${i}`].data];
  const y = new Float64Array(s.batch * s.m * s.n);
  const [ars, acs, brs, bcs] = [s.transposeA ? 1 : s.k, s.transposeA ? s.m : 1, s.transposeB ? 1 : s.n, s.transposeB ? s.k : 1];
  let at = 0;
  for (let g = 0; g < s.batch; g++) {
    for (let r = 0; r < s.m; r++) {
      for (let j = 0; j < s.n; j++, at++) {
        let sum = (bias ? x[`bias${i}`].data[j] : 0) + (addend ? x[`addend${i}`].data[at] : 0);
        for (let p = 0; p < s.k; p++) sum += a[g * s.strideA + r * ars + p * acs] * b[g * s.strideB + p * brs + j * bcs];
        y[at] = sum;
      }
    }
  }
  return y;
}

/** Runs all cases as one program, twice. */
async function run(engine: Engine, cases: readonly Case[]): Promise<{ results: HostTensors; again: HostTensors; inputs: HostTensors }> {
  const inputs: HostTensors = {};
  cases.forEach(({ product: s, bias, addend }, i) => {
    inputs[`a${i}`] = draw(1, s.strideA === 0 ? 1 : s.batch, s.m * s.k);
    inputs[`b${i}`] = draw(2, s.strideB === 0 ? 1 : s.batch, s.n * s.k);
    if (bias) inputs[`bias${i}`] = draw(3, s.n);
    if (addend) inputs[`addend${i}`] = draw(4, s.batch, s.m, s.n);
  });
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => ({
        outputs: Object.fromEntries(
          cases.map((c, i) => {
            const given = [t[`a${i}`], t[`b${i}`], c.bias && t[`bias${i}`], c.addend && t[`addend${i}`]].filter((x) => x instanceof tf.Tensor);
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

/** What an H100 says of itself. */
const capabilities: GpuCapabilities = {
  precision: 'fp32',
  f16: true,
  subgroups: { min: 32, max: 32 },
  subgroupMatrices: [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }],
  workgroupBytes: 49152,
  workgroupInvocations: 1024,
  bindings: 16,
};

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

/** Dawn's null device has every feature and computes nothing: it tells whether WGSL compiles that the software adapter cannot take. */
let nullGpu: GPU;
test('float16 and subgroup matrices compile', async () => {
  // kept, or it is collected under the device
  nullGpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = await nullGpu.requestAdapter();
  const device = await adapter!.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[] });
  const wrong: string[] = [];
  const operand = (...shape: number[]): Operand => new PlacedOperand({ bytes: 0 }, shape, 'float32');
  for (const product of [...transposes.map((t) => plain(130, 50, 70, t)), ...transposes.map((t) => plain(256, 64, 256, t)), plain(64, 5000, 386, { transposeA: true })]) {
    for (const subgroupMatrices of [capabilities.subgroupMatrices, []]) {
      for (const epilogue of [{}, { addend: operand(product.m, product.n) }, { bias: operand(product.n), addend: operand(product.m, product.n) }]) {
        const kernels: GpuKernel[] = [];
        lowerMatMul({ gpu: { ...capabilities, precision: 'mixed', subgroupMatrices }, buffer: operand, dispatch: (k) => kernels.push(k) }, operand(), operand(), operand(), product, epilogue);
        for (const { code, bindings, tasks } of kernels) {
          const directives = code.match(/^enable .*;$/gm) ?? [];
          const declared = Object.entries(bindings).map(([name, b], i) => `@group(0) @binding(${i}) var<storage, read_write> ${name}: array<${'as' in b ? b.as : 'f32'}>;`);
          const text = [...directives, ...declared, `const TASKS = ${tasks}u;`, 'fn task_of(group: vec3u) -> u32 { return group.x; }', code.replaceAll(/^enable .*;$/gm, '')].join('\n');
          device.pushErrorScope('validation');
          const { messages } = await device.createShaderModule({ code: text }).getCompilationInfo();
          await device.popErrorScope();
          wrong.push(...messages.filter((m) => m.type === 'error').map((m) => `${m.message} at ${text.split('\n')[m.lineNum - 1]}`));
        }
      }
    }
  }
  device.destroy();
  expect(wrong).toEqual([]);
});
