import type { DoneCell } from '#results/query.ts';
import type { Claim } from './claim.ts';
import { decideDifference, differenceRule, type Pair } from './difference.ts';
import { bestOf, settingsOf } from './setting.ts';

/** Mixers of one round of a pattern: "mamba2*9,attention" is nine and one. */
function mixersOf(model: string): string[] {
  return model.split(',').flatMap((part) => {
    const [name, times = '1'] = part.split('*');
    return new Array<string>(Number(times)).fill(name.trim());
  });
}

/** The share of attention among the layers of a hybrid of Mamba-2 and attention; undefined for every other model. */
function attentionShare({ point }: DoneCell): number | undefined {
  const mixers = mixersOf(point.model);
  return mixers.every((name) => name === 'mamba2' || name === 'attention') ? mixers.filter((name) => name === 'attention').length / mixers.length : undefined;
}

export const attentionHybrid: Claim<'attention-hybrid'> = {
  name: 'attention-hybrid',
  statement: 'Mamba-2 with about 10 % attention layers is better than Mamba-2 alone and than attention alone.',
  source: 'Mamba-2 paper, arXiv 2405.21060, §9.2.3, tables 2 and 3 (perplexity of language models; here it is recall)',
  criterion: `A pair is a hybrid with 5 to 15 % attention layers and the better of the two pure models of the same depth and width, Mamba-2 and attention; of several hybrids the best on validation. ${differenceRule}`,
  of: 'runs',
  needs: 'recallbench sweep hybrid-small',
  decide({ cells }) {
    const pairs = settingsOf(cells).flatMap((setting): Pair[] => {
      const of = (wanted: (share: number) => boolean) => bestOf(setting.cells.filter((cell) => wanted(attentionShare(cell) ?? -1)));
      const [better, ssd, attention] = [of((share) => share >= 0.05 && share <= 0.15), of((share) => share === 0), of((share) => share === 1)];
      if (better === undefined || ssd === undefined || attention === undefined) return [];
      const other = bestOf([ssd, attention])!;
      return [{ setting: setting.name, what: `${better.appearance.label} and ${other.appearance.label}`, better, other, floor: setting.floor }];
    });
    return decideDifference(pairs, 'No setting has finished runs of Mamba-2, of attention, and of a hybrid of them with 5 to 15 % attention layers.', ['The hybrid', 'the better of the pure models']);
  },
};
