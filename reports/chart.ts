/** One panel as a Chart.js configuration: Chart.js lays out axes and grid and draws lines and markers; `overlay.ts` draws the rest. */
import type { ChartConfiguration, ChartDataset, Plugin, Scale } from 'chart.js';
import type { Axis, Mark, Panel, Series } from './figure.ts';
import { point } from './marker.ts';
import { failures, labels, rings, whiskers } from './overlay.ts';
import { colorOn, sizes, type Style, type Theme } from './theme.ts';
import { formatTicks, ticksOf, type Domain } from './ticks.ts';

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

/** pixels that a number or a name on the x axis needs */
const roomOf = ({ names, unit }: Axis): number => (names === undefined ? { bytes: 62, number: 46, count: 37 }[unit] : 8 + 7 * Math.max(...names.map((name) => name.length)));

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
      callback: (_: unknown, i: number, all: { value: number }[]) => of.names?.[all[i].value] ?? formatTicks(all.map((tick) => tick.value), of.unit)[i],
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
        x: axis('x', panel.x, place.x, Math.max(2, Math.floor(plotWidth / roomOf(panel.x))), true, place.xTitle) as never,
        y: axis('y', panel.y, place.y, Math.max(2, Math.floor(plotHeight / 24)), place.yLabels, place.yLabels) as never,
      },
    },
    plugins: [whiskers(panel.series, theme), rings(panel.series, theme), failures(panel.series, theme), labels(panel.series, { theme, family })] as Plugin<'scatter'>[],
  };
}

/**
 * The line with its markers, and the marks beside it. `place` is the place in the legend, from 0 to 1: later series are
 * drawn above earlier ones and with smaller markers, so that markers at one point show as rings around one another.
 */
function datasetsOf(series: Series, place: number, theme: Theme): ChartDataset<'scatter'>[] {
  const { look } = series;
  const color = colorOn(theme, look.color);
  const { pointStyle, rotation } = point(look);
  const radius = radiusAt(place);
  const shared = {
    clip: false as const,
    order: -place,
    borderColor: color,
    pointStyle,
    pointRotation: rotation,
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
      stepped: series.stepped ?? false,
      borderWidth: every > 1 || look.marker === 'none' ? 0.75 * sizes.line : sizes.line,
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

function radiusAt(place: number): number {
  return sizes.radius * (1.15 - 0.35 * place);
}
