/** Many examples of one task: for the tests of tasks. */
import { rng } from '#core/random.ts';
import type { Example, OpenTask } from './task.ts';

/** n examples of one seed, one after the other, in the same arrays. */
export function* examples(task: OpenTask, n: number, seed: number): Generator<Example> {
  const out = { tokens: new Int32Array(task.seqLen), targets: new Int32Array(task.seqLen) };
  for (let i = 0; i < n; i++) {
    task.example(rng(seed).fork(i), out);
    yield out;
  }
}
