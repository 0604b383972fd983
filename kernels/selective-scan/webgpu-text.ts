/** Pieces of WGSL that the kernels of the selective scan share. */
import type { GpuBinding, Operand } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';

/** Vectors of 2 or 4 neighbours along the last axis of a tensor. */
export type Width = 2 | 4;

/**
 * How a tensor is bound for `loadVector`: as vectors where its rows are whole vectors. The binding's name is `all_` and the tensor's, so
 * that it is no component of a vector and no local variable.
 */
export function vectors(operand: Operand, width: Width): GpuBinding {
  return operand.shape.at(-1)! % width === 0 ? { operand, as: `vec${width}<f32>` } : operand;
}

/**
 * fn name_at(at, live): the elements at … at+width−1, of which the first `live` are in the row and the others count as 0. It has no branches, so that
 * loads are issued together.
 */
export function loadVector(name: string, operand: Operand, width: Width): string {
  const n = sizeOf(operand.shape);
  const element = (at: string, last: number) => `all_${name}[min(${at}, ${last}u)]`;
  const value = operand.shape.at(-1)! % width === 0
    ? `select(vec${width}f(0), ${element(`at / ${width}u`, n / width - 1)}, live > 0u)`
    : `vec${width}f(${Array.from({ length: width }, (_, i) => `select(0f, ${element(`at + ${i}u`, n - 1)}, live > ${i}u)`).join(', ')})`;
  return `fn ${name}_at(at: u32, live: u32) -> vec${width}f { return ${value}; }`;
}

/** fn put_name(at, live, v): stores the first `live` elements. */
export function storeVector(name: string, operand: Operand, width: Width): string {
  const head = `fn put_${name}(at: u32, live: u32, v: vec${width}f) {`;
  if (operand.shape.at(-1)! % width === 0) return `${head} if (live > 0u) { all_${name}[at / ${width}u] = v; } }`;
  const parts = Array.from({ length: width }, (_, i) => `if (live > ${i}u) { all_${name}[at + ${i}u] = v[${i}]; }`);
  return `${head} ${parts.join(' ')} }`;
}
