import { expect, test } from 'vitest';
import { tf, type Tensor } from '#engine/tf.ts';
import { mixerLaws } from './laws.ts';
import { retnet } from './retnet.ts';
import { rotary, rotaryStep } from './rotary.ts';

mixerLaws(retnet, [{}, { heads: 2, chunk: 4 }, { heads: 1, expandV: 1, chunk: 3 }]);

test('an odd width of a head is refused', () => {
  expect(() => retnet.open({ heads: 4 }, { dModel: 12, layers: 1 })).toThrow('E_SIZE: model retnet: rotary positions turn pairs of channels, but a head has 3.');
});

test('rotary: pairs of the two halves turn by t·θ^(−2i/K), far places as exactly as near ones', async () => {
  await tf.setBackend('cpu');
  const x = tf.ones([1, 3, 1, 4]);
  const [whole] = rotary([x]) as [Tensor];
  const [c, s, d, e] = [Math.cos(2), Math.sin(2), Math.cos(0.02), Math.sin(0.02)];
  [c - s, d - e, c + s, d + e].forEach((v, i) => expect(whole.dataSync()[8 + i]).toBeCloseTo(v, 6));
  for (const t of [0, 511, 512, 70000]) {
    const [y] = rotaryStep([tf.ones([1, 1, 4])], tf.tensor1d([t], 'int32')) as [Tensor];
    [Math.cos(t) - Math.sin(t), Math.cos(t / 100) - Math.sin(t / 100)].forEach((v, i) => expect(y.dataSync()[i]).toBeCloseTo(v, 5));
  }
});
