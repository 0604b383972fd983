import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Axis } from './figure.ts';
import { looksOf } from './look.ts';
import { domainOf, formatBytes, formatNumber, formatTicks, ticksOf } from './ticks.ts';

const value = fc.double({ min: 1e-3, max: 1e9, noNaN: true });

test('an axis spans its values, and its ticks lie on it, ascending, different, and few', () => {
  fc.assert(
    fc.property(fc.constantFrom('linear', 'log2', 'log10'), fc.array(value, { minLength: 1, maxLength: 20 }), fc.integer({ min: 2, max: 12 }), (scale, values, most) => {
      const axis: Axis = { label: '', scale, unit: 'number' };
      const domain = domainOf(axis, values);
      expect(domain.min).toBeLessThanOrEqual(Math.min(...values));
      expect(domain.max).toBeGreaterThanOrEqual(Math.max(...values));
      expect(domain.min).toBeLessThan(domain.max);
      const ticks = ticksOf(axis, domain, most);
      expect(ticks.length).toBeLessThanOrEqual(most + 1);
      expect(ticks.length).toBeGreaterThan(0);
      ticks.forEach((tick, i) => {
        expect(tick).toBeGreaterThanOrEqual(domain.min * (1 - 1e-6) - 1e-9);
        expect(tick).toBeLessThanOrEqual(domain.max * (1 + 1e-6));
        if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1]);
      });
    }),
  );
});

test('an axis without values is still an axis', () => {
  for (const scale of ['linear', 'log2', 'log10'] as const) {
    const axis: Axis = { label: '', scale, unit: 'number' };
    const domain = domainOf(axis, []);
    expect(domain.max).toBeGreaterThan(domain.min);
    expect(ticksOf(axis, domain, 5).every(Number.isFinite)).toBe(true);
  }
});

test('numbers are written for people', () => {
  expect([512, 1024, 1536, 4096, 3 * 2 ** 20].map(formatBytes)).toEqual(['512 B', '1 KiB', '1.5 KiB', '4 KiB', '3 MiB']);
  expect([0, 1, 8192, 0.01, 0.001, 10 ** -3.5, 0.0316].map(formatNumber)).toEqual(['0', '1', '8,192', '0.01', '1e-3', '3.16e-4', '0.0316']);
  expect(formatTicks([0, 0.5, 1], 'number')).toEqual(['0.0', '0.5', '1.0']);
  expect(formatTicks([0, 5000, 1.5e6], 'count')).toEqual(['0', '5k', '1.5M']);
});

test('a fixed axis keeps its ends and its ticks', () => {
  const axis: Axis = { label: '', scale: 'linear', unit: 'number', min: -0.04, max: 1.04, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
  expect(domainOf(axis, [0.3])).toEqual({ min: -0.04, max: 1.04 });
  expect(ticksOf(axis, domainOf(axis, []), 8)).toEqual(axis.ticks);
  expect(ticksOf({ ...axis, ticks: [0, 1, 2] }, { min: 0, max: 1 }, 8)).toEqual([0, 1]);
});

test('no two of eight families with eight variants look alike without colour', () => {
  const families = Array.from({ length: 8 }, (_, f) => ({
    appearance: { label: `mixer ${f}`, order: 0, color: '#336699', marker: 'circle' },
    variants: Array.from({ length: 8 }, (_, v) => `mixer ${f} (N=${2 ** v})`),
  }));
  const looks = looksOf(families);
  expect(looks.size).toBe(64);
  expect(new Set([...looks.values()].map((l) => `${l.marker} ${l.filled} ${l.dash.join()}`)).size).toBe(64);
  expect(looks.get('mixer 0 (N=128)')).toEqual({ color: '#336699', marker: 'circle', filled: true, dash: [] });
});
