import { mean } from '#core/statistics.ts';
import type { DoneCost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import { nothing, type Claim, type Verdict } from './claim.ts';
import { at, doneLines, exponentText, growthOf, judgeGrowth, type Growth } from './growth.ts';
import { directionOf, ops, repetitionWords, span, usedCosts } from './ratio.ts';

/** a line that does not reach this length has not shown how it grows */
const REACHES = 4096;
/** the end of a line: its last lengths that span so many times */
const END = 4;
/** a line still steepens whose end is steeper than what comes before by more than this */
const STEEPENS = 0.1;

const growths = {
  ssd: { name: 'SSD', power: 1, near: 0.15 },
  'causal-attention': { name: 'attention', power: 2, near: 0.25 },
} as const;

export const growthWithLength: Claim<'growth-with-length'> = {
  name: 'growth-with-length',
  statement: 'Time grows linearly with length for SSD and quadratically for attention.',
  source: 'Mamba-2 paper, arXiv 2405.21060, §6 and §9.3, figure 10, left',
  criterion:
    `Exponents of time against length at the end of each line, its last lengths that span ${END}-fold, forward and with gradients each by itself; a line must reach ${formatNumber(REACHES)}. ` +
    `Confirmed where all of SSD (in chunks) lie within 1 ± ${growths.ssd.near} and all of attention within 2 ± ${growths['causal-attention'].near}; refuted where one does not. ` +
    `A line below its window that still steepens (its end by more than ${STEEPENS} steeper than what comes before) is told and does not count: what every call costs, or a device that is not yet full, hides its growth.`,
  of: 'costs',
  needs: 'recallbench throughput fig10-length --only workload=ssd,causal-attention',
  decide({ costs }) {
    const judged = (['ssd', 'causal-attention'] as const).map((op) => {
      const { name, power, near } = growths[op];
      const ends = doneLines('seqLen', ops(costs, op)).flatMap((line) => endOf(line) ?? []);
      const counted = ends.filter(({ end, steepens }) => end.exponent >= power - near || !steepens);
      return { name, ends, counted, state: judgeGrowth(counted.map((e) => e.end), (exponent) => Math.abs(exponent - power) <= near) };
    });
    const all = judged.flatMap(({ ends }) => ends.map(({ end }) => end));
    if (all.length === 0) return nothing(`Neither SSD nor attention was measured at several lengths up to ${formatNumber(REACHES)} or more.`);
    const used = all.flatMap((g) => g.costs);
    const parts = judged.map(({ name, ends, counted }) => (ends.length === 0 ? `${name} was not measured so` : `${name} ${ends.map((e) => text(e.end, counted.includes(e))).join(', ')}`));
    const evidence = [`Exponents: ${parts.join('; ')}.`, ...repetitionWords(used)].join(' ');
    const states = judged.map((j) => j.state);
    const state: Verdict['state'] = states.includes('refuted') ? 'refuted' : states.includes('not-enough-data') ? 'not-enough-data' : 'confirmed';
    const [ssd, attention] = judged.map(({ counted }) => counted.map(({ end }) => end.exponent));
    const cells = usedCosts(used);
    if (ssd.length === 0 || attention.length === 0) return { state: 'not-enough-data', cells, evidence };
    return { state, measured: { value: mean(attention) - mean(ssd), unit: '(exponent of attention less that of SSD)' }, evidence, cells };
  },
};

interface End {
  readonly end: Growth;
  /** not known to have settled */
  readonly steepens: boolean;
}

/** The end of a line; undefined where it is too short. */
function endOf(line: readonly DoneCost[]): End | undefined {
  const length = (cost: DoneCost) => option(cost, 'seqLen');
  const last = length(line.at(-1)!);
  const from = line.findLastIndex((cost) => length(cost) <= last / END);
  if (last < REACHES || from < 0) return undefined;
  const end = growthOf('seqLen', line.slice(from));
  const before = line.slice(Math.max(0, line.findLastIndex((cost) => length(cost) <= length(line[from]) / END)), from + 1);
  return { end, steepens: before.length < 2 || end.exponent - growthOf('seqLen', before).exponent > STEEPENS };
}

/** "1.99 forward (16,384 to 65,536)" */
function text(growth: Growth, counted: boolean): string {
  const { exponent, costs } = growth;
  return `${exponentText(exponent)} ${directionOf(costs[0])} (${span(costs.map((cost) => at(growth, cost)))}${counted ? '' : ', still steepening, not counted'})`;
}
