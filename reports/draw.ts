/** A figure as a file in memory: PNG through chartjs-node-canvas, SVG as vectors through the SVG canvas of @napi-rs/canvas. */
import { Chart, registerables } from 'chart.js';
import { ChartJSNodeCanvas } from 'chartjs-node-canvas';
import { createCanvas, SvgExportFlag } from '@napi-rs/canvas';
import type { Figure } from './figure.ts';
import { fontFamily } from './font.ts';
import { layOut, type Measurer, type Page, type PageOptions } from './page.ts';
import { themes, type ThemeName } from './theme.ts';

Chart.register(...registerables);

export interface DrawOptions extends PageOptions {
  /** PNG only: device pixels a CSS pixel; 3 unless given, which is some 390 dpi at 5.5 inches */
  scale?: number;
  /** paper unless given */
  theme?: ThemeName;
}

function pageOf(figure: Figure, options: DrawOptions): Page {
  const family = fontFamily();
  return layOut(figure, { theme: themes[options.theme ?? 'paper'], family }, measurer(family), options);
}

function measurer(family: string): Measurer {
  const ctx = createCanvas(1, 1).getContext('2d');
  return (text, size, weight = 400) => {
    ctx.font = `${weight} ${size}px ${family}`;
    return ctx.measureText(text).width;
  };
}

/** A PNG of `scale` times the figure's size. */
export function drawPng(figure: Figure, options: DrawOptions = {}): Buffer {
  const page = pageOf(figure, options);
  const renderer = new ChartJSNodeCanvas({ width: page.width, height: page.height });
  return renderer.renderToBufferSync(page.configuration(options.scale ?? 3), 'image/png');
}

/** An SVG in which text is outlines, so that it looks the same wherever it is opened; title and caption are in it as text too. */
export function drawSvg(figure: Figure, options: DrawOptions = {}): string {
  const page = pageOf(figure, options);
  const canvas = createCanvas(page.width, page.height, SvgExportFlag.ConvertTextToPaths);
  const chart = new Chart(canvas.getContext('2d'), page.configuration(1));
  const drawn = canvas.getContent().toString('utf8');
  chart.destroy();
  // the clip paths are numbered from the start of the process; number them from the start of the file
  const ids = new Map<string, string>();
  const renumber = (_: string, id: string) => ids.get(id) ?? ids.set(id, `clip-${ids.size + 1}`).get(id)!;
  const description = `<title>${escape(figure.title)}</title>\n\t<desc>${escape([...figure.caption, ...figure.notes].join(' '))}</desc>`;
  return drawn
    .replace(/\bcl_([0-9a-f]+)\b/g, renumber)
    .replace(/^\s*<path [^>]*\bd=""[^>]*\/>\n/gm, '') // spaces
    .replace(/-?\d+\.\d{3,}/g, (digits) => String(Number(Number(digits).toFixed(2)))) // a hundredth of a pixel
    .replace(/<svg [^>]*>/, (svg) => `${svg.slice(0, -1)} viewBox="0 0 ${page.width} ${page.height}" role="img">\n\t${description}`);
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
