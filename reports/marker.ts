/** Markers: of Chart.js, turned ones, and those of what has no value. */
import type { PointStyle } from 'chart.js';
import { drawPoint } from 'chart.js/helpers';
import type { Context2D } from './context.ts';
import type { Look } from './figure.ts';
import { colorOn, type Theme } from './theme.ts';

/** The marker of a look, for Chart.js: its triangles point upwards, and are turned, in degrees. */
export function point({ marker }: Look): { pointStyle: PointStyle; rotation: number } {
  if (marker === 'none') return { pointStyle: false, rotation: 0 };
  const turned = { triangleRight: 90, triangleDown: 180, triangleLeft: 270 }[marker];
  return { pointStyle: turned === undefined ? (marker as PointStyle) : 'triangle', rotation: turned ?? 0 };
}

/** The mark of what failed: a crossed circle, hollow, and beside it the marker of whose it is. */
export function drawFailure(ctx: Context2D, x: number, y: number, look: Look, theme: Theme): void {
  ctx.save();
  ctx.strokeStyle = colorOn(theme, look.color);
  ctx.fillStyle = theme.paper;
  ctx.lineWidth = 1.3;
  drawPoint(ctx, { pointStyle: 'circle', radius: 4.6, borderWidth: 1.3 }, x, y);
  drawPoint(ctx, { pointStyle: 'crossRot', radius: 4.6, borderWidth: 1.3 }, x, y);
  drawSmall(ctx, x + 10, y, look, theme);
  ctx.restore();
}

function drawSmall(ctx: Context2D, x: number, y: number, look: Look, theme: Theme): void {
  if (look.marker === 'none') return;
  ctx.fillStyle = look.filled ? colorOn(theme, look.color) : theme.paper;
  drawPoint(ctx, { ...point(look), radius: 3.2, borderWidth: 1.2 }, x, y);
}

/** The mark of what is more than an axis shows: an arrow up, and under it the marker of whose it is. */
export function drawBeyond(ctx: Context2D, x: number, y: number, look: Look, theme: Theme): void {
  ctx.save();
  ctx.strokeStyle = colorOn(theme, look.color);
  ctx.lineWidth = 1.3;
  ctx.beginPath();
  ctx.moveTo(x, y + 2);
  ctx.lineTo(x, y - 6);
  ctx.moveTo(x - 3, y - 3);
  ctx.lineTo(x, y - 6);
  ctx.lineTo(x + 3, y - 3);
  ctx.stroke();
  drawSmall(ctx, x, y + 3.5, look, theme);
  ctx.restore();
}

/** The ring around a mark that is chosen; the caller has set the colour. */
export function drawRing(ctx: Context2D, { x, y }: { x: number; y: number }, radius = 8): void {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}
