import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '#core/package-info.ts';
import { rng } from '#core/random.ts';
import type { KernelArg, Operand, WasmLowering } from '../fused-op.ts';
import { sizeOf } from '../tensor-spec.ts';
import { blocking, lowerMatMul, type MatMulSizes } from './gemm-lowering.ts';
import { ARENA_BASE, Runtime, simdKinds, simdOf, type Simd } from './runtime.ts';

/** ‖y − exact‖₂ / ‖exact‖₂; infinite where y is not a number. */
function rmsRatio(y: ArrayLike<number>, exact: Float64Array): number {
  let difference = 0;
  let norm = 0;
  exact.forEach((e, i) => {
    difference += Number.isFinite(y[i]) ? (y[i] - e) ** 2 : Infinity;
    norm += e ** 2;
  });
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

const LIMIT = 1e-6;
const MiB = 2 ** 20;

interface Kernels {
  gemmBlockScratch(m: number, n: number, k: number): number;
  gemmPackedScratch(m: number, k: number): number;
  packedBytes(k: number, n: number): number;
  packB(k: number, n: number, b: number, brs: number, bcs: number, dst: number): void;
  gemmBlock(...args: number[]): void;
  gemmPacked(...args: number[]): void;
}

/** The blocks of one thread, at fixed addresses of a memory that is poisoned before every call. */
function open(simd: Simd) {
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 65536, shared: true });
  const kernels = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(join(packageRoot, 'dist', 'wasm', simd === 'plain' ? 'simd.wasm' : 'relaxed.wasm'))), { env: { memory, wide: Number(simd === 'wide') } }).exports as unknown as Kernels;
  const at = { a: 4 * MiB, b: 16 * MiB, c: 32 * MiB, scratch: 48 * MiB };
  const floats = (address: number, length: number) => new Float32Array(memory.buffer, address, length);
  const random = rng(5);
  const fill = (address: number, length: number) => {
    const f = floats(address, length);
    for (let i = 0; i < length; i++) f[i] = random.normal();
    return f;
  };
  return { kernels, at, floats, fill };
}

const ODD = [1, 2, 3, 5, 6, 7, 8, 9, 13, 16, 17, 64, 65];
const sizes: [number, number, number][] = [
  ...ODD.flatMap((m) => [1, 7, 8, 9, 33].map((n): [number, number, number] => [m, n, 1 + ((3 * m + n) % 19)])),
  [64, 64, 64], [64, 64, 0], [31, 130, 300], [100, 17, 513], [97, 160, 40], [130, 63, 65], [12, 8, 1030],
];

// wide tiles are right, if slow, where V8 joins no vectors
for (const simd of simdKinds.filter((kind) => kind === 'plain' || simdOf() !== 'plain')) {
  describe(`gemmBlock (${simd})`, () => {
    const { kernels, at, floats, fill } = open(simd);

    test.each([[false, false], [false, true], [true, false], [true, true]])('equals the float64 product, A transposed %s, B transposed %s', (transposeA, transposeB) => {
      for (const [m, n, k] of sizes) {
        for (const { accumulate, alpha, pad } of [{ accumulate: 0, alpha: 1, pad: 0 }, { accumulate: 1, alpha: -0.5, pad: 5 }, { accumulate: 0, alpha: 2, pad: 700 }]) {
          const lda = (transposeA ? m : k) + pad;
          const ldb = (transposeB ? k : n) + pad;
          const ldc = n + 3;
          const a = fill(at.a, (transposeA ? k : m) * lda + 1);
          const b = fill(at.b, (transposeB ? n : k) * ldb + 1);
          const c = fill(at.c, m * ldc + 8);
          if (accumulate === 0) for (let i = 0; i < m; i++) c.fill(NaN, i * ldc, i * ldc + n);
          const before = c.slice();
          const scratchFloats = kernels.gemmBlockScratch(m, n, k) / 4;
          const scratch = floats(at.scratch, scratchFloats + 16).fill(NaN);
          scratch.fill(7, scratchFloats);
          const [ars, acs] = transposeA ? [1, lda] : [lda, 1];
          const [brs, bcs] = transposeB ? [1, ldb] : [ldb, 1];
          kernels.gemmBlock(m, n, k, alpha, at.a, ars, acs, at.b, brs, bcs, at.c, ldc, accumulate, at.scratch);

          const exact = Float64Array.from(before);
          for (let i = 0; i < m; i++) {
            for (let j = 0; j < n; j++) {
              let s = 0;
              for (let p = 0; p < k; p++) s += a[i * ars + p * acs] * b[p * brs + j * bcs];
              exact[i * ldc + j] = alpha * s + (accumulate === 1 ? before[i * ldc + j] : 0);
            }
          }
          expect(rmsRatio(c, exact), `${m}×${n}×${k}, pad ${pad}`).toBeLessThan(LIMIT);
          // nothing beside the block of C, and nothing behind the scratch
          for (let i = 0; i < c.length; i++) if (i % ldc >= n || i >= m * ldc) expect(c[i]).toBe(before[i]);
          expect([...scratch.subarray(scratchFloats)]).toEqual(new Array(16).fill(7));
        }
      }
    });

    test('a row does not depend on the rows and columns computed with it', () => {
      const [m, n, k] = [23, 40, 77];
      fill(at.a, m * k);
      fill(at.b, k * n);
      kernels.gemmBlock(m, n, k, 1, at.a, k, 1, at.b, n, 1, at.c, n, 0, at.scratch);
      const whole = floats(at.c, m * n).slice();
      for (let i = 0; i < m; i++) kernels.gemmBlock(1, n, k, 1, at.a + 4 * i * k, k, 1, at.b, n, 1, at.c + 4 * i * n, n, 0, at.scratch);
      expect(floats(at.c, m * n)).toEqual(whole);
      for (let j = 0; j < n; j += 8) kernels.gemmBlock(m, 8, k, 1, at.a, k, 1, at.b + 4 * j, n, 1, at.c + 4 * j, n, 0, at.scratch);
      expect(floats(at.c, m * n)).toEqual(whole);
    });

    test.each([false, true])('parts of packed panels, B transposed %s', (transposeB) => {
      const [m, n, k] = [19, 45, 70];
      const a = fill(at.a, m * k);
      const b = fill(at.b, k * n);
      const [brs, bcs] = transposeB ? [1, k] : [n, 1];
      const bytes = kernels.packedBytes(k, n);
      const packed = at.scratch + MiB;
      floats(packed, bytes / 4 + 1).fill(NaN);
      kernels.packB(k, n, at.b, brs, bcs, packed);
      expect(floats(packed, bytes / 4).every((v) => !Number.isNaN(v))).toBe(true);
      expect(floats(packed, bytes / 4 + 1)[bytes / 4]).toBeNaN();
      for (const [j0, j1, p0, p1] of [[0, n, 0, k], [16, 32, 0, k], [8, n, 5, 6], [40, n, 13, k]] as const) {
        floats(at.c, m * n).fill(NaN);
        kernels.gemmPacked(m, j1 - j0, p1 - p0, 1, at.a + 4 * p0, k, 1, packed + 4 * j0 * k + 32 * p0, k, at.c, j1 - j0, 0, at.scratch);
        const exact = new Float64Array(m * (j1 - j0));
        for (let i = 0; i < m; i++) for (let j = j0; j < j1; j++) for (let p = p0; p < p1; p++) exact[i * (j1 - j0) + j - j0] += a[i * k + p] * b[p * brs + j * bcs];
        expect(rmsRatio(floats(at.c, exact.length), exact)).toBeLessThan(LIMIT);
      }
    });
  });
}

class At implements Operand {
  readonly used = true;
  readonly zero = false;
  readonly address: number;
  readonly shape: readonly number[];
  constructor(address: number, shape: readonly number[]) {
    this.address = address;
    this.shape = shape;
  }
  at(elements: number): At {
    return new At(this.address + 4 * elements, this.shape);
  }
}

interface Launch { kernel: string; tasks: number; args: readonly KernelArg[] }

const runtimes = new Map<string, Runtime>();
afterAll(() => Promise.all([...runtimes.values()].map((runtime) => runtime.close())));

/** Runs a lowered product on threads, on poisoned memory; A, B, C, bias and addend are drawn from fixed streams. */
function product(options: { threads: number; simd: Simd }, s: MatMulSizes, epilogue: { bias?: boolean; accumulate?: boolean; addend?: boolean }) {
  const key = JSON.stringify(options);
  const runtime = runtimes.get(key) ?? new Runtime(options);
  runtimes.set(key, runtime);
  const place = (...shape: number[]) => {
    const operand = new At(runtime.reserve(4 * sizeOf(shape)), shape);
    new Float32Array(runtime.memory.buffer, operand.address, sizeOf(shape)).fill(NaN);
    return operand;
  };
  const view = (o: At) => new Float32Array(runtime.memory.buffer, o.address, sizeOf(o.shape));
  const stream = rng(9);
  const draw = (o: At) => {
    const f = view(o);
    for (let i = 0; i < f.length; i++) f[i] = stream.normal();
    return o;
  };
  const a = draw(place((s.strideA === 0 ? 1 : s.batch) * s.m * s.k));
  const b = draw(place((s.strideB === 0 ? 1 : s.batch) * s.k * s.n));
  const bias = draw(place(s.n));
  const addend = draw(place(s.batch, s.m, s.n));
  const c = place(s.batch, s.m, s.n);
  if (epilogue.accumulate) view(c).set(view(addend));
  const launches: Launch[] = [];
  let scratch = 0;
  const lowering: WasmLowering = {
    inputs: [a, b],
    outputs: [c],
    buffer: place,
    copy: () => expect.fail('a product copies nothing'),
    dispatch: (kernel, tasks, args, scratchBytes = 0) => {
      launches.push({ kernel, tasks, args });
      scratch = Math.max(scratch, scratchBytes);
    },
  };
  lowerMatMul(lowering, a, b, c, s, { ...(epilogue.bias && { bias }), ...(epilogue.accumulate && { accumulate: true }), ...(epilogue.addend && { addend }) });
  const args = launches.map((l) => {
    const block = runtime.reserve(4 * l.args.length);
    new Int32Array(runtime.memory.buffer, block, l.args.length).set(l.args.map((x) => (typeof x === 'number' ? x : (x as At).address)));
    return block;
  });
  const scratchStride = Math.ceil(scratch / 64) * 64 + 64;
  runtime.growArena(scratchStride * options.threads);
  new Float32Array(runtime.memory.buffer, ARENA_BASE, (scratchStride * options.threads) / 4).fill(NaN);
  runtime.load({ kernels: launches.map((l) => l.kernel), args: Int32Array.from(args), tasks: Int32Array.from(launches, (l) => l.tasks), scratch: ARENA_BASE, scratchStride })();
  return { a: view(a), b: view(b), c: view(c), bias: view(bias), addend: view(addend) };
}

const plain = (m: number, k: number, n: number, more: Partial<MatMulSizes> = {}): MatMulSizes => ({ batch: 1, m, n, k, transposeA: false, transposeB: false, strideA: m * k, strideB: k * n, ...more });
const products: Record<string, MatMulSizes> = {
  'one number': plain(1, 1, 1),
  'an odd block': plain(5, 7, 9),
  'a projection': plain(500, 64, 136),
  'its gradient by the input': plain(500, 136, 64, { transposeB: true }),
  'its gradient by the weight, k split': plain(61, 2060, 44, { transposeA: true }),
  'both transposed': plain(130, 33, 200, { transposeA: true, transposeB: true }),
  'wide rows of A and B': plain(520, 30, 530, { transposeA: true }),
  'a vector by a matrix': plain(1, 64, 1030),
  'a matrix by a vector': plain(1030, 64, 1),
  'an empty sum': plain(3, 0, 4),
  'a batch of small products': plain(7, 5, 3, { batch: 6 }),
  'a batch, tasks over batches': plain(64, 64, 64, { batch: 33 }),
  'one B for all': plain(64, 40, 64, { batch: 9, strideB: 0 }),
  'one B for all, transposed A': plain(110, 40, 64, { batch: 9, strideB: 0, transposeA: true, transposeB: true }),
  'one A for all': plain(100, 70, 150, { batch: 3, strideA: 0, transposeB: true }),
  'few tiles and a long sum in a batch': plain(20, 9000, 12, { batch: 2, transposeA: true }),
};

describe('the product of the plan', () => {
  test.each(Object.entries(products))('%s', (_, s) => {
    for (const epilogue of [{}, { bias: true }, { accumulate: true }, { addend: true }, { bias: true, addend: true }]) {
      const { a, b, c, bias, addend } = product({ threads: 1, simd: simdOf() }, s, epilogue);
      const exact = new Float64Array(c.length);
      let at = 0;
      for (let g = 0; g < s.batch; g++) {
        for (let i = 0; i < s.m; i++) {
          for (let j = 0; j < s.n; j++, at++) {
            let sum = (epilogue.bias ? bias[j] : 0) + ('accumulate' in epilogue || epilogue.addend ? addend[at] : 0);
            for (let p = 0; p < s.k; p++) sum += a[g * s.strideA + (s.transposeA ? p * s.m + i : i * s.k + p)] * b[g * s.strideB + (s.transposeB ? j * s.k + p : p * s.n + j)];
            exact[at] = sum;
          }
        }
      }
      expect(rmsRatio(c, exact), JSON.stringify(epilogue)).toBeLessThan(LIMIT);
      expect(rmsRatio(product({ threads: 2, simd: 'plain' }, s, epilogue).c, exact), `plain SIMD ${JSON.stringify(epilogue)}`).toBeLessThan(LIMIT);
    }
  });

  test('is the same to the bit on 1, 2 and 3 threads', () => {
    for (const s of Object.values(products)) {
      const [one, two, three] = [1, 2, 3].map((threads) => product({ threads, simd: simdOf() }, s, { bias: true }));
      const bits = ({ c }: { c: Float32Array }) => Buffer.from(c.buffer, c.byteOffset, c.byteLength);
      for (const other of [two, three]) expect(bits(other).equals(bits(one)), JSON.stringify(s)).toBe(true);
    }
  });

  test.each([
    ['a projection of one batch', plain(4096, 64, 288)],
    ['its gradient by the weight', plain(64, 4096, 288, { transposeA: true })],
    ['logits', plain(1024, 64, 8192, { transposeB: true })],
    ['attention scores', plain(64, 64, 64, { batch: 128, transposeB: true })],
  ])('%s has work for 8 threads', (_, s) => {
    const { group, rows, columns, depth } = blocking(s);
    expect(Math.ceil(s.batch / group) * Math.ceil(s.m / rows) * Math.ceil(s.n / columns) * Math.ceil(s.k / depth)).toBeGreaterThanOrEqual(8);
  });
});
