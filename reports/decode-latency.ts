/** What serving costs: time of a decoding step against context and batch, and time to the first token. */
import { linesAlong, type Cost } from '#results/costs.ts';
import { anchorsFor } from './anchors.ts';
import { costFigure, groupBy, lengthAxis, option, selectCosts, timeAxis, timeOf, type CostPanel } from './cost-figure.ts';
import type { FigureKind } from './figure.ts';
import { launchFloor } from './launch-floor.ts';
import { formatNumber } from './ticks.ts';

export const decodeLatency: FigureKind<'decode-latency'> = {
  name: 'decode-latency',
  summary: 'time of a decoding step against context and batch, and time to first token against the length of the prompt',
  of: 'costs',
  build(stored, options = {}) {
    const all = selectCosts(stored, options);
    const of = (workload: string, along: string) => linesAlong(along, all.filter(({ measure }) => measure.workload === workload)).flatMap((line) => line.costs);
    const step = timeAxis('Time of a decoding step (ms)');
    const panel = (title: string, costs: readonly Cost[], along: string, label: string): CostPanel => ({
      title, costs, x: { ...lengthAxis, label }, y: step, along, yOf: timeOf, slopes: true, beside: launchFloor(all, costs, along),
    });
    const byContext = groupBy(of('decode', 'context'), (cost) => `Batch ${formatNumber(option(cost, 'batch'))}`).map(([title, costs]) => panel(title, costs, 'context', 'Context (tokens)'));
    const byBatch = groupBy(of('decode', 'batch'), (cost) => `Context ${formatNumber(option(cost, 'context'))}`).map(([title, costs]) => {
      const published = options.anchors === true ? anchorsFor('decode-latency', 'batch', costs) : { series: [], words: [] };
      return { ...panel(title, costs, 'batch', 'Sequences side by side'), published };
    });
    const prompts = of('prefill', 'seqLen');
    const first: CostPanel[] = prompts.length === 0 ? [] : [{
      title: 'Reading the prompt',
      costs: prompts,
      x: { ...lengthAxis, label: 'Prompt (tokens)' },
      y: timeAxis('Time to first token (ms)'),
      along: 'seqLen',
      slopes: true,
      yOf: ({ latencyMs }) => (latencyMs === null ? undefined : { y: latencyMs }),
    }];
    return costFigure({
      name: 'decode-latency',
      title: options.title ?? 'What serving costs',
      all,
      panels: [...byContext, ...byBatch.map((p) => ({ ...p, beside: [...(p.beside ?? []), ...p.published.series] })), ...first],
      caption: [
        'A decoding step gives one token to every sequence; state or cache are carried inside the engine. Numbers at the ends of lines are slopes: exponents over the longer half of each line.',
        ...(first.length === 0 ? [] : ['Time to first token is wall time of one call by itself, from the host\'s call to the result in its hands.']),
        ...new Set(byBatch.flatMap((p) => p.published.words)),
      ],
      command: 'recallbench throughput decode',
    });
  },
};
