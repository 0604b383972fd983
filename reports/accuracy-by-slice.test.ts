import { expect, test } from 'vitest';
import { madeUpRecord } from '#results/made-up.ts';
import type { RunRecord } from '#results/record.ts';
import { accuracyBySlice } from './accuracy-by-slice.ts';
import { drawCsv } from './csv.ts';
import { drawSvg } from './draw.ts';

type Slice = Record<string, number | string>;

/** A run trained at one length and tested at many, worse beyond: one slice an example of the test. */
function run(model: string, seed: number, test: readonly Slice[], accuracyOf: (slice: Slice) => number, task = 'mqar'): RunRecord {
  const record = madeUpRecord({
    point: { task, model, seed, train: [{ options: { seqLen: 256, pairs: 8 }, examples: 100 }], test: test.map((options) => ({ options, examples: 10 })) },
    appearance: { label: model, order: model.length, color: model === 'attention' ? '#0072B2' : '#009E73', marker: model === 'attention' ? 'circle' : 'rect' },
  });
  for (const each of record.test!.slices) each.accuracy = accuracyOf(each.slice) - 0.01 * seed;
  return record;
}

const lengths = [64, 256, 1024, 4096].flatMap((seqLen) => [4, 16].map((pairs) => ({ seqLen, pairs })));
const falls = (limit: number) => ({ seqLen, pairs }: Slice) => Math.min(1, limit / Number(seqLen)) - Number(pairs) / 100;
const records = [0, 1, 2].flatMap((seed) => [run('attention', seed, lengths, falls(512)), run('mamba2', seed, lengths, falls(2048))]);
const figureOf = (options = {}, of: RunRecord[] = records) => accuracyBySlice.build({ records: of, measurements: [] }, options);

test('extrapolation is drawn as it was', async () => {
  await expect(drawSvg(figureOf(), { caption: false, mm: 180 })).toMatchFileSnapshot('./golden/extrapolation.svg');
  await expect(drawCsv(figureOf())).toMatchFileSnapshot('./golden/extrapolation.csv');
});

test('there is a panel for every key that varies, with means over the others, and a line at the limit of training', () => {
  const { panels, caption } = figureOf();
  expect(panels.map((panel) => [panel.x.label, panel.x.ticks])).toEqual([['Sequence length', [64, 256, 1024, 4096]], ['Key-value pairs', [4, 16]]]);
  const [attention, , trained] = panels[0].series;
  expect(attention.marks.map((mark) => mark.x)).toEqual([64, 256, 1024, 4096]);
  expect(attention.marks[0].y).toBeCloseTo(1 - 0.1 - 0.01, 12);
  expect(attention.marks[0].low).toBeLessThan(attention.marks[0].y);
  expect(trained).toMatchObject({ name: 'Limit of training', marks: [{ x: 256, y: 0 }, { x: 256, y: 1 }] });
  // 16 pairs are more than the 8 in training
  expect(panels[1].series[2].marks[0].x).toBe(8);
  expect(caption.join(' ')).toContain('beyond everything in training');
  expect(caption.join(' ')).toContain('Sequence length: trained to 256; at 4,096 an accuracy of 0.95 is kept by none: mamba2 (0.39, from 0.89 at 256), attention (0.01, from 0.89 at 256).');
});

test('the caption says who extrapolates and who does not', () => {
  const holds = run('mamba2', 0, lengths, () => 1);
  expect(figureOf({}, [run('attention', 0, lengths, falls(512)), holds]).caption.join(' ')).toContain('at 4,096 an accuracy of 0.95 is kept by mamba2, not by attention (0.02, from 0.90 at 256).');
});

test('a key can be asked for, at fixed values of the others', () => {
  const figure = figureOf({ by: 'pairs', slice: { seqLen: 64 } });
  expect(figure.panels.map((panel) => panel.x.label)).toEqual(['Key-value pairs']);
  expect(figure.panels[0].series[0].marks.map((mark) => mark.y)).toEqual([0.95, 0.83].map((y) => expect.closeTo(y, 12)));
  expect(() => figureOf({ by: 'pars' })).toThrow(/E_CONFIG: accuracy-by-slice: unknown key of a slice "pars"\. Did you mean "pairs"\? Known: pairs, seqLen/);
});

test('keys that vary together are one panel; words have places of their own; nothing that varies is one mark', () => {
  const together = figureOf({}, [run('mamba2', 0, [64, 128].map((seqLen) => ({ seqLen, minLength: seqLen, maxLength: seqLen })), () => 0.5, 'copying')]);
  expect(together.panels.map((panel) => panel.x.label)).toEqual(['Sequence length (and maxLength, minLength)']);
  const words = figureOf({}, [run('mamba2', 0, ['S3', 'A5'].map((group) => ({ group, seqLen: 64 })), ({ group }) => (group === 'A5' ? 0.2 : 0.9), 'word-problem')]);
  expect(words.panels[0].x).toMatchObject({ label: 'group', names: ['A5', 'S3'] });
  expect(words.panels[0].series[0].marks.map((mark) => [mark.x, mark.y])).toEqual([[0, 0.2], [1, 0.9]]);
  expect(drawSvg(words, { mm: 85 })).toContain('<svg');
  const one = figureOf({}, [run('mamba2', 0, [{ entries: 20, shots: 2 }], () => 0.7, 'phone-book')]);
  expect(one.panels.map((panel) => [panel.x.label, panel.series[0].marks.map((mark) => mark.x)])).toEqual([['entries', [20]]]);
});

test('beside tests that vary, one that does not is left out and named; series are named by what they are, not by how they were trained', () => {
  const other = run('attention', 0, [{ seqLen: 32, pairs: 4 }], () => 0.7);
  const wider = run('attention', 0, lengths, () => 0.3);
  Object.assign(wider, { point: { ...wider.point, dModel: 128, evalEvery: 100, batch: 8 } });
  const figure = figureOf({}, [...records, other, wider]);
  expect(figure.panels).toHaveLength(2);
  expect(figure.panels[0].series.map((series) => series.name)).toEqual(['mamba2', 'attention (d=64)', 'attention (d=128)', 'Limit of training']);
  expect(figure.notes.join(' ')).toContain('Not drawn, as nothing varies in the test: mqar (length 32, 4 pairs).');
  const longer = structuredClone(wider);
  Object.assign(longer.point, { batch: 16 });
  expect(figureOf({}, [wider, longer]).panels[0].series.map((series) => series.name)).toContain('attention (batch=16)');
});

test('what has no result is visible at every value', () => {
  const failed = { ...madeUpRecord({ point: { ...records[0].point, model: 'hyena' }, state: 'diverged' }), appearance: { label: 'hyena', order: 9, color: '#999933', marker: 'star' } };
  const figure = figureOf({}, [...records, failed]);
  expect(figure.panels[0].series.find((series) => series.name === 'hyena')!.failed.map((mark) => mark.x)).toEqual([64, 256, 1024, 4096]);
  expect(figure.notes.join(' ')).toContain('No finished run: hyena, d=64 (diverged).');
});
