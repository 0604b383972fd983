/** Key-value pairs with noise between them: what MAD's in-context recall and its noisy form share. */
import { z } from '#core/config.ts';
import { checkSizes } from './sizes.ts';
import { UNSCORED, type OpenTask } from './task.ts';

/** The option that says which positions are scored. */
export const scored = z
  .enum(['recalled', 'all'])
  .default('recalled')
  .describe('values of keys seen before, as MAD tests, or every next token, as MAD trains');

export interface PairSizes {
  readonly task: string;
  readonly vocabSize: number;
  readonly seqLen: number;
  readonly scored: z.output<typeof scored>;
  /** how many of the highest tokens are noise */
  readonly noiseTokens: number;
  /** share of pairs that are noise */
  readonly noise: number;
}

/**
 * With n = vocabSize − noiseTokens: keys 0 … ⌊n/2⌋−1, values ⌊n/2⌋ … n−1, noise n … vocabSize−1. Each of the P = seqLen/2
 * pairs but the last is noise with probability `noise` (two uniform noise tokens; one pair, drawn uniformly, never is),
 * else a uniform key and its value, which is drawn uniformly when the key first comes. The last key is uniform among
 * the distinct keys before it.
 */
export function openPairs({ task, vocabSize, seqLen, scored, noiseTokens, noise }: PairSizes): OpenTask {
  checkSizes(task, { seqLen }, { seqLen: 4 }, [
    [({ seqLen }) => seqLen % 2 === 0, ({ seqLen }) => `seqLen must be even (pairs are two tokens wide), but seqLen is ${seqLen}`],
  ]);
  const firstNoise = vocabSize - noiseTokens;
  const firstValue = Math.floor(firstNoise / 2);
  const last = seqLen - 2;
  const valueOf = new Int32Array(firstValue);
  const seen = new Int32Array(firstValue); // the distinct keys so far

  return {
    vocabSize,
    seqLen,
    maxScored: scored === 'all' ? seqLen - 1 : seqLen / 2 - 1,
    slice: { vocabSize, seqLen, ...(noise > 0 ? { noise } : {}), ...(scored === 'all' ? { scored } : {}) },
    example(stream, { tokens, targets }) {
      targets.fill(UNSCORED);
      valueOf.fill(UNSCORED);
      let keys = 0;
      const kept = 2 * stream.below(seqLen / 2 - 1);
      for (let t = 0; t < seqLen; t += 2) {
        if (t !== kept && t !== last && noise > 0 && stream.uniform() < noise) {
          tokens[t] = firstNoise + stream.below(noiseTokens);
          tokens[t + 1] = firstNoise + stream.below(noiseTokens);
          continue;
        }
        const key = t === last ? seen[stream.below(keys)] : stream.below(firstValue);
        if (valueOf[key] === UNSCORED) {
          valueOf[key] = firstValue + stream.below(firstNoise - firstValue);
          seen[keys++] = key;
        } else targets[t] = valueOf[key];
        tokens[t] = key;
        tokens[t + 1] = valueOf[key];
      }
      if (scored === 'all') targets.set(tokens.subarray(1));
    },
  };
}
