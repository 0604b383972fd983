/** Weighted sampling without replacement. */
import type { Stream } from '#core/random.ts';

/** Weights are held as integers that sum to about this much, so every sum and difference of them is exact. */
const RESOLUTION = 2 ** 50;

/**
 * An urn of n balls, ball i with weight wᵢ > 0. Each draw takes out one ball with probability proportional to its weight
 * among those still inside: the law of smallest Eᵢ/wᵢ with exponential Eᵢ (Efraimidis & Spirakis 2006), in order, but
 * at log₂ n steps a draw and without logarithms, by walking down a binary tree of sums.
 */
export class Urn {
  /** node 1 is the root, node i has children 2i and 2i+1; the leaf of ball i is node `leaves` + i */
  readonly #full: Float64Array;
  readonly #sums: Float64Array;
  readonly #leaves: number;

  constructor(weights: ArrayLike<number>) {
    const n = weights.length;
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(n, 1)));
    let total = 0;
    for (let i = 0; i < n; i++) total += weights[i];
    const full = new Float64Array(2 * this.#leaves);
    for (let i = 0; i < n; i++) full[this.#leaves + i] = Math.max(1, Math.round((weights[i] / total) * RESOLUTION));
    for (let i = this.#leaves - 1; i > 0; i--) full[i] = full[2 * i] + full[2 * i + 1];
    this.#full = full;
    this.#sums = full.slice();
  }

  /** Puts every ball back. */
  refill(): void {
    this.#sums.set(this.#full);
  }

  /** Takes out one ball and tells its index. At most n draws between refills. */
  draw(stream: Stream): number {
    const sums = this.#sums;
    const leaves = this.#leaves;
    let left = stream.double() * sums[1]; // stays in [0, sums[node])
    let node = 1;
    while (node < leaves) {
      node *= 2;
      const sum = sums[node];
      if (left >= sum) {
        left -= sum;
        node++;
      }
    }
    const weight = sums[node];
    for (let i = node; i > 0; i >>= 1) sums[i] -= weight;
    return node - leaves;
  }
}
