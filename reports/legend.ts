/** The legend of a figure: one entry a name, with line, dash and marker, in rows that fit the width. */
import { drawPoint } from 'chart.js/helpers';
import type { Context2D } from './context.ts';
import type { Figure, Look } from './figure.ts';
import { drawBeyond, drawFailure, drawRing, point } from './marker.ts';
import { colorOn, sizes, type Theme } from './theme.ts';

export interface LegendEntry {
  name: string;
  look: Look | 'failed' | 'beyond' | 'ringed';
  /** a marker without a line */
  scattered?: boolean;
  /** from the left edge, and the row */
  x: number;
  row: number;
}

/** of marks that are of no one series */
const nobody: Look = { color: '#555555', marker: 'none', filled: false, dash: [] };
const KEY = 36;
const MARK_KEY = 11;
const GAP = 7;
const BETWEEN = 20;
export const ROW_HEIGHT = 20;

/** The entries of a figure's series and of the marks that it has beside them, set in rows. */
export function legendOf(figure: Figure, width: number, widthOf: (text: string) => number): LegendEntry[] {
  const looks = new Map<string, Pick<LegendEntry, 'look' | 'scattered'>>();
  const all = figure.panels.flatMap((panel) => panel.series);
  for (const { name, look, scattered } of all) looks.set(name, { look, ...(scattered ? { scattered } : {}) });
  const failed = all.flatMap((series) => series.failed);
  if (all.some((series) => series.marks.some((mark) => mark.ringed))) looks.set('chosen', { look: 'ringed' });
  if (failed.some((mark) => !mark.above)) looks.set('no result', { look: 'failed' });
  for (const { above, why } of failed) if (above) looks.set(why, { look: 'beyond' });
  const entries: LegendEntry[] = [];
  let [x, row] = [0, 0];
  for (const [name, key] of looks) {
    const length = keyWidth(key) + GAP + widthOf(name);
    if (x > 0 && x + length > width) [x, row] = [0, row + 1];
    entries.push({ name, ...key, x, row });
    x += length + BETWEEN;
  }
  return entries;
}

/** Draws the entries with their upper left corner at (left, top); the caller has set the font. */
export function drawLegend(ctx: Context2D, entries: readonly LegendEntry[], left: number, top: number, theme: Theme): void {
  ctx.save();
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  for (const { name, look, scattered, x, row } of entries) {
    const [at, y] = [left + x, top + (row + 0.5) * ROW_HEIGHT];
    const middle = at + MARK_KEY / 2;
    if (look === 'failed') drawFailure(ctx, middle, y, nobody, theme);
    else if (look === 'beyond') drawBeyond(ctx, middle, y, nobody, theme);
    else if (look === 'ringed') {
      ctx.strokeStyle = colorOn(theme, nobody.color);
      ctx.lineWidth = 1.2;
      drawRing(ctx, { x: middle, y }, 5);
    } else drawKey(ctx, { ...look, color: colorOn(theme, look.color) }, at, y, theme, scattered);
    ctx.fillStyle = theme.text;
    ctx.fillText(name, at + keyWidth({ look, scattered }) + GAP, y + 0.5);
  }
  ctx.restore();
}

function keyWidth({ look, scattered }: Pick<LegendEntry, 'look'> & { scattered?: boolean | undefined }): number {
  return typeof look === 'string' || scattered ? MARK_KEY : KEY;
}

function drawKey(ctx: Context2D, look: Look, x: number, y: number, theme: Theme, scattered = false): void {
  ctx.save();
  ctx.strokeStyle = look.color;
  ctx.lineWidth = sizes.line;
  ctx.setLineDash(look.dash);
  ctx.lineDashOffset = (look.dash[0] ?? 0) / 2 - KEY / 2 + 10 * look.dash.reduce((a, b) => a + b, 0); // a dash in the middle
  if (!scattered) {
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + KEY, y);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  ctx.lineDashOffset = 0;
  ctx.lineWidth = 1.4;
  ctx.fillStyle = look.filled ? look.color : theme.paper;
  if (look.marker !== 'none') drawPoint(ctx, { ...point(look), radius: sizes.radius, borderWidth: 1.4 }, x + (scattered ? MARK_KEY : KEY) / 2, y);
  ctx.restore();
}
