import { greatest } from '#core/statistics.ts';
import { linesAlong, type DoneCost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatBytes, formatNumber } from '../ticks.ts';
import { nothing, type Claim } from './claim.ts';
import { isDone, usedCosts } from './ratio.ts';

/** times by which the context must grow for a constant to mean something */
const RANGE = 16;

interface Kept {
  readonly name: string;
  readonly costs: readonly DoneCost[];
  readonly range: number;
  /** state at the longest context over that at the shortest */
  readonly grows: number;
  readonly constant: boolean;
}

const stateOf = (cost: DoneCost): number => cost.stateBytes!;

export const constantDecodeState: Claim<'constant-decode-state'> = {
  name: 'constant-decode-state',
  statement: 'What Mamba carries from token to token in decoding does not grow with the context; the cache of attention does.',
  source: 'Mamba paper, arXiv 2312.00752, §1 (constant time a step, no cache), and Mamba-2 paper, arXiv 2405.21060, §1',
  criterion: `Bytes of the state of one sequence at each context. Confirmed where those of every Mamba model are the same at all contexts, for one of them over a ${RANGE}-fold range at least, and those of attention are larger at the longer context; refuted where one of a Mamba grows.`,
  of: 'costs',
  needs: 'recallbench throughput quick --only workload=decode',
  decide({ costs }) {
    const decoding = costs.filter((cost): cost is DoneCost => isDone(cost) && cost.measure.workload === 'decode' && cost.stateBytes !== null);
    const kept = linesAlong('context', decoding).map((line): Kept & { model: unknown } => {
      const own = line.costs.filter(isDone);
      const [first, last] = [own[0], own.at(-1)!];
      return { model: first.measure.options['model'], name: line.appearance.label, costs: own, range: option(last, 'context') / option(first, 'context'), grows: stateOf(last) / stateOf(first), constant: own.every((cost) => stateOf(cost) === stateOf(first)) };
    });
    const mambas = kept.filter(({ model }) => typeof model === 'string' && /^mamba\d$/.test(model));
    const attention = kept.filter(({ model }) => model === 'attention');
    if (mambas.length === 0) return nothing('Decoding of no Mamba model was measured at two contexts.');
    const cells = usedCosts([...mambas, ...attention].flatMap((k) => k.costs));
    const evidence = `${[...mambas, ...attention].map(text).join('; ')}.`;
    const measured = { value: greatest(mambas.map((k) => k.grows)), unit: `times the state at ${formatNumber(greatest(mambas.map((k) => k.range)))} times the context` };
    if (mambas.some((k) => !k.constant)) return { state: 'refuted', measured, evidence, cells };
    if (!mambas.some((k) => k.range >= RANGE)) return { state: 'not-enough-data', evidence: `${evidence} The contexts span less than ${RANGE}-fold.`, cells };
    if (!attention.some((k) => k.grows > 1)) return { state: attention.length === 0 ? 'not-enough-data' : 'refuted', measured, evidence: `${evidence} ${attention.length === 0 ? 'Attention was not measured beside.' : 'That of attention does not grow either.'}`, cells };
    return { state: 'confirmed', measured, evidence, cells };
  },
};

/** "Mamba-1 304 KiB at 5 contexts from 256 to 65,536, 0.256 to 0.256 ms a step" */
function text({ name, costs, constant }: Kept): string {
  const [first, last] = [costs[0], costs.at(-1)!];
  const bytes = constant ? formatBytes(stateOf(first)) : `${formatBytes(stateOf(first))} to ${formatBytes(stateOf(last))}`;
  return `${name} ${bytes} at ${costs.length} contexts from ${formatNumber(option(first, 'context'))} to ${formatNumber(option(last, 'context'))} (${formatNumber(first.ms)} and ${formatNumber(last.ms)} ms a step)`;
}
