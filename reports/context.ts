/** A canvas context that a chart may take for its own. */
import type { Chart } from 'chart.js';

/** What Chart.js draws on: a canvas of Node or of a browser. */
export type Context2D = Chart['ctx'];

/** A part of a drawing, in CSS pixels. */
export interface Rectangle {
  x0: number;
  y0: number;
  width: number;
  height: number;
}

/**
 * A context for a chart at a place of a drawing. Chart.js thinks a chart owns its canvas: it asks for its size, sets the
 * transform from scratch and clears everything. This one sets transforms relative to its place and clears nothing.
 */
export function contextAt(ctx: Context2D, place: Rectangle): Context2D {
  const base = ctx.getTransform();
  const canvas: Record<string, unknown> = { width: place.width, height: place.height, style: {} };
  const setTransform = (a: number, b: number, c: number, d: number, e: number, f: number) =>
    ctx.setTransform(base.a * a, base.d * b, base.a * c, base.d * d, base.a * (e + place.x0) + base.e, base.d * (f + place.y0) + base.f);
  const own: Record<PropertyKey, unknown> = {
    canvas,
    setTransform,
    getTransform: () => base.translate(place.x0, place.y0).inverse().multiply(ctx.getTransform()),
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
  return inside;
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
