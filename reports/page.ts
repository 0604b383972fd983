/**
 * A whole figure on one canvas: title, legend, panels in rows, caption. The page is itself a Chart.js chart without data
 * whose plugin draws one chart a panel, so that every way of drawing a chart draws a figure of many panels too.
 */
import type { Chart, ChartConfiguration } from 'chart.js';
import { chartOf, sizes, type Context2D, type Place } from './chart.ts';
import type { Axis, Figure } from './figure.ts';
import { drawLegend, legendOf, ROW_HEIGHT } from './legend.ts';
import type { Style } from './theme.ts';
import { domainOf, formatTicks, ticksOf, type Domain } from './ticks.ts';

export interface PageOptions {
  /** CSS pixels; 720 unless given */
  width?: number;
  /** whether caption and notes stand under the panels; true unless given */
  caption?: boolean;
  /** the panels alone, fewer in a row where there is no room: title, legend and caption stand elsewhere */
  bare?: boolean;
}

export interface Page {
  /** CSS pixels */
  width: number;
  height: number;
  /** the panels, in the order of the figure */
  places: readonly PanelPlace[];
  /** panels in a row */
  columns: number;
  /** A fresh configuration, since Chart.js writes into the one it is given. `scale` is device pixels a CSS pixel. */
  configuration(scale: number): ChartConfiguration<'scatter'>;
}

/** A chart's place, with its upper left corner on the page. */
export interface PanelPlace extends Place {
  x0: number;
  y0: number;
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
/** of a panel */
const NARROWEST = 190;
const PANEL_TITLE = 22;
const TICKS = 24;
const TICKS_AND_TITLE = 46;
const LINE = 1.45;

/** The width of a text in CSS pixels, at a size and weight of the style's font. */
export type Measurer = (text: string, size: number, weight?: number) => number;

/** Lays a figure out. */
export function layOut(figure: Figure, style: Style, text: Measurer, options: PageOptions = {}): Page {
  const { width = 720, bare = false, caption: withCaption = !bare } = options;
  const { theme, family } = style;
  const inner = width - 2 * MARGIN;

  const title = bare ? [] : wrap(figure.title, inner, (s) => text(s, sizes.title, 600));
  const legend = bare ? [] : legendOf(figure, inner, (s) => text(s, sizes.text));
  const captionLines = !withCaption ? [] : [figure.caption.join(' '), ...figure.notes].filter((s) => s !== '').flatMap((s) => wrap(s, inner, (t) => text(t, sizes.caption)));

  const wanted = figure.columns ?? (figure.panels.length === 4 ? 2 : 3);
  const columns = Math.max(1, Math.min(wanted, figure.panels.length, bare ? Math.floor(inner / NARROWEST) : (figure.columns ?? Math.floor(inner / NARROWEST))));
  const rows = Math.ceil(figure.panels.length / columns);
  const domains = domainsOf(figure);
  const widest = Math.max(0, ...figure.panels.flatMap((panel, i) => formatTicks(ticksOf(panel.y, domains[i].y, 6), panel.y.unit).map((tick) => text(tick, sizes.tick))));
  const left = Math.ceil(widest) + 34;
  // numbers on the left axis once a row, if the row agrees on them
  const yLabels = figure.panels.map((panel, i) => {
    const first = i - (i % columns);
    return i === first || !sameAxis(panel.y, figure.panels[first].y) || domains[i].y.max !== domains[first].y.max;
  });
  const gutter = yLabels.some((labels, i) => labels && i % columns > 0) ? left + 14 : GUTTER;
  const plotWidth = (inner - left - END - (columns - 1) * gutter) / columns;
  const plotHeight = Math.round(Math.max(150, Math.min(columns === 1 ? 330 : 300, plotWidth * (columns === 1 ? 0.55 : columns === 2 ? 0.75 : 1))));
  const xTitle = figure.panels.map((panel, i) => {
    const below = figure.panels[i + columns];
    return below === undefined || !sameAxis(panel.x, below.x);
  });

  const legendTop = MARGIN + title.length * sizes.title * LINE + 4;
  const legendRows = legend.length === 0 ? 0 : legend.at(-1)!.row + 1;
  const panelsTop = legendTop + legendRows * ROW_HEIGHT + 10;
  const rowsOf: { top: number; titled: number; bottom: number }[] = [];
  let end = panelsTop;
  for (let row = 0; row < rows; row++) {
    const first = row * columns;
    const titled = figure.panels.slice(first, first + columns).some((panel) => panel.title !== '' && !panel.untitled) ? PANEL_TITLE : 0;
    const bottom = xTitle.slice(first, first + columns).includes(true) ? TICKS_AND_TITLE : TICKS;
    rowsOf.push({ top: end, titled, bottom });
    end += titled + plotHeight + bottom + (row < rows - 1 ? ROW_GAP : 0);
  }
  const captionTop = end + 14;
  const height = Math.ceil(captionLines.length === 0 ? end + MARGIN - 4 : captionTop + captionLines.length * sizes.caption * LINE + MARGIN - 4);

  const places = figure.panels.map((_, i): PanelPlace => {
    const [row, column] = [Math.floor(i / columns), i % columns];
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
    places,
    columns,
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
            const { ctx } = chart;
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
              if (!panel.untitled) ctx.fillText(panel.title, place.x0 + place.left + plotWidth / 2, place.y0 + ABOVE - PANEL_TITLE / 2 - 2);
              drawInside(chart, chartOf(panel, place, style), place);
            });
            drawLines(ctx, captionLines, `${sizes.caption}px ${family}`, theme.faint, MARGIN, captionTop, sizes.caption * LINE);
            ctx.restore();
          },
        },
      ],
    }),
  };
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

function drawLines(ctx: Context2D, lines: readonly string[], font: string, color: string, x: number, y: number, height: number): void {
  ctx.font = font;
  ctx.fillStyle = color;
  ctx.textAlign = 'left';
  lines.forEach((line, i) => ctx.fillText(line, x, y + (i + 0.5) * height));
}

/**
 * Draws a chart at a place inside the page. Chart.js thinks a chart owns its canvas: it sets the transform from scratch and
 * clears everything. The inner chart gets a context that sets transforms relative to its place and clears nothing.
 */
function drawInside(page: Chart, configuration: ChartConfiguration<'scatter'>, place: { x0: number; y0: number; width: number; height: number }): void {
  const { ctx } = page;
  const base = ctx.getTransform();
  const canvas: Record<string, unknown> = { width: place.width, height: place.height, style: {} };
  const setTransform = (a: number, b: number, c: number, d: number, e: number, f: number) =>
    ctx.setTransform(base.a * a, base.d * b, base.a * c, base.d * d, base.a * (e + place.x0) + base.e, base.d * (f + place.y0) + base.f);
  const own: Record<PropertyKey, unknown> = {
    canvas,
    setTransform,
    resetTransform: () => setTransform(1, 0, 0, 1, 0, 0),
    clearRect: () => {},
    arc: (x: number, y: number, radius: number, from: number, to: number, back?: boolean) =>
      Math.abs(to - from) >= 2 * Math.PI - 1e-9 ? circle(ctx, x, y, radius) : ctx.arc(x, y, radius, from, to, back),
  };
  const inside = new Proxy(ctx, {
    get(target, key) {
      if (key in own) return own[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
  canvas['getContext'] = () => inside;
  ctx.save();
  const ChartClass = page.constructor as typeof Chart;
  new ChartClass(inside, configuration).destroy();
  ctx.restore();
}

/** A circle of four cubic curves; the SVG canvas makes 128 pieces of an arc. */
function circle(ctx: Context2D, x: number, y: number, radius: number): void {
  const k = radius * 0.5522847498;
  ctx.moveTo(x + radius, y);
  ctx.bezierCurveTo(x + radius, y + k, x + k, y + radius, x, y + radius);
  ctx.bezierCurveTo(x - k, y + radius, x - radius, y + k, x - radius, y);
  ctx.bezierCurveTo(x - radius, y - k, x - k, y - radius, x, y - radius);
  ctx.bezierCurveTo(x + k, y - radius, x + radius, y - k, x + radius, y);
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
