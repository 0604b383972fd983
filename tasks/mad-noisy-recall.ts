/**
 * MAD noisy in-context recall with many queries (Poli et al. 2024, arXiv:2403.17844; mad-lab `data/instances.py`).
 *
 * In-context recall (mad-recall.ts) in which a share `noise` of the pairs is replaced by two uniform tokens of a noise
 * vocabulary, the last `noiseTokens` tokens. One pair before the last, drawn uniformly, is never noise, nor is the last
 * pair. vocabSize 12 of which 4 are noise (keys 0…3, values 4…7, noise 8…11), seqLen 16, noise 0.4:
 *
 *     tokens   0 4 3 4 8 9 0 4 0 4 9 9 3 4 0 4
 *     targets  · · · · · · 4 · 4 · · · 4 · 4 ·
 *
 * With `scored` "all" every next token is a target, noise included, as MAD trains.
 */
import { z } from '#core/config.ts';
import { openPairs, scored } from './pairs.ts';
import { checkSizes } from './sizes.ts';
import { defineTask } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(3).max(2 ** 24).default(32).describe('V: keys, as many values, then noise'),
  seqLen: z.int().min(4).default(128).describe('L: tokens of one example, even'),
  noiseTokens: z.int().positive().default(16).describe('how many tokens of the vocabulary are noise'),
  noise: z.number().min(0).lt(1).default(0.2).describe('share of pairs that are noise'),
  scored,
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L odd or V < noiseTokens + 2. */
export const madNoisyRecall = defineTask({
  name: 'mad-noisy-recall',
  summary: 'MAD noisy in-context recall: key-value pairs in which keys come back, among noise',
  config,
  open(options) {
    const { vocabSize, noiseTokens } = options;
    checkSizes('mad-noisy-recall', { vocabSize, noiseTokens }, {}, [
      [
        ({ vocabSize, noiseTokens }) => vocabSize >= noiseTokens + 2,
        ({ vocabSize, noiseTokens }) =>
          `vocabSize must be at least noiseTokens + 2 (one key, one value), but vocabSize is ${vocabSize} and noiseTokens is ${noiseTokens}`,
      ],
    ]);
    return openPairs({ task: 'mad-noisy-recall', ...options });
  },
});
