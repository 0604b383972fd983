import { canonicalJson } from '#core/content-id.ts';
import type { DoneCost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import { nothing, type Claim } from './claim.ts';
import { isDone, judgeRatios, measuredRatios, ratiosOf, repetitionWords, span, usedRatios } from './ratio.ts';

const [SMALL, TIMES] = [16, 16];

const stateSize = ({ measure: { options } }: DoneCost): number | undefined => (options['modelOptions'] as Record<string, unknown> | undefined)?.['dState'] as number | undefined;

export const largerStateTrainsFaster: Claim<'larger-state-trains-faster'> = {
  name: 'larger-state-trains-faster',
  statement: 'Mamba-2 trains faster than Mamba-1 with up to 16 times its state (N=256 against 16).',
  source: 'Mamba-2 paper, arXiv 2405.21060, §1 and §9 (N=16 in Mamba-1, up to 256 in Mamba-2)',
  criterion: `Ratios of the times of a training step of Mamba-1 at N=${SMALL} and Mamba-2 at N=${SMALL * TIMES}, same width, depth, batch, length and vocabulary. Confirmed where all are at least 1, over the whole range of repetitions; refuted where one is below.`,
  of: 'costs',
  needs: 'recallbench throughput train-mqar --only options.model=mamba1,mamba2',
  decide({ costs }) {
    const steps = costs.filter((cost): cost is DoneCost => isDone(cost) && cost.measure.workload === 'train');
    const of = (model: string, n?: number) => steps.filter((cost) => cost.measure.options['model'] === model && (n === undefined || stateSize(cost) === n));
    const key = (cost: DoneCost) => {
      const { model: _, modelOptions: __, ...shape } = cost.measure.options;
      return canonicalJson(shape);
    };
    const ratios = (n: number) => ratiosOf(of('mamba1', SMALL), of('mamba2', n), key, (cost) => ({ at: option(cost, 'seqLen'), group: `width ${formatNumber(option(cost, 'dModel'))}` }));
    const text = (n: number) => `${span(ratios(n).map((r) => r.value))} times as long as Mamba-2's at N=${n}`;
    const sizes = [...new Set(of('mamba2').map(stateSize))].filter((n) => n !== undefined && n > SMALL && ratios(n).length > 0).map((n) => n!).sort((a, b) => a - b);
    if (sizes.length === 0) return nothing(`Training steps of Mamba-1 at N=${SMALL} and Mamba-2 at a larger N were not measured at the same shape.`);
    const wanted = ratios(SMALL * TIMES);
    const others = sizes.filter((n) => n !== SMALL * TIMES).map(text).join(', ');
    if (wanted.length === 0) {
      const used = ratios(sizes.at(-1)!);
      return { state: 'not-enough-data', cells: usedRatios(used), evidence: `A training step of Mamba-1 at N=${SMALL} takes ${others}; N=${SMALL * TIMES} was not measured.` };
    }
    const faster = wanted.filter(({ value }) => value > 1).length;
    const evidence = [
      `A training step of Mamba-1 at N=${SMALL} takes ${text(SMALL * TIMES)}: Mamba-2 is faster at ${faster} of ${wanted.length} shapes (lengths ${span(wanted.map((r) => r.at))}).`,
      ...(others === '' ? [] : [`At smaller N it takes ${others}.`]),
      ...repetitionWords(wanted.flatMap(({ slow, fast }) => [slow, fast])),
    ].join(' ');
    return { state: judgeRatios(wanted, 1), measured: measuredRatios(wanted, 'over shapes'), evidence, cells: usedRatios(wanted) };
  },
};
