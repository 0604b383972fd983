/** One panel as a Chart.js configuration: Chart.js lays out axes and grid and draws lines and markers; whiskers, failed marks and labels are plugins. */
import type { Chart, ChartConfiguration, ChartDataset, Plugin, PointStyle, Scale } from 'chart.js';
import { drawPoint } from 'chart.js/helpers';
import type { Axis, Look, Mark, Panel, Series } from './figure.ts';
import { colorOn, wordsOn, type Style, type Theme } from './theme.ts';
import { formatTicks, ticksOf, type Domain } from './ticks.ts';

/** Sizes in CSS pixels. Drawn 720 wide and printed 5.5 inches wide, 12 pixels are 6.6 points. */
export const sizes = { title: 17, text: 13, tick: 12, label: 10.5, caption: 12, line: 1.75, radius: 4.25 } as const;

/** What Chart.js draws on: a canvas of Node or of a browser. */
export type Context2D = Chart['ctx'];

/** Where a panel is drawn and what its axes span. */
export interface Place {
  width: number;
  height: number;
  /** pixels around the plot; Chart.js cuts off what of an axis reaches farther */
  left: number;
  right: number;
  top: number;
  bottom: number;
  x: Domain;
  y: Domain;
  /** whether the left axis has numbers and a title, and the bottom axis a title */
  yLabels: boolean;
  xTitle: boolean;
}

/** pixels that a number on the x axis needs */
const tickRoom = { bytes: 62, number: 46, count: 37 } as const;

/** More marks on a line than this, and only every nth has a marker. */
const CROWD = 16;
const MARKERS_ON_CROWDED = 8;

/** The configuration of a chart of `place.width` × `place.height` pixels. */
export function chartOf(panel: Panel, place: Place, { theme, family }: Style): ChartConfiguration<'scatter'> {
  const plotWidth = place.width - place.left - place.right;
  const plotHeight = place.height - place.top - place.bottom;
  const font = (size: number, weight: 'normal' | 600 = 'normal') => ({ family, size, weight });
  const axis = (which: 'x' | 'y', of: Axis, domain: Domain, most: number, labels: boolean, title: boolean) => ({
    type: of.scale === 'linear' ? ('linear' as const) : ('logarithmic' as const),
    position: which === 'x' ? ('bottom' as const) : ('left' as const),
    min: domain.min,
    max: domain.max,
    title: { display: title, text: of.label, font: font(sizes.text), color: theme.text, padding: which === 'x' ? { top: 3, bottom: 0 } : { top: 0, bottom: 3 } },
    border: { color: theme.axis, width: 1 },
    grid: { color: theme.grid, lineWidth: 1, tickColor: theme.axis, tickLength: 4, drawTicks: true },
    ticks: {
      display: labels,
      font: font(sizes.tick),
      color: theme.text,
      padding: 4,
      autoSkip: false,
      minRotation: 0,
      maxRotation: 0,
      callback: (_: unknown, i: number, all: { value: number }[]) => formatTicks(all.map((tick) => tick.value), of.unit)[i],
    },
    afterBuildTicks: (scale: { ticks: { value: number }[] }) => {
      scale.ticks = ticksOf(of, domain, most).map((value) => ({ value }));
    },
    // the same plot size in every panel, whatever its labels
    afterFit: (scale: Scale) => {
      if (which === 'x') scale.height = place.bottom;
      else scale.width = place.left;
      scale.paddingTop = scale.paddingBottom = scale.paddingLeft = scale.paddingRight = 0;
    },
  });
  return {
    type: 'scatter',
    data: { datasets: panel.series.flatMap((series, i) => datasetsOf(series, i / panel.series.length, theme)) },
    options: {
      animation: false,
      responsive: false,
      events: [],
      devicePixelRatio: 1,
      layout: { padding: { right: place.right, top: place.top }, autoPadding: false },
      plugins: { legend: { display: false }, tooltip: { enabled: false }, title: { display: false } },
      scales: {
        x: axis('x', panel.x, place.x, Math.max(2, Math.floor(plotWidth / tickRoom[panel.x.unit])), true, place.xTitle) as never,
        y: axis('y', panel.y, place.y, Math.max(2, Math.floor(plotHeight / 24)), place.yLabels, place.yLabels) as never,
      },
    },
    plugins: [whiskers(panel.series, theme), failures(panel.series, theme), labels(panel.series, { theme, family })] as Plugin<'scatter'>[],
  };
}

/**
 * The line with its markers, and the marks beside it. `place` is the place in the legend, from 0 to 1: later series are
 * drawn above earlier ones and with smaller markers, so that markers at one point show as rings around one another.
 */
function datasetsOf(series: Series, place: number, theme: Theme): ChartDataset<'scatter'>[] {
  const { look } = series;
  const color = colorOn(theme, look.color);
  const radius = radiusAt(place);
  const shared = {
    clip: false as const,
    order: -place,
    borderColor: color,
    pointStyle: pointStyle(look),
    pointBorderColor: color,
    pointBorderWidth: 1.4,
  };
  const points = (marks: readonly Mark[]) => marks.map(({ x, y }) => ({ x, y }));
  const line = series.marks.filter((mark) => !mark.aside);
  const every = line.length > CROWD ? Math.ceil(line.length / MARKERS_ON_CROWDED) : 1;
  const first = Math.floor(every * place); // the markers of crowded lines keep out of each other's way
  return [
    {
      ...shared,
      data: points(line),
      showLine: series.scattered !== true,
      borderWidth: every > 1 ? 0.75 * sizes.line : sizes.line,
      borderDash: look.dash,
      pointRadius: look.marker === 'none' ? 0 : line.map((_, i) => (series.scattered || i % every === first ? radius : 0)),
      pointBackgroundColor: look.filled ? color : theme.paper,
    },
    {
      ...shared,
      data: points(series.marks.filter((mark) => mark.aside)),
      showLine: false,
      pointRadius: 0.65 * radius,
      pointBorderWidth: 1,
      pointBackgroundColor: theme.paper,
    },
  ];
}

/** The marker of a look, for Chart.js. */
export function pointStyle({ marker }: Look): PointStyle {
  return marker === 'none' ? false : (marker as PointStyle);
}

function radiusAt(place: number): number {
  return sizes.radius * (1.15 - 0.35 * place);
}

function pixel(chart: Chart, mark: { x: number; y: number }): { x: number; y: number } {
  return { x: chart.scales['x'].getPixelForValue(mark.x), y: chart.scales['y'].getPixelForValue(mark.y) };
}

/** Vertical bars from low to high, under the markers. */
function whiskers(all: readonly Series[], theme: Theme): Plugin {
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

/** Crossed circles on the x axis, one above the other where several series failed at one place. */
function failures(all: readonly Series[], theme: Theme): Plugin {
  return {
    id: 'failures',
    afterDatasetsDraw(chart) {
      const at = new Map<number, string[]>();
      for (const series of all) for (const mark of series.failed) at.set(mark.x, [...(at.get(mark.x) ?? []), series.look.color]);
      for (const [x, colors] of at) {
        const middle = chart.scales['x'].getPixelForValue(x);
        colors.forEach((color, i) => drawFailure(chart.ctx, middle, chart.chartArea.bottom - 11 * i, color, theme));
      }
    },
  };
}

/** The mark of what failed: a crossed circle, hollow. */
export function drawFailure(ctx: Context2D, x: number, y: number, color: string, theme: Theme): void {
  ctx.save();
  ctx.strokeStyle = colorOn(theme, color);
  ctx.fillStyle = theme.paper;
  ctx.lineWidth = 1.3;
  drawPoint(ctx, { pointStyle: 'circle', radius: 4.6, borderWidth: 1.3 }, x, y);
  drawPoint(ctx, { pointStyle: 'crossRot', radius: 4.6, borderWidth: 1.3 }, x, y);
  ctx.restore();
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
function labels(all: readonly Series[], { theme, family }: Style): Plugin {
  return {
    id: 'labels',
    afterDatasetsDraw(chart) {
      const { ctx, chartArea } = chart;
      const taken = all.flatMap((series) => inkOf(chart, series));
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
          for (const [dx, dy] of offsets) {
            const box = { left: p.x + dx - w, right: p.x + dx + w, top: p.y + dy - h, bottom: p.y + dy + h };
            const inside = box.left >= chartArea.left + 2 && box.right <= chartArea.right + BESIDE && box.top >= chartArea.top && box.bottom <= chartArea.bottom - 2;
            if (!inside || taken.some((other) => overlap(box, other))) continue;
            ctx.fillText(mark.label, p.x + dx, p.y + dy);
            taken.push(box);
            break;
          }
        }
      }
      ctx.restore();
    },
  };
}

/** The boxes that the markers, whiskers and lines of a series cover. */
function inkOf(chart: Chart, series: Series): Box[] {
  const { look } = series;
  const around = ({ x, y }: { x: number; y: number }, r: number): Box => ({ left: x - r, right: x + r, top: y - r, bottom: y + r });
  const line = series.marks.filter((mark) => !mark.aside).map((mark) => pixel(chart, mark));
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
  const failed = series.failed.map(({ x }) => around({ x: chart.scales['x'].getPixelForValue(x), y: chart.chartArea.bottom }, 6));
  return [...along, ...markers, ...whiskers, ...failed];
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
