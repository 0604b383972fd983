/**
 * What string copying and n-gram lookup share (Jelassi et al. 2024, arXiv:2402.01032; transformers_ssm_copy
 * `synthetic_exps/data_utils.py`): the alphabet, and problems one after the other in one context.
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import type { Rule } from './sizes.ts';
import { UNSCORED, type Example } from './task.ts';

/** Options that both tasks have. */
export const stringOptions = {
  vocabSize: z.int().min(5).max(2 ** 24).default(30).describe('V: letters 0 … V−5, then $ | . and the blank V−1'),
  seqLen: z.int().positive().default(220).describe('L: tokens of one example'),
  minLength: z.int().positive().default(5).describe('letters of the shortest string'),
  maxLength: z.int().positive().default(20).describe('letters of the longest string'),
  packed: z.boolean().default(true).describe('as many problems as fit into one example, as in training; otherwise one'),
};

export interface StringSizes {
  readonly vocabSize: number;
  readonly seqLen: number;
  readonly minLength: number;
  readonly maxLength: number;
  readonly packed: boolean;
}

/** The tokens that are not letters, by the number of letters. */
export const signs = (vocabSize: number) => ({ letters: vocabSize - 4, dollar: vocabSize - 4, bar: vocabSize - 3, stop: vocabSize - 2, blank: vocabSize - 1 });

/** One problem: a text that ends with its answer. */
export interface Problem {
  readonly text: Int32Array;
  size: number;
  /** how many tokens stand before the answer */
  asked: number;
}

/**
 * The `example` of a task whose problems `draw` makes from a string length that is uniform between the two. Each answer
 * token is the target at the token before it; a problem that would not fit in whole is left out, and blanks follow.
 */
export function inContext({ vocabSize, seqLen, minLength, maxLength, packed }: StringSizes, draw: (stream: Stream, length: number, problem: Problem) => void) {
  const { blank } = signs(vocabSize);
  const problem: Problem = { text: new Int32Array(seqLen), size: 0, asked: 0 };
  return (stream: Stream, { tokens, targets }: Example): void => {
    tokens.fill(blank);
    targets.fill(UNSCORED);
    for (let at = 0; at < seqLen; at = packed ? at + problem.size : seqLen) {
      draw(stream, minLength + stream.below(maxLength - minLength + 1), problem);
      const { text, size, asked } = problem;
      if (at + size > seqLen) return;
      for (let i = 0; i < size; i++) tokens[at + i] = text[i];
      for (let i = asked; i < size; i++) targets[at + i - 1] = text[i];
    }
  };
}

/** The size rule that both tasks have. */
export const inOrder: Rule<{ minLength: number; maxLength: number }> = [
  ({ minLength, maxLength }) => minLength <= maxLength,
  ({ minLength, maxLength }) => `maxLength must be at least minLength, but they are ${maxLength} and ${minLength}`,
];
