/** Counted work of attention over a cache. It depends on where the tokens are; counted is the last place, with the cache full. */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';

/**
 * Each head of each sequence, C rows: s = q·k/√K, 2K + 1; the largest s, 1; e^(s−max), 1 and one exponential; their sum, 1; e v, 2K; and y divided by
 * the sum, K. The caches are read, but for the row that is replaced, and of what is written only the new rows count: the others lie where they lay.
 */
export function cachedAttentionWork([q, , , keys]: readonly TensorSpec[]): OpWork {
  const [B, H, K] = q.shape as [number, number, number];
  const C = keys.shape[2];
  const rows = B * H * (C - 1) * K;
  return { flops: B * H * (C * (4 * K + 4) + K), exps: B * H * C, reads: { 3: rows, 4: rows }, writes: { 1: B * H * K, 2: B * H * K } };
}
