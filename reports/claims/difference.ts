/** Differences of accuracy between cells of one setting, over all settings that tell: what the claims about recall rest on. */
import { rng } from '#core/random.ts';
import { mean, quantile } from '#core/statistics.ts';
import type { DoneCell } from '#results/query.ts';
import { list } from '../caption.ts';
import { nothing, type Used, type Verdict } from './claim.ts';
import { usedCell } from './setting.ts';

/** Two cells of a setting, of which `better` is claimed to recall more. */
export interface Pair {
  /** "length 256, 64 pairs, width 64" */
  readonly setting: string;
  /** which two of it: "N=16" */
  readonly what: string;
  readonly better: DoneCell;
  readonly other: DoneCell;
  /** of the setting */
  readonly floor: number;
}

/** from here on a task is solved */
const CEILING = 0.99;
/** a smaller difference does not matter */
const MATTERS = 0.02;
/** a smaller difference between single runs may be luck */
const LONE = 0.1;

const differenceOf = ({ better, other }: Pair): number => better.mean - other.mean;
const tells = ({ better, other, floor }: Pair): boolean => Math.min(better.mean, other.mean) < CEILING && Math.max(better.mean, other.mean) > floor;
const repeated = ({ better, other }: Pair): boolean => better.accuracies.length > 1 && other.accuracies.length > 1;

/** The rule of `decideDifference` in words. */
export const differenceRule =
  'Compared are cells that differ in nothing else, with the learning rate of each chosen on validation, at test accuracy. Pairs that both solve the task (0.99 and more) or of which neither is above guessing among the values seen tell nothing and do not count. ' +
  'Confirmed where the mean difference over all pairs is 0.02 or more and its 95 % interval over seeds lies above 0; refuted where the interval lies below 0.02, or one pair with several seeds is lower by 0.1 or more. ' +
  'With a single seed there is no interval: then it takes a difference of 0.1 either way, and no pair lower by as much.';

/** A percentile bootstrap interval (95 %) of the mean difference: seeds are drawn anew within every cell. */
function intervalOf(pairs: readonly Pair[]): { low: number; high: number } {
  const stream = rng(0).fork('claims').fork(pairs.map((p) => `${p.better.key} ${p.other.key}`).join(' '));
  const again = (xs: readonly number[]) => mean(xs.map(() => xs[stream.below(xs.length)]));
  const means = Array.from({ length: 2000 }, () => mean(pairs.map(({ better, other }) => again(better.accuracies) - again(other.accuracies))));
  return { low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/**
 * The verdict of a difference by `differenceRule`. `lacking` says what to find pairs of was not there, `names` what is claimed to be better and
 * than what.
 */
export function decideDifference(pairs: readonly Pair[], lacking: string, [better, other]: readonly [string, string]): Verdict {
  if (pairs.length === 0) return nothing(lacking);
  const cells = usedOf(pairs);
  const telling = pairs.filter(tells);
  if (telling.length === 0) {
    return { state: 'not-enough-data', cells, evidence: `${pairsText(pairs)}: both solve the task, or neither has learnt it, so nothing can be told.` };
  }
  const value = mean(telling.map(differenceOf));
  const interval = telling.every(repeated) ? { ...intervalOf(telling), of: '95 % over seeds' } : undefined;
  const against = telling.filter((p) => differenceOf(p) <= -LONE);
  const measured = { value, unit: '(difference of accuracy)', ...(interval === undefined ? {} : { interval }) };
  const idle = pairs.length - telling.length;
  const evidence = [
    `${better} beside ${other}: ${pairsText(telling)}.`,
    ...(idle === 0 ? [] : [`${idle} ${idle === 1 ? 'pair that is' : 'pairs that are'} solved or not learnt at all left out.`]),
    ...(telling.every(repeated) ? [] : [telling.some(repeated) ? 'Not every cell has several seeds, so there is no interval.' : 'One seed a cell, so there is no interval.']),
    ...notLearnt(telling),
    ...unevenRates(telling),
  ].join(' ');
  const state = ((): Verdict['state'] => {
    if (against.some(repeated)) return 'refuted';
    if (against.length > 0) return against.length === telling.length ? 'refuted' : 'not-enough-data';
    if (interval === undefined) return value >= LONE ? 'confirmed' : 'not-enough-data';
    if (interval.high < MATTERS) return 'refuted';
    return interval.low > 0 && value >= MATTERS ? 'confirmed' : 'not-enough-data';
  })();
  return { state, measured, evidence, cells };
}

const pairsText = (pairs: readonly Pair[]): string => list(pairs.map((p) => `${p.better.mean.toFixed(3)} against ${p.other.mean.toFixed(3)} (${p.setting}, ${p.what})`), 3, '; ');

/** A model that is still guessing may lack steps and not memory. */
function notLearnt(pairs: readonly Pair[]): string[] {
  const guessing = pairs.filter(({ other, floor }) => other.mean <= floor);
  return guessing.length === 0 ? [] : [`In ${guessing.length} of ${pairs.length} ${pairs.length === 1 ? 'pair' : 'pairs'} the second had not left guessing within its budget, which longer training might change.`];
}

/** Who tries more learning rates finds a better one. */
function unevenRates(pairs: readonly Pair[]): string[] {
  const uneven = pairs.filter(({ better, other }) => better.lrs.length !== other.lrs.length);
  if (uneven.length === 0) return [];
  const { better, other } = uneven[0];
  return [`Learning rates tried: ${better.lrs.length} against ${other.lrs.length}${uneven.length < pairs.length ? ` in ${uneven.length} of ${pairs.length} pairs` : ''}.`];
}

function usedOf(pairs: readonly Pair[]): Used[] {
  const used = new Map<string, Used>();
  for (const { setting, better, other } of pairs) for (const cell of [better, other]) used.set(cell.key, usedCell(cell, setting));
  return [...used.values()];
}
