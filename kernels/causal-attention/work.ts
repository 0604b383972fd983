/** Counted work of causal attention and its gradient: by the pair of a query i and a key j ≤ i, of which a head has T = L(L+1)/2. */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';

interface Counts {
  /** B·H */
  readonly heads: number;
  readonly L: number;
  readonly K: number;
  readonly P: number;
  /** pairs of a head */
  readonly T: number;
}

function counts(q: TensorSpec, v: TensorSpec): Counts {
  const [B, L, H, K] = q.shape as [number, number, number, number];
  return { heads: B * H, L, K, P: v.shape[3], T: (L * (L + 1)) / 2 };
}

/**
 * Each pair: s = q·k/√K, 2K + 1; the largest s, 1; e^(s−max), 1 and one exponential; their sum, 1; e v, 2P. Each query: y divided by the sum, P; and
 * where logSumExp is read, max + ln sum, 1 and one logarithm.
 */
export function attentionWork([q, , v]: readonly TensorSpec[], [, logSumExp]: readonly boolean[]): OpWork {
  const { heads, L, K, P, T } = counts(q, v);
  const queries = logSumExp ? L : 0;
  return { flops: heads * (T * (2 * K + 2 * P + 4) + L * P + queries), exps: heads * (T + queries) };
}

/**
 * The weights are made again, as flash attention does (Dao et al. 2022, algorithm 4). Each query: δ = dy·y, 2P. Each pair: s, 2K + 1; p = e^(s−logSumExp), 1
 * and one exponential; dp = dy·v, 2P; ds = p(dp − δ)/√K, 3; dq, dk += ds k, ds q, 4K; dv += p dy, 2P.
 */
export function attentionGradientWork([q, , v]: readonly TensorSpec[]): OpWork {
  const { heads, L, K, P, T } = counts(q, v);
  return { flops: heads * (T * (6 * K + 4 * P + 5) + 2 * L * P), exps: heads * T };
}
