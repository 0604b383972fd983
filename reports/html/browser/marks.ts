/** The marks of a drawn panel, and which one is pointed at. */
import type { Chart } from 'chart.js';
import type { Facts, Panel } from '../../figure.ts';
import { failureAt } from '../../overlay.ts';

/** A mark and where it stands, in pixels of its canvas. */
export interface PlacedMark {
  x: number;
  y: number;
  series: string;
  color: string;
  /** values on the axes; no y where there is no result */
  at: { x: number; y?: number; low?: number; high?: number };
  /** why there is no result */
  why?: string;
  facts: Facts;
  /** ids of what is behind it */
  runs: readonly string[];
}

/** pixels within which a mark is pointed at */
const REACH = 24;

export function marksOf(panel: Panel, chart: Chart): PlacedMark[] {
  const [xs, ys] = [chart.scales['x'], chart.scales['y']];
  const before = new Map<string, number>();
  return panel.series.flatMap(({ name, look, marks, failed }) => [
    ...marks.map(({ x, y, low, high, facts, runs = [] }): PlacedMark => ({ x: xs.getPixelForValue(x), y: ys.getPixelForValue(y), series: name, color: look.color, at: { x, y, ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) }, facts, runs })),
    ...failed.map(({ x, why, above = false, facts, runs = [] }): PlacedMark => {
      const place = `${x} ${above}`;
      const nth = before.get(place) ?? 0;
      before.set(place, nth + 1);
      const all = panel.series.reduce((n, series) => n + series.failed.filter((mark) => mark.x === x && (mark.above ?? false) === above).length, 0);
      return { x: xs.getPixelForValue(x), y: failureAt(chart.chartArea, above, nth, all), series: name, color: look.color, at: { x }, why, facts, runs };
    }),
  ]);
}

/** The mark nearest to a place, if one is near. */
export function nearest(marks: readonly PlacedMark[], x: number, y: number): PlacedMark | undefined {
  let [best, least] = [undefined as PlacedMark | undefined, REACH ** 2];
  for (const mark of marks) {
    const distance = (mark.x - x) ** 2 + (mark.y - y) ** 2;
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}
