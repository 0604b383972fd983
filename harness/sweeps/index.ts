/** The table of preset sweeps. */
import { table } from '#core/config.ts';
import { copying, regbench } from './copying.ts';
import { hybridSmall } from './hybrid.ts';
import { mad } from './mad.ts';
import { inductionHeads, inductionHeadsSmall, selectiveCopying, selectiveCopyingSmall } from './mamba-synthetics.ts';
import { mamba2Fig8, mamba2Fig8Small } from './mamba2-fig8.ts';
import { mixers } from './mixers.ts';
import { quick } from './quick.ts';
import { associativeRecall, compositionalMqar, forgettingMqar, jointRecall } from './relatives.ts';
import { parity, paritySmall, wordProblem } from './state-tracking.ts';
import { basedFig2, zoologyFig2 } from './zoology.ts';

export const sweeps = table({
  quick,
  mixers,
  'mamba2-fig8': mamba2Fig8,
  'mamba2-fig8-small': mamba2Fig8Small,
  'hybrid-small': hybridSmall,
  'zoology-fig2': zoologyFig2,
  'based-fig2': basedFig2,
  'selective-copying': selectiveCopying,
  'selective-copying-small': selectiveCopyingSmall,
  'induction-heads': inductionHeads,
  'induction-heads-small': inductionHeadsSmall,
  'associative-recall': associativeRecall,
  'forgetting-mqar': forgettingMqar,
  'compositional-mqar': compositionalMqar,
  'joint-recall': jointRecall,
  mad,
  copying,
  parity,
  'parity-small': paritySmall,
  'word-problem': wordProblem,
  regbench,
});
