import { describe, expect, test } from 'vitest';
import { openPoint } from './open-point.ts';
import { expandSweep, parseSweep, shard } from './sweep.ts';
import { sweeps } from './sweeps/index.ts';

const tiny = {
  name: 'tiny',
  base: { task: 'mqar', train: [{ options: { vocabSize: 32, seqLen: 16, pairs: 2 }, examples: 64 }], test: [{ options: { vocabSize: 32, seqLen: 16, pairs: 2 }, examples: 8 }], batch: 8, dModel: 16 },
  axes: [[{ model: 'attention' }, { model: 'mamba2', modelOptions: { headDim: 16 } }], { 'modelOptions.dummy': [1] }],
};

describe('presets', () => {
  for (const sweep of Object.values(sweeps)) {
    test(`${sweep.name}: every point opens, ids are distinct`, () => {
      const points = expandSweep(parseSweep(sweep, sweep.name));
      expect(new Set(points.map((p) => p.id)).size).toBe(points.length);
      for (const { point } of points) expect(openPoint(point).steps).toBeGreaterThan(0);
    });
  }

  test('mamba2-fig8 has the budget of the paper: 8192, 16384 and 32768 steps of 2^18 tokens', () => {
    const points = expandSweep(parseSweep(sweeps['mamba2-fig8'], 'mamba2-fig8')).map((p) => openPoint(p.point));
    expect(points).toHaveLength(3 * 5 * 4 * 3);
    for (const p of points) {
      const length = p.test[0].task.seqLen;
      expect(p.train.map((s) => [s.batch * length, s.examples])).toEqual(new Array(4).fill([2 ** 18, 2 ** 18]));
      expect(p.steps).toBe({ 256: 8192, 512: 16384, 1024: 32768 }[length]);
      expect(p.train.map((s) => s.task.slice['pairs'])).toEqual([length / 32, length / 16, length / 8, length / 4]);
    }
  });

  test('zoology-fig2 has 64 epochs of 196, 391 … steps by whole batches', () => {
    const steps = new Set(expandSweep(parseSweep(sweeps['zoology-fig2'], 'zoology-fig2')).map((p) => openPoint(p.point).steps));
    expect([...steps]).toEqual([195 * 64, 390 * 64, 781 * 64]);
  });
});

describe('sweeps as data', () => {
  test('axes multiply, dotted keys reach inside, overlays merge', () => {
    const sweep = parseSweep({ ...tiny, axes: [[{ model: 'mamba2', modelOptions: { headDim: 16 } }], { 'modelOptions.dState': [4, 8], lr: [0.1, 0.2] }] }, 'tiny');
    const points = expandSweep(sweep).map((p) => [p.point.modelOptions['headDim'], p.point.modelOptions['dState'], p.point.lr]);
    expect(points).toEqual([[16, 4, 0.1], [16, 4, 0.2], [16, 8, 0.1], [16, 8, 0.2]]);
  });
  test('a point means the same whether its defaults are written out or not', () => {
    const [a] = expandSweep(parseSweep({ ...tiny, axes: [[{ model: 'mamba2', lr: 0.1 }]] }, 'a'));
    const [b] = expandSweep(parseSweep({ ...tiny, axes: [[{ model: 'mamba2', lr: 0.1, epochs: 1, modelOptions: { dState: 128 } }]] }, 'b'));
    expect(a.id).toBe(b.id);
  });
  test('unknown keys are refused with the nearest name', () => {
    expect(() => parseSweep({ ...tiny, axis: [] }, 'file x.json')).toThrow(/E_CONFIG: file x.json: unknown key "axis". Did you mean "axes"\?/);
    expect(() => expandSweep(parseSweep({ ...tiny, axes: [{ model: ['attention'], lr: [1], lrr: [1] }] }, 'x'))).toThrow(/unknown key "lrr". Did you mean "lr"\?/);
    expect(() => expandSweep(parseSweep({ ...tiny, axes: [{ model: ['atention'], lr: [1] }] }, 'x'))).toThrow(/E_NAME.*Did you mean "attention"/);
    expect(() => expandSweep(parseSweep({ ...tiny, axes: [{ model: ['mamba2'], 'modelOptions.dstate': [1], lr: [1] }] }, 'x'))).toThrow(/unknown key "dstate". Did you mean "dState"\?/);
  });
  test('shards part a plan', () => {
    const all = [0, 1, 2, 3, 4, 5, 6];
    expect([shard(all, '1/3'), shard(all, '2/3'), shard(all, '3/3')].flat().sort()).toEqual(all);
    expect(() => shard(all, '4/3')).toThrow('E_CONFIG');
    expect(() => shard(all, 'x')).toThrow('E_CONFIG');
  });
});

test('a pattern of mixers takes its options by mixer, from objects and from axes', () => {
  const base = { ...tiny.base, layers: 4 };
  const sweep = parseSweep({ ...tiny, base, axes: [[{ model: 'mamba2, attention', modelOptions: { mamba2: { headDim: 16 } } }], { 'modelOptions.mamba2.dState': [4, 8], lr: [0.1] }] }, 'tiny');
  const points = expandSweep(sweep).map(({ point }) => point);
  expect(points.map((p) => p.model)).toEqual(['mamba2,attention', 'mamba2,attention']);
  expect(points.map((p) => p.modelOptions)).toMatchObject([4, 8].map((dState) => ({ mamba2: { headDim: 16, dState }, attention: { heads: 1 } })));
  expect(() => expandSweep(parseSweep({ ...tiny, base, axes: [{ model: ['mamba2,attention'], 'modelOptions.mamba.dState': [1], lr: [1] }] }, 'x'))).toThrow(/unknown mixer "mamba". Did you mean "mamba2"\?/);
});
