/** What tells runs and costs from one another, and names made of it. */
import { contentId } from '#core/content-id.ts';
import type { CostMeasure } from './costs.ts';
import { flatOptions, type Point } from './point.ts';
import type { Appearance } from './record.ts';

/** Values that may tell a thing from others, by key. */
export type Traits = ReadonlyMap<string, string>;

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** The traits of a point, learning rate and seed apart; `slices` are the test's. */
export function pointTraits(point: Omit<Point, 'lr' | 'seed'>, slices: readonly Readonly<Record<string, unknown>>[]): Map<string, string> {
  const all = new Map<string, string>([['model', point.model]]);
  for (const [key, value] of Object.entries(flatOptions(point.modelOptions))) all.set(`modelOptions.${key}`, text(value));
  for (const key of new Set(slices.flatMap((s) => Object.keys(s)))) all.set(`test.${key}`, [...new Set(slices.map((s) => s[key]))].join('/'));
  for (const [key, value] of Object.entries(point)) {
    if (!['model', 'modelOptions', 'train', 'test', 'lr', 'seed'].includes(key)) all.set(key, text(value));
  }
  all.set('train', contentId(point.train));
  return all;
}

/** The traits of a cost; its model is the label. */
export function costTraits({ workload, options, engine, threads, precision }: CostMeasure, appearance: Appearance): Map<string, string> {
  // the label names the model
  const { model, modelOptions = {}, ...shapes } = options;
  const traits = Object.entries({ ...flatOptions(modelOptions as object), ...shapes, engine, threads, precision }).filter(([, v]) => v !== undefined);
  return new Map([['model', model === undefined ? appearance.label : `${appearance.label} ${workload}`], ...traits.map(([k, v]) => [k, text(v)] as const)]);
}

/** "mamba2 dState=16 dModel=64": the model and whatever else is not the same for all of its neighbours. */
export function namesOf(all: readonly Traits[]): string[] {
  const varies = (key: string, among: readonly Traits[]) => among.some((t) => t.get(key) !== among[0].get(key));
  return all.map((own) => {
    const kin = all.filter((t) => t.get('model') === own.get('model'));
    const parts = [...own].flatMap(([key, value]) => {
      if (key === 'model') return [value];
      if (key === 'train' || !varies(key, kin)) return [];
      return [shortTrait(key, value)];
    });
    return parts.join(' ');
  });
}

/** The model and every trait: the same whatever stands beside it, for tools that follow a name through time. */
export function fullName(traits: Traits): string {
  return [...traits].map(([key, value]) => (key === 'model' ? value : shortTrait(key, value))).join(' ');
}

function shortTrait(key: string, value: string): string {
  return `${key.replace(/^(modelOptions|test)\./, '')}=${value}`;
}
