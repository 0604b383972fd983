/** Stands in for a GPU with float16 and subgroup matrices, for tests of kernels that the software adapter cannot take. */
import { create } from 'webgpu';
import { PlacedOperand } from '../graph/lowering.ts';
import type { GpuCapabilities, GpuKernel, Operand } from '../fused-op.ts';
import { compose } from './engine.ts';

/** What an H100 says of itself. */
export const h100: GpuCapabilities = {
  precision: 'mixed',
  f16: true,
  subgroups: { min: 32, max: 32 },
  subgroupMatrices: [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }],
  workgroupBytes: 49152,
  workgroupInvocations: 1024,
  bindings: 16,
};

/**
 * The kernel with both acted out, for any adapter. Halves are packed by hand where they lie in memory, and are float32 elsewhere. A left or right matrix of
 * `size` × `size` is a place in memory until it is multiplied; of a result each of the subgroup's `lanes` keeps every lanes-th number. The kernel's main
 * names its local invocation index `lane`, its subgroup `sg` and the place in it, if at all, `sg_lane`.
 */
export function acted(kernel: GpuKernel, { size, lanes }: { readonly size: number; readonly lanes: number }): GpuKernel {
  const named = (pattern: RegExp): string[] => [...new Set([...kernel.code.matchAll(pattern)].map((m) => m[1]))];
  const factors = named(/subgroupMatrixLoad<subgroup_matrix_(?:left|right)<[^(]*>\(&(\w+),/g);
  const begun = named(/subgroupMatrixLoad<subgroup_matrix_result<[^(]*>\(&(\w+),/g);
  const stored = named(/subgroupMatrixStore<row_major>\(&(\w+),/g);
  const halves = named(/var<workgroup> (\w+): array<vec4<f16>/g);
  const result = `array<f32, ${size ** 2 / lanes}>`;
  /** for each number of a result that a lane keeps */
  const eachOwn = (text: string): string => `for (var e = 0u; e < ${size ** 2 / lanes}u; e++) { let i = e * ${lanes}u + lane; ${text} }`;
  const inMemory = (name: string): string => `${name}[at + i / ${size}u * stride + i % ${size}u / 4u][i % 4u]`;
  let code = kernel.code
    .replaceAll(/enable \w+;|diagnostic\(.*\);/g, '')
    .replace(/, @builtin\(subgroup_id\) sg: u32(, @builtin\(subgroup_invocation_id\) sg_lane: u32)?\) \{/, `) { let sg = lane / ${lanes}u; let sg_lane = lane % ${lanes}u;`)
    .replaceAll('array<vec4<f16>', 'array<vec2u')
    .replaceAll(/bitcast<vec2f>\((\w+)\)/g, 'bitcast<vec2f>(halved($1))')
    .replaceAll(/bitcast<vec4<f16>>\(([\w.]+)\)/g, 'widened(bitcast<vec2u>($1))')
    .replaceAll('vec4<f16>', 'vec4f')
    .replaceAll('f16(', 'f32(')
    .replaceAll(/subgroupMatrixLoad<subgroup_matrix_result<[^(]*>\(&(\w+), /g, 'load_$1(sg_lane, ')
    .replaceAll(/subgroupMatrixLoad<[^(]*, (row|col)_major>\(&(\w+), /g, (_, by: string, name: string) => `Matrix(${factors.indexOf(name)}u, ${by === 'col' ? 1 : 0}u, `)
    .replaceAll(/subgroup_matrix_result<[^>]*>/g, result)
    .replaceAll(/subgroup_matrix_(left|right)<[^>]*>/g, 'Matrix')
    .replaceAll('subgroupMatrixMultiplyAccumulate(', 'multiply_add(sg_lane, ')
    .replaceAll('subgroupMatrixScalarMultiply(', 'scaled(')
    .replaceAll(/subgroupMatrixStore<row_major>\(&(\w+), /g, 'store_$1(sg_lane, ');
  for (const name of halves) code = code.replaceAll(new RegExp(`\\b${name}\\[([^;]*?)\\] = ([^;]*);`, 'g'), `${name}[$1] = halved($2);`);
  return {
    ...kernel,
    bindings: Object.fromEntries(Object.entries(kernel.bindings).map(([name, b]) => [name, 'as' in b && b.as === 'vec4<f16>' ? { ...b, as: 'vec2<u32>' as never } : b])),
    code: `${code}
fn halved(v: vec4f) -> vec2u { return vec2u(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn widened(v: vec2u) -> vec4f { return vec4f(unpack2x16float(v.x), unpack2x16float(v.y)); }
struct Matrix { memory: u32, by_column: u32, at: u32, stride: u32 }
fn four(m: Matrix, line: u32, vector: u32) -> vec4f {
  let at = m.at + line * m.stride + vector;
${factors.map((name, i) => `  if (m.memory == ${i}u) { return widened(${name}[at]); }`).join('\n')}
  return vec4f(0);
}
fn element(m: Matrix, row: u32, column: u32) -> f32 {
  if (m.by_column == 1u) { return four(m, column, row / 4u)[row % 4u]; }
  return four(m, row, column / 4u)[column % 4u];
}
fn multiply_add(lane: u32, left: Matrix, right: Matrix, x: ${result}) -> ${result} {
  var y = x;
  ${eachOwn(`for (var k = 0u; k < ${size}u; k++) { y[e] += element(left, i / ${size}u, k) * element(right, k, i % ${size}u); }`)}
  return y;
}
fn scaled(x: ${result}, by: f32) -> ${result} {
  var y = x;
  for (var e = 0u; e < ${size ** 2 / lanes}u; e++) { y[e] *= by; }
  return y;
}
${begun.map((name) => `fn load_${name}(lane: u32, at: u32, stride: u32) -> ${result} { var x: ${result}; ${eachOwn(`x[e] = ${inMemory(name)};`)} return x; }`).join('\n')}
${stored.map((name) => `fn store_${name}(lane: u32, at: u32, x: ${result}, stride: u32) { ${eachOwn(`${inMemory(name)} = x[e];`)} }`).join('\n')}`,
  };
}

/** An operand in a place of its own, for kernels that are only compiled. */
export const placeless = (...shape: number[]): Operand => new PlacedOperand({ bytes: 0 }, shape, 'float32');

/** kept, or it is collected under the device */
let nullGpu: GPU | undefined;

/** What is wrong with the text of kernels, by Dawn's null device, which has every feature and computes nothing. */
export async function compileErrors(kernels: Iterable<GpuKernel>): Promise<string[]> {
  nullGpu ??= create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = await nullGpu.requestAdapter();
  const device = await adapter!.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[] });
  const wrong: string[] = [];
  for (const kernel of kernels) {
    const { code } = compose(kernel, () => false, device.limits.maxComputeWorkgroupsPerDimension);
    device.pushErrorScope('validation');
    const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
    await device.popErrorScope();
    wrong.push(...messages.filter((m) => m.type === 'error').map((m) => `${kernel.name}: ${m.message} at ${code.split('\n')[m.lineNum - 1]}`));
  }
  device.destroy();
  return wrong;
}
