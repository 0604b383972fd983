/** What a sweep is about to do: its points with their names, their cost, and what the store already has of them. */
import { RecallbenchError, unknownName } from '#core/errors.ts';
import { namesIn } from '#core/names.ts';
import { finished } from '#harness/launch.ts';
import { openPoint } from '#harness/open-point.ts';
import type { PlannedPoint } from '#harness/sweep.ts';
import { contentId } from '#core/content-id.ts';
import { namesOf, pointTraits } from '#results/names.ts';
import type { OutcomeState } from '#results/record.ts';
import type { Store } from '#results/store.ts';

export interface Planned extends PlannedPoint {
  /** what tells it from the others of its sweep, learning rate and seed apart: "mamba2 dState=16 dModel=64" */
  readonly name: string;
  /** points that differ in learning rate and seed only share it */
  readonly group: string;
  readonly steps: number;
  /** tokens that its training takes */
  readonly tokens: number;
  readonly stateBytes: number;
}

/** A planned point and what the store has of it. */
export interface Standing extends Planned {
  readonly outcome: OutcomeState | 'missing';
  /** it is not run again */
  readonly done: boolean;
}

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** The points with everything that the command line says about them. */
export function planOf(points: readonly PlannedPoint[]): Planned[] {
  const opened = points.map(({ point }) => {
    const open = openPoint(point);
    const tokens = point.epochs * open.train.reduce((sum, s) => sum + s.batches * s.batch * s.task.seqLen, 0);
    return { steps: open.steps, tokens, stateBytes: open.model.stateBytes(open.testLength), traits: pointTraits(point, open.test.map((s) => s.task.slice)) };
  });
  const names = namesOf(opened.map((o) => o.traits));
  return points.map(({ id, point }, i) => {
    const { steps, tokens, stateBytes } = opened[i];
    const { lr: _lr, seed: _seed, ...rest } = point;
    return { id, point, name: names[i], group: contentId(rest), steps, tokens, stateBytes };
  });
}

/** The plan against what is in a store by now. */
export function standing(plan: readonly Planned[], store: Pick<Store, 'find'>): Standing[] {
  return plan.map((p) => {
    const outcome = store.find(p.id)?.outcome.state ?? 'missing';
    return { ...p, outcome, done: outcome !== 'missing' && finished.has(outcome) };
  });
}

/** Points of one group, group by group in the order of the plan. */
export function groups<P extends Planned>(plan: readonly P[]): P[][] {
  const found = new Map<string, P[]>();
  for (const p of plan) {
    const group = found.get(p.group);
    if (group === undefined) found.set(p.group, [p]);
    else group.push(p);
  }
  return [...found.values()];
}

/** The value of a point at a key such as "model" or "modelOptions.dState". */
function valueAt(point: object, key: string): unknown {
  return key.split('.').reduce<unknown>((at, part) => (typeof at === 'object' && at !== null && Object.hasOwn(at, part) ? (at as Record<string, unknown>)[part] : undefined), point);
}

/** The keys at which a point has a plain value: "model", "modelOptions.dState". */
function keysOf(point: object): string[] {
  return Object.entries(point).flatMap(([key, value]: [string, unknown]) => (Array.isArray(value) || value === undefined ? [] : typeof value === 'object' && value !== null ? keysOf(value).map((k) => `${key}.${k}`) : [key]));
}

/** The items at whose points every key has one of its values (`model` → `mamba1,mamba2`). Throws E_CONFIG when none is left. */
export function only<T>(items: readonly T[], pointOf: (item: T) => object, wanted: Readonly<Record<string, string>>): T[] {
  let left = [...items];
  for (const [key, list] of Object.entries(wanted)) {
    const known = [...new Set(items.map((item) => valueAt(pointOf(item), key)).filter((v) => ['string', 'number', 'boolean'].includes(typeof v)).map(text))];
    if (known.length === 0) throw new RecallbenchError('E_CONFIG', `--only: ${unknownName('key', key, [...new Set(items.flatMap((item) => keysOf(pointOf(item))))])}`);
    const values = namesIn(list, known);
    const unknown = values.find((v) => !known.some((k) => k === v || Number(k) === Number(v)));
    if (unknown !== undefined) throw new RecallbenchError('E_CONFIG', `--only: ${unknownName(key, unknown, known)}`);
    left = left.filter((item) => values.some((v) => text(valueAt(pointOf(item), key)) === v || valueAt(pointOf(item), key) === Number(v)));
  }
  if (left.length === 0) throw new RecallbenchError('E_CONFIG', `--only: no point of the sweep has all of ${Object.entries(wanted).map(([k, v]) => `${k}=${v}`).join(', ')}.`);
  return left;
}
