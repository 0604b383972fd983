/** The table of tasks. */
import { table } from '#core/config.ts';
import { associativeRecall } from './associative-recall.ts';
import { compositionalMqar } from './compositional-mqar.ts';
import { conflictingMqar } from './conflicting-mqar.ts';
import { cumulativeParity } from './cumulative-parity.ts';
import { forgettingMqar } from './forgetting-mqar.ts';
import { inductionHeads } from './induction-heads.ts';
import { jointRecall } from './joint-recall.ts';
import { mqar } from './mqar.ts';
import { nBack } from './n-back.ts';
import { parity } from './parity.ts';
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
  'n-back': nBack,
  parity,
  'cumulative-parity': cumulativeParity,
  'word-problem': wordProblem,
});
