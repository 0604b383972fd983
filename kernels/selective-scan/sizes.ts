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

/** States of every channel that are worked on together: sizes with N their number. */
export interface Slice extends ScanSizes {
  /** the first of them */
  readonly from: number;
  /** states of a channel in all: rows of a, b and c are so long */
  readonly all: number;
}

/** All states, `most` to a slice. */
export function slicesOf(sizes: ScanSizes, most: number): Slice[] {
  return Array.from({ length: Math.ceil(sizes.N / most) }, (_, k) => ({ ...sizes, N: Math.min(most, sizes.N - k * most), from: k * most, all: sizes.N }));
}

/** Of the operands x, delta, a, …. */
export function scanSizes(inputs: readonly { readonly shape: readonly number[] }[], chunk: number): ScanSizes {
  const [B, L, E] = inputs[0].shape as [number, number, number];
  return { B, L, E, N: inputs[2].shape[1], chunks: Math.ceil(L / chunk) };
}
