/** Shapes and element types, without data. */

/** int32 and bool are stored in four bytes like float32; a bool is the float 0 or 1. */
export type DType = 'float32' | 'int32' | 'bool';

export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A tensor on the host. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** float32 unless the array holds integers. */
export function specOf(tensor: HostTensor): TensorSpec {
  return { shape: tensor.shape, dtype: tensor.data instanceof Int32Array ? 'int32' : 'float32' };
}

/** A float32 spec. */
export function float(...shape: number[]): TensorSpec {
  return { shape, dtype: 'float32' };
}

/** An int32 spec. */
export function int(...shape: number[]): TensorSpec {
  return { shape, dtype: 'int32' };
}
