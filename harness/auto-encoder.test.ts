import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { buildLanguageModel } from '#models/language-model.ts';
import { adamWHyper, trainingProgram } from '#models/optimizer.ts';
import { openStack } from '#models/stack.ts';
import type { OpenTask } from '#tasks/task.ts';
import { batcher } from './batch.ts';
import { evaluate } from './evaluate.ts';

/** Three tokens, all asked for when the last has been seen. */
const compression: OpenTask = {
  vocabSize: 5,
  seqLen: 3,
  maxScored: 3,
  slice: { seqLen: 3 },
  readout: 'last',
  example(stream, { tokens, targets }) {
    for (let t = 0; t < 3; t++) targets[t] = tokens[t] = stream.below(5);
  },
};
const model = buildLanguageModel({ vocabSize: 5, maxLength: 3, dModel: 32, layers: 1, mlp: 0, positions: false, readout: 'last', round: openStack('gated-conv', {}, 1).round });
const program = () => trainingProgram(model, model.parameters(rng(1)), { weightDecay: 0 });
const segment = { task: compression, examples: 50, batch: 32, batches: 2 };

test('an auto-encoder learns to tell every token from the last state', async () => {
  const engine = await openWasm({ threads: 2, poison: true });
  const executable = engine.compile(program());
  const fill = batcher(compression, 32);
  const before = await evaluate(executable, [segment], rng(9));
  for (let step = 1; step <= 200; step++) executable.run('train', { ...fill((i) => rng(step).fork(i)), hyper: adamWHyper(5e-3, step) });
  const after = await evaluate(executable, [segment], rng(9));
  expect(before.accuracy).toBeLessThan(0.5);
  expect(after.accuracy).toBeGreaterThan(0.9);
  // an example is right only where all three of its tokens are
  for (const { accuracy, sequenceAccuracy } of [before, after]) {
    expect(sequenceAccuracy).toBeLessThanOrEqual(accuracy);
    expect(sequenceAccuracy).toBeGreaterThanOrEqual(1 - 3 * (1 - accuracy) - 1e-9);
    expect(sequenceAccuracy! * 50).toBeCloseTo(Math.round(sequenceAccuracy! * 50), 9);
  }
  await engine.close();
});

test('replay and eager tfjs agree; every answer depends on the last token, and there is nothing to decode', async () => {
  const [eager, replay] = [await openTfjs(), await openWasm({ threads: 1 })];
  const fill = batcher(compression, 4);
  const losses = async (engine: typeof eager, change = 0) => {
    const batch = fill((i) => rng(0).fork(i));
    for (let b = 0; b < 4; b++) (batch.ids.data as Int32Array)[3 * b + 2] = (batch.ids.data[3 * b + 2] + change) % 5;
    return [...(await engine.compile(program()).run('evaluate', batch).read())['losses'].data];
  };
  const [a, b, other] = [await losses(eager), await losses(replay), await losses(replay, 1)];
  a.forEach((l, i) => expect(b[i]).toBeCloseTo(l, 5));
  other.forEach((l, i) => expect(l).not.toBe(b[i]));
  expect(model.parameterCount).toBe(Object.values(model.parameters(rng(1))).reduce((sum, { data }) => sum + data.length, 0));
  expect(() => model.step({}, {}, undefined!, undefined!)).toThrow('E_CONFIG: an auto-encoder');
  await replay.close();
});
