/**
 * MAD memorization (Poli et al. 2024, arXiv:2403.17844; mad-lab `data/instances.py`).
 *
 * One fixed map from keys to values, the same in every example of training and of the test, told nowhere in the context:
 * the parameters have to learn it. Keys 0 … K−1 with K = ⌊(V−1)/2⌋, values K … V−2, the ask token V−1. Each of the L/2
 * pairs is a uniform key and the ask token, where the key's value is the target. The map takes K distinct values in
 * random order, as drawn from `mapSeed`. vocabSize 12 (keys 0…4, values 5…10, ask 11), seqLen 12:
 *
 *     tokens    0 11  0 11  1 11  2 11  4 11  0 11
 *     targets   ·  9  ·  9  · 10  ·  7  ·  8  ·  9
 */
import { z } from '#core/config.ts';
import { rng } from '#core/random.ts';
import { checkSizes } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(3).max(2 ** 24).default(256).describe('V: keys, values, then the ask token V−1'),
  seqLen: z.int().min(2).default(32).describe('L: tokens of one example, even'),
  mapSeed: z.int().nonnegative().default(12345).describe('seed of the map from keys to values, not of the examples'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L odd. */
export const madMemorization = defineTask({
  name: 'mad-memorization',
  summary: 'MAD memorization: a fixed map from keys to values, learnt by the parameters',
  config,
  open({ vocabSize, seqLen, mapSeed }) {
    checkSizes('mad-memorization', { seqLen }, {}, [
      [({ seqLen }) => seqLen % 2 === 0, ({ seqLen }) => `seqLen must be even (a key and the ask token are two), but seqLen is ${seqLen}`],
    ]);
    const ask = vocabSize - 1;
    const keys = Math.floor(ask / 2);
    const valueOf = fixedMap(keys, ask - keys, mapSeed);

    return {
      vocabSize,
      seqLen,
      maxScored: seqLen / 2,
      slice: { vocabSize, seqLen },
      example(stream, { tokens, targets }) {
        tokens.fill(ask);
        targets.fill(UNSCORED);
        for (let t = 0; t < seqLen; t += 2) {
          tokens[t] = stream.below(keys);
          targets[t + 1] = valueOf[tokens[t]];
        }
      },
    };
  },
});

/** A random one-to-one map of 0 … keys−1 into keys … keys+values−1 (Fisher-Yates). */
function fixedMap(keys: number, values: number, seed: number): Int32Array {
  const stream = rng(seed).fork('map');
  const order = Int32Array.from({ length: values }, (_, i) => keys + i);
  for (let i = 0; i < keys; i++) {
    const j = i + stream.below(values - i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.slice(0, keys);
}
