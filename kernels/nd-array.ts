/** Float64 arrays with a shape: what the oracles compute on. */

export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** An array of zeros. */
export function zeros(...shape: number[]): NdArray {
  return { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
}
