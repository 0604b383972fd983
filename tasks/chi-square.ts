/** How far counts are from a law: for the tests of tasks. */

/** Chi-square of `counts` under probabilities `law`, as a standard normal score (Wilson & Hilferty 1931); 4 is p ≈ 3·10⁻⁵. */
export function chiSquareScore(counts: Int32Array, law: (i: number) => number = () => 1 / counts.length): number {
  const n = counts.reduce((a, b) => a + b);
  const freedom = counts.length - 1;
  const statistic = Array.from(counts).reduce((sum, c, i) => sum + (c - n * law(i)) ** 2 / (n * law(i)), 0);
  return (Math.cbrt(statistic / freedom) - 1 + 2 / (9 * freedom)) / Math.sqrt(2 / (9 * freedom));
}
