import { beforeAll, describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine, HostTensors } from '#engine/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { mixers } from './index.ts';
import { buildLanguageModel } from './language-model.ts';
import { adamWHyper, trainingProgram } from './optimizer.ts';

const B = 8;
const PAIRS = 2;
const L = 4 * PAIRS;

/** k v k v and then both keys again, each before a filler; the target is the value. Keys 1-3, values 4-7. */
function recallBatch(seed: number): HostTensors {
  const ids: number[] = [];
  const rows: number[] = [];
  const targets: number[] = [];
  for (let b = 0; b < B; b++) {
    const stream = rng(seed).fork(b);
    const key = 1 + stream.below(3);
    const pairs = [key, 1 + (key % 3)].map((k) => [k, 4 + stream.below(4)]);
    ids.push(...pairs.flat());
    pairs.forEach(([k, v], i) => {
      rows.push(b * L + 2 * PAIRS + 2 * i);
      targets.push(v);
      ids.push(k, 0);
    });
  }
  const int = (values: number[], ...shape: number[]) => ({ shape, data: Int32Array.from(values) });
  return { ids: int(ids, B, L), rows: int(rows, rows.length), targets: int(targets, rows.length) };
}

/** options of mixers that have no dState: small ones, or such that a mixer of short reach sees the pairs */
const chosen: Partial<Record<keyof typeof mixers, object>> = { based: { featureDim: 2 }, 'gated-conv': { kernel: L }, 'gated-deltanet': { headDim: 8 }, gla: { convSize: 4 } };

function modelOf(mixer: (typeof mixers)[keyof typeof mixers]) {
  const options = mixer.options.some(({ name }) => name === 'dState') ? { dState: 4 } : (chosen[mixer.name] ?? {});
  return buildLanguageModel({ vocabSize: 8, maxLength: L, dModel: 8, layers: 2, mlp: 0, positions: mixer.orderless(options), round: [{ mixer, options }] });
}

let engine: Engine;
beforeAll(async () => {
  engine = await openWasm({ threads: 1 });
});

test('the first step of Adam: hyper is [lr, 1 − β1, 1 − β2]', () => {
  const { shape, data } = adamWHyper(0.5, 1);
  expect(shape).toEqual([3]);
  [0.5, 0.1, 0.001].forEach((e, i) => expect(data[i]).toBeCloseTo(e, 7));
  expect(adamWHyper(0.5, 1e6).data).toEqual(Float32Array.of(0.5, 1, 1));
});

describe.each(Object.values(mixers))('$name', (mixer) => {
  const model = modelOf(mixer);

  test('thirty steps on two pairs to recall bring the loss down', async () => {
    const executable = engine.compile(trainingProgram(model, model.parameters(rng(3)), { weightDecay: 0.1 }));
    const evaluated = async () => {
      const { losses, predictions } = await executable.run('evaluate', recallBatch(1000)).read();
      expect(predictions.data).toBeInstanceOf(Int32Array);
      return [...losses.data].reduce((a, b) => a + b) / losses.data.length;
    };
    const before = await evaluated();
    expect(before).toBeCloseTo(Math.log(8), 0);
    for (let t = 1; t <= 30; t++) {
      const { loss } = await executable.run('train', { ...recallBatch(t), hyper: adamWHyper(0.01, t) }).read();
      expect(loss.shape).toEqual([]);
      expect(loss.data[0]).toBeLessThan(3);
    }
    expect(await evaluated()).toBeLessThan(before - 0.5);
    executable.dispose();
  });

  test('weight decay reaches all parameters but those flagged', async () => {
    const parameters = model.parameters(rng(3));
    for (const { data } of Object.values(parameters)) data.forEach((v, i) => (data[i] = v + 0.1)); // zeros would not show any decay
    const after = (weightDecay: number) => {
      const executable = engine.compile(trainingProgram(model, parameters, { weightDecay }));
      executable.run('train', { ...recallBatch(1), hyper: adamWHyper(0.01, 1) });
      return executable.readState();
    };
    const [without, decayed] = await Promise.all([after(0), after(1)]);
    for (const [name, { data, noDecay = false }] of Object.entries(parameters)) {
      // they differ by lr · weightDecay · value
      data.forEach((v, i) => expect(without[name].data[i] - decayed[name].data[i]).toBeCloseTo(noDecay ? 0 : 0.01 * v, 5));
    }
  });

  test('a loss scale changes neither the losses nor the steps', async () => {
    const parameters = model.parameters(rng(3));
    const trained = async (lossScale: number) => {
      const executable = engine.compile(trainingProgram(model, parameters, { weightDecay: 0.1, lossScale }));
      const losses = [];
      for (let t = 1; t <= 3; t++) losses.push((await executable.run('train', { ...recallBatch(t), hyper: adamWHyper(0.01, t) }).read()).loss.data[0]);
      return { losses, state: await executable.readState() };
    };
    const [plain, scaled] = [await trained(1), await trained(4096)];
    plain.losses.forEach((loss, i) => expect(scaled.losses[i]).toBeCloseTo(loss, 5));
    for (const name of Object.keys(parameters)) plain.state[name].data.forEach((v, i) => expect(scaled.state[name].data[i]).toBeCloseTo(v, 4));
    const [moment] = Object.keys(plain.state).filter((name) => name.startsWith('m.'));
    expect(Math.abs(scaled.state[moment].data[0])).toBeCloseTo(4096 * Math.abs(plain.state[moment].data[0]), 2);
  });
});
