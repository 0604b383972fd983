/** Sizes of a long convolution. */

export interface LongConvSizes {
  /** sequences */
  readonly B: number;
  /** steps */
  readonly L: number;
  /** channels */
  readonly C: number;
  /** points of the transform: the power of two from L on, at least four */
  readonly N: number;
}

/** From the operand u [B, L, C] (or dy, which has its shape). */
export function longConvSizes({ shape }: { readonly shape: readonly number[] }): LongConvSizes {
  const [B, L, C] = shape as [number, number, number];
  return { B, L, C, N: Math.max(4, 2 ** (32 - Math.clz32(L - 1))) };
}
