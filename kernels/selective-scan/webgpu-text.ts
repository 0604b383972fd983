/** Pieces of WGSL that the kernels of the selective scan share. */
import type { GpuBinding, Operand } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { bind, vector, type Width } from '#engine/webgpu/matmul-operands.ts';
import { f32 } from '#engine/webgpu/wgsl.ts';
import type { Slice } from './sizes.ts';

/**
 * How a tensor is bound for `loadVector`: as vectors of neighbours along its last axis where its rows are whole vectors. The binding's name is `all_` and the tensor's, so
 * that it is no component of a vector and no local variable.
 */
export function vectors(operand: Operand, width: Width): GpuBinding {
  return operand.shape.at(-1)! % width === 0 ? bind(operand, width) : operand;
}

/**
 * fn name_at(at, live): the elements at … at+width−1, of which the first `live` are in the row and the others count as 0. It has no branches, so that
 * loads are issued together.
 */
export function loadVector(name: string, operand: Operand, width: Width): string {
  const n = sizeOf(operand.shape);
  const element = (at: string, last: number) => `all_${name}[min(${at}, ${last}u)]`;
  const value = operand.shape.at(-1)! % width === 0
    ? `select(${vector(width)}(0), ${element(`at / ${width}u`, n / width - 1)}, live > 0u)`
    : `${vector(width)}(${Array.from({ length: width }, (_, i) => `select(0f, ${element(`at + ${i}u`, n - 1)}, live > ${i}u)`).join(', ')})`;
  return `fn ${name}_at(at: u32, live: u32) -> ${vector(width)} { return ${value}; }`;
}

/** fn put_name(at, live, v): stores the first `live` elements. */
export function storeVector(name: string, operand: Operand, width: Width): string {
  const head = `fn put_${name}(at: u32, live: u32, v: ${vector(width)}) {`;
  if (operand.shape.at(-1)! % width === 0) return `${head} if (live > 0u) { all_${name}[at / ${width}u] = v; } }`;
  const parts = Array.from({ length: width }, (_, i) => `if (live > ${i}u) { all_${name}[at + ${i}u] = v[${i}]; }`);
  return `${head} ${parts.join(' ')} }`;
}

/** Where the slice's state n lies in a row of all states. */
export const stateAt = ({ from }: Slice, n: string): string => (from === 0 ? n : `${from}u + ${n}`);

/** fn rates_of(channel, n, live): the column of a [E, all states] of the slice's state n for `width` neighbouring channels, for use with exp2. */
export function columnOfRates(slice: Slice, width: Width): string {
  const { E, N, all } = slice;
  const parts = Array.from({ length: width }, (_, i) => `select(0f, all_a[min((channel + ${i}u) * ${all}u + ${stateAt(slice, 'n')}, ${E * all - 1}u)], live > ${i}u && n < ${N}u)`);
  return `fn rates_of(channel: u32, n: u32, live: u32) -> ${vector(width)} { return ${f32(Math.LOG2E)} * ${vector(width)}(${parts.join(', ')}); }`;
}
