import { expect, test } from 'vitest';
import { madeUpRecord } from '#results/made-up.ts';
import { stepsToRecall } from './steps-to-recall.ts';

/** A run whose validation accuracy is 0.995 from a step on, and 0.9 before. */
function run(dModel: number, seed: number, from: number, state: 'done' | 'diverged' = 'done') {
  const record = madeUpRecord({ point: { model: 'mamba2', dModel, seed }, appearance: { label: 'Mamba-2' }, steps: 1000, state });
  return { ...record, curve: record.curve.map((row) => ({ ...row, accuracy: row.step >= from ? 0.995 : 0.9 })) };
}

const records = [run(64, 0, 200), run(64, 1, 400), run(128, 0, 300), run(128, 1, 2000), run(256, 0, 2000), run(256, 1, 2000), run(512, 0, 0, 'diverged')];
const build = (options = {}, of = records) => stepsToRecall.build({ records: of, measurements: [] }, options);

test('the mean over seeds with its interval, hollow where some seeds did not get there, an arrow where none did, a failure where nothing ran', () => {
  const { panels, notes } = build();
  const [{ marks, failed }] = panels[0].series;
  expect(marks).toMatchObject([{ x: 64, y: 300, low: 200, high: 400, facts: { reached: 2, steps: '200 400', tokens: 300 * 4096 } }, { x: 128, y: 300, aside: true, facts: { reached: 1 } }]);
  expect(marks[0].aside).toBeUndefined();
  expect(failed).toMatchObject([{ x: 256, why: 'not reached', above: true }, { x: 512, why: 'diverged' }]);
  expect(notes.join(' ')).toContain('Not reached: Mamba-2, d=256 (best 0.9).');
  expect(notes.join(' ')).toContain('Reached by some seeds only, and the mean is over those: Mamba-2, d=128 (1 of 2).');
});

test('another share is another figure', () => {
  const figure = build({ reach: 0.9 });
  expect(figure.title).toBe('Steps to 90 % recall');
  expect(figure.panels[0].series[0].marks.map((mark) => mark.y)).toEqual([100, 100, 100]);
  // where nobody got there, the axis shows the budget
  expect(build({ reach: 1 }).panels[0].y).toMatchObject({ min: 10, max: 1000 });
});
