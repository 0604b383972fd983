/** The table of tasks. */
import { table } from '#core/config.ts';
import { associativeRecall } from './associative-recall.ts';
import { compositionalMqar } from './compositional-mqar.ts';
import { conflictingMqar } from './conflicting-mqar.ts';
import { forgettingMqar } from './forgetting-mqar.ts';
import { inductionHeads } from './induction-heads.ts';
import { jointRecall } from './joint-recall.ts';
import { mqar } from './mqar.ts';
import { selectiveCopying } from './selective-copying.ts';

export const tasks = table({
  mqar,
  'selective-copying': selectiveCopying,
  'induction-heads': inductionHeads,
  'associative-recall': associativeRecall,
  'forgetting-mqar': forgettingMqar,
  'compositional-mqar': compositionalMqar,
  'conflicting-mqar': conflictingMqar,
  'joint-recall': jointRecall,
});
