/** Time against state size N: the scan's grows with it, that of SSD hardly. */
import type { Cost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import { nothing, type Claim, type Verdict } from './claim.ts';
import { at, doneLines, exponentText, growthOf, judgeGrowth, measuredGrowth, type Growth } from './growth.ts';
import { directionOf, ops, repetitionWords, usedCosts } from './ratio.ts';

/** below, what every call costs hides how time grows; and it is the N of Mamba-1 */
const LEAST = 16;
/** times by which N must grow for the growth of time to show */
const RANGE = 4;
/** a line is linear whose exponent is that near to 1 */
const NEAR = 0.25;
/** and nearly flat whose exponent is at most this: 16 times the state in twice the time */
const FLAT = 0.25;

const source = 'Mamba-2 paper, arXiv 2405.21060, §9.3, figure 10, right (length 4,096, A100)';
const fitted = `Exponents of time against N, by least squares over all N from ${LEAST} on, forward and with gradients each by itself; N must span ${RANGE}-fold at least.`;
const needs = 'recallbench throughput fig10-state';

function decideGrowth(costs: readonly Cost[], op: 'ssd' | 'selective-scan', name: string, within: (exponent: number) => boolean): Verdict {
  const lines = doneLines('dState', ops(costs, op).filter((cost) => option(cost, 'dState') >= LEAST)).map((line) => growthOf('dState', line));
  if (lines.length === 0) return nothing(`${name} was not measured at two state sizes from ${LEAST} on.`);
  const told = lines.filter((line) => at(line, line.costs.at(-1)!) >= RANGE * at(line, line.costs[0]));
  if (told.length === 0) return { state: 'not-enough-data', cells: usedCosts(lines.flatMap((l) => l.costs)), evidence: `${name} was measured over less than a ${RANGE}-fold range of N.` };
  const used = told.flatMap((l) => l.costs);
  const evidence = [`${name} takes ${told.map(text).join('; ')}.`, ...repetitionWords(used)].join(' ');
  return { state: judgeGrowth(told, within), measured: measuredGrowth(told, '(exponent)'), evidence, cells: usedCosts(used) };
}

/** "1.1, 1.32, 2.14 times as long at N=32, 64, 128 as at 16, forward at length 4,096 (exponent 0.48)" */
function text(growth: Growth): string {
  const [first, ...rest] = growth.costs;
  const numbers = (of: (cost: (typeof rest)[number]) => number) => rest.map((cost) => formatNumber(of(cost))).join(', ');
  return `${numbers((cost) => cost.ms / first.ms)} times as long at N=${numbers((cost) => at(growth, cost))} as at ${at(growth, first)}, ${directionOf(first)} at length ${formatNumber(option(first, 'seqLen'))} (exponent ${exponentText(growth.exponent)})`;
}

export const scanLinearInState: Claim<'scan-linear-in-state'> = {
  name: 'scan-linear-in-state',
  statement: 'The time of the selective scan is linear in the state size N.',
  source,
  criterion: `${fitted} Confirmed where all lie within 1 ± ${NEAR}; refuted where one does not.`,
  of: 'costs',
  needs,
  decide: ({ costs }) => decideGrowth(costs, 'selective-scan', 'The scan', (exponent) => Math.abs(exponent - 1) <= NEAR),
};

export const ssdFlatInState: Claim<'ssd-flat-in-state'> = {
  name: 'ssd-flat-in-state',
  statement: 'The time of SSD is nearly flat in the state size N.',
  source,
  criterion: `${fitted} Nearly flat, for which the paper gives no number, is an exponent of at most ${FLAT}: 16 times the state in twice the time. Confirmed where all are; refuted where one is not.`,
  of: 'costs',
  needs,
  decide: ({ costs }) => decideGrowth(costs, 'ssd', 'SSD', (exponent) => exponent <= FLAT),
};
