/**
 * The layers of a language model as a point names them: one mixer for all, or a pattern of several, one after another and over again.
 *
 *     mamba2                 every layer
 *     mamba2*5,attention     five layers of mamba2 and one of attention, repeated to the model's number of layers
 *
 * The options of a pattern are given by mixer, { "mamba2": { "dState": 64 }, "attention": { "heads": 2 } }; those of one mixer as they are.
 */
import { lookUp } from '#core/config.ts';
import { RecallbenchError, unknownName } from '#core/errors.ts';
import { mixers } from './known-mixers.ts';
import type { Appearance, Mixer } from './mixer.ts';

/** A mixer and its raw options. */
export interface Layer {
  readonly mixer: Mixer;
  readonly options: unknown;
}

export interface Stack {
  /** the shortest way to write the pattern: equal models have equal names */
  readonly model: string;
  /** with defaults filled in: what a record keeps */
  readonly options: Record<string, unknown>;
  /** one round of the pattern */
  readonly round: readonly Layer[];
  /** that of the first mixer; the label says the pattern */
  readonly appearance: Appearance;
  /** no layer knows order by itself */
  readonly orderless: boolean;
}

/** [name, how many in a row] … */
function runsOf(names: readonly string[]): [string, number][] {
  const runs: [string, number][] = [];
  for (const name of names) {
    const last = runs.at(-1);
    if (last?.[0] === name) last[1]++;
    else runs.push([name, 1]);
  }
  return runs;
}

/** The names of one round, layer by layer. */
function parsed(model: string): string[] {
  return model.split(',').flatMap((part) => {
    const [, name, times = '1'] = /^\s*([^\s*]+)\s*(?:\*\s*(\d{1,4})\s*)?$/.exec(part) ?? [];
    if (name === undefined || Number(times) < 1) throw new RecallbenchError('E_CONFIG', `model "${model}": "${part.trim()}" is neither a mixer nor mixer*times, such as mamba2*5.`);
    lookUp(mixers, 'model', name);
    return new Array<string>(Number(times)).fill(name);
  });
}

/** The shortest list that gives the same layers when it is repeated. */
function shortest(names: readonly string[]): string[] {
  const length = names.findIndex((_, i) => names.length % (i + 1) === 0 && names.every((name, j) => name === names[j % (i + 1)])) + 1;
  return names.slice(0, length);
}

/** The options of each mixer of a pattern. */
function byMixer(model: string, names: readonly string[], raw: Record<string, unknown>): Record<string, Record<string, unknown>> {
  const known = [...new Set(names)];
  const unknown = Object.keys(raw).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const hint = typeof raw[unknown] === 'object' ? '' : ` Options of a pattern are given by mixer, such as ${known[0]}.${unknown}.`;
    throw new RecallbenchError('E_CONFIG', `model ${model}: ${unknownName('mixer', unknown, known)}${hint}`);
  }
  return Object.fromEntries(
    known.map((name) => {
      const own = raw[name] ?? {};
      if (typeof own !== 'object' || Array.isArray(own)) throw new RecallbenchError('E_CONFIG', `model ${model}: the options of ${name} are no options but ${JSON.stringify(own)}.`);
      return [name, lookUp(mixers, 'model', name).resolve(own)];
    }),
  );
}

/** The layers that a model's name and options mean. Errors: E_NAME, E_CONFIG, and E_SIZE where whole rounds do not make `layers`. */
export function openStack(model: string, options: Record<string, unknown>, layers: number): Stack {
  const written = parsed(model);
  if (layers % written.length !== 0) {
    const enough = Math.ceil(layers / written.length) * written.length;
    throw new RecallbenchError('E_SIZE', `model "${model}" is a round of ${written.length} layers, and whole rounds do not make ${layers} layers. Nearest: ${[...new Set([Math.max(written.length, enough - written.length), enough])].join(' or ')} layers.`);
  }
  const names = shortest(written);
  const first: Mixer = lookUp(mixers, 'model', names[0]);
  if (names.length === 1) {
    const resolved = first.resolve(options);
    return { model: names[0], options: resolved, round: [{ mixer: first, options: resolved }], appearance: first.appearance, orderless: first.orderless(resolved) };
  }
  const runs = runsOf(names);
  const resolved = byMixer(model, names, options);
  const round = names.map((name): Layer => ({ mixer: lookUp(mixers, 'model', name), options: resolved[name] }));
  const label = runs.map(([name, times]) => lookUp(mixers, 'model', name).appearance.label + (times === 1 ? '' : ` ×${times}`)).join(' + ');
  return {
    model: runs.map(([name, times]) => (times === 1 ? name : `${name}*${times}`)).join(','),
    options: resolved,
    round,
    appearance: { ...first.appearance, label },
    orderless: round.every(({ mixer, options: own }) => mixer.orderless(own)),
  };
}
