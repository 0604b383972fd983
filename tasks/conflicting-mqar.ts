/**
 * Conflicting MQAR: every key is stored R = `valuesPerKey` times with as many values, and a fixed rule says which of them
 * counts: the `last` or the `first`. vocabSize 20 (keys 1…9, values 10…19), seqLen 16, pairs 2, no random fillers:
 *
 *     tokens    3 11  3 14  1 19  1 12  3  0  1  0  0  0  0  0
 *     targets   ·  ·  ·  ·  ·  ·  ·  · 14  · 12  ·  ·  ·  ·  ·
 *             └────────context────────┴────────queries────────┘
 *
 * D = `pairs` distinct keys and D·R distinct values are drawn; the context is the D·R pairs, c = 2·D·R tokens, in this order:
 * - `shuffled`: a uniformly random order of all pairs, so the values of a key lie at random distances;
 * - `rounds`: R rounds, each of all keys in a random order of its own, so rivals lie about D pairs apart;
 * - `adjacent`: the R pairs of one key follow each other.
 * Then each key is asked for once, in slots, with blanks and fillers as in MQAR; the target is the value that the key had
 * at its first or at its last pair.
 *
 * No canonical generator was found. Nearest are PI-LLM (Wang & Sun 2025, arXiv:2506.08184: a stream of updates of several
 * keys, the final values are asked for, earlier ones interfere: `shuffled`, `last`) and Dynamic Knowledge Instances (Qiao
 * et al. 2026, arXiv:2603.12271: several versions of one fact, the earliest and the latest are asked for), both of them
 * prompts for language models; the layout around them is MQAR's. Unlike in forgetting-mqar every key is in conflict, no
 * part of the context holds only updates, and the rule may be to keep the first value and to refuse the later ones.
 */
import { z } from '#core/config.ts';
import { drawUnused, fillBlanks, querySlots, shuffle, slotOptions } from './query-slots.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().positive().max(2 ** 24).default(8192).describe('V: token 0 is blank, then keys, then values from ⌊V/2⌋'),
  seqLen: z.int().positive().default(64).describe('L: tokens of one example, even'),
  pairs: z.int().positive().default(8).describe('D: different keys, each asked for once'),
  valuesPerKey: z.int().min(2).default(2).describe('R: how many values each key is stored with'),
  answer: z.enum(['last', 'first']).default('last').describe('which value of a key counts'),
  order: z.enum(['shuffled', 'rounds', 'adjacent']).default('shuffled').describe('how the values of different keys are interleaved'),
  ...slotOptions,
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L odd, V ≤ L or 2·D·R + 2·D > L. */
export const conflictingMqar = defineTask({
  name: 'conflicting-mqar',
  summary: 'MQAR in which every key is stored with several values, of which the first or the last counts',
  config,
  open({ vocabSize, seqLen, pairs, valuesPerKey, answer, order, powerA, randomNonQueries }) {
    checkSizes('conflicting-mqar', { pairs, valuesPerKey, seqLen, vocabSize }, { valuesPerKey: 2 }, rules);
    const firstValue = Math.floor(vocabSize / 2);
    const stored = pairs * valuesPerKey;
    const context = 2 * stored;
    const slots = querySlots((seqLen - context) / 2, powerA);
    const used = new Uint8Array(vocabSize); // all zero between examples
    const keys = new Int32Array(pairs);
    const answers = new Int32Array(pairs);
    const entries = new Int32Array(stored); // which key each pair of the context holds
    const parts = {
      shuffled: [entries],
      rounds: Array.from({ length: valuesPerKey }, (_, r) => entries.subarray(r * pairs, (r + 1) * pairs)),
      adjacent: [],
    }[order];

    return {
      vocabSize,
      seqLen,
      maxScored: pairs,
      slice: { seqLen, pairs, valuesPerKey, answer, ...(order === 'shuffled' ? {} : { order }) },
      example(stream, { tokens, targets }) {
        for (let j = 0; j < pairs; j++) keys[j] = drawUnused(stream, used, 1, firstValue - 1);
        for (let i = 0; i < stored; i++) entries[i] = order === 'adjacent' ? Math.floor(i / valuesPerKey) : i % pairs;
        for (const part of parts) shuffle(stream, part);
        answers.fill(0);
        for (let i = 0; i < stored; i++) {
          const j = entries[i];
          const value = drawUnused(stream, used, firstValue, vocabSize - firstValue);
          tokens[2 * i] = keys[j]!;
          tokens[2 * i + 1] = value;
          if (answer === 'last' || answers[j] === 0) answers[j] = value;
        }
        for (let t = 0; t < context; t++) used[tokens[t]] = 0;

        tokens.fill(0, context);
        targets.fill(UNSCORED);
        slots.refill();
        for (let j = 0; j < pairs; j++) {
          const query = context + 2 * slots.draw(stream);
          tokens[query] = keys[j]!;
          targets[query] = answers[j]!;
        }
        if (randomNonQueries) fillBlanks(stream, tokens, context, vocabSize);
      },
    };
  },
});

/** V > L ≥ 2·D·R + 2·D leaves more than D·R values and D·R keys, so the supply of distinct tokens needs no rule of its own. */
const rules: Rule<{ pairs: number; valuesPerKey: number; seqLen: number; vocabSize: number }>[] = [
  [
    ({ pairs, valuesPerKey, seqLen }) => 2 * pairs * (valuesPerKey + 1) <= seqLen,
    ({ pairs, valuesPerKey, seqLen }) =>
      `pairs ${pairs} with valuesPerKey ${valuesPerKey} needs seqLen ≥ ${2 * pairs * (valuesPerKey + 1)} (2·pairs·valuesPerKey + 2·pairs ≤ seqLen), but seqLen is ${seqLen}`,
  ],
  [({ seqLen }) => seqLen % 2 === 0, ({ seqLen }) => `seqLen must be even (pairs and query slots are two tokens wide), but seqLen is ${seqLen}`],
  [({ vocabSize, seqLen }) => vocabSize > seqLen, ({ vocabSize, seqLen }) => `vocabSize must be above seqLen, but vocabSize is ${vocabSize} and seqLen is ${seqLen}`],
];
