import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hodgesLehmann, holm, mannWhitney, normalTail, smallestP } from './hypothesis-tests.ts';
import { rng } from './random.ts';

const sample = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 12 });

/** All ways to choose k of n, as lists of indices. */
function* choices(n: number, k: number, from = 0): Generator<number[]> {
  if (k === 0) yield [];
  else for (let i = from; i <= n - k; i++) for (const rest of choices(n, k - 1, i + 1)) yield [i, ...rest];
}

const uOf = (xs: readonly number[], ys: readonly number[]) => xs.flatMap((x) => ys.map((y) => (x > y ? 1 : x === y ? 0.5 : 0))).reduce((a: number, b) => a + b, 0);

/** Twice the smaller tail of U over all relabellings of the pooled sample. */
function bruteForceP(xs: readonly number[], ys: readonly number[]): number {
  const all = [...xs, ...ys];
  const own = uOf(xs, ys);
  const smaller = Math.min(own, xs.length * ys.length - own);
  let [below, total] = [0, 0];
  for (const chosen of choices(all.length, xs.length)) {
    total++;
    if (uOf(chosen.map((i) => all[i]), all.filter((_, i) => !chosen.includes(i))) <= smaller) below++;
  }
  return Math.min(1, (2 * below) / total);
}

describe('Mann-Whitney', () => {
  test('exact p is that of all relabellings, counted', () => {
    for (const [n, m] of [[1, 1], [1, 4], [3, 3], [4, 3], [5, 5], [6, 4], [7, 6]] as const) {
      for (let trial = 0; trial < 4; trial++) {
        const stream = rng(n).fork(m).fork(trial);
        const [xs, ys] = [n, m].map((k, side) => Array.from({ length: k }, () => stream.normal() + (trial * side) / 2));
        const { u, p, exact } = mannWhitney(xs, ys);
        expect(exact).toBe(true);
        expect(u).toBe(uOf(xs, ys));
        expect(p).toBeCloseTo(bruteForceP(xs, ys), 12);
      }
    }
  });

  test('known values: tables of the exact distribution, and the normal approximation with ties by hand', () => {
    // the critical value of U at 5 % two-sided is 23 for two samples of 10 (Mann & Whitney's table): 23 is below 5 %, 24 is not
    const tens = (moved: number) => mannWhitney(Array.from({ length: 10 }, (_, i) => i), Array.from({ length: 10 }, (_, i) => i + 0.5 + moved));
    expect(tens(0)).toMatchObject({ u: 45 });
    expect(tens(3)).toMatchObject({ u: 21 });
    expect(tens(3).p).toBeLessThan(0.05);
    expect(tens(2)).toMatchObject({ u: 28 });
    expect(tens(2).p).toBeGreaterThan(0.05);
    expect(smallestP(10, 10)).toBeCloseTo(2 / 184_756, 15);
    expect(smallestP(3, 3)).toBeCloseTo(0.1, 15);
    // ranks 1.5, 1.5, 4 against 4, 4, 6: u = 1; σ² = 9/12·(7 − (6+24)/30) = 4.5; z = (3.5 − 0.5)/√4.5
    const tied = mannWhitney([1, 1, 2], [2, 2, 3]);
    expect(tied).toMatchObject({ u: 1, exact: false });
    expect(tied.p).toBeCloseTo(2 * normalTail(3 / Math.sqrt(4.5)), 12);
    expect(mannWhitney([5, 5], [5, 5]).p).toBe(1);
  });

  test('is symmetric, and blind to any increasing map', () => {
    fc.assert(
      fc.property(sample, sample, (xs, ys) => {
        const { u, p } = mannWhitney(xs, ys);
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1);
        expect(mannWhitney(ys, xs).p).toBeCloseTo(p, 12);
        expect(mannWhitney(ys, xs).u).toBeCloseTo(xs.length * ys.length - u, 9);
        expect(mannWhitney(xs.map((x) => x ** 3 + 1), ys.map((y) => y ** 3 + 1))).toEqual(mannWhitney(xs, ys));
      }),
    );
  });

  test('the exact distribution and its approximation meet where samples are large', () => {
    const stream = rng(3);
    const [xs, ys] = [0, 0.4].map((shift) => Array.from({ length: 50 }, () => stream.normal() + shift));
    const exact = mannWhitney(xs, ys);
    const approximate = mannWhitney([...xs, 50], [...ys, 49]);
    expect([exact.exact, approximate.exact]).toEqual([true, false]);
    expect(Math.abs(Math.log(exact.p / approximate.p))).toBeLessThan(0.3);
  });

  test('of samples that do not differ one in twenty is below 5 %', () => {
    let below = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const stream = rng(11).fork(trial);
      const [xs, ys] = [8, 9].map((n) => Array.from({ length: n }, () => Math.exp(stream.normal())));
      if (mannWhitney(xs, ys).p < 0.05) below++;
    }
    expect(below).toBeGreaterThan(60);
    expect(below).toBeLessThan(125);
  });

  test('empty samples and NaN are errors', () => {
    for (const f of [mannWhitney, hodgesLehmann]) {
      expect(() => f([], [1])).toThrow(RangeError);
      expect(() => f([1], [])).toThrow(RangeError);
      expect(() => f([1], [Number.NaN])).toThrow(RangeError);
    }
  });
});

test('the tail of the normal distribution', () => {
  // Abramowitz & Stegun, tables 26.1 and 26.2
  const known = [[0, 0.5], [0.5, 0.308537538725987], [1, 0.158655253931457], [1.96, 0.0249978951482204], [3, 0.00134989803163009], [5, 2.866515718791939e-7], [10, 7.61985302416052e-24]] as const;
  for (const [z, p] of known) expect(normalTail(z) / p).toBeCloseTo(1, 9);
});

describe('Hodges-Lehmann', () => {
  test('is the median of all differences, and follows a shift', () => {
    expect(hodgesLehmann([1, 2, 4], [3, 6])).toMatchObject({ estimate: 2 }); // −1 1 2 | 2 4 5
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 12 }), fc.integer({ min: -500, max: 500 }), (xs, by) => {
        expect(hodgesLehmann(xs, xs).estimate).toBe(0);
        expect(hodgesLehmann(xs, xs.map((x) => x + by)).estimate).toBe(by);
      }),
    );
  });

  test('its interval holds exactly the shifts that the test does not reject', () => {
    for (let trial = 0; trial < 50; trial++) {
      const stream = rng(5).fork(trial);
      const xs = Array.from({ length: 6 + (trial % 3) }, () => stream.normal());
      const ys = Array.from({ length: 7 }, () => stream.normal() + 1);
      const { low, high, estimate } = hodgesLehmann(xs, ys, 0.9);
      expect(low).toBeLessThanOrEqual(estimate);
      expect(estimate).toBeLessThanOrEqual(high);
      const p = (shift: number) => mannWhitney(xs, ys.map((y) => y - shift)).p;
      expect(p(low + 1e-9)).toBeGreaterThan(0.1);
      expect(p(low - 1e-9)).toBeLessThanOrEqual(0.1);
      expect(p(high - 1e-9)).toBeGreaterThan(0.1);
      expect(p(high + 1e-9)).toBeLessThanOrEqual(0.1);
    }
  });

  test('a 95 % interval holds the truth at least 95 times in 100, whatever the sizes', () => {
    for (const [n, m] of [[5, 5], [10, 10], [60, 20]] as const) {
      let held = 0;
      for (let trial = 0; trial < 400; trial++) {
        const stream = rng(6).fork(n).fork(trial);
        const [xs, ys] = [n, m].map((k, side) => Array.from({ length: k }, () => stream.normal() + 2 * side));
        const { low, high } = hodgesLehmann(xs, ys);
        if (low <= 2 && 2 <= high) held++;
      }
      expect(held).toBeGreaterThan(400 * 0.93);
    }
  });

  test('samples too small for the level give the whole range of the differences', () => {
    expect(hodgesLehmann([1, 2], [11, 13])).toEqual({ estimate: 10.5, low: 9, high: 12 });
  });
});

describe('Holm', () => {
  test('known values, in the order given', () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]); // R: p.adjust(…, "holm")
    expect(holm([0.5, 0.9])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });

  test('never below p, never above Bonferroni, and keeps the order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), (ps) => {
        const corrected = holm(ps);
        ps.forEach((p, i) => {
          expect(corrected[i]).toBeGreaterThanOrEqual(p);
          expect(corrected[i]).toBeLessThanOrEqual(Math.min(1, p * ps.length) + 1e-12);
          ps.forEach((q, j) => expect(p < q ? corrected[i] <= corrected[j] : true).toBe(true));
        });
      }),
    );
  });
});
