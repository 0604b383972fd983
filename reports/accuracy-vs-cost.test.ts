import { expect, test } from 'vitest';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import { accuracyVsCost } from './accuracy-vs-cost.ts';

const run = (model: string, accuracy: number, stateBytes: number, tokensPerSecond: number | null) => ({
  ...madeUpRecord({ point: { model, dModel: 64, layers: 2, modelOptions: model === 'mamba2' ? { dState: 64 } : {} }, appearance: { label: model, order: model.length }, accuracy, stateBytes }),
  tokensPerSecond,
});
const records = [run('mamba2', 0.8, 2048, 1e6), run('attention', 0.9, 65_536, 5e5)];
const decode = (options: Record<string, unknown>, ms: number) => madeUpMeasurement({ measure: { workload: 'decode', engine: 'made-up', options: { batch: 1, dModel: 64, layers: 2, ...options } }, samples: [ms], tokens: 1 });

test('a model stands at one height over bytes, training time and decoding time', () => {
  const measurements = [
    decode({ model: 'mamba2', modelOptions: { dState: 64 }, context: 64 }, 0.2),
    decode({ model: 'mamba2', modelOptions: { dState: 64 }, context: 1024 }, 0.4),
    decode({ model: 'mamba2', modelOptions: { dState: 16 }, context: 64 }, 0.1),
    decode({ model: 'attention', modelOptions: {}, dModel: 128, context: 64 }, 0.3),
  ];
  const figure = accuracyVsCost.build({ records, measurements });
  expect(figure.panels.map((panel) => panel.x.label)).toEqual(['State per sequence', 'Training: µs a token', 'Decoding: µs a token']);
  const of = (panel: number, name: string) => figure.panels[panel].series.find((series) => series.name === name)!.marks;
  expect([0, 1, 2].map((panel) => of(panel, 'mamba2').map((mark) => [mark.x, mark.y]))).toEqual([[[2048, 0.8]], [[1, 0.8]], [[200, 0.8]]]);
  expect(of(1, 'attention')).toMatchObject([{ x: 2, y: 0.9, facts: { accuracyPerKiB: 0.9 / 64, accuracyPerUs: 0.45 } }]);
  // a decoding step of another width is none of this model
  expect(of(2, 'attention')).toEqual([]);
  expect(of(0, 'Pareto front').map((mark) => mark.x)).toEqual([2048, 65_536]);
  expect(figure.caption.join(' ')).toContain('at a context of 64 on no device');
});

test('a price that nobody knows has no panel', () => {
  const figure = accuracyVsCost.build({ records: records.map((record) => ({ ...record, tokensPerSecond: null })), measurements: [] });
  expect(figure.panels.map((panel) => panel.x.label)).toEqual(['State per sequence']);
});
