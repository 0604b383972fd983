/**
 * MAD in-context recall with many queries (Poli et al. 2024, arXiv:2403.17844; mad-lab `data/instances.py`).
 *
 * Pairs k₁ v₁ k₂ v₂ …, in which keys come back; a key keeps its value within one example. Keys are the first half of the
 * vocabulary, values the second. Each key is uniform, its value uniform when it first comes, and the last key is uniform
 * among those before it. The value is the target at its key wherever the key was seen before. vocabSize 8, seqLen 16:
 *
 *     tokens   0 4 1 7 0 4 0 4 0 4 1 7 3 4 3 4
 *     targets  · · · · 4 · 4 · 4 · 7 · · · 4 ·
 *
 * This is next-token prediction: the value follows its key as an input, also where it was the target. With `scored`
 * "all" the target is the next token at every position, new keys and values included, which nobody can know: MAD trains
 * so and tests what is recalled. MAD hands its models the example without the last token; here it is an input that
 * nothing is scored on.
 */
import { z } from '#core/config.ts';
import { openPairs, scored } from './pairs.ts';
import { defineTask } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(2).max(2 ** 24).default(16).describe('V: the first half are keys, the second half values'),
  seqLen: z.int().min(4).default(128).describe('L: tokens of one example, even'),
  scored,
});

/** Throws E_CONFIG for an illegal option, E_SIZE for L odd. */
export const madRecall = defineTask({
  name: 'mad-recall',
  summary: 'MAD in-context recall: key-value pairs in which keys come back',
  config,
  open: (options) => openPairs({ task: 'mad-recall', ...options, noiseTokens: 0, noise: 0 }),
});
