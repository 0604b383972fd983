import type { Claim } from './claim.ts';
import { decideDifference, differenceRule, type Pair } from './difference.ts';
import { bestOf, settingsOf, stateSize } from './setting.ts';

export const mamba2BeatsMamba1: Claim<'mamba2-beats-mamba1'> = {
  name: 'mamba2-beats-mamba1',
  statement: 'On MQAR Mamba-2 recalls more than Mamba-1 even at the same state size N.',
  source: 'Mamba-2 paper, arXiv 2405.21060, §9.1, figure 8 (N=16)',
  criterion: `Pairs are Mamba-2 and Mamba-1 of the same N at the same width, depth, data and budget. ${differenceRule}`,
  of: 'runs',
  needs: 'recallbench sweep mamba2-fig8-small',
  decide({ cells }) {
    const pairs = settingsOf(cells.filter(({ point }) => point.task === 'mqar')).flatMap((setting): Pair[] => {
      const of = (model: string) => setting.cells.filter(({ point }) => point.model === model);
      const sizes = [...new Set(of('mamba1').map(stateSize))].toSorted((a, b) => (a ?? 0) - (b ?? 0));
      return sizes.flatMap((n): Pair[] => {
        const [better, other] = ['mamba2', 'mamba1'].map((model) => bestOf(of(model).filter((cell) => stateSize(cell) === n)));
        return n === undefined || better === undefined || other === undefined ? [] : [{ setting: setting.name, what: `N=${n}`, better, other, floor: setting.floor }];
      });
    });
    return decideDifference(pairs, 'No setting of MQAR has finished runs of Mamba-1 and Mamba-2 at the same N.', ['Mamba-2', 'Mamba-1']);
  },
};
