import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine } from '#engine/engine.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { openWebgpu, webgpu } from '#engine/webgpu/engine.ts';
import { mixers } from '#models/index.ts';
import { adamWHyper, trainingProgram } from '#models/optimizer.ts';
import { parsePoint } from '#results/point.ts';
import { recordSchema } from '#results/record.ts';
import { batcher } from './batch.ts';
import { checkPoint, openPoint } from './open-point.ts';
import { trainPoint } from './train.ts';

type Model = keyof typeof mixers;

/** Mixers that are trained in all that a model may have, two layers and MLPs, with options that leave nothing out. */
const thorough: Partial<Record<Model, object>> = { attention: { heads: 2 }, mamba1: { dState: 3 }, mamba2: { dState: 8, headDim: 8, chunk: 8 } };
/** Options that make the others small; they are trained in one layer for a few steps, as a software adapter takes seconds to compile a kernel. */
const few: Partial<Record<Model, object>> = { based: { featureDim: 3 }, retnet: { heads: 2 }, 'sliding-window': { window: 5 }, s4d: { dState: 8 }, h3: { dState: 8 }, hyena: { filterOrder: 16, embDim: 5 }, mamba3: { dState: 8 }, deltanet: { heads: 1 } };

const small = (model: Model, more: object = {}) =>
  checkPoint(
    parsePoint({
      task: 'mqar',
      train: [{ options: { vocabSize: 50, seqLen: 22, pairs: 4 }, examples: 160 }],
      test: [{ options: { vocabSize: 50, seqLen: 22, pairs: 4 }, examples: 16 }],
      batch: 8,
      model,
      ...(model in thorough ? { dModel: 16, layers: 2, mlp: 2 } : { dModel: 8, layers: 1, mlp: 0 }),
      modelOptions: thorough[model] ?? few[model] ?? {},
      positions: mixers[model].orderless(thorough[model] ?? few[model] ?? {}),
      lr: 1e-2,
      ...more,
    }),
  );

async function losses(engine: Engine, model: Model, steps: number): Promise<number[]> {
  const open = openPoint(small(model));
  const executable = engine.compile(trainingProgram(open.model, open.model.parameters(rng(0).fork('model')), { weightDecay: 0.1 }));
  const segment = open.train[0];
  const fill = batcher(segment.task, segment.batch);
  const out: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const batch = fill((i) => rng(step).fork(i));
    out.push((await executable.run('train', { ...batch, hyper: adamWHyper(3e-3, step) }).read())['loss'].data[0]);
  }
  executable.dispose();
  return out;
}

/** RECALLBENCH_STEPS=200 compares whole learning curves, which takes minutes on a software adapter. */
const STEPS = Number(process.env['RECALLBENCH_STEPS'] ?? 5);
const EAGER_STEPS = 6;

describe('a whole training step, again and again', () => {
  // one device for all: pipelines are shared by their text, and a software adapter takes long to compile one
  let gpu: Engine | undefined;
  beforeAll(async () => {
    if ((await webgpu.available()).ok) gpu = await openWebgpu({ poison: true });
  });
  afterAll(() => gpu?.close());
  for (const model of Object.keys(mixers) as Model[]) {
    test(`${model}: WASM replay and eager tfjs agree to 1e-4; 1, 2 and 3 threads and any poison to the bit`, async () => {
      const eager = await losses(await openTfjs(), model, EAGER_STEPS);
      const replay = await losses(await openWasm({ threads: 2, poison: true }), model, EAGER_STEPS);
      replay.forEach((l, i) => expect(Math.abs(l - eager[i]) / eager[i], `step ${i + 1}: ${l} and ${eager[i]}`).toBeLessThan(1e-4));
      expect(replay.at(-1)).toBeLessThan(replay[0]);
      for (const threads of [1, 3]) expect(await losses(await openWasm({ threads }), model, EAGER_STEPS)).toEqual(replay);
    });

    test(`${model}: WebGPU and WASM agree to 1e-4`, async (context) => {
      if (gpu === undefined) {
        context.skip('no adapter');
        return;
      }
      const [found, replay] = [await losses(gpu, model, STEPS), await losses(await openWasm({ threads: 2 }), model, STEPS)];
      found.forEach((l, i) => expect(Math.abs(l - replay[i]) / replay[i], `step ${i + 1}: ${l} and ${replay[i]}`).toBeLessThan(STEPS > 20 ? 1e-3 : 1e-4));
    });
  }
});

describe('trainPoint', () => {
  const engines: Engine[] = [];
  afterAll(() => Promise.all(engines.map((e) => e.close())));
  const engine = async () => {
    engines.push(await openWasm({ threads: 2 }));
    return engines.at(-1);
  };

  test('gives a valid record, the same one for the same point', async () => {
    const point = small('mamba2', { evalEvery: 5 });
    const [a, b] = [await trainPoint(point, { engine: await engine() }), await trainPoint(point, { engine: await engine() })];
    expect(recordSchema.parse(JSON.parse(JSON.stringify(a)))).toEqual(a);
    expect(a.outcome).toEqual({ state: 'done' });
    expect(a.steps).toEqual({ run: 20, planned: 20 });
    expect(a.test).toEqual(b.test);
    expect(a.curve.map((r) => [r.step, r.loss, r.accuracy])).toEqual(b.curve.map((r) => [r.step, r.loss, r.accuracy]));
    expect(a.curve.filter((r) => r.accuracy !== null).map((r) => r.step)).toEqual([5, 10, 15, 20]);
    expect(a.test!.slices[0]).toMatchObject({ slice: { seqLen: 22, pairs: 4 }, examples: 16, scored: 64 });
  });

  test('an absurd learning rate is the outcome diverged, with no NaN in the record', async () => {
    const record = await trainPoint(small('attention', { lr: 1e6 }), { engine: await engine() });
    expect(record.outcome.state).toBe('diverged');
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
    expect(record.test).toBeUndefined();
  });

  test('an aborted run is the outcome interrupted', async () => {
    const controller = new AbortController();
    const record = await trainPoint(small('attention'), {
      engine: await engine(),
      signal: controller.signal,
      listener: (e) => {
        if (e.type === 'progress' && e.step === 3) controller.abort();
      },
    });
    expect(record.outcome.state).toBe('interrupted');
    expect(record.steps.run).toBe(3);
  });

  test('fixed data repeats in every epoch, fresh data does not; early stop ends the run', async () => {
    const base = { epochs: 3, evalEvery: 20 };
    const fixed = await trainPoint(small('attention', { ...base, data: 'fixed' }), { engine: await engine() });
    const fresh = await trainPoint(small('attention', { ...base, data: 'fresh' }), { engine: await engine() });
    // the first epoch is the same, later ones differ
    expect(fixed.curve.find((r) => r.step === 20)).toMatchObject({ loss: fresh.curve.find((r) => r.step === 20)!.loss! });
    expect(fixed.curve.find((r) => r.step === 40)!.loss).not.toBe(fresh.curve.find((r) => r.step === 40)!.loss);
    const stopped = await trainPoint(small('attention', { ...base, earlyStop: 0 }), { engine: await engine() });
    expect(stopped.steps.run).toBe(20);
    expect(stopped.outcome.state).toBe('done');
  });
});
