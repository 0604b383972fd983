/** Sizes of a selective scan. */

export interface ScanSizes {
  /** sequences */
  readonly B: number;
  /** steps */
  readonly L: number;
  /** channels */
  readonly E: number;
  /** states of a channel */
  readonly N: number;
  /** number of chunks */
  readonly chunks: number;
}

/** Of the operands x, delta, a, …. */
export function scanSizes(inputs: readonly { readonly shape: readonly number[] }[], chunk: number): ScanSizes {
  const [B, L, E] = inputs[0].shape as [number, number, number];
  return { B, L, E, N: inputs[2].shape[1], chunks: Math.ceil(L / chunk) };
}
