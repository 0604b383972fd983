/** Time of single ops against length, forward and with gradients, as in figure 10 (left) of the Mamba-2 paper (arXiv 2405.21060, §9.3). */
import { linesAlong, type Cost, type DoneCost } from '#results/costs.ts';
import { anchorsFor } from './anchors.ts';
import { costFigure, directionOf, groupBy, lengthAxis, option, selectCosts, timeAxis, timeOf } from './cost-figure.ts';
import type { FigureKind } from './figure.ts';
import { launchFloor } from './launch-floor.ts';
import { formatNumber } from './ticks.ts';

export const timeVsLength: FigureKind<'time-vs-length'> = {
  name: 'time-vs-length',
  summary: 'time of each op against length, forward and with gradients, with slopes and the launch floor',
  of: 'costs',
  build(stored, options = {}) {
    const all = selectCosts(stored, options);
    const costs = linesAlong('seqLen', all.filter(({ measure }) => measure.options['direction'] !== undefined)).flatMap((line) => line.costs);
    const panels = groupBy(costs, directionOf).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const anchors = options.anchors === true;
    const published = panels.map(([title, own]) => (anchors ? anchorsFor('time-vs-length', title, own) : { series: [], words: [] }));
    return costFigure({
      name: 'time-vs-length',
      title: options.title ?? 'Time against length',
      all,
      panels: panels.map(([title, own], i) => ({
        title,
        x: lengthAxis,
        y: timeAxis('Time (ms)'),
        costs: own,
        along: 'seqLen',
        yOf: timeOf,
        slopes: true,
        beside: [...launchFloor(all, own, 'seqLen'), ...published[i].series],
      })),
      caption: [
        'Numbers at the ends of lines are slopes: exponents of time against length, fitted over the longer half of each line.',
        ...panels.flatMap(([title, own]) => crossing(title, own)),
        ...new Set(published.flatMap((p) => p.words)),
      ],
      columns: Math.min(2, panels.length),
      command: 'recallbench throughput fig10-length',
    });
  },
};

/** From which length on SSD takes less time than attention of the same place and size, in a sentence. */
function crossing(direction: string, costs: readonly Cost[]): string[] {
  const done = (label: string) => costs.filter((c): c is DoneCost => c.state === 'done' && c.appearance.label === label);
  const [ssd, attention] = [done('SSD, chunked'), done('Causal attention')];
  const pairs = ssd.flatMap((a) => attention.filter((b) => option(a, 'seqLen') === option(b, 'seqLen') && a.measure.engine === b.measure.engine && a.device.adapter === b.device.adapter).map((b) => ({ at: option(a, 'seqLen'), ratio: b.ms / a.ms })));
  if (pairs.length === 0 || new Set(pairs.map((p) => p.at)).size < pairs.length) return [];
  pairs.sort((a, b) => a.at - b.at);
  const last = pairs.at(-1)!;
  const behind = pairs.findLastIndex((p) => p.ratio <= 1);
  const from = behind === pairs.length - 1 ? undefined : pairs[behind + 1];
  const says = from === undefined ? `SSD takes longer than attention up to length ${formatNumber(last.at)}` : `SSD takes less time than attention from length ${formatNumber(from.at)}${behind < 0 ? ' (the shortest measured)' : ''} on, ${formatNumber(last.ratio)} times less at ${formatNumber(last.at)}`;
  return [`${direction}: ${says}.`];
}
