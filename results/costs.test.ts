import { describe, expect, test } from 'vitest';
import { costsOf, exponentOf, linesAlong, placeOf, ratesOf, roofsOf, type DoneCost } from './costs.ts';
import { formatLine, readLine } from './line.ts';
import { madeUpMeasurement } from './made-up.ts';
import { measurementSchema } from './measurement.ts';

const ssd = (seqLen: number, ms: number[], repetition = 0, more: object = {}) => madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen, dState: 64 }, engine: 'wasm', threads: 2, repetition }, samples: ms, ...more });

describe('measurements as lines of a store', () => {
  test('come back as they were, and a run is not one', () => {
    const m = ssd(512, [1, 2, 3]);
    expect(readLine(formatLine(m))).toEqual(m);
    expect(measurementSchema.parse(m)).toEqual(m);
  });

  test('an id that is not the measure\'s, a sample of 0 and a NaN are refused', () => {
    expect(() => formatLine({ ...ssd(512, [1]), id: '0123456789abcdef' })).toThrow(/E_STORE.*its measure has the id/);
    expect(() => formatLine(ssd(512, [0]))).toThrow(/E_STORE.*samples/);
    expect(() => formatLine(ssd(512, [NaN]))).toThrow(/E_STORE.*samples/);
  });
});

describe('costs', () => {
  test('a cost is the median of the medians of its repetitions, with their range, whatever their order', () => {
    const all = [ssd(512, [10, 11, 12], 0), ssd(512, [20, 21, 100], 1), ssd(512, [15, 15, 15], 2), ssd(1024, [7], 0)];
    for (const list of [all, all.toReversed()]) {
      const cost = costsOf(list).find((c) => c.measure.options['seqLen'] === 512) as DoneCost;
      expect(cost).toMatchObject({ state: 'done', ms: 15, low: 11, high: 21, repetitions: 3, samples: 9 });
      expect(costsOf(list)).toHaveLength(2);
    }
  });

  test('a repetition that failed does not hide those that were done; a cost without any is failed, with the reason', () => {
    const lost = ssd(512, [], 1, { state: 'out-of-memory', reason: 'too long' });
    expect(costsOf([ssd(512, [4], 0), lost])[0]).toMatchObject({ state: 'done', ms: 4, repetitions: 1 });
    expect(costsOf([lost])[0]).toMatchObject({ state: 'out-of-memory', reason: 'too long' });
  });

  test('devices, engines and threads are not mixed', () => {
    const other = madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen: 512, dState: 64 }, engine: 'wasm', threads: 2 }, samples: [9], adapter: 'another device' });
    const one = madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen: 512, dState: 64 }, engine: 'wasm', threads: 1 }, samples: [8] });
    expect(costsOf([ssd(512, [4]), other, one])).toHaveLength(3);
    expect(new Set(costsOf([ssd(512, [4]), other, one]).map(placeOf)).size).toBe(3);
  });

  test('rates are counted work over time; a roof is the fastest sample; the share is of the nearer roof', () => {
    const at = { engine: 'wasm', threads: 2 };
    const gemm = madeUpMeasurement({ measure: { ...at, workload: 'gemm', options: { size: 10 } }, samples: [2, 1, 4], work: { flops: 2000, exps: 0, bytes: 1200 } });
    const copy = madeUpMeasurement({ measure: { ...at, workload: 'copy', options: { elements: 100 } }, samples: [4, 2], work: { flops: 100, exps: 0, bytes: 800 } });
    const launch = madeUpMeasurement({ measure: { ...at, workload: 'launch' }, samples: [0.5, 0.25] });
    const op = ssd(512, [10], 0, { work: { flops: 10_000, exps: 0, bytes: 1000 }, tokens: 512 });
    const costs = costsOf([gemm, copy, launch, op]);
    const cost = costs.find((c) => c.measure.workload === 'ssd') as DoneCost;
    const roofs = roofsOf(costs).get(placeOf(cost))!;
    expect(roofs).toEqual({ flops: 2_000_000, bytes: 400_000, launchMs: 0.25 });
    expect(ratesOf(cost, roofs)).toEqual({ tokensPerSecond: 51_200, flopsPerSecond: 1_000_000, bytesPerSecond: 100_000, roofShare: 0.5, boundBy: 'arithmetic' });
    expect(ratesOf(cost)).toMatchObject({ roofShare: null, boundBy: null });
  });

  test('the exponent of a power law is found exactly, from the longer half', () => {
    const law = (p: number) => [512, 1024, 2048, 4096, 8192].map((L) => ssd(L, [1e-6 * L ** p]));
    for (const p of [0.3, 1, 2]) {
      const [line] = linesAlong('seqLen', costsOf(law(p)));
      expect(line.costs.map((c) => c.measure.options['seqLen'])).toEqual([512, 1024, 2048, 4096, 8192]);
      expect(exponentOf(line)).toBeCloseTo(p, 9);
    }
    const bent = [ssd(512, [100]), ssd(1024, [100]), ssd(2048, [1]), ssd(4096, [2]), ssd(8192, [4])];
    expect(exponentOf(linesAlong('seqLen', costsOf(bent))[0])).toBeCloseTo(1, 9);
    expect(exponentOf(linesAlong('seqLen', costsOf([ssd(512, [1]), ssd(1024, [2])]))[0])).toBeUndefined();
    expect(linesAlong('seqLen', costsOf([ssd(512, [1])]))).toEqual([]);
  });
});
