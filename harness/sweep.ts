/** A sweep as data: a base and axes; its points are their product. */
import { parseConfig, z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { parsePoint, pointId, type Point } from '#results/point.ts';
import { checkPoint } from './open-point.ts';

const overlay = z.record(z.string(), z.unknown());

/** An axis: values of one key ("lr", "modelOptions.dState"), or a list of overlays that each set several keys. */
const axisSchema = z.union([z.array(overlay).min(1), z.record(z.string(), z.array(z.unknown()).min(1))]);

/** A base and axes: their product is a list of points. */
export const gridSchema = z.strictObject({
  /** what all points share */
  base: overlay.default({}),
  axes: z.array(axisSchema).default([]),
});
export type Grid = z.output<typeof gridSchema>;

export const nameSchema = z.string().regex(/^[\w.-]+$/, 'a name of letters, digits, "-", "_" and "."');

export const sweepSchema = gridSchema.extend({
  name: nameSchema,
  summary: z.string().default(''),
  /** figures to draw from the results; all that have data when left out */
  figures: z.array(z.string()).optional(),
});
export type SweepInput = z.input<typeof sweepSchema>;
export type Sweep = z.output<typeof sweepSchema>;

/** A point of a sweep with its id. */
export interface PlannedPoint {
  readonly id: string;
  readonly point: Point;
}

/** Lays an overlay over a point; objects are merged key by key, "a.b" reaches into a, everything else is replaced. */
function lay(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const out = { ...base };
  for (const [key, v] of Object.entries(over)) {
    const [head, ...rest] = key.split('.') as [string, ...string[]];
    const old = out[head];
    const value = rest.length > 0 ? { [rest.join('.')]: v } : v;
    const mergeable = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x);
    out[head] = mergeable(value) ? lay(mergeable(old) ? old : {}, value) : value;
  }
  return out;
}

/** Runs `f`; its error says which point it is about. */
export function named<T>(where: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    if (error instanceof RecallbenchError) throw new RecallbenchError(error.code, `${where}: ${error.message.replace(/^E_\w+: /, '')}`, { cause: error });
    throw error;
  }
}

/** Every combination of the axes' values laid over the base, the last axis turning fastest. */
export function product({ base, axes }: Grid): Record<string, unknown>[] {
  let partial: Record<string, unknown>[] = [base];
  for (const axis of axes) {
    const overlays: Record<string, unknown>[] = Array.isArray(axis)
      ? axis
      : Object.entries(axis).reduce<Record<string, unknown>[]>((all, [key, values]) => all.flatMap((o) => values.map((v) => ({ ...o, [key]: v }))), [{}]);
    partial = partial.flatMap((p) => overlays.map((o) => lay(p, o)));
  }
  return partial;
}

/** The points of a sweep in order, each checked against its task and model, without repetitions. Errors: E_CONFIG, E_NAME, E_SIZE. */
export function expandSweep(sweep: Sweep): PlannedPoint[] {
  const raws = product(sweep);
  const points = new Map<string, PlannedPoint>();
  raws.forEach((raw, i) => {
    const point = named(`sweep ${sweep.name}, point ${i + 1} of ${raws.length}`, () => checkPoint(parsePoint(raw)));
    points.set(pointId(point), { id: pointId(point), point });
  });
  return [...points.values()];
}

/** Checks a sweep read from a file. Throws E_CONFIG. */
export function parseSweep(raw: unknown, where: string): Sweep {
  return parseConfig(sweepSchema, raw, where);
}

/** Part i of n of a plan: every n-th point, so that parts take about the same time. */
export function shard<T>(points: readonly T[], spec: string): T[] {
  const match = /^(\d+)\/(\d+)$/.exec(spec);
  const [i, n] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || n < 1 || i < 1 || i > n) throw new RecallbenchError('E_CONFIG', `shard "${spec}" is not of the form i/n with 1 ≤ i ≤ n, such as 1/4`);
  return points.filter((_, k) => k % n === i - 1);
}
