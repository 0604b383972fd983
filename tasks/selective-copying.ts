/**
 * Selective copying (Gu & Dao 2023, arXiv:2312.00752, §4.1 and App. E.1): copy n = `toCopy` data tokens that lie at random
 * places among noise, in order. vocabSize 6 (data 1…4, marker 5), seqLen 16, toCopy 3:
 *
 *     tokens   2 0 4 0 0 0 0 0 0 0 0 1 0 5 5 5
 *     targets  · · · · · · · · · · · · · 2 4 1
 *             └─────noise and data──────┴copy─┘
 *
 * Tokens: 0 is noise, V−1 the output marker, 1 … V−2 data. The first L − n positions hold n data tokens, each uniform and
 * independent, at a uniformly random set of positions; the last n positions are markers, and the target at the i-th marker
 * is the i-th data token.
 *
 * The paper gives length 4096, 16 tokens "including the noise token" and 16 data tokens; its generator was never released.
 * Chosen here, as in the copying data of the same authors (state-spaces/s4 `datasets/copying.py`, variable = true): the
 * marker is one of the V tokens, and answers are read at markers after the data. Chosen otherwise: L counts the markers, so
 * that code's L noise tokens are seqLen = L + 2n here.
 */
import { z } from '#core/config.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(4).max(2 ** 24).default(16).describe('V: token 0 is noise, V−1 the marker, data between'),
  seqLen: z.int().positive().default(4096).describe('L: tokens of one example, the markers included'),
  toCopy: z.int().positive().default(16).describe('n: data tokens to copy, and markers'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for 2·toCopy > L. */
export const selectiveCopying = defineTask({
  name: 'selective-copying',
  summary: 'copy the data tokens scattered among noise, in order',
  config,
  open({ vocabSize, seqLen, toCopy }) {
    checkSizes('selective-copying', { toCopy, seqLen }, {}, rules);
    const first = seqLen - toCopy; // position of the first marker
    return {
      vocabSize,
      seqLen,
      maxScored: toCopy,
      slice: { seqLen, toCopy },
      example(stream, { tokens, targets }) {
        tokens.fill(0, 0, first);
        tokens.fill(vocabSize - 1, first);
        targets.fill(UNSCORED);
        // a uniform set of positions (Floyd's algorithm), marked in place
        for (let last = first - toCopy; last < first; last++) {
          const t = stream.below(last + 1);
          tokens[tokens[t] === 0 ? t : last] = 1;
        }
        for (let t = 0, answer = first; answer < seqLen; t++) {
          if (tokens[t] === 0) continue;
          tokens[t] = 1 + stream.below(vocabSize - 2);
          targets[answer++] = tokens[t]!;
        }
      },
    };
  },
});

const rules: Rule<{ toCopy: number; seqLen: number }>[] = [
  [
    ({ toCopy, seqLen }) => 2 * toCopy <= seqLen,
    ({ toCopy, seqLen }) => `toCopy ${toCopy} needs seqLen ≥ ${2 * toCopy} (data and markers), but seqLen is ${seqLen}`,
  ],
];
