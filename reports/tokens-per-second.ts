/** Tokens a second of whole models: training, reading a prompt, writing side by side. */
import { linesAlong, type Cost } from '#results/costs.ts';
import { costFigure, groupBy, lengthAxis, option, selectCosts, type CostPanel } from './cost-figure.ts';
import type { Axis, FigureKind } from './figure.ts';
import { formatNumber } from './ticks.ts';

const rate = (label: string): Axis => ({ label, scale: 'log10', unit: 'count' });

export const tokensPerSecond: FigureKind<'tokens-per-second'> = {
  name: 'tokens-per-second',
  summary: 'tokens a second of whole models: training and prefill against length, decoding against batch and context',
  of: 'costs',
  build(stored, options = {}) {
    const all = selectCosts(stored, options);
    const panel = (title: string, costs: readonly Cost[], y: string, along: string, label: string): CostPanel => ({
      title,
      costs,
      x: { ...lengthAxis, label },
      y: rate(y),
      along,
      yOf: ({ tokens, ms, low, high, repetitions }) => ({ y: (1000 * tokens) / ms, ...(repetitions > 1 ? { low: (1000 * tokens) / high, high: (1000 * tokens) / low } : {}) }),
    });
    const of = (workload: string) => all.filter(({ measure }) => measure.workload === workload);
    const widthOf = (what: string) => (cost: Cost) => `${what}, width ${formatNumber(option(cost, 'dModel'))}`;
    const [train, prefill] = (['train', 'prefill'] as const).map((workload) => groupBy(of(workload), widthOf(workload === 'train' ? 'Training' : 'Prefill')).map(([title, costs]) => panel(title, costs, `Tokens ${workload === 'train' ? 'trained' : 'read'} per second`, 'seqLen', workload === 'train' ? lengthAxis.label : 'Prompt (tokens)')));
    const decode = ([['batch', 'Sequences side by side'], ['context', 'Context (tokens)']] as const).flatMap(([along, label]) =>
      groupBy(linesAlong(along, of('decode')).flatMap((line) => line.costs), widthOf('Decoding')).map(([title, costs]) => panel(title, costs, 'Tokens written per second', along, label)),
    );
    return costFigure({
      name: 'tokens-per-second',
      title: options.title ?? 'Tokens per second',
      all,
      panels: [...train, ...prefill, ...decode],
      caption: train.length === 0 ? [] : ['A training step is forward, gradients and AdamW.'],
      command: 'recallbench throughput train-mqar, or decode',
    });
  },
};
