/**
 * Counted work of SSD and its gradient: derived by the token, the head and the chunk of q tokens. A chunk has T = q(q+1)/2 pairs of tokens s ≤ t, of
 * which D = q(q−1)/2 with s < t. Every form takes one exponential for each token of each head, e^α with α = dt·a; the decays between tokens,
 * from a chunk's start and to its end are running products of these. What heads of a group share (b, c) is multiplied once for all of them.
 */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import { sizesOf, type Sizes } from './sizes.ts';

interface Chunk {
  /** tokens */
  readonly q: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Σ over the chunks, the last of which may be shorter. */
function sumOverChunks(L: number, chunk: number, count: (chunk: Chunk) => number): number {
  let sum = 0;
  for (let start = 0; start < L; start += chunk) sum += count({ q: Math.min(chunk, L - start), isFirst: start === 0, isLast: start + chunk >= L });
  return sum;
}

const pairs = (q: number) => ({ T: (q * (q + 1)) / 2, D: (q * (q - 1)) / 2 });

/**
 * The forward pass. Every token of every head: α, X̃ = dt·x.
 *   recurrence   S = e^α S + X̃ bᵀ: 3PN;   y = S c + d x: 2PN + 2P
 *   chunked      of each group: c_t·b_s of T pairs, 2N.  Of each head: decays of D pairs and their products with c_t·b_s; y from T pairs, 2P; y += d x.
 *                From the state before a chunk, unless it is the first: decays from the start, y += decay·(S c): 2PN + 2P.
 *                The state after a chunk, unless nothing reads it: decays to the end, decay·X̃, Σ X̃ bᵀ: 2PN a token; and across a chunk that is not the
 *                first, S = decay·S + …: 2PN.
 * Without y, what only y needs is left out; without finalState, the state after the last chunk. The recurrence makes every state anyhow.
 */
export function ssdWork(inputs: readonly TensorSpec[], { chunk }: { readonly chunk: number }, [y, finalState]: readonly boolean[]): OpWork {
  const sizes = sizesOf(inputs);
  const { B, L, H, P, N } = sizes;
  const flops = chunk === 0 ? L * H * (1 + P + 3 * P * N + (y ? 2 * P * N + 2 * P : 0)) : sumOverChunks(L, chunk, (each) => chunkFlops(sizes, each, y, finalState));
  // c and d are read for y only
  return { flops: B * flops, exps: B * L * H, ...(y ? {} : { reads: { 4: 0, 5: 0 } }) };
}

function chunkFlops({ H, P, G, N }: Sizes, { q, isFirst, isLast }: Chunk, y: boolean, finalState: boolean): number {
  const { T, D } = pairs(q);
  let ofHead = q * (1 + P);
  if (y) ofHead += 2 * D + 2 * P * T + 2 * P * q;
  if (y && !isFirst) ofHead += q * (1 + 2 * P * N + 2 * P);
  if (!isLast || finalState) ofHead += q * (1 + P + 2 * P * N) + (isFirst ? 0 : 2 * P * N);
  return H * ofHead + (y ? G * 2 * N * T : 0);
}

/**
 * The gradients, from the inputs and dy alone: states are made once more.
 *
 * Recurrence, every token of every head: α, X̃ and S as forward, 1 + P + 3PN; then with g the gradient of S: g += dy cᵀ, dc += dy S, db += g X̃,
 * dX̃ = g b, g·e^α, dα = (g·e^α)·S_before: 11PN; and the last lines below, 7P + 4.
 *
 * Chunked, W = decay ∘ c_t·b_s and Z = dy_t·X̃_s:
 *   every chunk     of each group: c_t·b_s, db and dc from T pairs, 6N.  Of each head: α and X̃, q(1 + P); decays, W, decay ∘ Z and W ∘ Z of D pairs; Z and
 *                   dX̃ from T pairs, 4P; decay ∘ Z added up over the heads, T; W ∘ Z into dα, for each s a running sum over t ≥ r into each r > s, 2D.
 *   not the first   (S before it)  decays from the start, 1 a token; D = decay·dy, P; the gradient of the state before from Σ D cᵀ, 2PN; D S into
 *                   dc, 2PN + N; its dot product with c into dα by a running sum, 2N + 2.
 *   not the last    (g after it)  decays to the end, 1 a token; E = decay·X̃, P; the state after from Σ E bᵀ, 2PN; E g into db, 2PN + N; its dot
 *                   product with b into dα by a running sum, 2N + 2; decay·(g b) into dX̃, 2PN + 2P.
 *   neither         S and g passed on across it, 2PN each; decay·Σ g ∘ S into every dα, 2PN + 1 + q.
 *   last, a token   dx = dX̃ dt + dy d, 3P;  ddt = x·dX̃ + dα a, 2P + 2;  da += dα dt, 2;  dd += dy·x, 2P.
 */
export function ssdGradientWork([, ...inputs]: readonly TensorSpec[], { chunk }: { readonly chunk: number }): OpWork {
  const sizes = sizesOf(inputs);
  const { B, L, H, P, N } = sizes;
  const flops = chunk === 0 ? L * H * (1 + P + 14 * P * N) : sumOverChunks(L, chunk, (each) => chunkGradientFlops(sizes, each));
  return { flops: B * (flops + L * H * (7 * P + 4)), exps: B * L * H };
}

function chunkGradientFlops({ H, P, G, N }: Sizes, { q, isFirst, isLast }: Chunk): number {
  const { T, D } = pairs(q);
  let ofHead = q * (1 + P) + 6 * D + (4 * P + 1) * T;
  if (!isFirst) ofHead += q * (3 + P + 4 * P * N + 3 * N);
  if (!isLast) ofHead += q * (3 + 3 * P + 6 * P * N + 3 * N);
  if (!isFirst && !isLast) ofHead += 6 * P * N + 1 + q;
  return H * ofHead + G * 6 * N * T;
}
