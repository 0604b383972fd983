/**
 * Induction heads (Gu & Dao 2023, arXiv:2312.00752, §4.1 and App. E.1; HazyResearch/safari `synthetics.py`): remember the
 * token after the only trigger, and say it when the trigger comes again at the end. vocabSize 8, seqLen 16:
 *
 *     tokens   1 1 2 0 6 2 1 1 4 7 2 6 2 3 3 0
 *     targets  · · · · · · · · · · · · · · · 6
 *
 * Token 0 is the trigger, 1 … V−1 are ordinary. Positions 0 … L−2 hold uniform ordinary tokens, except that position p,
 * uniform on 0 … L−4, holds the trigger; the last position holds the trigger again, and its target is the token at p + 1.
 * As in safari with one trigger, the token to remember is never the last before the end. The paper counts 16 tokens,
 * which are taken to include the trigger. It trains at 256 and tests up to 2²⁰: open the test at that seqLen.
 */
import { z } from '#core/config.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(3).max(2 ** 24).default(16).describe('V: token 0 is the trigger, the others are ordinary'),
  seqLen: z.int().min(4).default(256).describe('L: tokens of one example, both triggers included'),
});

/** Throws E_CONFIG for an illegal option. */
export const inductionHeads = defineTask({
  name: 'induction-heads',
  summary: 'say the token that followed the trigger when the trigger comes again, at the end',
  config,
  open({ vocabSize, seqLen }) {
    return {
      vocabSize,
      seqLen,
      maxScored: 1,
      slice: { seqLen },
      example(stream, { tokens, targets }) {
        targets.fill(UNSCORED);
        for (let t = 0; t < seqLen - 1; t++) tokens[t] = 1 + stream.below(vocabSize - 1);
        const trigger = stream.below(seqLen - 3);
        tokens[trigger] = tokens[seqLen - 1] = 0;
        targets[seqLen - 1] = tokens[trigger + 1]!;
      },
    };
  },
});
