import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Executable } from '#engine/engine.ts';
import type { OpenTask } from '#tasks/task.ts';
import { evaluate } from './evaluate.ts';

/** One of two tokens, to be told again. */
const echo = (seqLen: number): OpenTask => ({
  vocabSize: 2,
  seqLen,
  maxScored: 1,
  slice: { seqLen },
  example(stream, { tokens, targets }) {
    targets.fill(-1);
    tokens.fill(stream.below(2));
    targets[seqLen - 1] = tokens[0]!;
  },
});

/** A model that is right at length 2, with a loss of 1, and wrong with a loss of 3 elsewhere. */
const rightAtTwo = {
  run: (_, { ids, targets }) => {
    const right = ids!.shape[1] === 2;
    const of = (value: (i: number) => number) => ({ shape: targets!.shape, data: Float32Array.from(targets!.data, (_, i) => value(i)) });
    return { read: () => Promise.resolve({ predictions: of((i) => (right ? targets!.data[i]! : 1 - targets!.data[i]!)), losses: of(() => (right ? 1 : 3)) }) };
  },
} as Pick<Executable, 'run'> as Executable;

test('a quick look at some examples of each segment estimates the mean over all: a segment counts by its size', async () => {
  const segment = (seqLen: number, examples: number) => ({ task: echo(seqLen), examples, batch: 4, batches: Math.ceil(examples / 4) });
  const segments = [segment(2, 6), segment(3, 18)];
  const whole = await evaluate(rightAtTwo, segments, rng(1));
  expect(whole).toMatchObject({ accuracy: 0.25, sequenceAccuracy: 0.25, loss: 2.5 });
  expect(whole.slices.map((s) => s.examples)).toEqual([6, 18]);
  for (const limit of [1, 5, 6, 7, 100]) {
    const quick = await evaluate(rightAtTwo, segments, rng(1), { limit });
    expect(quick.slices.map((s) => s.examples), `${limit}`).toEqual([Math.min(6, limit), Math.min(18, limit)]);
    for (const key of ['accuracy', 'sequenceAccuracy', 'loss'] as const) expect(quick[key], `${key}, ${limit}`).toBeCloseTo(whole[key]!, 12);
  }
});
