/**
 * Parity: after the last bit, is the number of ones odd? One answer, at an end marker; the number of bits varies. seqLen 16,
 * minLength 9:
 *
 *     tokens   0 0 0 1 0 0 0 0 1 2 3 3 3 3 3 3
 *     targets  · · · · · · · · · 0 · · · · · ·
 *
 * Tokens: 0 and 1 are bits, 2 the end marker, 3 blank. The number of bits is uniform on minLength … L − 1; bits are uniform and
 * independent; the marker follows, and the sum of the bits mod 2 is the target there. The rest is blank: the padding comes
 * after the answer, so a causal model never sees it before, and a short example means the same at every seqLen.
 *
 * As HazyResearch/zoology `data/circuits.py` (`parity`: bits, marker 2, one label), which has L − 1 bits always: minLength =
 * L − 1 here. Varying lengths follow automl/unlocking_state_tracking, which trains on 3 … 40 (the default here) and tests
 * on 40 … 256 bits (seqLen 257, minLength 40).
 */
import { z } from '#core/config.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  seqLen: z.int().min(2).default(41).describe('L: tokens of one example: at most L − 1 bits, the end marker, blanks'),
  minLength: z.int().positive().default(3).describe('fewest bits, at most L − 1'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for minLength ≥ L. */
export const parity = defineTask({
  name: 'parity',
  summary: 'after the last of many bits: is the number of ones odd?',
  config,
  open({ seqLen, minLength }) {
    checkSizes('parity', { minLength, seqLen }, { seqLen: 2 }, rules);
    return {
      vocabSize: 4,
      seqLen,
      maxScored: 1,
      slice: { seqLen, minLength },
      example(stream, { tokens, targets }) {
        const length = minLength + stream.below(seqLen - minLength);
        let sum = 0;
        for (let t = 0; t < length; t++) {
          const bit = stream.below(2);
          tokens[t] = bit;
          sum ^= bit;
        }
        tokens[length] = 2;
        tokens.fill(3, length + 1);
        targets.fill(UNSCORED);
        targets[length] = sum;
      },
    };
  },
});

const rules: Rule<{ minLength: number; seqLen: number }>[] = [
  [
    ({ minLength, seqLen }) => minLength < seqLen,
    ({ minLength, seqLen }) => `minLength must be below seqLen (the end marker takes one token), but minLength is ${minLength} and seqLen is ${seqLen}`,
  ],
];
