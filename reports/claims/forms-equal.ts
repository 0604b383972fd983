import type { DoneCost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import { nothing, type Claim } from './claim.ts';
import { isDone, span, usedCosts } from './ratio.ts';

/** the bounds that the laws of the kernels hold every form to */
const BOUNDS = { fp32: 2e-5, mixed: 3e-3 };

export const formsEqual: Claim<'forms-equal'> = {
  name: 'forms-equal',
  statement: 'The three forms of SSD, recurrence (linear), masked attention (quadratic) and chunks, compute the same.',
  source: 'Mamba-2 paper, arXiv 2405.21060, §3 to §6',
  criterion: `The RMS difference of any two forms over the RMS of the second, results and all gradients, at every shape measured. Confirmed where the greatest is at most ${BOUNDS.fp32} in fp32 and ${BOUNDS.mixed} in mixed precision, to which rounding alone can bring it; refuted where one is greater.`,
  of: 'costs',
  needs: 'recallbench throughput ssd-forms',
  decide({ costs, place }) {
    const checked = costs.filter((cost): cost is DoneCost => isDone(cost) && cost.measure.workload === 'ssd-forms' && differencesOf(cost).length > 0);
    if (checked.length === 0) return nothing('No store holds differences between the forms.');
    const bound = place.precision === 'fp32' ? BOUNDS.fp32 : BOUNDS.mixed;
    const all = checked.flatMap((cost) => differencesOf(cost).map((d) => ({ ...d, length: option(cost, 'seqLen') })));
    const worst = all.reduce((a, b) => (b.rms > a.rms ? b : a));
    const evidence = `Of ${all.length} differences at lengths ${span(all.map((d) => d.length))} the greatest is ${formatNumber(worst.rms)} (${worst.of}, length ${formatNumber(worst.length)}), of ${formatNumber(bound)} allowed.`;
    return { state: worst.rms <= bound ? 'confirmed' : 'refuted', measured: { value: worst.rms, unit: '(greatest RMS ratio)' }, evidence, cells: usedCosts(checked) };
  },
};

const differencesOf = ({ measurements }: DoneCost) => measurements.flatMap((m) => (m.outcome.state === 'done' ? (m.differences ?? []) : []));
