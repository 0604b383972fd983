/**
 * MQAR, multi-query associative recall (Arora et al. 2023, arXiv:2312.04927; zoology `data/multiquery_ar.py`).
 *
 * The context lists D = `pairs` key-value pairs, k₁ v₁ k₂ v₂ …; after it every key is asked for once, and its value is
 * the target at the query itself. vocabSize 20 (keys 1…9, values 10…19), seqLen 16, pairs 2, no random fillers:
 *
 *     tokens    1 10  3 14  3  0  0  0  0  0  1  0  0  0  0  0
 *     targets   ·  ·  ·  · 14  ·  ·  ·  ·  · 10  ·  ·  ·  ·  ·
 *             └──context──┴slot1┴slot2┴slot3┴slot4┴slot5┴slot6
 *
 * Slots 1 … S are two tokens wide, S = (L − c)/2 with a context of c = 2·D·passes tokens; a query is the first token of
 * its slot. The keys k₁ … k_D go to slots drawn one by one without replacement, pᵢ ∝ i^(powerA−1): with the default most
 * queries follow soon. With `randomNonQueries` each blank (0) after the context becomes a uniform token of the whole
 * vocabulary, by chance also a stored key: unscored.
 */
import { z } from '#core/config.ts';
import { drawUnused, fillBlanks, querySlots, slotOptions } from './query-slots.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().positive().max(2 ** 24).default(8192).describe('V: token 0 is blank, then keys, then values from ⌊V/2⌋'),
  seqLen: z.int().positive().default(64).describe('L: tokens of one example, even'),
  pairs: z.int().positive().default(8).describe('D: key-value pairs to remember'),
  ...slotOptions,
  passes: z.int().positive().default(1).describe('how many times the same context is listed before the queries'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L odd, V ≤ L or 2·D·passes + 2·D > L. */
export const mqar = defineTask({
  name: 'mqar',
  summary: 'multi-query associative recall: key-value pairs, then each key is asked for once',
  config,
  open({ vocabSize, seqLen, pairs, powerA, randomNonQueries, passes }) {
    checkSizes('mqar', { pairs, passes, seqLen, vocabSize }, {}, rules);
    const firstValue = Math.floor(vocabSize / 2);
    const keyCount = firstValue - 1;
    const valueCount = vocabSize - firstValue;
    const block = 2 * pairs;
    const context = block * passes;
    const slots = querySlots((seqLen - context) / 2, powerA);
    const used = new Uint8Array(vocabSize); // all zero between examples

    return {
      vocabSize,
      seqLen,
      maxScored: pairs,
      slice: { seqLen, pairs, ...(passes === 1 ? {} : { passes }) },
      example(stream, { tokens, targets }) {
        for (let j = 0; j < block; j += 2) {
          tokens[j] = drawUnused(stream, used, 1, keyCount);
          tokens[j + 1] = drawUnused(stream, used, firstValue, valueCount);
        }
        for (let j = 0; j < block; j++) used[tokens[j]] = 0;
        for (let start = block; start < context; start += block) tokens.copyWithin(start, 0, block);

        tokens.fill(0, context);
        targets.fill(UNSCORED);
        slots.refill();
        for (let j = 0; j < block; j += 2) {
          const query = context + 2 * slots.draw(stream);
          tokens[query] = tokens[j]!;
          targets[query] = tokens[j + 1]!;
        }
        // last, so that an example is the same with and without fillers except for the fillers
        if (randomNonQueries) fillBlanks(stream, tokens, context, vocabSize);
      },
    };
  },
});

/**
 * L ≥ 4D and V > L leave ⌊V/2⌋−1 ≥ 2D−1 keys and more values, so the supply of distinct tokens needs no rule of its own.
 */
const rules: Rule<{ pairs: number; passes: number; seqLen: number; vocabSize: number }>[] = [
  [
    ({ pairs, passes, seqLen }) => 2 * pairs * (passes + 1) <= seqLen,
    ({ pairs, passes, seqLen }) =>
      `pairs ${pairs}${passes === 1 ? '' : ` with passes ${passes}`} needs seqLen ≥ ${2 * pairs * (passes + 1)} (2·pairs·passes + 2·pairs ≤ seqLen), but seqLen is ${seqLen}`,
  ],
  [({ seqLen }) => seqLen % 2 === 0, ({ seqLen }) => `seqLen must be even (pairs and query slots are two tokens wide), but seqLen is ${seqLen}`],
  [({ vocabSize, seqLen }) => vocabSize > seqLen, ({ vocabSize, seqLen }) => `vocabSize must be above seqLen, but vocabSize is ${vocabSize} and seqLen is ${seqLen}`],
];
