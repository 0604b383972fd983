/** A figure as a file in memory: PNG through chartjs-node-canvas, SVG and PDF as vectors through the canvases of @napi-rs/canvas. */
import { Chart, registerables } from 'chart.js';
import { ChartJSNodeCanvas } from 'chartjs-node-canvas';
import { createCanvas, PDFDocument, SvgExportFlag, type SKRSContext2D } from '@napi-rs/canvas';
import { contextAt } from './context.ts';
import type { Figure } from './figure.ts';
import { fontFamily } from './font.ts';
import { layOut, MM, PT, type Measurer, type Page, type PageOptions } from './page.ts';
import { themes, type ThemeName } from './theme.ts';

Chart.register(...registerables);

export interface DrawOptions extends PageOptions {
  /** PNG only: device pixels a CSS pixel; 3 unless given, which is 378 dpi in print */
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

/** What a figure says in words, for those who read the file and not the picture. */
const wordsOf = ({ caption, notes }: Figure): string => [...caption, ...notes].join(' ');

/**
 * An SVG in which text is outlines, so that it looks the same wherever it is opened; title and caption are in it as text too.
 * Its size is in millimetres where that was asked for.
 */
export function drawSvg(figure: Figure, options: DrawOptions = {}): string {
  const page = pageOf(figure, options);
  const canvas = createCanvas(page.width, page.height, SvgExportFlag.ConvertTextToPaths);
  const chart = new Chart(canvas.getContext('2d'), page.configuration(1));
  const drawn = canvas.getContent().toString('utf8');
  chart.destroy();
  // the clip paths are numbered from the start of the process; number them from the start of the file
  const ids = new Map<string, string>();
  const renumber = (_: string, id: string) => ids.get(id) ?? ids.set(id, `clip-${ids.size + 1}`).get(id)!;
  const description = `<title>${escape(figure.title)}</title>\n\t<desc>${escape(wordsOf(figure))}</desc>`;
  const size = (pixels: number) => (options.mm === undefined ? `${pixels}` : `${Number((pixels * MM).toFixed(2))}mm`);
  return drawn
    .replace(/\bcl_([0-9a-f]+)\b/g, renumber)
    .replace(/^\s*<path [^>]*\bd=""[^>]*\/>\n/gm, '') // spaces
    .replace(/-?\d+\.\d{3,}/g, (digits) => String(Number(Number(digits).toFixed(2)))) // a hundredth of a pixel
    .replace(/<svg ([^>]*?)width="\d+" height="\d+">/, `<svg $1width="${size(page.width)}" height="${size(page.height)}" viewBox="0 0 ${page.width} ${page.height}" role="img">\n\t${description}`);
}

/** A PDF of one page, as large as the figure in print, with its fonts in it. There is no date in it, so it is the same file again. */
export function drawPdf(figure: Figure, options: DrawOptions = {}): Buffer {
  const page = pageOf(figure, options);
  const pdf = new PDFDocument({ title: figure.title, subject: wordsOf(figure), creator: 'recallbench' });
  const ctx = pdf.beginPage(page.width * PT, page.height * PT) as SKRSContext2D;
  ctx.scale(PT, PT);
  // with the alternates of the font for brackets between capitals, their text cannot be searched
  ctx.textRendering = 'optimizeSpeed';
  // Chart.js asks a context for its canvas, and a page of a document has none
  new Chart(contextAt(ctx, { x0: 0, y0: 0, width: page.width, height: page.height }), page.configuration(1)).destroy();
  pdf.endPage();
  return pdf.close();
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
