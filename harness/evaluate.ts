/** Accuracy and loss over the scored positions of a test split, and the share of examples without a mistake, slice by slice. */
import type { Stream } from '#core/random.ts';
import type { Executable } from '#engine/engine.ts';
import type { Evaluation } from '#results/record.ts';
import { batcher } from './batch.ts';
import type { OpenSegment } from './open-point.ts';

/**
 * Evaluates on `limit` examples of each segment at most; example i comes from stream.fork(segment).fork(i).
 * A segment's accuracy is the mean over scored positions; the overall one is the mean over all examples of all segments,
 * as the published figures have it, and under a limit the estimate of that. An example is right as a whole when all of its scored
 * positions are. Aborting the signal throws its AbortError.
 */
export async function evaluate(executable: Executable, segments: readonly OpenSegment[], stream: Stream, { limit = Infinity, signal }: { limit?: number; signal?: AbortSignal } = {}): Promise<Evaluation> {
  const slices: Evaluation['slices'] = [];
  for (const [index, segment] of segments.entries()) {
    const { task } = segment;
    const examples = Math.min(segment.examples, limit);
    const size = Math.min(segment.batch, examples);
    const own = stream.fork(index);
    const fill = batcher(task, size);
    let [correct, scored, loss, whole] = [0, 0, 0, 0];
    for (let start = 0; start < examples; start += size) {
      // the last batch is filled up with examples that do not count
      const counted = Math.min(size, examples - start);
      const batch = fill((i) => own.fork(start + i));
      const { predictions, losses } = await executable.run('evaluate', batch).read();
      const targets = batch.targets.data;
      // lets signals and messages in
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      for (let i = 0; i < counted; i++) {
        let mistakes = 0;
        for (let r = i * task.maxScored; r < (i + 1) * task.maxScored; r++) {
          if (targets[r] < 0) continue;
          scored++;
          loss += losses.data[r];
          if (predictions.data[r] === targets[r]) correct++;
          else mistakes++;
        }
        if (mistakes === 0) whole++;
      }
    }
    slices.push({ slice: { ...task.slice }, accuracy: correct / scored, sequenceAccuracy: whole / examples, loss: loss / scored, examples, scored });
  }
  const all = segments.reduce((n, s) => n + s.examples, 0);
  const mean = (key: 'accuracy' | 'sequenceAccuracy' | 'loss') => slices.reduce((sum, s, i) => sum + s[key]! * segments[i].examples, 0) / all;
  return { accuracy: mean('accuracy'), sequenceAccuracy: mean('sequenceAccuracy'), loss: mean('loss'), slices };
}
