/**
 * Associative recall with one query (Fu et al. 2023, arXiv:2212.14052; HazyResearch/safari `synthetics.py`): key-value
 * pairs, drawn with replacement from a map of the example's own, then one key that was shown. vocabSize 10 (keys 2…5,
 * values 6…9), seqLen 16:
 *
 *     tokens   2 6 2 6 3 9 2 6 2 6 2 6 3 9 1 3
 *     targets  · · · · · · · · · · · · · · · 9
 *             └───────────pairs───────────┴ask┘
 *
 * Token 0 is blank and never drawn, 1 announces the query; of the other V−2 the first ⌊(V−2)/2⌋ are keys, the rest values.
 * Each example maps every key to a uniform value, independently, so keys may share one. L/2 − 1 pairs (key, its value)
 * follow, keys uniform and with replacement; then 1, then a uniform key among the different keys shown, whose value is the
 * target there. With answers "all", each key of the pairs that was shown before is scored too (the value that follows it
 * is known by then).
 *
 * safari's "length 40" counts the pairs alone: seqLen 42 here. Which numbers are keys differs (there they are sorted as
 * text), and its second special token, for keys never shown, has no use with its default. Its loss is on all next tokens,
 * its test on the last alone.
 */
import { z } from '#core/config.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(4).max(2 ** 24).default(20).describe('V: token 0 is blank, 1 announces the query, then keys, then values'),
  seqLen: z.int().min(4).default(42).describe('L: tokens of one example, even: L/2 − 1 pairs, the announcement and the query'),
  answers: z.enum(['last', 'all']).default('last').describe('what is scored: the query alone, or also each repeated key of the pairs'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L odd. */
export const associativeRecall = defineTask({
  name: 'associative-recall',
  summary: 'key-value pairs drawn with replacement, then one key that was shown',
  config,
  open({ vocabSize, seqLen, answers }) {
    checkSizes('associative-recall', { seqLen }, { seqLen: 4 }, rules);
    const keyCount = Math.floor((vocabSize - 2) / 2);
    const firstValue = 2 + keyCount;
    const end = seqLen - 2; // position of the announcement
    const values = new Int32Array(firstValue); // of key k; all zero between examples
    const shown = new Int32Array(Math.min(keyCount, end / 2)); // the different keys, in order of appearance

    return {
      vocabSize,
      seqLen,
      maxScored: answers === 'last' ? 1 : end / 2,
      slice: { seqLen, ...(answers === 'last' ? {} : { answers }) },
      example(stream, { tokens, targets }) {
        targets.fill(UNSCORED);
        let count = 0;
        for (let t = 0; t < end; t += 2) {
          const key = 2 + stream.below(keyCount);
          if (values[key] === 0) {
            values[key] = firstValue + stream.below(vocabSize - firstValue);
            shown[count++] = key;
          } else if (answers === 'all') targets[t] = values[key]!;
          tokens[t] = key;
          tokens[t + 1] = values[key]!;
        }
        const query = shown[stream.below(count)];
        tokens[end] = 1;
        tokens[end + 1] = query;
        targets[end + 1] = values[query]!;
        for (let i = 0; i < count; i++) values[shown[i]] = 0;
      },
    };
  },
});

const rules: Rule<{ seqLen: number }>[] = [[({ seqLen }) => seqLen % 2 === 0, ({ seqLen }) => `seqLen must be even (pairs, announcement and query), but seqLen is ${seqLen}`]];
