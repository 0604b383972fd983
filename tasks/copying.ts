/**
 * String copying (Jelassi et al. 2024, arXiv:2402.01032; transformers_ssm_copy `synthetic_exps/data_utils.py`).
 *
 * `$s|s.` with a string s of uniform letters and of uniform length minLength … maxLength. Every token of the copy and the
 * full stop are targets, each at the token before it. This is next-token prediction: the copy is an input too. An answer
 * that is right at every position is the answer that greedy generation would give. Problems follow each other while
 * they fit; with `packed` false there is one. vocabSize 9 (letters 0…4, $ 5, | 6, . 7, blank 8), seqLen 22, lengths 2 … 4:
 *
 *     tokens   5 0 1 6 0 1 7 5 4 0 0 6 4 0 0 7 8 8 8 8 8 8
 *     targets  · · · 0 1 7 · · · · · 4 0 0 7 · · · · · · ·
 *
 * With `duplicate` n > 0 some n letters of s are overwritten by n letters before them, so that an n-gram occurs twice and
 * does not tell which letter follows it: the two do not overlap, and their places are two uniform draws from 0 … ℓ−2n in
 * order, the second moved by n.
 */
import { z } from '#core/config.ts';
import { checkSizes } from './sizes.ts';
import { inContext, inOrder, signs, stringOptions } from './strings.ts';
import { defineTask } from './task.ts';

const config = z.strictObject({
  ...stringOptions,
  duplicate: z.int().nonnegative().default(0).describe('n: length of an n-gram that is made to occur twice; 0 leaves strings as drawn'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE unless 2·duplicate ≤ minLength ≤ maxLength and L ≥ 2·maxLength + 3. */
export const copying = defineTask({
  name: 'copying',
  summary: 'string copying: a string of letters, then the same again',
  config,
  open(options) {
    const { vocabSize, seqLen, minLength, maxLength, packed, duplicate } = options;
    checkSizes('copying', { seqLen, minLength, maxLength, duplicate }, { duplicate: 0 }, [
      inOrder,
      [
        ({ minLength, duplicate }) => 2 * duplicate <= minLength,
        ({ minLength, duplicate }) => `minLength must be at least 2·duplicate, but they are ${minLength} and ${duplicate}`,
      ],
      [
        ({ seqLen, maxLength }) => seqLen >= 2 * maxLength + 3,
        ({ seqLen, maxLength }) => `seqLen must be at least 2·maxLength + 3 (the longest problem), but they are ${seqLen} and ${maxLength}`,
      ],
    ]);
    const { letters, dollar, bar, stop } = signs(vocabSize);

    return {
      vocabSize,
      seqLen,
      maxScored: packed ? Math.floor(seqLen / 2) : maxLength + 1,
      slice: { seqLen, minLength, maxLength, ...(duplicate > 0 ? { duplicate } : {}) },
      example: inContext(options, (stream, length, problem) => {
        const { text } = problem;
        text[0] = dollar;
        for (let i = 1; i <= length; i++) text[i] = stream.below(letters);
        if (duplicate > 0) {
          const [a, b] = [stream.below(length - 2 * duplicate + 1), stream.below(length - 2 * duplicate + 1)];
          const first = 1 + Math.min(a, b);
          text.copyWithin(1 + Math.max(a, b) + duplicate, first, first + duplicate);
        }
        text[length + 1] = bar;
        text.copyWithin(length + 2, 1, length + 1);
        text[2 * length + 2] = stop;
        problem.asked = length + 2;
        problem.size = 2 * length + 3;
      }),
    };
  },
});
