import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { workOf } from '#engine/program-work.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { causalAttention } from '#kernels/causal-attention/op.ts';
import { measurementSchema, parseMeasure } from '#results/measurement.ts';
import { checkMeasure, measure, openMeasure } from './measure.ts';
import { expandThroughput, parseThroughput } from './throughput.ts';
import { throughputs } from './throughputs/index.ts';
import { workloads } from './workloads/index.ts';

const places = [
  { engine: 'wasm', threads: 2, kind: 'cpu' },
  { engine: 'webgpu', kind: 'gpu' },
] as const;

describe('presets', () => {
  for (const spec of Object.values(throughputs)) {
    test(`${spec.name}: every measure opens on processor and GPU, ids are distinct, repetitions come in turn`, () => {
      for (const place of places) {
        const parsed = parseThroughput(spec, spec.name);
        const planned = expandThroughput(parsed, place);
        expect(new Set(planned.map((p) => p.id)).size).toBe(planned.length);
        const own = planned.length / parsed.repetitions;
        planned.forEach((p, i) => expect(p.measure.repetition).toBe(Math.floor(i / own)));
        expect(planned.slice(0, 3).map((p) => p.measure.workload).join() === 'gemm,copy,launch').toBe(parsed.roofs);
        for (const { measure: m } of planned.slice(0, own)) {
          expect(m).toMatchObject({ engine: place.engine });
          expect(openMeasure(m).tokens).toBeGreaterThanOrEqual(0);
        }
      }
    });
  }
});

describe('throughput sweeps as data', () => {
  const spec = { name: 'mine', roofs: false, repetitions: 2, grids: [{ base: { workload: 'ssd', options: { heads: 1, dState: 4 } }, axes: [{ 'options.seqLen': [8, 16] }] }] };

  test('grids multiply, defaults are filled in, and a repetition is part of the identity', () => {
    const planned = expandThroughput(parseThroughput(spec, 'mine'), places[0]);
    expect(planned.map((p) => [p.measure.repetition, p.measure.options['seqLen']])).toEqual([[0, 8], [0, 16], [1, 8], [1, 16]]);
    expect(planned[0].measure).toMatchObject({ workload: 'ssd', threads: 2, precision: 'fp32', options: { chunk: 64, form: 'chunked', direction: 'forward' } });
  });

  test('what is wrong is named: keys, workloads, options, shapes', () => {
    const expand = (grid: object) => () => expandThroughput(parseThroughput({ ...spec, grids: [{ base: grid }] }, 'mine'), places[0]);
    expect(() => parseThroughput({ ...spec, repetition: 2 }, 'mine')).toThrow(/E_CONFIG.*repetitions/);
    expect(expand({ workload: 'sdd' })).toThrow(/E_NAME.*measure 1 of 1.*ssd/);
    expect(expand({ workload: 'ssd', options: { heads: 1, dState: 4, seqlen: 8 } })).toThrow(/E_CONFIG.*seqLen/);
    expect(expand({ workload: 'train', options: { model: 'attention', modelOptions: { heads: 3 } } })).toThrow(/E_SIZE.*3 heads/);
    expect(expand({ workload: 'naive-scan', options: { seqLen: 8192, channels: 4, dState: 4 } })).toThrow(/E_SIZE.*4096/);
  });
});

describe('a measurement on the WASM engine', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openWasm({ threads: 2 });
  });
  afterAll(() => engine.close());
  const take = (workload: string, options: object) => measure(checkMeasure(parseMeasure({ workload, options, engine: 'wasm', threads: 2 })), { engine, seconds: 0.02, sweep: 'test' });

  const small: Record<string, object> = {
    gemm: { size: 32 },
    copy: { elements: 1024 },
    launch: {},
    'causal-attention': { batch: 2, seqLen: 33, heads: 2, headDim: 8, direction: 'forward-backward' },
    'selective-scan': { batch: 2, seqLen: 33, channels: 8, dState: 4, direction: 'forward-backward' },
    'long-conv': { batch: 2, seqLen: 33, channels: 5, direction: 'forward-backward' },
    'naive-scan': { batch: 2, seqLen: 9, channels: 8, dState: 4, direction: 'forward-backward' },
    ssd: { batch: 2, seqLen: 33, heads: 2, headDim: 8, dState: 4, direction: 'forward-backward' },
    'ssd-forms': { batch: 2, seqLen: 33, heads: 2, headDim: 8, dState: 4, chunk: 16 },
    prefill: { model: 'attention', dModel: 16, seqLen: 8, vocabSize: 32, batch: 2 },
    decode: { model: 'attention', dModel: 16, context: 8, vocabSize: 32, batch: 2 },
    train: { model: 'mamba2', dModel: 16, batch: 4, seqLen: 16, vocabSize: 32, pairs: 2 },
  };

  test.each(Object.keys(workloads))('%s: samples, work, kernels, bytes and all that a store asks for', async (workload) => {
    const record = await take(workload, small[workload]);
    expect(record.outcome).toEqual({ state: 'done' });
    expect(measurementSchema.parse(record)).toEqual(record);
    expect(record.samples.length).toBeGreaterThanOrEqual(5);
    // the speed of the processor before, between and after the samples
    expect(record.reference).toHaveLength(record.samples.length + 1);
    expect(record).toMatchObject({ sweep: 'test', clock: 'host', device: { engine: 'wasm', threads: 2 } });
    expect(record.kernels.length).toBeGreaterThan(0);
    expect(record.work!.bytes).toBeGreaterThan(0);
    expect(record.peakBytes).toBeGreaterThan(0);
    expect(record.latencyMs).toBeGreaterThan(0);
    expect(record.firstMs).toBeGreaterThan(0);
  });

  test.each(['train', 'prefill', 'decode'])('%s runs a pattern of mixers as well', async (workload) => {
    const record = await take(workload, { ...small[workload], model: 'gated-conv,attention', modelOptions: { attention: { heads: 2 } } });
    expect(record).toMatchObject({ outcome: { state: 'done' }, appearance: { label: 'Gated convolution + Attention' } });
    expect(measurementSchema.parse(record)).toEqual(record);
  });

  test('counts the work of the op, not of the glimpse at its result', async () => {
    const record = await take('causal-attention', { seqLen: 16, heads: 1, headDim: 8 });
    const spec = { shape: [1, 16, 1, 8], dtype: 'float32' } as const;
    expect(record.work).toEqual(workOf(({ q, k, v }) => ({ outputs: { y: causalAttention(q, k, v) } }), { q: spec, k: spec, v: spec }));
  });

  test('the forms of SSD are compared two by two, in result and gradients, and found equal', async () => {
    const { differences = [], ...rest } = await take('ssd-forms', small['ssd-forms']);
    expect(differences.map((d) => d.of)).toEqual(['chunked and linear', 'quadratic and linear', 'chunked and quadratic'].flatMap((pair) => ['y', ...['x', 'dt', 'a', 'b', 'c', 'd'].map((x) => `gradient of ${x}`)].map((what) => `${pair}: ${what}`)));
    for (const { rms } of differences) expect(rms).toBeLessThan(2e-5);
    // rounded differently, so it is a comparison and not one form three times
    expect(differences.some(({ rms }) => rms > 0)).toBe(true);
    expect(rest.outcome).toEqual({ state: 'done' });
    expect(await take('ssd', small['ssd'])).not.toHaveProperty('differences');
  });

  test('lack of memory is an outcome, and the engine goes on', async () => {
    expect(await take('ssd', { seqLen: 2 ** 24, heads: 64, dState: 64 })).toMatchObject({ outcome: { state: 'out-of-memory' }, samples: [], tokens: 2 ** 24 });
    expect(await take('ssd', { seqLen: 2 ** 18, heads: 16, headDim: 64, dState: 64 })).toMatchObject({ outcome: { state: 'out-of-memory' } });
    expect((await take('launch', {})).outcome).toEqual({ state: 'done' });
  });
});
