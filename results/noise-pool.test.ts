/** The bars of `compare` at the noise of a real, busy machine, on fewer reports than `bench/compare.js` takes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { compareStores } from './compare.ts';
import { defaultRules } from './comparison.ts';
import { madeUpMeasurement } from './made-up.ts';
import { parsePool, poolOf, Simulation } from './noise-pool.ts';

const pool = parsePool(readFileSync(new URL('./published/noise/pool.json', import.meta.url), 'utf8'));
const simulation = new Simulation(pool, 10);
const REPORTS = 40;

test('the pool is real: 40 cells and three roofs, many commands, and times that scatter', () => {
  expect(simulation.cells).toHaveLength(40);
  expect(pool.cells).toHaveLength(43);
  expect(pool.commands.length * pool.commands[0].length).toBeGreaterThanOrEqual(40);
  for (const command of pool.commands) for (const repetition of command) expect(repetition).toHaveLength(43);
  expect(new Set(pool.commands.flat(2).map(([ms]) => ms)).size).toBeGreaterThan(2000);
});

test('the same code twice: at most 1 false alarm in 40 reports', () => {
  let alarms = 0;
  for (let i = 0; i < REPORTS; i++) {
    const { baseline, candidate } = simulation.report(rng(100).fork(i));
    if (compareStores(baseline, candidate, defaultRules).findings > 0) alarms++;
  }
  expect(alarms).toBeLessThanOrEqual(1);
});

test('one cell slower by 25 %: found in 36 of 40 reports at least; by 10 %: in more than a quarter', () => {
  const found = (factor: number) =>
    Array.from({ length: REPORTS }, (_, i) => {
      const stream = rng(200).fork(`${factor}`).fork(i);
      const cell = simulation.cells[stream.below(simulation.cells.length)];
      const { baseline, candidate } = simulation.report(stream, { cell, factor });
      return compareStores(baseline, candidate, defaultRules).rows.find((r) => r.ids.includes(simulation.idOf(cell)))?.verdict === 'worse' ? 1 : 0;
    }).reduce((a: number, b) => a + b, 0);
  expect(found(1.25)).toBeGreaterThanOrEqual(36);
  expect(found(1.1)).toBeGreaterThan(REPORTS / 4);
});

test('a pool keeps what a comparison takes of a repetition, and the sides of a report share no command', () => {
  const m = (repetition: number, ms: number) => madeUpMeasurement({ measure: { workload: 'ssd', engine: 'wasm', threads: 1, repetition }, samples: [ms, ms, 9, 9], reference: [0.5, 0.5, 3, 3, 3] });
  const made = poolOf([[m(0, 1), m(1, 2)], [m(0, 3), m(1, 4)]], 'made up');
  expect(made.commands).toEqual([[[[1, expect.closeTo(0.9086, 3)]], [[2, expect.closeTo(0.9086, 3)]]], [[[3, expect.closeTo(0.9086, 3)]], [[4, expect.closeTo(0.9086, 3)]]]]);
  // a cell that not every repetition has is left out
  const lone = madeUpMeasurement({ measure: { workload: 'gemm', engine: 'wasm', threads: 1, repetition: 0 }, samples: [5], reference: [0.5] });
  expect(poolOf([[m(0, 1), lone, m(1, 2)], [m(0, 3), m(1, 4)]], 'made up')).toEqual(made);
  const small = new Simulation(parsePool(JSON.stringify(made)), 2);
  for (let i = 0; i < 20; i++) {
    const { baseline, candidate } = small.report(rng(i), { cell: 0, factor: 10 });
    expect([...baseline.measurements.map((x) => x.samples[0]), ...candidate.measurements.map((x) => x.samples[0] / 10)].toSorted()).toEqual([1, 2, 3, 4]);
  }
  expect(() => new Simulation(made, 4)).toThrow(RangeError);
});
