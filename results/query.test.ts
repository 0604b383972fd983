import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { madeUpRecord, type MadeUp } from './made-up.ts';
import { accuracyAt, cellsOf, estimateAt, sliceValues, type Cell, type DoneCell } from './query.ts';
import type { RunRecord } from './record.ts';

function run(lr: number, seed: number, accuracy: number, validation = accuracy, more: Partial<MadeUp> = {}): RunRecord {
  return madeUpRecord({ point: { model: 'mamba2', lr, seed }, accuracy, validation, ...more });
}

function only(records: RunRecord[]): Cell {
  const cells = cellsOf(records);
  expect(cells.length).toBe(1);
  return cells[0];
}

function done(records: RunRecord[]): DoneCell {
  const cell = only(records);
  if (cell.state !== 'done') throw new Error('the cell failed');
  return cell;
}

describe('the choice of the learning rate', () => {
  test('is made on validation, and test is reported', () => {
    // on the test split 1e-2 would win
    const cell = done([run(1e-3, 0, 0.8, 0.9), run(1e-3, 1, 0.7, 0.9), run(1e-2, 0, 0.95, 0.85), run(1e-2, 1, 0.95, 0.85)]);
    expect(cell.lr).toBe(1e-3);
    expect(cell.accuracies).toEqual([0.8, 0.7]);
    expect(cell.mean).toBeCloseTo(0.75, 12);
    expect([cell.low, cell.high]).toEqual([0.7, 0.8]);
  });

  test('is by the mean over seeds, not the best seed', () => {
    expect(done([run(1e-3, 0, 0.6), run(1e-3, 1, 0.6), run(1e-2, 0, 0.99), run(1e-2, 1, 0.1)]).lr).toBe(1e-3);
  });

  test('gives ties to the lower one', () => {
    expect(done([run(1e-2, 0, 1), run(1e-3, 0, 1), run(3e-3, 0, 1)]).lr).toBe(1e-3);
  });

  test('counts a diverged run as 0, and other failures not at all', () => {
    const diverged = (lr: number, seed: number) => run(lr, seed, 0, 0, { state: 'diverged' });
    const crashed = (lr: number, seed: number) => run(lr, seed, 0, 0, { state: 'crashed' });
    expect(done([run(1e-2, 0, 0.9), diverged(1e-2, 1), run(1e-3, 0, 0.6), run(1e-3, 1, 0.6)]).lr).toBe(1e-3);
    expect(done([run(1e-2, 0, 0.9), crashed(1e-2, 1), run(1e-3, 0, 0.6), run(1e-3, 1, 0.6)]).lr).toBe(1e-2);
  });

  test('puts runs without a validation split last', () => {
    const { validation: _, ...bare } = run(1e-4, 0, 1);
    expect(done([bare, run(1e-2, 0, 0.2)]).lr).toBe(1e-2);
    expect(done([bare]).lr).toBe(1e-4);
  });
});

describe('a cell', () => {
  test('does not depend on the order of the records', () => {
    const records = [0, 1, 2].flatMap((seed) => [1e-3, 1e-2].flatMap((lr) => [32, 64].map((dModel) => madeUpRecord({ point: { model: 'm', lr, seed, dModel }, accuracy: 0.1 * seed + lr, ...(seed === 2 ? { state: 'diverged' as const } : {}) }))));
    const cells = cellsOf(records);
    const order = fc.shuffledSubarray([...records.keys()], { minLength: records.length });
    fc.assert(
      fc.property(order, (shuffled) => {
        expect(cellsOf(shuffled.map((i) => records[i]))).toEqual(cells);
      }),
      { numRuns: 20 },
    );
  });

  test('is of one label and of everything in the point but learning rate and seed', () => {
    const base = { model: 'm', lr: 1e-3, seed: 0 };
    const records = [
      madeUpRecord({ point: base }),
      madeUpRecord({ point: { ...base, dModel: 128 } }),
      madeUpRecord({ point: { ...base, modelOptions: { dState: 64 } } }),
      madeUpRecord({ point: { ...base, epochs: 2 } }),
      madeUpRecord({ point: { ...base, seed: 1 } }),
      madeUpRecord({ point: { ...base, seed: 2 }, appearance: { label: 'other', order: -1 } }),
    ];
    const cells = cellsOf(records);
    expect(cells.length).toBe(5);
    expect(cells[0].appearance.label).toBe('other');
    expect(cells.flatMap((c) => (c.state === 'done' ? [c.seeds.length] : [])).sort()).toEqual([1, 1, 1, 1, 2]);
    expect(cells[1].point).not.toHaveProperty('lr');
  });

  test('with one seed has no interval; with more, the same one every time', () => {
    expect(done([run(1e-3, 0, 0.5)])).not.toHaveProperty('low');
    const five = [0.5, 0.6, 0.7, 0.8, 0.9].map((accuracy, seed) => run(1e-3, seed, accuracy));
    const cell = done(five);
    expect(cell.low).toBeGreaterThan(0.5);
    expect(cell.low!).toBeLessThan(0.7);
    expect(cell.high!).toBeGreaterThan(0.7);
    expect(done(five.toReversed())).toEqual(cell);
  });

  test('tells what is missing and what failed', () => {
    const at = (dModel: number, lr: number, seed: number, more: Partial<MadeUp> = {}) => madeUpRecord({ point: { model: 'm', dModel, lr, seed }, ...more });
    const diverged = at(32, 1e-2, 0, { state: 'diverged', reason: 'loss is NaN' });
    const tooLarge = at(128, 1e-3, 0, { state: 'out-of-memory' });
    const cells = cellsOf([at(32, 1e-3, 0, { accuracy: 0.9 }), at(32, 1e-3, 1), diverged, at(64, 1e-3, 0), tooLarge]);
    expect(cells.map((c) => [c.point.dModel, c.state, c.missingLrs, c.state === 'done' ? c.missingSeeds : undefined])).toEqual([
      [32, 'done', [], []],
      [64, 'done', [1e-2], [1]],
      [128, 'failed', [1e-2], undefined],
    ]);
    expect(cells[0].failed).toEqual([{ id: diverged.id, lr: 1e-2, seed: 0, state: 'diverged', reason: 'loss is NaN' }]);
    expect(cells[2].failed).toEqual([{ id: tooLarge.id, lr: 1e-3, seed: 0, state: 'out-of-memory' }]);
  });

  test('of another protocol lacks nothing', () => {
    const cells = cellsOf([run(1e-3, 0, 0.5), madeUpRecord({ point: { model: 'mamba2', lr: 1e-2, seed: 7, epochs: 3 } })]);
    expect(cells.map((c) => [c.missingLrs, c.state === 'done' && c.missingSeeds])).toEqual([[[], []], [[], []]]);
  });
});

describe('slices', () => {
  const evaluation = {
    accuracy: 0,
    loss: 0,
    slices: [
      { slice: { seqLen: 64, pairs: 4 }, accuracy: 1, loss: 0, examples: 100, scored: 400 },
      { slice: { seqLen: 64, pairs: 8 }, accuracy: 0.5, loss: 0, examples: 300, scored: 2400 },
      { slice: { seqLen: 128, pairs: 8 }, accuracy: 0.2, loss: 0, examples: 100, scored: 800 },
    ],
  };

  test('are weighed by their examples', () => {
    expect(accuracyAt(evaluation, { seqLen: 64 })).toBe(0.625);
    expect(accuracyAt(evaluation, { seqLen: 64, pairs: 8 })).toBe(0.5);
    expect(accuracyAt(evaluation, {})).toBeCloseTo(0.54, 12);
    expect(accuracyAt(evaluation, { seqLen: 512 })).toBeUndefined();
    expect(accuracyAt(evaluation, { length: 64 })).toBeUndefined();
  });

  test('of a cell come with seeds and interval', () => {
    const cell = done([run(1e-3, 0, 0.25), run(1e-3, 1, 0.75)].map((r) => ({ ...r, test: { ...evaluation, slices: evaluation.slices.map((s) => ({ ...s, accuracy: s.accuracy * r.test!.accuracy })) } })));
    expect(estimateAt(cell, { seqLen: 128 })).toMatchObject({ accuracies: [0.05, 0.2 * 0.75], low: 0.05 });
    expect(estimateAt(cell, { seqLen: 4 })).toBeUndefined();
    expect(sliceValues(cell.runs, 'seqLen')).toEqual([64, 128]);
    expect(sliceValues(cell.runs, 'nothing')).toEqual([]);
  });
});
