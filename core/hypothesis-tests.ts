/**
 * Whether two samples differ, without assuming a shape of their distributions: the Mann-Whitney test, how large the shift is
 * (Hodges-Lehmann), and what is left of p values once many are looked at (Holm). Every function throws RangeError on an empty
 * sample or a value that is not finite.
 */
import { checked, median, type Interval } from './statistics.ts';

export interface RankTest {
  /** pairs (x, y) with x > y, ties counted as half */
  readonly u: number;
  /** two-sided */
  readonly p: number;
  /** from the exact null distribution; otherwise from its normal approximation */
  readonly exact: boolean;
}

/** the largest sample for which the null distribution is counted out */
const EXACT = 50;

/**
 * The Mann-Whitney U test (Mann & Whitney 1947), two-sided. Without ties, and with samples of 50 at the most, p is exact: twice
 * the smaller tail of the null distribution. Otherwise it is the normal approximation with the correction for ties and for
 * continuity.
 */
export function mannWhitney(xs: readonly number[], ys: readonly number[]): RankTest {
  const [n, m] = [checked(xs).length, checked(ys).length];
  const all = [...xs.map((value) => ({ value, first: true })), ...ys.map((value) => ({ value, first: false }))].sort((a, b) => a.value - b.value);
  let [ranks, ties] = [0, 0];
  for (let from = 0; from < all.length; ) {
    let to = from + 1;
    while (to < all.length && all[to].value === all[from].value) to++;
    const size = to - from;
    ties += size ** 3 - size;
    for (let i = from; i < to; i++) if (all[i].first) ranks += (from + 1 + to) / 2;
    from = to;
  }
  const u = ranks - (n * (n + 1)) / 2;
  if (ties === 0 && n <= EXACT && m <= EXACT) return { u, p: Math.min(1, 2 * tail(n, m, Math.min(u, n * m - u))), exact: true };
  const N = n + m;
  const variance = ((n * m) / 12) * (N + 1 - ties / (N * (N - 1)));
  const distance = Math.max(0, Math.abs(u - (n * m) / 2) - 0.5);
  return { u, p: variance === 0 ? 1 : Math.min(1, 2 * normalTail(distance / Math.sqrt(variance))), exact: false };
}

/** The smallest p that samples of these sizes can give: no overlap at all. */
export function smallestP(n: number, m: number): number {
  return n === 0 || m === 0 ? 1 : Math.min(1, 2 * tail(Math.min(n, EXACT), Math.min(m, EXACT), 0));
}

const tails = new Map<string, Float64Array>();

/** P(U ≤ u) under the null hypothesis that both samples come from one continuous distribution. */
function tail(n: number, m: number, u: number): number {
  return cumulative(n, m)[Math.floor(u)];
}

/**
 * P(U ≤ u) for u from 0 to nm. With c(i, j, u) the number of orders of i x's and j y's that have u, the largest of all is an x,
 * above all j y's, or a y: c(i, j, u) = c(i − 1, j, u − j) + c(i, j − 1, u).
 */
function cumulative(n: number, m: number): Float64Array {
  const key = `${n} ${m}`;
  let found = tails.get(key);
  if (found !== undefined) return found;
  const counts = Array.from({ length: n + 1 }, () => new Float64Array(n * m + 1));
  for (const own of counts) own[0] = 1; // of j = 0
  for (let j = 1; j <= m; j++) {
    for (let i = 1; i <= n; i++) {
      for (let u = j; u <= i * j; u++) counts[i][u] += counts[i - 1][u - j];
    }
  }
  const total = counts[n].reduce((a, b) => a + b, 0);
  let sum = 0;
  found = counts[n].map((c) => (sum += c) / total);
  tails.set(key, found);
  return found;
}

/** P(Z > z) of the standard normal, z ≥ 0: a series for small z, a continued fraction for large (Abramowitz & Stegun 26.2.11 and 26.2.14). */
export function normalTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
      term *= (z * z) / k;
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / (z + fraction);
  return density / (z + fraction);
}

export interface Shift extends Interval {
  /** of ys against xs: positive where the ys are larger */
  readonly estimate: number;
}

/**
 * The Hodges-Lehmann estimate of a shift, the median of all differences y − x, with the interval that the Mann-Whitney test does not
 * reject (Hollander & Wolfe 1999, 4.2 and 4.3). Of logarithms it is that of a ratio. Coverage is at least `level`, or where
 * the samples are too small for it the whole range of the differences.
 */
export function hodgesLehmann(xs: readonly number[], ys: readonly number[], level = 0.95): Shift {
  if (!(level > 0 && level < 1)) throw new RangeError(`the level of an interval lies between 0 and 1, not at ${level}`);
  checked(xs);
  checked(ys);
  const differences = ys.flatMap((y) => xs.map((x) => y - x)).sort((a, b) => a - b);
  const beyond = outside(xs.length, ys.length, (1 - level) / 2);
  return { estimate: median(differences), low: differences[beyond], high: differences[differences.length - 1 - beyond] };
}

/** How many of the sorted differences lie outside the interval at each end: one less than the smallest u with P(U ≤ u) > α. */
function outside(n: number, m: number, alpha: number): number {
  if (n <= EXACT && m <= EXACT) {
    const p = cumulative(n, m);
    let k = 0;
    while (p[k] <= alpha) k++;
    return Math.max(0, k - 1);
  }
  // the normal quantile by bisection: nobody waits for it
  let [low, high] = [0, 40];
  for (let i = 0; i < 60; i++) {
    const z = (low + high) / 2;
    if (normalTail(z) > alpha) low = z;
    else high = z;
  }
  return Math.max(0, Math.floor((n * m - 1) / 2 - low * Math.sqrt((n * m * (n + m + 1)) / 12)));
}

/** p values corrected for their number (Holm 1979), in the order given: the chance of even one false alarm is below α where those below α are called findings. */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((p, i) => ({ p, i })).sort((a, b) => a.p - b.p);
  const corrected = new Array<number>(ps.length);
  let largest = 0;
  order.forEach(({ p, i }, rank) => {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * p));
    corrected[i] = largest;
  });
  return corrected;
}
