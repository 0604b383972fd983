/** SSD against attention over length: from where on it is faster, and by how much at 16,384. */
import type { Cost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import { nothing, type Claim } from './claim.ts';
import { directionOf, judgeRatios, measuredRatios, ops, ratiosOf, ratiosText, repetitionWords, shapeOf, usedRatios, type Ratio } from './ratio.ts';

const paper = 'Mamba-2 paper, arXiv 2405.21060, §1 and §9.3, figure 10 (A100, against FlashAttention-2)';
const pairing = 'Ratios of the times of causal attention and SSD (in chunks, N=64), same batch, length and width, forward and with gradients each by itself';
const needs = 'recallbench throughput fig10-length --only workload=ssd,causal-attention';
const lacking = 'SSD at N=64 and causal attention were not both measured at the same shape.';

function ratios(costs: readonly Cost[]): Ratio[] {
  const ssd = ops(costs, 'ssd').filter((cost) => option(cost, 'dState') === 64);
  return ratiosOf(ops(costs, 'causal-attention'), ssd, (cost) => `${shapeOf(cost)} ${option(cost, 'seqLen')}`, (cost) => ({ at: option(cost, 'seqLen'), group: directionOf(cost) }));
}

const CROSSING = 2048;

/** "forward from 512 on, the shortest measured" */
function crossings(all: readonly Ratio[]): string {
  return [...new Set(all.map(({ group }) => group))]
    .map((group) => {
      const lengths = [...new Set(all.filter((r) => r.group === group).map(({ at }) => at))].sort((a, b) => a - b);
      const behind = lengths.findLastIndex((length) => all.some((r) => r.group === group && r.at === length && r.value <= 1));
      if (behind === lengths.length - 1) return `${group} at none up to ${formatNumber(lengths.at(-1)!)}`;
      return `${group} from ${formatNumber(lengths[behind + 1])} on${behind < 0 ? ' (the shortest measured)' : ''}`;
    })
    .join(', ');
}

export const ssdPassesAttention: Claim<'ssd-passes-attention'> = {
  name: 'ssd-passes-attention',
  statement: 'SSD is faster than attention from length 2,048 on.',
  source: paper,
  criterion: `${pairing}. Confirmed where attention takes longer at every length from ${formatNumber(CROSSING)} on, over the whole range of repetitions; refuted where it takes less time at one of them. A crossing at a shorter length confirms, and is told.`,
  of: 'costs',
  needs,
  decide({ costs }) {
    const all = ratios(costs);
    const long = all.filter(({ at }) => at >= CROSSING);
    if (all.length === 0) return nothing(lacking);
    if (long.length === 0) return { state: 'not-enough-data', cells: usedRatios(all), evidence: `Measured only below ${formatNumber(CROSSING)}: beside SSD attention takes ${ratiosText(all)}.` };
    const evidence = [`SSD takes less time ${crossings(all)}. Beside it attention takes ${ratiosText(long)}.`, ...repetitionWords(long.flatMap(({ slow, fast }) => [slow, fast]))].join(' ');
    return { state: judgeRatios(long, 1), measured: measuredRatios(long, `from ${formatNumber(CROSSING)} on`), evidence, cells: usedRatios(all) };
  },
};

const [LENGTH, TIMES] = [16384, 6];

export const ssdSixTimesAttention: Claim<'ssd-six-times-attention'> = {
  name: 'ssd-six-times-attention',
  statement: 'SSD is 6 times faster than attention at length 16,384.',
  source: paper,
  criterion: `${pairing}, at length ${formatNumber(LENGTH)}. Confirmed where all are at least ${TIMES}, over the whole range of repetitions; refuted where one is below.`,
  of: 'costs',
  needs,
  decide({ costs }) {
    const all = ratios(costs);
    const there = all.filter(({ at }) => at === LENGTH);
    if (all.length === 0) return nothing(lacking);
    if (there.length === 0) return { state: 'not-enough-data', cells: usedRatios(all), evidence: `Not measured at ${formatNumber(LENGTH)}; beside SSD attention takes ${ratiosText(all)}.` };
    const evidence = [`Beside SSD attention takes ${there.map((r) => `${formatNumber(r.value)} times as long ${r.group}`).join(', ')} at ${formatNumber(LENGTH)}.`, ...repetitionWords(there.flatMap(({ slow, fast }) => [slow, fast]))].join(' ');
    return { state: judgeRatios(there, TIMES), measured: measuredRatios(there, 'over directions'), evidence, cells: usedRatios(there) };
  },
};
