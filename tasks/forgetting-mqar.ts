/**
 * Forgetting MQAR (HazyResearch/zoology `data/forgetting_mqar.py`): MQAR in which some keys are bound anew before the
 * queries, and the latest value counts. vocabSize 20 (keys 1…9, values 10…19), seqLen 16, pairs 3, updates 1, no random fillers:
 *
 *     tokens    1 10  3 14  8 11  1 12  3  0  1  0  8  0  0  0
 *     targets   ·  ·  ·  ·  ·  ·  ·  · 14  · 12  · 11  ·  ·  ·
 *             └──────pairs──────┴─upd─┴────────queries────────┘
 *
 * D = `pairs` pairs of distinct keys and distinct values as in MQAR; then U = `updates` pairs that give U of these keys,
 * a uniform ordered choice without repetition, a new value each: uniform among all values but the old one of that very
 * key, so it may be another key's. Then every key is asked for once, in slots two tokens wide drawn as in MQAR; the target is
 * its latest value. The context is c = 2(D + U) tokens, and S = (L − c)/2 slots follow.
 *
 * zoology means the same, but its "new differs from old" compares with the old values of the first U keys, not with those
 * of the keys chosen, so an update may repeat the old value there.
 */
import { z } from '#core/config.ts';
import { drawUnused, fillBlanks, querySlots, shuffle, slotOptions } from './query-slots.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().positive().max(2 ** 24).default(8192).describe('V: token 0 is blank, then keys, then values from ⌊V/2⌋'),
  seqLen: z.int().positive().default(64).describe('L: tokens of one example, even'),
  pairs: z.int().positive().default(8).describe('D: key-value pairs to remember'),
  updates: z.int().positive().default(4).describe('U: keys that get a new value, at most D'),
  ...slotOptions,
});

/** Throws E_CONFIG for an illegal option, E_SIZE for U > D, L odd, V ≤ L or 2(D + U) + 2D > L. */
export const forgettingMqar = defineTask({
  name: 'forgetting-mqar',
  summary: 'MQAR in which some keys get a new value before the queries: the latest counts',
  config,
  open({ vocabSize, seqLen, pairs, updates, powerA, randomNonQueries }) {
    checkSizes('forgetting-mqar', { pairs, updates, seqLen, vocabSize }, {}, rules);
    const firstValue = Math.floor(vocabSize / 2);
    const valueCount = vocabSize - firstValue;
    const block = 2 * pairs;
    const context = block + 2 * updates;
    const slots = querySlots((seqLen - context) / 2, powerA);
    const used = new Uint8Array(vocabSize); // all zero between examples
    const order = new Int32Array(pairs); // the pairs, those to update first
    const latest = new Int32Array(pairs); // value of the j-th key

    return {
      vocabSize,
      seqLen,
      maxScored: pairs,
      slice: { seqLen, pairs, updates },
      example(stream, { tokens, targets }) {
        for (let j = 0; j < pairs; j++) {
          tokens[2 * j] = drawUnused(stream, used, 1, firstValue - 1);
          latest[j] = tokens[2 * j + 1] = drawUnused(stream, used, firstValue, valueCount);
          order[j] = j;
        }
        for (let t = 0; t < block; t++) used[tokens[t]] = 0;

        shuffle(stream, order, updates);
        for (let i = 0; i < updates; i++) {
          const j = order[i];
          const other = firstValue + stream.below(valueCount - 1);
          latest[j] = other < latest[j] ? other : other + 1; // any value but the old one
          tokens[block + 2 * i] = tokens[2 * j]!;
          tokens[block + 2 * i + 1] = latest[j]!;
        }

        tokens.fill(0, context);
        targets.fill(UNSCORED);
        slots.refill();
        for (let j = 0; j < pairs; j++) {
          const query = context + 2 * slots.draw(stream);
          tokens[query] = tokens[2 * j]!;
          targets[query] = latest[j]!;
        }
        if (randomNonQueries) fillBlanks(stream, tokens, context, vocabSize);
      },
    };
  },
});

const rules: Rule<{ pairs: number; updates: number; seqLen: number; vocabSize: number }>[] = [
  [({ pairs, updates }) => updates <= pairs, ({ pairs, updates }) => `updates must not be above pairs, but updates is ${updates} and pairs is ${pairs}`],
  [
    ({ pairs, updates, seqLen }) => 4 * pairs + 2 * updates <= seqLen,
    ({ pairs, updates, seqLen }) => `pairs ${pairs} with updates ${updates} needs seqLen ≥ ${4 * pairs + 2 * updates} (2·(pairs + updates) + 2·pairs ≤ seqLen), but seqLen is ${seqLen}`,
  ],
  [({ seqLen }) => seqLen % 2 === 0, ({ seqLen }) => `seqLen must be even (pairs and query slots are two tokens wide), but seqLen is ${seqLen}`],
  [({ vocabSize, seqLen }) => vocabSize > seqLen, ({ vocabSize, seqLen }) => `vocabSize must be above seqLen, but vocabSize is ${vocabSize} and seqLen is ${seqLen}`],
];
