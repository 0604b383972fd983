/** The sizes of SSD's operands, as op.ts names them. */
export interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly H: number;
  readonly P: number;
  readonly G: number;
  readonly N: number;
}

/** Sizes from the operands x [B,L,H,P], dt, a, b [B,L,G,N], …. */
export function sizesOf([x, , , b]: readonly { readonly shape: readonly number[] }[]): Sizes {
  const [B, L, H, P] = x.shape as [number, number, number, number];
  const [, , G, N] = b.shape as [number, number, number, number];
  return { B, L, H, P, G, N };
}
