/**
 * MAD selective copying (Poli et al. 2024, arXiv:2403.17844; mad-lab `data/instances.py`).
 *
 * n = `toCopy` uniform data tokens 0 … V−3 among blanks (V−2), then the copy marker (V−1), then n blanks that ask for the
 * data tokens in their order. Each of the L − 2n − 1 blanks among the data stands before a uniformly drawn data token, so
 * the last data token touches the marker. vocabSize 10 (data 0…7, blank 8, marker 9), seqLen 16, toCopy 4:
 *
 *     tokens   8 8 8 8 8 0 8 3 7 8 1 9 8 8 8 8
 *     targets  · · · · · · · · · · · · 0 3 7 1
 */
import { z } from '#core/config.ts';
import { checkSizes } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(3).max(2 ** 24).default(16).describe('V: data tokens, then the blank V−2 and the copy marker V−1'),
  seqLen: z.int().positive().default(256).describe('L: tokens of one example'),
  toCopy: z.int().positive().default(16).describe('n: data tokens to copy'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L < 2n + 2. */
export const madSelectiveCopying = defineTask({
  name: 'mad-selective-copying',
  summary: 'MAD selective copying: data tokens among blanks, then their copy in order',
  config,
  open({ vocabSize, seqLen, toCopy }) {
    checkSizes('mad-selective-copying', { seqLen, toCopy }, {}, [
      [
        ({ seqLen, toCopy }) => seqLen >= 2 * toCopy + 2,
        ({ seqLen, toCopy }) => `seqLen must be at least 2·toCopy + 2 (one blank among the data), but seqLen is ${seqLen} and toCopy is ${toCopy}`,
      ],
    ]);
    const [blank, marker] = [vocabSize - 2, vocabSize - 1];
    const [blanks, answers] = [seqLen - 2 * toCopy - 1, seqLen - toCopy];
    const before = new Int32Array(toCopy); // blanks before each data token

    return {
      vocabSize,
      seqLen,
      maxScored: toCopy,
      slice: { vocabSize, seqLen, toCopy },
      example(stream, { tokens, targets }) {
        tokens.fill(blank);
        targets.fill(UNSCORED);
        before.fill(0);
        for (let i = 0; i < blanks; i++) before[stream.below(toCopy)]++;
        for (let i = 0, t = 0; i < toCopy; i++, t++) {
          t += before[i];
          tokens[t] = targets[answers + i] = stream.below(blank);
        }
        tokens[answers - 1] = marker;
      },
    };
  },
});
