/**
 * A whole figure on one canvas: title, legend, panels in rows, caption. The page is itself a Chart.js chart without data
 * whose plugin draws one chart a panel, so that every way of drawing a chart draws a figure of many panels too.
 */
import type { Chart, ChartConfiguration } from 'chart.js';
import type { SKRSContext2D } from '@napi-rs/canvas';
import { greatest } from '#core/statistics.ts';
import { chartOf, type Place } from './chart.ts';
import { contextAt, type Rectangle } from './context.ts';
import type { Axis, Figure, Panel } from './figure.ts';
import { drawLegend, legendOf, ROW_HEIGHT } from './legend.ts';
import { sizes, type Style } from './theme.ts';
import { domainOf, formatTicks, ticksOf, type Domain } from './ticks.ts';

/** Points and millimetres of a CSS pixel in print: the smallest letters, of 10.5 pixels, are 6 points high. */
export const PT = 6 / sizes.label;
export const MM = (PT * 25.4) / 72;

export interface PageOptions {
  /** the width in print, in millimetres; what is then too wide stands in more rows */
  mm?: number;
  /** or the width in CSS pixels; 720 unless given */
  width?: number;
  /** whether caption and notes stand under the panels; true unless given */
  caption?: boolean;
}

export interface Page {
  /** CSS pixels */
  width: number;
  height: number;
  /** A fresh configuration, since Chart.js writes into the one it is given. `scale` is device pixels a CSS pixel. */
  configuration(scale: number): ChartConfiguration<'scatter'>;
}

const MARGIN = 16;
const GUTTER = 18;
/** room for the half of a number that stands at the end of an axis */
const OVERHANG = 26;
/** and of one at the upper end */
const ABOVE = 8;
/** what of it the margin does not give at the right end of the page */
const END = 8;
const ROW_GAP = 16;
/** of a plot */
const NARROWEST = 140;
/** a line of the title of a panel, and what is under it */
const PANEL_LINE = 17;
const UNDER_PANEL_TITLE = 5;
const TICKS = 24;
const TICKS_AND_TITLE = 46;
const LINE = 1.45;

/** The width of a text in CSS pixels, at a size and weight of the style's font. */
export type Measurer = (text: string, size: number, weight?: number) => number;

/** Lays a figure out. */
export function layOut(figure: Figure, style: Style, text: Measurer, options: PageOptions = {}): Page {
  const { mm, width = mm === undefined ? 720 : Math.round(mm / MM), caption: withCaption = true } = options;
  const { theme, family } = style;
  const inner = width - 2 * MARGIN;

  const title = wrap(figure.title, inner, (s) => text(s, sizes.title, 600));
  const legend = legendOf(figure, inner, (s) => text(s, sizes.text));
  const captionLines = !withCaption ? [] : [figure.caption.join(' '), ...figure.notes].filter((s) => s !== '').flatMap((s) => wrap(s, inner, (t) => text(t, sizes.caption)));

  const domains = domainsOf(figure);
  const widest = greatest([0, ...figure.panels.flatMap((panel, i) => formatTicks(ticksOf(panel.y, domains[i].y, 6), panel.y.unit).map((tick) => text(tick, sizes.tick)))]);
  const left = Math.ceil(widest) + 34;
  const inColumns = (columns: number) => {
    const cells = cellsOf(figure.panels, columns);
    // numbers on the left axis once a row, if the row agrees on them
    const yLabels = figure.panels.map((panel, i) => {
      const first = cells.findIndex(({ row, column }) => row === cells[i].row && column === 0);
      return i === first || !sameAxis(panel.y, figure.panels[first].y) || domains[i].y.max !== domains[first].y.max;
    });
    const gutter = yLabels.some((labels, i) => labels && cells[i].column > 0) ? left + 14 : GUTTER;
    return { columns, cells, yLabels, gutter, plotWidth: (inner - left - END - (columns - 1) * gutter) / columns };
  };
  // as many as leave every plot wide enough for itself and for what is written under it
  const widestLabel = Math.max(0, ...figure.panels.map((panel) => text(panel.x.label, sizes.text)));
  const stacks = figure.panels.filter((panel) => !panel.under).length;
  const tried = Array.from({ length: Math.min(figure.columns ?? (stacks === 4 ? 2 : 3), stacks) }, (_, i) => inColumns(i + 1));
  const { columns, cells, yLabels, gutter, plotWidth } = tried.findLast((fit) => fit.plotWidth >= Math.max(NARROWEST, widestLabel - 8)) ?? inColumns(1);
  const rows = 1 + Math.max(...cells.map(({ row }) => row));
  const highestLabel = Math.max(0, ...figure.panels.map((panel) => text(panel.y.label, sizes.text)));
  const plotHeight = Math.round(Math.max(150, highestLabel + 4, Math.min(columns === 1 ? 330 : 300, plotWidth * (columns === 1 ? 0.55 : columns === 2 ? 0.75 : 1))));
  const titles = figure.panels.map((panel) => (panel.under ? [] : wrap(panel.title, plotWidth + GUTTER - 4, (s) => text(s, sizes.text, 600))));
  const xTitle = figure.panels.map((panel, i) => {
    const below = cells.findIndex(({ row, column }) => row === cells[i].row + 1 && column === cells[i].column);
    return below < 0 || !sameAxis(panel.x, figure.panels[below].x);
  });

  const legendTop = MARGIN + title.length * sizes.title * LINE + 4;
  const legendRows = legend.length === 0 ? 0 : legend.at(-1)!.row + 1;
  const panelsTop = legendTop + legendRows * ROW_HEIGHT + 10;
  const rowsOf: { top: number; titled: number; bottom: number }[] = [];
  let end = panelsTop;
  for (let row = 0; row < rows; row++) {
    const inRow = <T>(items: readonly T[]) => items.filter((_, i) => cells[i].row === row);
    const lines = Math.max(0, ...inRow(titles).map((of) => of.length));
    const titled = lines === 0 ? 0 : lines * PANEL_LINE + UNDER_PANEL_TITLE;
    const bottom = inRow(xTitle).includes(true) ? TICKS_AND_TITLE : TICKS;
    rowsOf.push({ top: end, titled, bottom });
    end += titled + plotHeight + bottom + (row < rows - 1 ? ROW_GAP : 0);
  }
  const captionTop = end + 14;
  const height = Math.ceil(captionLines.length === 0 ? end + MARGIN - 4 : captionTop + captionLines.length * sizes.caption * LINE + MARGIN - 4);

  const places = figure.panels.map((_, i): Place & { x0: number; y0: number } => {
    const { row, column } = cells[i];
    const { top, titled, bottom } = rowsOf[row];
    const own = yLabels[i] ? left : OVERHANG;
    return {
      x0: MARGIN + left + column * (plotWidth + gutter) - own,
      y0: top + titled - ABOVE,
      width: own + plotWidth + OVERHANG,
      height: ABOVE + plotHeight + bottom,
      left: own,
      right: OVERHANG,
      top: ABOVE,
      bottom,
      x: domains[i].x,
      y: domains[i].y,
      yLabels: yLabels[i],
      xTitle: xTitle[i],
    };
  });

  return {
    width,
    height,
    configuration: (scale) => ({
      type: 'scatter',
      data: { datasets: [] },
      options: {
        animation: false,
        responsive: false,
        events: [],
        devicePixelRatio: scale,
        plugins: { legend: { display: false }, tooltip: { enabled: false }, title: { display: false } },
        scales: { x: { display: false }, y: { display: false } },
      },
      plugins: [
        {
          id: 'page',
          afterDraw(chart) {
            // a context that draws circles as circles
            const ctx = contextAt(chart.ctx, { x0: 0, y0: 0, width, height });
            ctx.save();
            ctx.fillStyle = theme.paper;
            ctx.fillRect(0, 0, width, height);
            ctx.textBaseline = 'middle';
            drawLines(ctx, title, `600 ${sizes.title}px ${family}`, theme.text, MARGIN, MARGIN, sizes.title * LINE);
            ctx.font = `${sizes.text}px ${family}`;
            drawLegend(ctx, legend, MARGIN, legendTop, theme);
            figure.panels.forEach((panel, i) => {
              const place = places[i];
              ctx.font = `600 ${sizes.text}px ${family}`;
              ctx.fillStyle = theme.text;
              ctx.textAlign = 'center';
              titles[i].toReversed().forEach((line, n) => ctx.fillText(line, place.x0 + place.left + plotWidth / 2, place.y0 + ABOVE - UNDER_PANEL_TITLE - (n + 0.5) * PANEL_LINE + 0.5));
              drawInside(ctx, chart.constructor as typeof Chart, chartOf(panel, place, style), place);
            });
            drawLines(ctx, captionLines, `${sizes.caption}px ${family}`, theme.faint, MARGIN, captionTop, sizes.caption * LINE);
            ctx.restore();
          },
        },
      ],
    }),
  };
}

/** The row and column of every panel: stacks from left to right, and as deep as the deepest. */
function cellsOf(panels: readonly Panel[], columns: number): { row: number; column: number }[] {
  let [stack, level] = [-1, 0];
  const places = panels.map(({ under }) => {
    [stack, level] = under ? [stack, level + 1] : [stack + 1, 0];
    return { stack, level };
  });
  const depth = 1 + Math.max(...places.map((place) => place.level));
  return places.map((place) => ({ row: Math.floor(place.stack / columns) * depth + place.level, column: place.stack % columns }));
}

/** The ends of the axes of every panel: panels with the same axis share them. */
function domainsOf(figure: Figure): { x: Domain; y: Domain }[] {
  const shared = (which: 'x' | 'y', axis: Axis): Domain => {
    const alike = figure.panels.filter((panel) => sameAxis(panel[which], axis)).flatMap((panel) => panel.series);
    const values = alike.flatMap((s) =>
      which === 'x' ? [...s.marks.map((m) => m.x), ...s.failed.map((m) => m.x)] : s.marks.flatMap((m) => [m.y, m.low ?? m.y, m.high ?? m.y]),
    );
    return domainOf(axis, values);
  };
  return figure.panels.map((panel) => ({ x: shared('x', panel.x), y: shared('y', panel.y) }));
}

function sameAxis(a: Axis, b: Axis): boolean {
  return a.label === b.label && a.scale === b.scale && a.min === b.min && a.max === b.max;
}

function drawLines(ctx: SKRSContext2D, lines: readonly string[], font: string, color: string, x: number, y: number, height: number): void {
  ctx.font = font;
  ctx.fillStyle = color;
  ctx.textAlign = 'left';
  lines.forEach((line, i) => ctx.fillText(line, x, y + (i + 0.5) * height));
}

/** Draws a chart at a place inside the page. */
function drawInside(ctx: SKRSContext2D, ChartClass: typeof Chart, configuration: ChartConfiguration<'scatter'>, place: Rectangle): void {
  ctx.save();
  new ChartClass(contextAt(ctx, place), configuration).destroy();
  ctx.restore();
}

/** Breaks a text into lines at its spaces. */
function wrap(text: string, width: number, widthOf: (text: string) => number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').filter((w) => w !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && widthOf(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return line === '' ? lines : [...lines, line];
}
