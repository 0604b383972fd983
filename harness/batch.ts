/** Batches: many examples as the arrays that a model takes. */
import type { Stream } from '#core/random.ts';
import type { HostTensor } from '#engine/tensor-spec.ts';
import { UNSCORED, type OpenTask } from '#tasks/task.ts';

/** Inputs of `train` and `evaluate`: ids [B, L], rows [R] and targets [R], R = B·maxScored. */
export interface Batch {
  readonly ids: HostTensor;
  /** scored positions of the flattened [B·L], example by example; rows beyond an example's scored ones have target −1 */
  readonly rows: HostTensor;
  readonly targets: HostTensor;
  readonly [name: string]: HostTensor;
}

/** Fills batches of one shape again and again: the arrays are overwritten by the next call. */
export function batcher(task: OpenTask, size: number): (example: (i: number) => Stream) => Batch {
  const { seqLen, maxScored } = task;
  const ids = new Int32Array(size * seqLen);
  const answers = new Int32Array(size * seqLen);
  const rows = new Int32Array(size * maxScored);
  const targets = new Int32Array(size * maxScored);
  const slots = Array.from({ length: size }, (_, i) => ({ tokens: ids.subarray(i * seqLen, (i + 1) * seqLen), targets: answers.subarray(i * seqLen, (i + 1) * seqLen) }));
  const batch: Batch = {
    ids: { shape: [size, seqLen], data: ids },
    rows: { shape: [size * maxScored], data: rows },
    targets: { shape: [size * maxScored], data: targets },
  };
  return (example) => {
    for (let i = 0; i < size; i++) {
      task.example(example(i), slots[i]);
      const start = i * seqLen;
      let at = i * maxScored;
      const end = at + maxScored;
      for (let t = start; t < start + seqLen; t++) {
        if (answers[t] === UNSCORED) continue;
        rows[at] = t;
        targets[at++] = answers[t]!;
      }
      // rows must be distinct: positions that are not scored fill up
      for (let t = start; at < end; t++) {
        if (answers[t] !== UNSCORED) continue;
        rows[at] = t;
        targets[at++] = UNSCORED;
      }
    }
    return batch;
  };
}
