import { expect, test } from 'vitest';
import { madeUpRecord } from '#results/made-up.ts';
import { lrSensitivity } from './lr-sensitivity.ts';

test('a mark a rate, the chosen one in a ring, failures at theirs', () => {
  const accuracy: Record<number, number> = { 0.0001: 0.3, 0.001: 0.9, 0.01: 0.6, 0.1: 0 };
  const records = Object.entries(accuracy).flatMap(([lr, validation]) =>
    [0, 1].map((seed) => madeUpRecord({ point: { model: 'mamba2', lr: Number(lr), seed }, validation: validation + 0.02 * seed, accuracy: 0.5, state: lr === '0.1' ? 'diverged' : 'done' })),
  );
  const [{ x, series }] = lrSensitivity.build({ records, measurements: [] }).panels;
  expect(x.ticks).toEqual([0.0001, 0.001, 0.01, 0.1]);
  expect(series[0].marks.map((mark) => [mark.x, mark.y, mark.ringed ?? false])).toEqual([[0.0001, 0.31, false], [0.001, 0.91, true], [0.01, 0.61, false]]);
  expect(series[0].marks[1]).toMatchObject({ low: 0.9, high: 0.92, facts: { chosen: 'yes', test: 0.5, seeds: 2 } });
  expect(series[0].failed).toMatchObject([{ x: 0.1, why: 'diverged' }]);
});

test('of many sizes the best of each mixer is drawn, and how many are not is said', () => {
  const records = [1, 2, 3].flatMap((order) => [32, 64, 128, 256].map((dModel) => madeUpRecord({ point: { model: `m${order}`, dModel }, appearance: { label: `M${order}`, order }, accuracy: dModel / 300, stateBytes: dModel })));
  const figure = lrSensitivity.build({ records, measurements: [] });
  expect(figure.panels[0].series.map((series) => series.marks.map((mark) => mark.facts['dModel']))).toEqual([[256], [256], [256]]);
  expect(figure.caption.join(' ')).toContain('Of each mixer the size that is best on validation is drawn; 9 others are left out.');
});
