/** The form of SSD by subgroup matrices on a software adapter that has neither float16 nor matrices: both are acted out. */
import { create } from 'webgpu';
import { expect, it } from 'vitest';
import { callFused, type FusedOp, type GpuCapabilities, type GpuKernel, type Operand } from '#engine/fused-op.ts';
import { PlacedOperand } from '#engine/graph/lowering.ts';
import { openWebgpu } from '#engine/webgpu/engine.ts';
import { judge } from '../judge.ts';
import { caseOf, type Sizes as CaseSizes } from './cases.ts';
import { ssdOp } from './op.ts';
import { sizesOf, type Sizes } from './sizes.ts';
import { byMatrices, matrixForward } from './webgpu-matrix.ts';

/** What an H100 says of itself. */
const h100: GpuCapabilities = {
  precision: 'mixed',
  f16: true,
  subgroups: { min: 32, max: 32 },
  subgroupMatrices: [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }],
  workgroupBytes: 49152,
  workgroupInvocations: 1024,
  bindings: 16,
};

/** The kernel with halves packed by hand, where a matrix is a place in memory until it is multiplied, and a lane of 32 keeps every 32nd of the 256 results. */
function acted(kernel: GpuKernel): GpuKernel {
  const loaded = [...new Set([...kernel.code.matchAll(/subgroupMatrixLoad<[^(]*\(&(\w+),/g)].map((m) => m[1]))];
  const stored = [...new Set([...kernel.code.matchAll(/subgroupMatrixStore<row_major>\(&(\w+),/g)].map((m) => m[1]))];
  const code = kernel.code
    .replaceAll(/enable \w+;|diagnostic\(.*\);/g, '')
    .replaceAll(/^fn (packed|low|high)\(.*$/gm, '')
    .replace(/@builtin\(subgroup_id\) sg: u32\) \{/, ') { let sg = lane / 32u; let sg_lane = lane % 32u;')
    .replaceAll('array<vec4<f16>', 'array<vec2u')
    .replaceAll(/(\w+_tile|pool)\[(.*)\] = (.*);/g, '$1[$2] = halved($3);')
    .replaceAll('vec4<f16>', 'vec4f')
    .replaceAll('f16(', 'f32(')
    .replaceAll(/subgroupMatrixLoad<[^(]*, (row|col)_major>\(&(\w+), /g, (_, by: string, name: string) => `Matrix(${loaded.indexOf(name)}u, ${by === 'col' ? 1 : 0}u, `)
    .replaceAll(/subgroup_matrix_result<[^>]*>/g, 'array<f32, 8>')
    .replaceAll(/subgroup_matrix_(left|right)<[^>]*>/g, 'Matrix')
    .replaceAll('subgroupMatrixMultiplyAccumulate(', 'multiply_add(sg_lane, ')
    .replaceAll('subgroupMatrixScalarMultiply(', 'scaled(')
    .replaceAll(/subgroupMatrixStore<row_major>\(&(\w+), /g, 'store_$1(sg_lane, ');
  return {
    ...kernel,
    bindings: Object.fromEntries(Object.entries(kernel.bindings).map(([name, b]) => [name, 'as' in b && b.as === 'vec4<f16>' ? { ...b, as: 'vec2<u32>' as never } : b])),
    code: `${code}
fn halved(v: vec4f) -> vec2u { return vec2u(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn packed(a: vec4f, b: vec4f) -> vec4f { return bitcast<vec4f>(vec4u(halved(a), halved(b))); }
fn low(v: vec4f) -> vec4f { let u = bitcast<vec4u>(v); return vec4f(unpack2x16float(u.x), unpack2x16float(u.y)); }
fn high(v: vec4f) -> vec4f { let u = bitcast<vec4u>(v); return vec4f(unpack2x16float(u.z), unpack2x16float(u.w)); }
struct Matrix { memory: u32, by_column: u32, at: u32, stride: u32 }
fn four(m: Matrix, line: u32, vector: u32) -> vec4f {
  let at = m.at + line * m.stride + vector;
${loaded.map((name, i) => `  if (m.memory == ${i}u) { return vec4f(unpack2x16float(${name}[at].x), unpack2x16float(${name}[at].y)); }`).join('\n')}
  return vec4f(0);
}
fn element(m: Matrix, row: u32, column: u32) -> f32 {
  if (m.by_column == 1u) { return four(m, column, row / 4u)[row % 4u]; }
  return four(m, row, column / 4u)[column % 4u];
}
fn multiply_add(lane: u32, left: Matrix, right: Matrix, x: array<f32, 8>) -> array<f32, 8> {
  var y = x;
  for (var e = 0u; e < 8u; e++) {
    let i = e * 32u + lane;
    for (var k = 0u; k < 16u; k++) { y[e] += element(left, i / 16u, k) * element(right, k, i % 16u); }
  }
  return y;
}
fn scaled(x: array<f32, 8>, by: f32) -> array<f32, 8> {
  var y = x;
  for (var e = 0u; e < 8u; e++) { y[e] *= by; }
  return y;
}
${stored.map((name) => `fn store_${name}(lane: u32, at: u32, x: array<f32, 8>, stride: u32) {
  for (var e = 0u; e < 8u; e++) { let i = e * 32u + lane; ${name}[at + i / 16u * stride + i % 16u / 4u][i % 4u] = x[e]; }
}`).join('\n')}`,
  };
}

const op: FusedOp<{ readonly chunk: number }> = {
  ...ssdOp,
  name: 'ActedSsd',
  webgpu: (l) => matrixForward({ ...l, buffer: (...shape) => l.buffer(...shape), dispatch: (kernel) => l.dispatch(acted(kernel)) }, sizesOf(l.inputs)),
};

const cases: readonly [string, Partial<CaseSizes>][] = [
  ['one chunk', { L: 64, P: 16, N: 16 }],
  ['less than a row of matrices', { L: 5, P: 32, N: 32 }],
  ['groups, sequences, chunks and a rest', { B: 2, L: 150, H: 4, P: 32, G: 2, N: 16, decay: 'mixed' }],
  ['as many matrices of the state as no subgroup shares', { L: 160, H: 2, P: 16, N: 48, decay: 'strong' }],
  ['slices of a head', { L: 130, H: 2, P: 96, N: 16, decay: 'weak' }],
  ['two rows of matrices to a subgroup', { L: 100, H: 2, P: 64, N: 32 }],
];
for (const [name, sizes] of cases) {
  it.each(['both', 'y', 'the last state'])(`equals the recurrence in float64: ${name}, %s`, async (which) => {
    const engine = await openWebgpu({ validate: true, poison: true });
    const { oracle, ...test } = caseOf({ B: 1, L: 64, H: 1, P: 16, G: 1, N: 16, chunk: 64, decay: 'ordinary', ...sizes }, 'chunked');
    const pick = <T>([y, last]: readonly T[]): T[] => (which === 'both' ? [y, last] : which === 'y' ? [y] : [last]);
    const ratios = await judge(engine, { name: test.name, inputs: test.inputs, call: (x) => pick(callFused(op, x, { chunk: 64 })), oracle: (x) => pick(oracle(x)) });
    await engine.close();
    for (const ratio of Object.values(ratios)) expect(ratio).toBeLessThan(1e-3);
  });
}

/** Dawn's null device has every feature and computes nothing: it tells whether WGSL compiles that the software adapter cannot take. */
let nullGpu: GPU;
it('compiles', async () => {
  // kept, or it is collected under the device
  nullGpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = await nullGpu.requestAdapter();
  const device = await adapter!.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[] });
  const wrong: string[] = [];
  const operand = (...shape: number[]): Operand => new PlacedOperand({ bytes: 0 }, shape, 'float32');
  const unused = (...shape: number[]): Operand => ({ shape, used: false, zero: false, at: () => unused(...shape) });
  for (const N of [16, 48, 64, 128]) {
    for (const P of [16, 48, 64, 128]) {
      for (const L of [37, 64, 150]) {
        for (const [y, last] of [[true, true], [true, false], [false, true]]) {
          const s: Sizes = { B: 2, L, H: 4, P, G: 2, N };
          expect(byMatrices(s, 64, h100)).toBe(true);
          const kernels: GpuKernel[] = [];
          matrixForward(
            {
              gpu: h100, buffer: operand, dispatch: (k) => kernels.push(k), copy: () => expect.fail('SSD copies nothing'),
              inputs: [operand(2, L, 4, P), operand(2, L, 4), operand(4), operand(2, L, 2, N), operand(2, L, 2, N), operand(4)],
              outputs: [(y ? operand : unused)(2, L, 4, P), (last ? operand : unused)(2, 4, P, N)],
            },
            s,
          );
          for (const { code, bindings, tasks } of kernels) {
            const directives = code.match(/^(enable|diagnostic)\b.*;$/gm) ?? [];
            const declared = Object.entries(bindings).map(([name, b], i) => `@group(0) @binding(${i}) var<storage, read_write> ${name}: array<${'as' in b ? b.as : 'f32'}>;`);
            const text = [...directives, ...declared, `const TASKS = ${tasks}u;`, 'fn task_of(group: vec3u) -> u32 { return group.x; }', code.replaceAll(/^(enable|diagnostic)\b.*;$/gm, '')].join('\n');
            device.pushErrorScope('validation');
            const { messages } = await device.createShaderModule({ code: text }).getCompilationInfo();
            await device.popErrorScope();
            wrong.push(...messages.filter((m) => m.type === 'error').map((m) => `${m.message} at ${text.split('\n')[m.lineNum - 1]}`));
          }
        }
      }
    }
  }
  device.destroy();
  expect(wrong).toEqual([]);
});
