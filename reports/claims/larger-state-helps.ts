import type { Claim } from './claim.ts';
import { decideDifference, differenceRule, type Pair } from './difference.ts';
import { bestOf, settingsOf, stateSize } from './setting.ts';

export const largerStateHelps: Claim<'larger-state-helps'> = {
  name: 'larger-state-helps',
  statement: 'A larger state helps Mamba-2 on MQAR.',
  source: 'Mamba-2 paper, arXiv 2405.21060, §9.1, figure 8 (N from 16 to 64 to 256)',
  criterion: `Pairs are Mamba-2 at one N and at the next larger one, all else the same. ${differenceRule}`,
  of: 'runs',
  needs: 'recallbench sweep mamba2-fig8-small',
  decide({ cells }) {
    const pairs = settingsOf(cells.filter(({ point }) => point.task === 'mqar')).flatMap((setting): Pair[] => {
      const own = setting.cells.filter((cell) => cell.point.model === 'mamba2' && stateSize(cell) !== undefined);
      const sizes = [...new Set(own.map((cell) => stateSize(cell)!))].sort((a, b) => a - b);
      const at = (n: number) => bestOf(own.filter((cell) => stateSize(cell) === n))!;
      return sizes.slice(1).map((n, i) => ({ setting: setting.name, what: `N=${n} and ${sizes[i]}`, better: at(n), other: at(sizes[i]), floor: setting.floor }));
    });
    return decideDifference(pairs, 'No setting of MQAR has finished runs of Mamba-2 at two state sizes.', ['The larger N', 'the smaller']);
  },
};
