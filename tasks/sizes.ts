/** Sizes that do not fit together: the message names the broken rule and the nearest legal values. */
import { RecallbenchError } from '#core/errors.ts';

/** What must hold of sizes, and what to say where it does not. */
export type Rule<S> = readonly [holds: (sizes: S) => boolean, wrong: (sizes: S) => string];

/** How far above the given value a legal one is looked for. */
const REACH = 2 ** 16;

/**
 * Throws E_SIZE with the first broken rule and, of each option that can mend it alone, the nearest legal value on either
 * side; where none can, with changes that mend it together. `least` holds the smallest value of each option, 1 where left out.
 */
export function checkSizes<S extends Record<string, number>>(task: string, sizes: S, least: Partial<S>, rules: readonly Rule<S>[]): void {
  const broken = rules.find(([holds]) => !holds(sizes));
  if (broken === undefined) return;
  const remedies = Object.keys(sizes).flatMap((key) => changes(sizes, key, least[key] ?? 1, rules));
  const use = remedies.length > 0 ? remedies.map(({ text }) => text).join(' or ') : together(sizes, least, rules);
  throw new RecallbenchError('E_SIZE', `task ${task}: ${broken[1](sizes)}: use ${use}.`);
}

interface Change<S> {
  readonly key: string;
  readonly text: string;
  readonly sizes: S;
}

/** The nearest value of one option below and above its own with which all rules hold, as far as there are such. */
function changes<S extends Record<string, number>>(sizes: S, key: string, least: number, rules: readonly Rule<S>[]): Change<S>[] {
  const found: Change<S>[] = [];
  for (const step of [-1, 1]) {
    const changed: Record<string, number> = { ...sizes };
    const end = step < 0 ? least : sizes[key] + REACH;
    for (let value = sizes[key] + step; step * (end - value) >= 0; value += step) {
      changed[key] = value;
      if (!rules.every(([holds]) => holds(changed as S))) continue;
      found.push({ key, text: `${key} ${step < 0 ? '≤' : '≥'} ${value}`, sizes: changed as S });
      break;
    }
  }
  return found;
}

/** One change after another, each of another option, each the first that mends the rules up to the first broken one. */
function together<S extends Record<string, number>>(sizes: S, least: Partial<S>, rules: readonly Rule<S>[]): string {
  const texts: string[] = [];
  const left = new Set(Object.keys(sizes));
  let at = sizes;
  for (;;) {
    const broken = rules.findIndex(([holds]) => !holds(at));
    if (broken < 0) return texts.join(' with ');
    const change = [...left].flatMap((key) => changes(at, key, least[key] ?? 1, rules.slice(0, broken + 1)))[0];
    if (change === undefined) return 'the defaults';
    texts.push(change.text);
    left.delete(change.key);
    at = change.sizes;
  }
}
