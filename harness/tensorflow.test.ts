// On a real TensorFlow (docs/tensorflow.md): every fused op's portable form is its oracle, and mixers train as on WASM.
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { rng } from '#core/random.ts';
import type { Engine } from '#engine/engine.ts';
import { tensorflow, tensorflowGpu } from '#engine/tensorflow/engine.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { cases as cached } from '#kernels/cached-attention/cases.ts';
import { cases as attention } from '#kernels/causal-attention/cases.ts';
import { cases as conv } from '#kernels/causal-conv/cases.ts';
import { cases as embedding } from '#kernels/embedding/cases.ts';
import { judge } from '#kernels/judge.ts';
import { cases as head } from '#kernels/labelled-cross-entropy/cases.ts';
import { cases as norms } from '#kernels/rms-norm/cases.ts';
import { cases as scan } from '#kernels/selective-scan/cases.ts';
import { cases as ssd } from '#kernels/ssd/cases.ts';
import { mixers } from '#models/index.ts';
import { adamWHyper, trainingProgram } from '#models/optimizer.ts';
import { parsePoint } from '#results/point.ts';
import { batcher } from './batch.ts';
import { checkPoint, openPoint } from './open-point.ts';

let engine: Engine | undefined;
let reason = '';
beforeAll(async () => {
  // a process holds one TensorFlow: the first that is there
  for (const entry of [tensorflowGpu, tensorflow]) {
    const available = await entry.available();
    if (available.ok) {
      engine = await entry.open();
      return;
    }
    reason += `${reason === '' ? '' : '; '}${available.reason}`;
  }
});
afterAll(() => engine?.close());

/** A test that needs TensorFlow. */
const onTensorflow = (name: string, body: (engine: Engine) => Promise<void>) =>
  test(name, async (context: TestContext) => {
    if (engine === undefined) context.skip(reason);
    else await body(engine);
  });

describe('on TensorFlow every portable form is the oracle', () => {
  for (const [op, cases] of Object.entries({ attention, cached, conv, embedding, head, norms, scan, ssd })) {
    onTensorflow(op, async (engine) => {
      for (const c of cases) {
        for (const [what, ratio] of Object.entries(await judge(engine, c))) expect(ratio, `${c.name}, ${what}`).toBeLessThan(2e-5);
      }
    });
  }
});

describe('a whole training step, 20 times', () => {
  const options: Partial<Record<keyof typeof mixers, object>> = { attention: { heads: 2 }, mamba1: { dState: 3 }, mamba2: { dState: 8, headDim: 8, chunk: 8 } };

  async function losses(engine: Engine, model: keyof typeof mixers): Promise<number[]> {
    const data = { options: { vocabSize: 50, seqLen: 22, pairs: 4 }, examples: 160 };
    const open = openPoint(
      checkPoint(parsePoint({ task: 'mqar', train: [data], test: [data], batch: 8, model, dModel: 16, positions: model === 'attention', mlp: 2, lr: 1e-2, modelOptions: options[model] ?? {} })),
    );
    const executable = engine.compile(trainingProgram(open.model, open.model.parameters(rng(0).fork('model')), { weightDecay: 0.1 }));
    const fill = batcher(open.train[0].task, open.train[0].batch);
    const out: number[] = [];
    for (let step = 1; step <= 20; step++) {
      const batch = fill((i) => rng(step).fork(i));
      out.push((await executable.run('train', { ...batch, hyper: adamWHyper(3e-3, step) }).read())['loss'].data[0]);
    }
    executable.dispose();
    return out;
  }

  for (const model of Object.keys(mixers) as (keyof typeof mixers)[]) {
    onTensorflow(`${model}: TensorFlow and WASM agree to 1e-4`, async (engine) => {
      const wasm = await openWasm({ threads: 2 });
      const replay = await losses(wasm, model);
      await wasm.close();
      const eager = await losses(engine, model);
      eager.forEach((l, i) => expect(Math.abs(l - replay[i]) / replay[i], `step ${i + 1}: ${l} and ${replay[i]}`).toBeLessThan(1e-4));
      expect(eager[19]).toBeLessThan(eager[0]);
    });
  }
});
