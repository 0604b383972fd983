/**
 * Cumulative parity (HazyResearch/zoology `data/circuits.py`): at every bit, is the number of ones so far odd? seqLen 16:
 *
 *     tokens   0 0 0 0 1 0 0 0 0 1 0 1 0 0 0 0
 *     targets  0 0 0 0 1 1 1 1 1 0 0 1 1 1 1 1
 *
 * Tokens are the bits 0 and 1, L of them, uniform and independent; the target at t is the sum of the bits 0 … t mod 2. zoology
 * draws one bit fewer than its length says, and reserves a third token that never comes.
 */
import { z } from '#core/config.ts';
import { defineTask } from './task.ts';

const config = z.strictObject({
  seqLen: z.int().positive().default(64).describe('L: bits of one example'),
});

/** Throws E_CONFIG for an illegal option. */
export const cumulativeParity = defineTask({
  name: 'cumulative-parity',
  summary: 'at every bit: is the number of ones so far odd?',
  config,
  open({ seqLen }) {
    return {
      vocabSize: 2,
      seqLen,
      maxScored: seqLen,
      slice: { seqLen },
      example(stream, { tokens, targets }) {
        let sum = 0;
        for (let t = 0; t < seqLen; t++) {
          const bit = stream.below(2);
          tokens[t] = bit;
          sum ^= bit;
          targets[t] = sum;
        }
      },
    };
  },
});
