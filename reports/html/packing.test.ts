/** What the page carries is what was packed: columns, runs, figures, curves, and views in an address. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import type { RunRecord } from '#results/record.ts';
import type { Figure } from '../figure.ts';
import { figures } from '../index.ts';
import { packColumns, rowAt, valueAt, type Json } from './columns.ts';
import { curveAt, packCurves, rowsKept, thinAccuracy, thinLoss } from './curves.ts';
import { packFigures, unpackFigures } from './packed-figures.ts';
import { packMeasurements, packRuns, runAt } from './packed-runs.ts';
import { formatView, parseView, type TableView, type View } from './view.ts';

const hex = (lengths: { minLength: number; maxLength?: number }) => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), ...lengths });
const through = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('columns', () => {
  const name = fc.string({ minLength: 1, maxLength: 4 }).filter((s) => !s.includes('.') && s !== '__proto__');
  const value = fc.jsonValue({ maxDepth: 2 }).map((v) => through(v) as Json);
  const inner = fc.dictionary(name, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true });

  test('give back every row, whatever is in it and whatever is missing', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ id: fc.string(), point: inner, test: inner, note: value }, { requiredKeys: ['id'], noNullPrototype: true }), { maxLength: 12 }), (rows) => {
        const packed = through(packColumns<object>(rows, ['point', 'test']));
        expect(packed.rows).toBe(rows.length);
        rows.forEach((row, i) => expect(rowAt(packed, i)).toEqual(row));
      }),
    );
  });

  test('give single values by path', () => {
    const packed = packColumns([{ id: 'a', point: { lr: 1 } }, { id: 'b', point: { lr: 2, seed: 3 } }, { id: 'c', point: { lr: 1 } }], ['point']);
    expect([0, 1, 2].map((row) => [valueAt(packed, 'id', row), valueAt(packed, 'point.lr', row), valueAt(packed, 'point.seed', row)])).toEqual([['a', 1, undefined], ['b', 2, 3], ['c', 1, undefined]]);
  });
});

describe('runs and measurements', () => {
  const records = [
    madeUpRecord({ point: { model: 'mamba2', modelOptions: { dState: 16 } }, accuracy: 1 / 3, sweep: 'one' }),
    madeUpRecord({ point: { model: 'mamba2*5,attention', modelOptions: { mamba2: { dState: 64 } }, test: [{ options: { seqLen: 64 }, examples: 10 }, { options: { seqLen: 512 }, examples: 20 }] }, accuracy: 0.75 }),
    madeUpRecord({ point: { model: 'attention', lr: 0.0031622776601683794 }, state: 'crashed', reason: 'gone' }),
  ];

  /** Measured numbers to six digits; nothing that decides a run is among them. */
  const rounded = (record: RunRecord): unknown =>
    JSON.parse(JSON.stringify({ ...record, curve: undefined }), (key, v: unknown) => (['accuracy', 'sequenceAccuracy', 'loss', 'tokensPerSecond', 'trainSeconds', 'totalSeconds'].includes(key) && typeof v === 'number' ? Number(v.toPrecision(6)) : v));

  test('come back whole, measured numbers to six digits', () => {
    const told = { options: 'N=16', test: '' };
    const packed = through(packRuns(records, () => told));
    records.forEach((record, i) => {
      const run = runAt(packed, i);
      expect(run).toEqual({ ...(rounded(record) as object), told });
      expect(run.point).toEqual(record.point);
    });
    const measurement = madeUpMeasurement({ measure: { workload: 'ssd', engine: 'wasm', options: { seqLen: 64, modelOptions: { a: 1 } } }, samples: [1.5, 2.25] });
    expect(rowAt(through(packMeasurements([measurement])), 0)).toEqual(measurement);
  });

  test('figures come back whole, with the runs behind their marks', () => {
    const seeds = [0, 1].flatMap((seed) => [16, 64].map((dState) => madeUpRecord({ point: { model: 'mamba2', modelOptions: { dState }, seed }, stateBytes: dState * 100, accuracy: dState / 100 + seed / 50 })));
    const all = [...records, ...seeds];
    const built = ['recall-vs-state', 'accuracy-vs-width', 'learning-curves'].map((name) => figures[name as keyof typeof figures].build({ records: all, measurements: [] }));
    expect(unpackFigures(through(packFigures(built)))).toEqual(through(built));
    const ids = (figure: Figure) => new Set(figure.panels.flatMap((p) => p.series.flatMap((s) => [...s.marks, ...s.failed].flatMap((m) => m.runs ?? []))));
    for (const figure of built) for (const record of [records[0], ...seeds]) if (record.point.dModel === 64) expect([...ids(figure)], figure.name).toContain(record.id);
    expect([...ids(built[0])]).toContain(records[2].id); // a failed one
  });
});

describe('curves', () => {
  const rows = fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 50 }), loss: fc.option(fc.double({ min: 0.001, max: 10, noNaN: true })), accuracy: fc.option(fc.double({ min: 0, max: 1, noNaN: true })) }), { minLength: 1, maxLength: 200 })
    .map((steps) => {
      let step = 0;
      return steps.map(({ gap, loss, accuracy }) => ({ step: (step += gap), tokens: 0, loss, accuracy, lr: 1, seconds: 0 }));
    });
  const known = (of: 'loss' | 'accuracy', all: RunRecord['curve']) => all.flatMap((r) => (r[of] === null ? [] : [{ step: r.step, value: r[of] }]));

  test('a thinned loss has the same ends of time and the same mean over steps', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 60 }), (curve, most) => {
        const thin = thinLoss(curve, most);
        const all = known('loss', curve);
        expect(thin.length).toBe(Math.min(most, all.length));
        expect(thin.at(-1)?.step).toBe(all.at(-1)?.step);
        if (curve.some((r) => r.loss === null) || all.length === 0) return;
        const mean = (points: typeof all) => points.reduce((sum, p, i) => sum + p.value * (p.step - (i === 0 ? 0 : points[i - 1].step)), 0) / points.at(-1)!.step;
        expect(mean(thin)).toBeCloseTo(mean(all), 9);
      }),
    );
  });

  test('a thinned accuracy is some of the evaluations, the last among them', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 60 }), (curve, most) => {
        const thin = thinAccuracy(curve, most);
        const all = known('accuracy', curve);
        expect(thin.length).toBeLessThanOrEqual(most);
        expect(thin.at(-1)).toEqual(all.at(-1));
        for (const point of thin) expect(all).toContainEqual(point);
        if (all.length <= most) expect(thin).toEqual(all);
      }),
    );
  });

  test('few runs keep every row, many runs as many as there is room for', () => {
    expect([1, 8, 1000, 10_000, 100_000].map(rowsKept)).toEqual([1000, 1000, 600, 60, 60]);
    const { curve } = madeUpRecord({ point: { model: 'mamba2' }, rows: 300, steps: 30_000 });
    const { rows: count, loss, accuracy } = curveAt(through(packCurves([[], curve])), 1);
    expect(count).toBe(300);
    expect(loss.map((p) => p.step)).toEqual(curve.map((r) => r.step));
    accuracy.forEach((p, i) => expect(p.value).toBeCloseTo(curve[i].accuracy!, 3));
  });
});

test('an address says what is looked at, and says it back', () => {
  const word = fc.string({ maxLength: 8 });
  const key = fc.constantFrom('model', 'task', 'outcome', 'sweep');
  const table: fc.Arbitrary<TableView> = fc.record({
    q: word,
    only: fc.dictionary(key, word, { noNullPrototype: true }),
    ids: fc.array(hex({ minLength: 1, maxLength: 16 }), { maxLength: 3 }),
    sort: fc.option(fc.record({ key, down: fc.boolean() }), { nil: undefined }),
  });
  const nothing = (view: TableView) => view.q === '' && Object.keys(view.only).length === 0 && view.ids.length === 0 && view.sort === undefined;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('runs', 'costs', 'missing'), table.filter((t) => !nothing(t)), { noNullPrototype: true }), fc.option(fc.record({ table: fc.constantFrom('runs', 'costs'), id: hex({ minLength: 1 }) }), { nil: undefined }), (tables, open) => {
      const view: View = { tables, open };
      expect(parseView(formatView(view))).toEqual(view);
    }),
  );
  expect(formatView({ tables: {}, open: undefined })).toBe('');
  expect(formatView({ tables: { runs: { q: '', only: { model: 'Mamba-2' }, ids: [], sort: { key: 'accuracy', down: true } } }, open: { table: 'runs', id: 'cc7aca98024bdeb2' } })).toBe('#model=Mamba-2&sort=-accuracy&run=cc7aca98024bdeb2');
});
