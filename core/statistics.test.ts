import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rng } from './random.ts';
import { bootstrapInterval, mean, median, quantile, standardDeviation } from './statistics.ts';

const sample = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 });

describe('means and quantiles', () => {
  test('agree with numbers worked by hand', () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 20, 30, 40], 0.25)).toBe(17.5); // numpy.quantile
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(2.13809, 5);
    expect(standardDeviation([7])).toBe(0);
  });

  test('lie within the sample, grow with q, and leave the sample as it was', () => {
    fc.assert(
      fc.property(sample, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (xs, p, q) => {
        const before = [...xs];
        const [low, high] = [Math.min(p, q), Math.max(p, q)];
        expect(quantile(xs, low)).toBeLessThanOrEqual(quantile(xs, high) + 1e-6);
        expect(quantile(xs, 0)).toBe(Math.min(...xs) + 0); // + 0: the quantile of −0 is 0
        expect(quantile(xs, 1)).toBe(Math.max(...xs) + 0);
        expect(xs).toEqual(before);
      }),
    );
  });

  test('NaN, infinity and nothing at all are errors', () => {
    for (const f of [mean, median, standardDeviation, (xs: number[]) => bootstrapInterval(xs, { stream: rng(0) })]) {
      expect(() => f([])).toThrow(RangeError);
      expect(() => f([1, Number.NaN])).toThrow(RangeError);
      expect(() => f([1, Infinity])).toThrow(RangeError);
    }
    expect(() => quantile([1], 1.5)).toThrow(RangeError);
    expect(() => quantile([1], Number.NaN)).toThrow(RangeError);
  });
});

describe('bootstrap', () => {
  test('the same stream gives the same interval, inside the range of the sample', () => {
    fc.assert(
      fc.property(sample, fc.nat(), (xs, seed) => {
        const a = bootstrapInterval(xs, { stream: rng(seed), resamples: 200 });
        expect(bootstrapInterval(xs, { stream: rng(seed), resamples: 200 })).toEqual(a);
        expect(a.low).toBeLessThanOrEqual(a.high);
        expect(a.low).toBeGreaterThanOrEqual(Math.min(...xs) - 1e-6);
        expect(a.high).toBeLessThanOrEqual(Math.max(...xs) + 1e-6);
      }),
      { numRuns: 40 },
    );
  });

  test('a 95 % interval of the mean holds the truth about 95 times in 100', () => {
    let held = 0;
    for (let trial = 0; trial < 400; trial++) {
      const stream = rng(7).fork(trial);
      const xs = Array.from({ length: 40 }, () => 3 + 2 * stream.normal());
      const { low, high } = bootstrapInterval(xs, { stream: stream.fork('bootstrap'), resamples: 400 });
      if (low <= 3 && 3 <= high) held++;
    }
    expect(held).toBeGreaterThan(400 * 0.9);
    expect(held).toBeLessThan(400 * 0.98);
  });

  test('of a median, at another level', () => {
    const xs = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    const wide = bootstrapInterval(xs, { stream: rng(1), statistic: median });
    const narrow = bootstrapInterval(xs, { stream: rng(1), statistic: median, level: 0.5 });
    expect(narrow.high - narrow.low).toBeLessThan(wide.high - wide.low);
  });
});
