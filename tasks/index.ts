/** The table of tasks. */
import { table } from '#core/config.ts';
import { associativeRecall } from './associative-recall.ts';
import { compositionalMqar } from './compositional-mqar.ts';
import { conflictingMqar } from './conflicting-mqar.ts';
import { copying } from './copying.ts';
import { cumulativeParity } from './cumulative-parity.ts';
import { forgettingMqar } from './forgetting-mqar.ts';
import { inductionHeads } from './induction-heads.ts';
import { jointRecall } from './joint-recall.ts';
import { madCompression } from './mad-compression.ts';
import { madFuzzyRecall } from './mad-fuzzy-recall.ts';
import { madMemorization } from './mad-memorization.ts';
import { madNoisyRecall } from './mad-noisy-recall.ts';
import { madRecall } from './mad-recall.ts';
import { madSelectiveCopying } from './mad-selective-copying.ts';
import { mqar } from './mqar.ts';
import { nBack } from './n-back.ts';
import { ngramLookup } from './ngram-lookup.ts';
import { parity } from './parity.ts';
import { phoneBook } from './phone-book.ts';
import { regbench } from './regbench.ts';
import { selectiveCopying } from './selective-copying.ts';
import { wordProblem } from './word-problem.ts';

export const tasks = table({
  mqar,
  'forgetting-mqar': forgettingMqar,
  'compositional-mqar': compositionalMqar,
  'conflicting-mqar': conflictingMqar,
  'joint-recall': jointRecall,
  'associative-recall': associativeRecall,
  'induction-heads': inductionHeads,
  'selective-copying': selectiveCopying,
  'mad-recall': madRecall,
  'mad-fuzzy-recall': madFuzzyRecall,
  'mad-noisy-recall': madNoisyRecall,
  'mad-selective-copying': madSelectiveCopying,
  'mad-compression': madCompression,
  'mad-memorization': madMemorization,
  copying,
  'ngram-lookup': ngramLookup,
  'phone-book': phoneBook,
  'n-back': nBack,
  parity,
  'cumulative-parity': cumulativeParity,
  'word-problem': wordProblem,
  regbench,
});
