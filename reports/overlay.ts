/** What Chart.js does not draw, as plugins: whiskers, rings, marks of what has no value, labels. */
import type { Chart, Plugin } from 'chart.js';
import type { Look, Series } from './figure.ts';
import { drawBeyond, drawFailure, drawRing } from './marker.ts';
import { colorOn, sizes, wordsOn, type Style, type Theme } from './theme.ts';

function pixel(chart: Chart, mark: { x: number; y: number }): { x: number; y: number } {
  return { x: chart.scales['x'].getPixelForValue(mark.x), y: chart.scales['y'].getPixelForValue(mark.y) };
}

/** Vertical bars from low to high, under the markers. */
export function whiskers(all: readonly Series[], theme: Theme): Plugin {
  return {
    id: 'whiskers',
    beforeDatasetsDraw(chart) {
      const { ctx } = chart;
      ctx.save();
      ctx.lineWidth = 1.1;
      for (const series of all) {
        ctx.strokeStyle = colorOn(theme, series.look.color);
        for (const { x, low, high, aside } of series.marks) {
          if (low === undefined || high === undefined || aside) continue;
          const [bottom, top] = [pixel(chart, { x, y: low }), pixel(chart, { x, y: high })];
          if (bottom.y - top.y < 0.5) continue; // no spread to see
          ctx.beginPath();
          ctx.moveTo(bottom.x, bottom.y);
          ctx.lineTo(top.x, top.y);
          for (const end of [bottom, top]) {
            ctx.moveTo(end.x - 3, end.y);
            ctx.lineTo(end.x + 3, end.y);
          }
          ctx.stroke();
        }
      }
      ctx.restore();
    },
  };
}

/** Circles around ringed marks. */
export function rings(all: readonly Series[], theme: Theme): Plugin {
  return {
    id: 'rings',
    afterDatasetsDraw(chart) {
      const { ctx } = chart;
      ctx.save();
      ctx.lineWidth = 1.2;
      for (const series of all) {
        ctx.strokeStyle = colorOn(theme, series.look.color);
        for (const mark of series.marks) if (mark.ringed) drawRing(ctx, pixel(chart, mark));
      }
      ctx.restore();
    },
  };
}

/**
 * Crossed circles on the x axis, one above the other where several series failed at one place, and arrows at the upper edge,
 * one under the other. Where there are too many for the plot they stand closer.
 */
export function failures(all: readonly Series[], theme: Theme): Plugin {
  return {
    id: 'failures',
    afterDatasetsDraw(chart) {
      for (const above of [false, true]) {
        const at = new Map<number, Look[]>();
        for (const series of all) for (const mark of series.failed) if ((mark.above ?? false) === above) at.set(mark.x, [...(at.get(mark.x) ?? []), series.look]);
        for (const [x, looks] of at) {
          const middle = chart.scales['x'].getPixelForValue(x);
          looks.forEach((look, i) => {
            const y = failureAt(chart.chartArea, above, i, looks.length);
            if (above) drawBeyond(chart.ctx, middle, y, look, theme);
            else drawFailure(chart.ctx, middle, y, look, theme);
          });
        }
      }
    },
  };
}

/** Where the i-th of n such marks at one place stands. */
export function failureAt({ top, bottom }: { top: number; bottom: number }, above: boolean, i: number, n: number): number {
  const step = Math.min(above ? 16 : 11, (bottom - top - 16) / n);
  return above ? top + 8 + step * i : bottom - step * i;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** pixels that a label may reach beyond the plot: a number does, and leaves room for the next panel's axis */
const BESIDE = 14;

/** Labels beside marks, each where it covers no marker and no other label; one that fits nowhere is left out. */
export function labels(all: readonly Series[], { theme, family }: Style): Plugin {
  return {
    id: 'labels',
    afterDatasetsDraw(chart) {
      const { ctx, chartArea } = chart;
      const taken = all.filter((series) => series.look.marker !== 'none').flatMap((series) => inkOf(chart, series));
      // where there is room nowhere else, words may cross a bare line
      const bare = all.filter((series) => series.look.marker === 'none').flatMap((series) => inkOf(chart, series));
      ctx.save();
      ctx.font = `${sizes.label}px ${family}`;
      ctx.textBaseline = 'middle';
      ctx.textAlign = 'center';
      // solid lines are the main ones
      for (const series of all.toSorted((a, b) => a.look.dash.length - b.look.dash.length)) {
        ctx.fillStyle = wordsOn(theme, series.look.color);
        for (const mark of series.marks) {
          if (mark.label === undefined || mark.aside) continue;
          const p = pixel(chart, mark);
          const [w, h] = [ctx.measureText(mark.label).width / 2, sizes.label / 2];
          const away = sizes.radius + 2;
          const offsets = [
            [0, away + h],
            [0, -away - h],
            [away + w, h],
            [-away - w, h],
            [away + w, -h],
            [-away - w, -h],
          ] as const;
          const boxes = offsets.map(([dx, dy]) => ({ left: p.x + dx - w, right: p.x + dx + w, top: p.y + dy - h, bottom: p.y + dy + h }));
          const inside = (box: Box) => box.left >= chartArea.left + 2 && box.right <= chartArea.right + BESIDE && box.top >= chartArea.top && box.bottom <= chartArea.bottom - 2;
          const free = (box: Box, ink: readonly Box[]) => inside(box) && !ink.some((other) => overlap(box, other));
          const box = boxes.find((b) => free(b, [...taken, ...bare])) ?? boxes.find((b) => free(b, taken));
          if (box === undefined) continue;
          ctx.fillText(mark.label, (box.left + box.right) / 2, (box.top + box.bottom) / 2);
          taken.push(box);
        }
      }
      ctx.restore();
    },
  };
}

/** The marks that a line joins, with the corners of one that goes in steps. */
function cornersOf({ marks, stepped }: Series): { x: number; y: number }[] {
  const line = marks.filter((mark) => !mark.aside);
  return stepped ? line.flatMap(({ x, y }, i) => (i === 0 ? [{ x, y }] : [{ x, y: line[i - 1].y }, { x, y }])) : line;
}

/** The boxes that the markers, whiskers and lines of a series cover. */
function inkOf(chart: Chart, series: Series): Box[] {
  const { look } = series;
  const around = ({ x, y }: { x: number; y: number }, r: number): Box => ({ left: x - r, right: x + r, top: y - r, bottom: y + r });
  const line = cornersOf(series).map((mark) => pixel(chart, mark));
  const along = (series.scattered ? [] : line.slice(1)).flatMap((to, i) => {
    const from = line[i];
    const n = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 4);
    return Array.from({ length: n }, (_, j) => around({ x: from.x + ((to.x - from.x) * j) / n, y: from.y + ((to.y - from.y) * j) / n }, 2));
  });
  const markers = look.marker === 'none' ? [] : series.marks.map((mark) => around(pixel(chart, mark), sizes.radius));
  const whiskers = series.marks.flatMap(({ x, low, high, aside }) => {
    if (low === undefined || high === undefined || aside) return [];
    const [bottom, top] = [pixel(chart, { x, y: low }), pixel(chart, { x, y: high })];
    return [{ left: top.x - 3, right: top.x + 3, top: top.y, bottom: bottom.y }];
  });
  const failed = series.failed.map(({ x, above }) => around({ x: chart.scales['x'].getPixelForValue(x), y: above ? chart.chartArea.top + 6 : chart.chartArea.bottom }, 6));
  return [...along, ...markers, ...whiskers, ...failed];
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
