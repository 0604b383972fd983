import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { tf } from '#engine/tf.ts';
import { based, taylorFeatures } from './based.ts';
import { mixerLaws } from './laws.ts';

mixerLaws(based, [{ featureDim: 4, chunk: 4 }, { heads: 2, featureDim: 3 }, { heads: 4, featureDim: 1, chunk: 3 }]);

test('φ(q)·φ(k) = 1 + u + u²/2, u = q·k/√f, in 1 + f + f(f + 1)/2 entries', async () => {
  await tf.setBackend('cpu');
  const stream = rng(1);
  const f = 16;
  const [q, k] = [0, 1].map(() => Array.from({ length: f }, () => stream.normal())) as [number[], number[]];
  const [a, b] = [q, k].map((x) => taylorFeatures(tf.tensor2d([x]), f)) as [ReturnType<typeof taylorFeatures>, ReturnType<typeof taylorFeatures>];
  expect(a.shape).toEqual([1, 153]);
  const u = q.reduce((sum, e, i) => sum + e * k[i], 0) / Math.sqrt(f);
  expect(tf.sum(tf.mul(a, b)).dataSync()[0]).toBeCloseTo(1 + u + (u * u) / 2, 4);
});

test('the state is what zoology counts: (head width + 1) · (1 + f + f(f + 1)/2) for each head', () => {
  expect(based.open({ featureDim: 16 }, { dModel: 128, layers: 2 }).stateBytes(1024)).toBe(4 * 129 * 153);
});
