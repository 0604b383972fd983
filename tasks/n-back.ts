/**
 * n-back (Kirchner 1958, "Age differences in short-term retention of rapidly changing information"): at every step, is this
 * letter the one of n steps ago? vocabSize 7 (letters 2…6), seqLen 16, n 2:
 *
 *     tokens   2 2 2 2 3 2 3 2 2 3 2 3 2 6 2 4
 *     targets  · · 1 1 0 1 1 1 0 0 1 1 1 0 1 0
 *
 * Tokens: 0 means no match and 1 match, as answers only; the letters are 2 … V−1. The first n letters are uniform; each later one
 * repeats the letter n back with probability `matchRate` and is otherwise uniform among the other letters, so every
 * position alone is uniform. The target at every t ≥ n is 1 where the letters at t and t − n agree and 0 elsewhere; with
 * `answer` "token" it is the letter at t − n itself.
 *
 * No canonical generator was found. Gong & Zhang 2024 (arXiv:2409.10715) train transformers on matches in this sense; the
 * sizes and the match rate of 1/2, with which a constant answer scores 1/2, are chosen here. With "token" a match makes the
 * letter at t a good guess: matchRate 1/(V − 2) makes the letters independent.
 */
import { z } from '#core/config.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(4).max(2 ** 24).default(22).describe('V: tokens 0 and 1 are the answers "no match" and "match", letters from 2'),
  seqLen: z.int().positive().default(64).describe('L: letters of one example'),
  n: z.int().positive().default(2).describe('how many steps back to compare with'),
  matchRate: z.number().min(0).max(1).default(0.5).describe('probability that a letter repeats the one n back'),
  answer: z.enum(['match', 'token']).default('match').describe('what is asked for: whether the letters match, or the letter n back'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for n ≥ L. */
export const nBack = defineTask({
  name: 'n-back',
  summary: 'at every step: is this letter the one of n steps ago?',
  config,
  open({ vocabSize, seqLen, n, matchRate, answer }) {
    checkSizes('n-back', { n, seqLen }, {}, rules);
    const letters = vocabSize - 2;
    return {
      vocabSize,
      seqLen,
      maxScored: seqLen - n,
      slice: { seqLen, n, ...(answer === 'match' ? {} : { answer }) },
      example(stream, { tokens, targets }) {
        targets.fill(UNSCORED, 0, n);
        for (let t = 0; t < n; t++) tokens[t] = 2 + stream.below(letters);
        for (let t = n; t < seqLen; t++) {
          const back = tokens[t - n];
          const match = stream.uniform() < matchRate;
          const other = match ? 0 : 2 + stream.below(letters - 1);
          tokens[t] = match ? back : other < back ? other : other + 1;
          targets[t] = answer === 'token' ? back : match ? 1 : 0;
        }
      },
    };
  },
});

const rules: Rule<{ n: number; seqLen: number }>[] = [[({ n, seqLen }) => n < seqLen, ({ n, seqLen }) => `n must be below seqLen, but n is ${n} and seqLen is ${seqLen}`]];
