/** Time of single ops against state size, as in figure 10 (right) of the Mamba-2 paper (arXiv 2405.21060, §9.3). */
import { greatest, least } from '#core/statistics.ts';
import { linesAlong, placeOf, type Cost } from '#results/costs.ts';
import { anchorsFor } from './anchors.ts';
import { costFigure, directionOf, groupBy, option, selectCosts, timeAxis, timeOf } from './cost-figure.ts';
import type { FigureKind, Series } from './figure.ts';
import { launchFloor } from './launch-floor.ts';
import { formatNumber } from './ticks.ts';

export const timeVsState: FigureKind<'time-vs-state'> = {
  name: 'time-vs-state',
  summary: 'time of SSD and of the selective scan against state size, beside attention, with slopes',
  of: 'costs',
  build(stored, options = {}) {
    const all = selectCosts(stored, options);
    const ops = all.filter(({ measure }) => measure.options['direction'] !== undefined);
    const costs = linesAlong('dState', ops).flatMap((line) => line.costs);
    const lengths = new Set(costs.map((cost) => option(cost, 'seqLen')));
    const titleOf = (cost: Cost) => `${directionOf(cost)}${lengths.size > 1 ? `, length ${formatNumber(option(cost, 'seqLen'))}` : ''}`;
    const panels = groupBy(costs, titleOf).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const anchors = options.anchors === true;
    const published = panels.map(([title, own]) => (anchors ? anchorsFor('time-vs-state', title, own) : { series: [], words: [] }));
    return costFigure({
      name: 'time-vs-state',
      title: options.title ?? 'Time against state size',
      all,
      panels: panels.map(([title, own], i) => {
        const xs = own.map((cost) => option(cost, 'dState'));
        return {
          title,
          x: { label: 'State size N', scale: 'log2' as const, unit: 'number' as const },
          y: timeAxis('Time (ms)'),
          costs: own,
          along: 'dState',
          yOf: timeOf,
          slopes: true,
          beside: [...stateless(ops, own, xs), ...launchFloor(all, own, 'dState'), ...published[i].series],
        };
      }),
      caption: [
        `${lengths.size === 1 ? `Length ${formatNumber([...lengths][0])}. ` : ''}Numbers at the ends of lines are slopes: exponents of time against N, fitted over the longer half of each line.`,
        ...panels.flatMap(([title, own]) => growth(title, own)),
        ...new Set(published.flatMap((p) => p.words)),
      ],
      columns: Math.min(2, panels.length),
      command: 'recallbench throughput fig10-state',
    });
  },
};

/** What the paper claims of N, and whether it is so here: the scan's time grows in step with N, that of SSD by less than half as much. */
function growth(title: string, costs: readonly Cost[]): string[] {
  const lines = linesAlong('dState', costs);
  const [scans, ssds] = ['Selective scan', 'SSD, chunked'].map((label) => lines.filter((line) => line.appearance.label === label));
  // several places or shapes in one panel are told apart by their lines alone
  if (scans.length !== 1 || ssds.length !== 1) return [];
  const [scan, ssd] = [scans[0], ssds[0]].map((line) => new Map(line.costs.flatMap((c) => (c.state === 'done' ? [[option(c, 'dState'), c.ms] as const] : []))));
  const shared = [...scan.keys()].filter((n) => n >= LEAST && ssd.has(n));
  if (shared.length < 2) return [];
  const [from, to] = [shared[0], shared.at(-1)!];
  const [scanGrows, ssdGrows] = [scan, ssd].map((ms) => ms.get(to)! / ms.get(from)!);
  const verdict = ssdGrows < scanGrows / 2 ? 'less than half as much, as the paper claims' : 'not less than half as much, other than the paper claims';
  const beside = shared.includes(64) ? ` At N=64 the scan takes ${formatNumber(scan.get(64)! / ssd.get(64)!)} times as long as SSD.` : '';
  return [`${title}: from N=${from} to ${to} the scan's time grows ${formatNumber(scanGrows)} times and that of SSD ${formatNumber(ssdGrows)} times, ${verdict}.${beside}`];
}

/** state sizes below are hidden by what every call costs */
const LEAST = 16;

/** Channels of an op, over all heads. */
const widthOf = (cost: Cost): number => (cost.measure.options['channels'] as number | undefined) ?? option(cost, 'heads') * option(cost, 'headDim');

/** Attention has no N: its time at the same shapes as a line across. */
function stateless(ops: readonly Cost[], own: readonly Cost[], xs: readonly number[]): Series[] {
  const alike = (cost: Cost) => own.some((o) => placeOf(o) === placeOf(cost) && option(o, 'seqLen') === option(cost, 'seqLen') && directionOf(o) === directionOf(cost) && (o.measure.options['batch'] ?? 1) === (cost.measure.options['batch'] ?? 1) && widthOf(o) === widthOf(cost));
  return ops.flatMap((cost): Series[] => {
    if (cost.measure.workload !== 'causal-attention' || cost.state !== 'done' || !alike(cost)) return [];
    const { label, color } = cost.appearance;
    const marks = [least(xs), greatest(xs)].map((x) => ({ x, ...timeOf(cost), facts: { workload: cost.measure.workload } }));
    return [{ name: `${label} (no N)`, look: { color, marker: 'none', filled: false, dash: [9, 3, 2, 3] }, marks, failed: [] }];
  });
}
