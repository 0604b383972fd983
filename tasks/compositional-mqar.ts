/**
 * Compositional MQAR (HazyResearch/zoology `data/compositional_ar.py`): keys of two tokens on a grid, so that neither token
 * alone tells the value. vocabSize 30 (first tokens 1…9, second 10…19, values 20…29), seqLen 24, pairs 4, no random fillers:
 *
 *     tokens    3 14 24  1 14 29  3 10 22  1 10 27  3 14  0  1 14  0  1 10  0  3 10  0
 *     targets   ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  · 24  ·  · 29  ·  · 27  ·  · 22  ·
 *             └──────────────context──────────────┴──────────────queries──────────────┘
 *
 * D = `pairs` = g². Draw g distinct first tokens, g distinct second tokens and D distinct values; each of the D
 * combinations (k¹, k²) gets a value, and the triplets k¹ k² v stand in a uniformly random order: c = 3D tokens. The rest
 * is S = ⌊(L − c)/3⌋ slots three tokens wide; each combination is asked for once, as k¹ k² at the first two places of a slot
 * drawn as in MQAR (pᵢ ∝ i^(powerA−1), without replacement), and its value is the target at k². Blanks (0) and
 * `randomNonQueries` as in MQAR. zoology asks for an even L too, which nothing here needs.
 */
import { z } from '#core/config.ts';
import { drawUnused, fillBlanks, querySlots, shuffle, slotOptions } from './query-slots.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().positive().max(2 ** 24).default(8192).describe('V: token 0 is blank, then first tokens of keys, then second ones from ⌊V/3⌋, values from 2⌊V/3⌋'),
  seqLen: z.int().positive().default(64).describe('L: tokens of one example'),
  pairs: z.int().positive().default(4).describe('D: key-value pairs to remember, a square number'),
  ...slotOptions,
});

/** Throws E_CONFIG for an illegal option, E_SIZE for D not a square, V ≤ L or 6D > L. */
export const compositionalMqar = defineTask({
  name: 'compositional-mqar',
  summary: 'MQAR with keys of two tokens on a grid: neither alone tells the value',
  config,
  open({ vocabSize, seqLen, pairs, powerA, randomNonQueries }) {
    checkSizes('compositional-mqar', { pairs, seqLen, vocabSize }, {}, rules);
    const side = Math.sqrt(pairs);
    const second = Math.floor(vocabSize / 3);
    const firstValue = 2 * second;
    const context = 3 * pairs;
    const slots = querySlots(Math.floor((seqLen - context) / 3), powerA);
    const used = new Uint8Array(vocabSize); // all zero between examples
    const heads = new Int32Array(side); // first tokens of keys
    const tails = new Int32Array(side); // second tokens of keys
    const cells = new Int32Array(pairs); // cell g·row + column of each triplet

    return {
      vocabSize,
      seqLen,
      maxScored: pairs,
      slice: { seqLen, pairs },
      example(stream, { tokens, targets }) {
        for (let i = 0; i < side; i++) {
          heads[i] = drawUnused(stream, used, 1, second - 1);
          tails[i] = drawUnused(stream, used, second, second);
        }
        for (let j = 0; j < pairs; j++) cells[j] = j;
        shuffle(stream, cells);
        for (let j = 0; j < pairs; j++) {
          const row = Math.floor(cells[j] / side);
          tokens[3 * j] = heads[row]!;
          tokens[3 * j + 1] = tails[cells[j] - side * row]!;
          tokens[3 * j + 2] = drawUnused(stream, used, firstValue, vocabSize - firstValue);
        }
        for (let t = 0; t < context; t++) used[tokens[t]] = 0;

        tokens.fill(0, context);
        targets.fill(UNSCORED);
        slots.refill();
        for (let j = 0; j < context; j += 3) {
          const query = context + 3 * slots.draw(stream);
          tokens[query] = tokens[j]!;
          tokens[query + 1] = tokens[j + 1]!;
          targets[query + 1] = tokens[j + 2]!;
        }
        if (randomNonQueries) fillBlanks(stream, tokens, context, vocabSize);
      },
    };
  },
});

/** V > L ≥ 6D leaves 2D−1 first tokens of keys and more of the others, so the supply of distinct tokens needs no rule of its own. */
const rules: Rule<{ pairs: number; seqLen: number; vocabSize: number }>[] = [
  [({ pairs }) => Number.isInteger(Math.sqrt(pairs)), ({ pairs }) => `pairs must be a square number (the keys form a square grid), but pairs is ${pairs}`],
  [({ pairs, seqLen }) => 6 * pairs <= seqLen, ({ pairs, seqLen }) => `pairs ${pairs} needs seqLen ≥ ${6 * pairs} (3·pairs + 3·pairs ≤ seqLen), but seqLen is ${seqLen}`],
  [({ vocabSize, seqLen }) => vocabSize > seqLen, ({ vocabSize, seqLen }) => `vocabSize must be above seqLen, but vocabSize is ${vocabSize} and seqLen is ${seqLen}`],
];
