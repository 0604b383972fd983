/** The sizes of the delta rule's operands, as op.ts names them, and which of the optional ones there are. */

/** What decays the state: nothing, a number for each head, a number for each key entry. */
export type Decay = 'none' | 'scalar' | 'vector';

export type DeltaAttrs = {
  /** tokens in a chunk */
  readonly chunk: number;
  /** there is an `a` */
  readonly delta: boolean;
  readonly decay: Decay;
};

export interface Sizes {
  readonly B: number;
  readonly L: number;
  readonly H: number;
  /** entries of a key */
  readonly K: number;
  /** entries of a value */
  readonly V: number;
}

/** Sizes from the operands q [B,L,H,K], k, v [B,L,H,V], …. */
export function sizesOf([q, , v]: readonly { readonly shape: readonly number[] }[]): Sizes {
  const [B, L, H, K] = q.shape as [number, number, number, number];
  return { B, L, H, K, V: v.shape[3] };
}

/** Numbers that a token's decay is made of. */
export function decayWidth({ decay }: Pick<DeltaAttrs, 'decay'>, K: number): number {
  return { none: 0, scalar: 1, vector: K }[decay];
}

export interface Named<T> {
  readonly q: T;
  readonly k: T;
  readonly v: T;
  readonly a?: T;
  readonly g?: T;
}

/** The operands, or their gradients, by name: q, k, v, then a and g where there are such. */
export function named<T>([q, k, v, ...rest]: readonly T[], { delta, decay }: Pick<DeltaAttrs, 'delta' | 'decay'>): Named<T> {
  return { q, k, v, ...(delta && { a: rest[0] }), ...(decay !== 'none' && { g: rest[delta ? 1 : 0] }) };
}
