/** The table of tasks. */
import { table } from '#core/config.ts';
import { copying } from './copying.ts';
import { madCompression } from './mad-compression.ts';
import { madFuzzyRecall } from './mad-fuzzy-recall.ts';
import { madMemorization } from './mad-memorization.ts';
import { madNoisyRecall } from './mad-noisy-recall.ts';
import { madRecall } from './mad-recall.ts';
import { madSelectiveCopying } from './mad-selective-copying.ts';
import { mqar } from './mqar.ts';
import { ngramLookup } from './ngram-lookup.ts';
import { phoneBook } from './phone-book.ts';
import { regbench } from './regbench.ts';

export const tasks = table({
  mqar,
  'mad-recall': madRecall,
  'mad-fuzzy-recall': madFuzzyRecall,
  'mad-noisy-recall': madNoisyRecall,
  'mad-selective-copying': madSelectiveCopying,
  'mad-compression': madCompression,
  'mad-memorization': madMemorization,
  copying,
  'ngram-lookup': ngramLookup,
  'phone-book': phoneBook,
  regbench,
});
