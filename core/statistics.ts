/**
 * Statistics of small samples: means, quantiles, bootstrap intervals. Every one of them throws RangeError on an empty
 * sample or a value that is not finite, so a NaN never travels on as a number.
 */
import type { Stream } from './random.ts';

/** The sample itself; throws RangeError on an empty one or a value that is not finite. */
export function checked(xs: readonly number[]): readonly number[] {
  if (xs.length === 0) throw new RangeError('a statistic of an empty sample is not defined');
  for (const x of xs) if (!Number.isFinite(x)) throw new RangeError(`a sample holds finite numbers only, not ${x}`);
  return xs;
}

/** The least of any number of values, Infinity of none, NaN if one is: `Math.min` itself takes no more than the stack has room for. */
export function least(xs: readonly number[]): number {
  let found = Infinity;
  for (const x of xs) found = Math.min(found, x);
  return found;
}

/** The greatest of any number of values, -Infinity of none, NaN if one is. */
export function greatest(xs: readonly number[]): number {
  let found = -Infinity;
  for (const x of xs) found = Math.max(found, x);
  return found;
}

/** The arithmetic mean. */
export function mean(xs: readonly number[]): number {
  let sum = 0;
  for (const x of checked(xs)) sum += x;
  return sum / xs.length;
}

/** The sample standard deviation (divisor n − 1); 0 for a sample of one. */
export function standardDeviation(xs: readonly number[]): number {
  const m = mean(xs);
  if (xs.length === 1) return 0;
  let sum = 0;
  for (const x of xs) sum += (x - m) ** 2;
  return Math.sqrt(sum / (xs.length - 1));
}

/** The q-quantile, 0 ≤ q ≤ 1, linear between order statistics (type 7 of Hyndman & Fan 1996, the default of R and NumPy). */
export function quantile(xs: readonly number[], q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile lies between 0 and 1, not at ${q}`);
  return sortedQuantile(checked(xs).toSorted((a, b) => a - b), q);
}

function sortedQuantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const a = sorted[below];
  const b = sorted[Math.min(below + 1, sorted.length - 1)];
  return a + (at - below) * (b - a);
}

/** The 0.5-quantile. */
export function median(xs: readonly number[]): number {
  return quantile(xs, 0.5);
}

export interface Interval {
  low: number;
  high: number;
}

export interface BootstrapOptions {
  /** where the resamples come from; the same stream and sample give the same interval */
  stream: Stream;
  /** what is estimated; the mean by default */
  statistic?: (xs: readonly number[]) => number;
  /** coverage; 0.95 by default */
  level?: number;
  /** how many resamples; 2000 by default */
  resamples?: number;
}

/**
 * A percentile bootstrap interval (Efron 1979): the statistic of samples drawn from `xs` with replacement, and its
 * quantiles at (1 − level)/2 and (1 + level)/2. Below about five values it is hardly more than their range: it shows
 * the spread over seeds and proves nothing.
 */
export function bootstrapInterval(xs: readonly number[], options: BootstrapOptions): Interval {
  const { stream, statistic, level = 0.95, resamples = 2000 } = options;
  if (!(level > 0 && level < 1)) throw new RangeError(`the level of an interval lies between 0 and 1, not at ${level}`);
  checked(xs);
  const draw = new Array<number>(xs.length);
  const values = Array.from({ length: resamples }, () => {
    if (statistic === undefined) {
      let sum = 0;
      for (let i = 0; i < draw.length; i++) sum += xs[stream.below(draw.length)]!;
      return sum / draw.length;
    }
    for (let i = 0; i < draw.length; i++) draw[i] = xs[stream.below(draw.length)]!;
    return statistic(draw);
  });
  values.sort((a, b) => a - b);
  return { low: sortedQuantile(values, (1 - level) / 2), high: sortedQuantile(values, (1 + level) / 2) };
}
