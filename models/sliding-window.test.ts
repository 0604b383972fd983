import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { tf } from '#engine/tf.ts';
import { attention } from './attention.ts';
import { tensorsOf } from './eager.ts';
import { mixerLaws } from './laws.ts';
import { slidingWindow } from './sliding-window.ts';

mixerLaws(slidingWindow, [{}, { window: 1 }, { window: 4, heads: 2 }, { window: 5, heads: 4 }, { window: 9 }, { window: 10, heads: 2 }]);

test('a window that holds the whole sequence is attention, and the state never outgrows the window', async () => {
  await tf.setBackend('cpu');
  const sizes = { dModel: 8, layers: 2 };
  const [wide, full] = [slidingWindow.open({ window: 6 }, sizes), attention.open({}, sizes)];
  const params = tensorsOf(wide.init(rng(1)));
  const x = tf.randomNormal([2, 7, 8], 0, 1, 'float32', 3);
  expect([...wide.apply(params, x).dataSync()]).toEqual([...full.apply(params, x).dataSync()]);
  expect([wide.stateBytes(4), wide.stateBytes(7), wide.stateBytes(1000)]).toEqual([4, 7, 7].map((rows) => 4 * 2 * 8 * rows));
});
