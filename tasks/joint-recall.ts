/**
 * Joint recall (Zhan et al. 2025, arXiv:2507.00449): a table whose value depends on a context and a key together; recall all
 * of it. vocabSize 30 (contexts 1…9, keys 10…19, values 20…29), seqLen 20, contexts 2, keys 2:
 *
 *     tokens    1 18 21 14 21  3 18 24 14 21  1 14  3 18  1 18  3 14  0  0
 *     targets   ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  · 21  · 24  · 21  · 21  ·  ·
 *             └────────────table────────────┴────────queries────────┴blank┘
 *
 * Draw n_c = `contexts` distinct contexts, n_k = `keys` distinct keys, the same for every context, and n_c·n_k values,
 * uniform and independent (so they may repeat). The table is one block a context: the context, then its key-value pairs in a
 * random order of their own; n_c(1 + 2n_k) tokens. Then each of the n_c·n_k combinations is asked for once, in a uniformly
 * random order, as context and key; its value is the target at the key. The rest is blank (0).
 *
 * The paper gives the task (a context-key-value table, queries of context and key, vocabulary 100) and its authors' figure the
 * blocks; the sizes n_c and n_k of its data, the split of the vocabulary and the order of queries were not found, so those
 * here are chosen and unverified: thirds of the vocabulary, and 4 × 4 by default.
 */
import { z } from '#core/config.ts';
import { drawUnused, shuffle } from './query-slots.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(7).max(2 ** 24).default(100).describe('V: token 0 is blank, then contexts, then keys from ⌊V/3⌋, values from 2⌊V/3⌋'),
  seqLen: z.int().positive().default(68).describe('L: tokens of one example'),
  contexts: z.int().positive().default(4).describe('n_c: contexts of the table'),
  keys: z.int().positive().default(4).describe('n_k: keys of each context'),
});

/** Throws E_CONFIG for an illegal option, E_SIZE for n_c(1 + 2n_k) + 2·n_c·n_k > L, n_c > ⌊V/3⌋ − 1 or n_k > ⌊V/3⌋. */
export const jointRecall = defineTask({
  name: 'joint-recall',
  summary: 'recall a table whose values depend on a context and a key together',
  config,
  open({ vocabSize, seqLen, contexts, keys }) {
    checkSizes('joint-recall', { contexts, keys, seqLen, vocabSize }, { vocabSize: 7 }, rules);
    const firstKey = Math.floor(vocabSize / 3);
    const firstValue = 2 * firstKey;
    const size = contexts * keys;
    const used = new Uint8Array(vocabSize); // all zero between examples
    const names = new Int32Array(contexts);
    const keyTokens = new Int32Array(keys);
    const cells = new Int32Array(size); // context·n_k + key, in the order of the table, later of the queries
    const blocks = Array.from({ length: contexts }, (_, c) => cells.subarray(c * keys, (c + 1) * keys));
    const values = new Int32Array(size);

    return {
      vocabSize,
      seqLen,
      maxScored: size,
      slice: { seqLen, contexts, keys },
      example(stream, { tokens, targets }) {
        for (let c = 0; c < contexts; c++) names[c] = drawUnused(stream, used, 1, firstKey - 1);
        for (let k = 0; k < keys; k++) keyTokens[k] = drawUnused(stream, used, firstKey, firstKey);
        for (let c = 0; c < contexts; c++) used[names[c]] = 0;
        for (let k = 0; k < keys; k++) used[keyTokens[k]] = 0;
        for (let i = 0; i < size; i++) {
          cells[i] = i;
          values[i] = firstValue + stream.below(vocabSize - firstValue);
        }

        let t = 0;
        for (let c = 0; c < contexts; c++) {
          const block = blocks[c];
          shuffle(stream, block);
          tokens[t++] = names[c]!;
          for (let i = 0; i < keys; i++) {
            tokens[t++] = keyTokens[block[i] % keys]!;
            tokens[t++] = values[block[i]]!;
          }
        }
        targets.fill(UNSCORED);
        shuffle(stream, cells);
        for (let i = 0; i < size; i++) {
          tokens[t++] = names[Math.floor(cells[i] / keys)]!;
          tokens[t] = keyTokens[cells[i] % keys]!;
          targets[t++] = values[cells[i]]!;
        }
        tokens.fill(0, t);
      },
    };
  },
});

const rules: Rule<{ contexts: number; keys: number; seqLen: number; vocabSize: number }>[] = [
  [
    ({ contexts, keys, seqLen }) => contexts + 4 * contexts * keys <= seqLen,
    ({ contexts, keys, seqLen }) =>
      `contexts ${contexts} with keys ${keys} needs seqLen ≥ ${contexts + 4 * contexts * keys} (contexts·(1 + 2·keys) + 2·contexts·keys ≤ seqLen), but seqLen is ${seqLen}`,
  ],
  [
    ({ contexts, vocabSize }) => contexts < Math.floor(vocabSize / 3),
    ({ contexts, vocabSize }) => `contexts must be below ⌊vocabSize/3⌋ (distinct contexts), but contexts is ${contexts} and vocabSize is ${vocabSize}`,
  ],
  [
    ({ keys, vocabSize }) => keys <= Math.floor(vocabSize / 3),
    ({ keys, vocabSize }) => `keys must not be above ⌊vocabSize/3⌋ (distinct keys), but keys is ${keys} and vocabSize is ${vocabSize}`,
  ],
];
