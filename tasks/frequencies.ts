/** How often things are drawn, for the tests of distributions. */
import { rng } from '#core/random.ts';
import type { Example, Task } from './task.ts';

/** n examples of one seed, one after the other, in the same arrays. */
export function* examples(definition: Task, options: object, n: number, seed: number): Generator<Example> {
  const task = definition.open(options);
  const out = { tokens: new Int32Array(task.seqLen), targets: new Int32Array(task.seqLen) };
  for (let i = 0; i < n; i++) {
    task.example(rng(seed).fork(i), out);
    yield out;
  }
}

/** Chi-square of `counts` under probabilities `law`, as a standard normal score (Wilson & Hilferty 1931); 4 is p ≈ 3·10⁻⁵. */
export function chiSquareScore(counts: Int32Array, law: (i: number) => number = () => 1 / counts.length): number {
  const n = counts.reduce((a, b) => a + b);
  const freedom = counts.length - 1;
  const statistic = Array.from(counts).reduce((sum, c, i) => sum + (c - n * law(i)) ** 2 / (n * law(i)), 0);
  return (Math.cbrt(statistic / freedom) - 1 + 2 / (9 * freedom)) / Math.sqrt(2 / (9 * freedom));
}

/** Counts of `value` over n examples, as many as there are `cells`. */
export function count(definition: Task, options: object, n: number, seed: number, cells: number, value: (example: Example) => number): Int32Array {
  const counts = new Int32Array(cells);
  for (const example of examples(definition, options, n, seed)) {
    const cell = value(example);
    if (!(cell >= 0 && cell < cells)) throw new RangeError(`${cell} is not one of ${cells} cells`);
    counts[cell]++;
  }
  return counts;
}
