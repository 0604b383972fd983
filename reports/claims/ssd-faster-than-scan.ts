import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import { nothing, type Claim } from './claim.ts';
import { directionOf, judgeRatios, measuredRatios, ops, ratiosOf, ratiosText, repetitionWords, shapeOf, usedRatios, type Ratio } from './ratio.ts';

/** at shorter lengths the cost of a call hides that of the op */
const SHORTEST = 1024;
const [LEAST, MOST] = [2, 8];

export const ssdFasterThanScan: Claim<'ssd-faster-than-scan'> = {
  name: 'ssd-faster-than-scan',
  statement: 'SSD is 2 to 8 times faster than the selective scan of Mamba-1 at N=64.',
  source: 'Mamba-2 paper, arXiv 2405.21060, §1 and §9.3, figure 10 (A100)',
  criterion: `Ratios of the times of scan and SSD (in chunks) at N=64, same batch, length and width, forward and with gradients each by itself, at all lengths from ${formatNumber(SHORTEST)} on. Confirmed where all are at least ${LEAST}, over the whole range of repetitions; refuted where one is below. Above ${MOST} is more than was published and is told, but refutes nothing.`,
  of: 'costs',
  needs: 'recallbench throughput fig10-length --only workload=ssd,selective-scan',
  decide({ costs }) {
    const [scan, ssd] = (['selective-scan', 'ssd'] as const).map((op) => ops(costs, op).filter((cost) => option(cost, 'dState') === 64));
    const all = ratiosOf(scan, ssd, (cost) => `${shapeOf(cost)} ${option(cost, 'seqLen')}`, (cost) => ({ at: option(cost, 'seqLen'), group: directionOf(cost) }));
    const [short, long] = [all.filter(({ at }) => at < SHORTEST), all.filter(({ at }) => at >= SHORTEST)];
    if (all.length === 0) return nothing('SSD and the selective scan were not both measured at N=64 and the same shape.');
    if (long.length === 0) return { state: 'not-enough-data', cells: usedRatios(short), evidence: `Measured at short lengths only: ${ratiosText(short)}.` };
    const at = ({ group, at: length }: Ratio) => `${formatNumber(length)} ${group}`;
    const [below, above] = [long.filter(({ value }) => value < LEAST), long.filter(({ value }) => value > MOST)];
    const standing = [
      ...(below.length === 0 ? [] : [`below ${LEAST} at ${below.map(at).join(', ')}`]),
      ...(above.length === 0 ? [] : [`above ${MOST} at ${above.map(at).join(', ')}`]),
    ];
    const evidence = [
      `Beside SSD the scan takes ${ratiosText(long)}: ${standing.length === 0 ? `all within ${LEAST} to ${MOST}` : standing.join(', ')}.`,
      ...(short.length === 0 ? [] : [`Shorter, not counted: ${ratiosText(short)}.`]),
      ...repetitionWords(long.flatMap(({ slow, fast }) => [slow, fast])),
    ].join(' ');
    return { state: judgeRatios(long, LEAST), measured: measuredRatios(long, 'over lengths and directions'), evidence, cells: usedRatios(long) };
  },
};
