/**
 * N-gram lookup (Jelassi et al. 2024, arXiv:2402.01032; transformers_ssm_copy `synthetic_exps/data_utils.py`).
 *
 * A string s of uniform letters and of uniform length minLength … maxLength, and n letters of it; the answer is what
 * follows these n letters where they first stand in s: `answerLength` letters, or all that is left of s. The n letters
 * come before the string, `$ngram|s|answer.`, or after it, `$s|ngram answer.`; every letter of the answer and the full
 * stop are targets, each at the token before it. This is next-token prediction: the answer is an input too, and right at
 * every position is what greedy generation would give. Problems follow each other while they fit; with `packed` false
 * there is one. vocabSize 9 (letters 0…4, $ 5, | 6, . 7, blank 8), seqLen 24, side prefix, n 2, lengths 4 … 6:
 *
 *     tokens   5 0 1 6 0 1 2 4 6 2 4 7 5 2 4 6 0 2 4 1 6 1 7 8
 *     targets  · · · · · · · · 2 4 7 · · · · · · · · · 1 7 · ·
 *
 * The n letters are taken at a uniform place of s where the answer, or at least one letter, follows. With two
 * `occurrences` they are then written over s once more, at a uniform place after themselves; else they occur again only
 * by chance.
 */
import { z } from '#core/config.ts';
import { checkSizes } from './sizes.ts';
import { inContext, inOrder, signs, stringOptions } from './strings.ts';
import { defineTask } from './task.ts';

const config = z.strictObject({
  ...stringOptions,
  side: z.enum(['prefix', 'suffix']).default('suffix').describe('whether the n-gram stands before or after the string'),
  n: z.int().positive().default(3).describe('letters that are asked for'),
  answerLength: z.int().nonnegative().default(0).describe('letters of the answer; 0: all up to the end of the string'),
  occurrences: z.int().min(1).max(2).default(1).describe('2: the n-gram is made to occur twice; the answer follows the first'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for strings too short for n and the answer or too long for the context. */
export const ngramLookup = defineTask({
  name: 'ngram-lookup',
  summary: 'n-gram lookup: what follows some letters of a string, told before or after it',
  config,
  open(options) {
    const { vocabSize, seqLen, minLength, maxLength, packed, side, n, answerLength, occurrences } = options;
    const prefix = side === 'prefix';
    const longest = (o: typeof sizes) => o.maxLength + (o.answerLength > 0 ? o.n + o.answerLength : o.maxLength) + (prefix ? 4 : 3);
    const after = (o: typeof sizes) => Math.max(o.answerLength, o.occurrences > 1 ? o.n : 1); // letters after the n-gram, at least
    const sizes = { seqLen, minLength, maxLength, n, answerLength, occurrences };
    checkSizes('ngram-lookup', sizes, { answerLength: 0 }, [
      inOrder,
      [
        (o) => o.minLength >= o.n + after(o),
        (o) => `minLength must be at least ${o.n + after(o)} (the n-gram and what follows it), but it is ${o.minLength}`,
      ],
      [(o) => o.seqLen >= longest(o), (o) => `seqLen must be at least ${longest(o)} (the longest problem), but it is ${o.seqLen}`],
    ]);
    const follows = after(sizes);
    const { letters, dollar, bar, stop } = signs(vocabSize);

    return {
      vocabSize,
      seqLen,
      maxScored: packed ? Math.floor(seqLen / 2) : (answerLength > 0 ? answerLength : maxLength - n) + 1,
      slice: { seqLen, minLength, maxLength, side, n, ...(answerLength > 0 ? { answerLength } : {}), ...(occurrences > 1 ? { occurrences } : {}) },
      example: inContext(options, (stream, length, problem) => {
        const { text } = problem;
        const string = prefix ? n + 2 : 1;
        const end = string + length;
        text[0] = dollar;
        for (let i = string; i < end; i++) text[i] = stream.below(letters);
        const asked = string + stream.below(length - n - follows + 1);
        if (occurrences > 1) text.copyWithin(asked + n + stream.below(end - asked - 2 * n + 1), asked, asked + n);
        const first = firstPlace(text, string, asked, n);
        text[end] = bar;
        text.copyWithin(prefix ? 1 : end + 1, asked, asked + n);
        if (prefix) text[n + 1] = bar;
        const start = prefix ? end + 1 : end + 1 + n;
        const size = answerLength > 0 ? answerLength : end - first - n;
        text.copyWithin(start, first + n, first + n + size);
        text[start + size] = stop;
        problem.asked = start;
        problem.size = start + size + 1;
      }),
    };
  },
});

/** Where the n letters that stand at `place` stand first, from `start` on. */
function firstPlace(text: Int32Array, start: number, place: number, n: number): number {
  for (let i = start; i < place; i++) {
    let same = 0;
    while (same < n && text[i + same] === text[place + same]) same++;
    if (same === n) return i;
  }
  return place;
}
