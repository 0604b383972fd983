/** Achieved arithmetic against arithmetic intensity, under the roofs measured in the same run (Williams, Waterman & Patterson 2009). */
import { greatest, least } from '#core/statistics.ts';
import { placeOf, roofsOf, type Cost, type DoneCost } from '#results/costs.ts';
import { bound, costFigure, groupBy, isRoof, selectCosts } from './cost-figure.ts';
import type { FigureKind, Series } from './figure.ts';
import { formatCount } from './ticks.ts';

/** "36.4 GB/s" */
const rate = (perSecond: number, unit: string) => `${formatCount(perSecond).replace(/(?=[A-Za-z]$)|$/, ' ')}${unit}/s`;

export const roofline: FigureKind<'roofline'> = {
  name: 'roofline',
  summary: 'FLOP/s achieved against FLOPs per byte, under the roofs of arithmetic and memory measured beside',
  of: 'costs',
  build(stored, options = {}) {
    const all = selectCosts(stored, options);
    const roofs = roofsOf(all);
    const counted = all.filter((cost): cost is DoneCost => cost.state === 'done' && !isRoof(cost) && cost.work !== null && cost.work.flops > 0);
    const intensity = ({ work }: Cost) => work!.flops / work!.bytes;
    const bounded = groupBy(counted, placeOf).filter(([place]) => roofs.get(place)?.flops !== undefined && roofs.get(place)?.bytes !== undefined);
    return costFigure({
      name: 'roofline',
      title: options.title ?? 'How near to the roofs',
      all,
      panels: bounded.map(([place, costs]) => {
        const { flops, bytes } = roofs.get(place)! as { flops: number; bytes: number };
        const { engine, threads, precision } = costs[0].measure;
        const xs = costs.map(intensity);
        const corner = flops / bytes;
        const marks = [Math.min(least(xs), corner / 4), corner, Math.max(greatest(xs), 4 * corner)].map((x) => ({ x, y: Math.min(flops, bytes * x), facts: { workload: 'roof' } }));
        const roof: Series = { name: 'Roofs: copy, matrix product', look: bound, marks, failed: [] };
        return {
          title: `${engine}, ${precision}${threads === undefined ? '' : `, ${threads} threads`}: ${rate(bytes, 'B')}, ${rate(flops, 'FLOP')}`,
          x: { label: 'Arithmetic intensity (FLOPs per byte)', scale: 'log2' as const, unit: 'number' as const },
          y: { label: 'FLOP/s', scale: 'log10' as const, unit: 'count' as const },
          costs,
          xOf: intensity,
          yOf: ({ work, ms }: DoneCost) => ({ y: (1000 * work!.flops) / ms }),
          scattered: true,
          beside: [roof],
        };
      }),
      caption: ['Work is counted by formula: operations of the algorithm, and bytes that must at least be moved; what stays in a cache can be above the roof of memory.'],
      columns: Math.min(2, bounded.length),
      command: 'recallbench throughput quick',
    });
  },
};
