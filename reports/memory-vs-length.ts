/** What has to be kept: the state that decoding carries, and the memory that a program takes on its device. */
import { least } from '#core/statistics.ts';
import { linesAlong, type Cost } from '#results/costs.ts';
import { costFigure, directionOf, groupBy, lengthAxis, option, selectCosts, type CostPanel } from './cost-figure.ts';
import type { Axis, FigureKind } from './figure.ts';

const bytes = (label: string): Axis => ({ label, scale: 'log2', unit: 'bytes' });

export const memoryVsLength: FigureKind<'memory-vs-length'> = {
  name: 'memory-vs-length',
  summary: 'bytes of decoding state against context, and device bytes of ops and models against length',
  of: 'costs',
  build(stored, options = {}) {
    const all = selectCosts(stored, options);
    const lines = (along: string, wanted: (cost: Cost) => boolean) => linesAlong(along, all.filter(wanted)).flatMap((line) => line.costs);
    const carried = lines('context', ({ measure }) => measure.workload === 'decode');
    // one batch will do: the state is that of one sequence
    const batch = least(carried.map((cost) => option(cost, 'batch')));
    const panel = (title: string, costs: readonly Cost[], along: string, label: string): CostPanel => ({
      title, costs, x: { ...lengthAxis, label }, y: bytes('Device memory'), along, yOf: ({ peakBytes }) => (peakBytes > 0 ? { y: peakBytes } : undefined), slopes: true,
    });
    const panels: CostPanel[] = [
      ...(carried.length === 0
        ? []
        : [
            { ...panel('Decoding', carried.filter((cost) => option(cost, 'batch') === batch), 'context', 'Context (tokens)'), y: bytes('State of a sequence'), yOf: ({ stateBytes }: Cost) => (stateBytes === null ? undefined : { y: stateBytes }) },
            panel('Decoding', carried, 'context', 'Context (tokens)'),
          ]),
      ...groupBy(lines('seqLen', ({ measure }) => measure.workload === 'prefill'), () => 'Prefill').map(([title, costs]) => panel(title, costs, 'seqLen', 'Prompt (tokens)')),
      ...groupBy(lines('seqLen', ({ measure }) => measure.options['direction'] !== undefined), directionOf).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([title, costs]) => panel(title, costs, 'seqLen', lengthAxis.label)),
    ];
    // what takes no memory that anyone counted is no line
    const counted = panels.map((p) => ({ ...p, costs: p.costs.filter((cost) => cost.state !== 'done' || p.yOf(cost) !== undefined) }));
    return costFigure({
      name: 'memory-vs-length',
      title: options.title ?? 'Memory against length',
      all,
      panels: counted.filter((p) => p.costs.length > 0),
      caption: ['State is what decoding carries from token to token for one sequence, all layers; device memory is what the program plans, weights and operands included. Numbers at the ends of lines are slopes: exponents over the longer half of each line.'],
      command: 'recallbench throughput fig10-length, or decode',
    });
  },
};
