import { describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { compareStores, type Held } from './compare.ts';
import { defaultRules, type Comparison, type MetricName, type Rules } from './comparison.ts';
import { madeUpMeasurement, madeUpRecord, type MadeUp } from './made-up.ts';
import type { Measurement } from './measurement.ts';
import type { RunRecord } from './record.ts';

const rules: Rules = defaultRules;
const held = (records: readonly RunRecord[], measurements: readonly Measurement[] = []): Held => ({ records, measurements });
const metric = (comparison: Comparison, name: MetricName, row = 0) => comparison.rows[row].metrics.find((m) => m.metric === name)!;

interface Machine {
  /** all times, the reference loop included */
  speed?: number;
  /** times of our code alone */
  code?: number;
  slow?: Record<number, number>;
  referenced?: boolean;
  repetitions?: number;
  seed: number;
  adapter?: string;
}

/** Cells of a throughput store with 3 % of noise, of a machine that is slower and faster from repetition to repetition. */
function measured({ speed = 1, code = 1, slow = {}, referenced = true, repetitions = 10, seed, adapter }: Machine, cells = 8): Measurement[] {
  const stream = rng(seed);
  return Array.from({ length: repetitions }, (_, repetition) =>
    [...Array.from({ length: cells }, (_, i) => ({ workload: 'ssd', options: { seqLen: 64 * (i + 1) }, ms: i + 1 })), { workload: 'gemm', options: { size: 64 }, ms: 5 }, { workload: 'copy', options: { elements: 64 }, ms: 4 }].map(({ workload, options, ms }, i) => {
      // without a reference a machine has to be quiet
      const now = speed * (referenced ? 1 + 0.5 * stream.fork(`now ${repetition} ${i}`).uniform() : 1);
      const own = ms * now * (workload === 'ssd' ? code * (slow[i] ?? 1) : 1) * Math.exp(0.03 * stream.fork(`${repetition} ${i}`).normal());
      return madeUpMeasurement({ measure: { workload, options, engine: 'wasm', threads: 1, repetition }, samples: [own, 1.01 * own, 1.3 * own], ...(referenced ? { reference: [0.1 * now, 0.101 * now, 0.2 * now] } : {}), ...(adapter === undefined ? {} : { adapter }) });
    }),
  ).flat();
}

const compared = (before: Machine, after: Machine, more: Partial<Rules> = {}) => compareStores(held([], measured(before)), held([], measured(after)), { ...rules, ...more });
const worse = ({ rows }: Comparison) => rows.filter((r) => r.verdict === 'worse').map((r) => r.name);

describe('times', () => {
  test('a store does not differ from itself, and the order of its lines does not matter', () => {
    const all = measured({ seed: 1 });
    const comparison = compareStores(held([], all), held([], all), rules);
    expect(comparison).toMatchObject({ findings: 0, suspicious: 0, counts: { same: 10 } });
    for (const row of comparison.rows) expect(metric(comparison, 'time', comparison.rows.indexOf(row)).noisy).toMatchObject({ raw: 1, ratio: 1, corrected: 1, samples: [10, 10] });
    const other = measured({ seed: 2, slow: { 1: 1.3 } });
    expect(compareStores(held([], all.toReversed()), held([], other.toReversed()), rules).rows.map((r) => [r.key, r.verdict]).toSorted()).toEqual(compareStores(held([], all), held([], other), rules).rows.map((r) => [r.key, r.verdict]).toSorted());
  });

  test('one slower cell is found, and a faster one, with their ratios; the rest is the same', () => {
    const comparison = compared({ seed: 1 }, { seed: 2, slow: { 2: 1.25, 5: 0.7 } });
    expect(worse(comparison)).toEqual(['ssd seqLen=192']);
    expect(comparison).toMatchObject({ findings: 1, counts: { worse: 1, better: 1, same: 8 } });
    const { noisy } = comparison.rows.find((r) => r.verdict === 'worse')!.metrics.find((m) => m.metric === 'time')!;
    expect(noisy!.ratio).toBeCloseTo(1.25, 1);
    expect(noisy!.interval.low).toBeLessThan(noisy!.ratio);
    expect(noisy!.interval.high).toBeGreaterThan(noisy!.ratio);
    expect(noisy!.corrected).toBeLessThan(rules.alpha);
  });

  test('both are needed: an effect below the threshold is none however sure, and a large one without evidence is suspicious', () => {
    expect(worse(compared({ seed: 1 }, { seed: 2, slow: { 2: 1.25 } }, { threshold: 0.4 }))).toEqual([]);
    const few = compared({ seed: 1, repetitions: 3 }, { seed: 2, repetitions: 3, slow: { 2: 1.25 } });
    expect(few).toMatchObject({ findings: 0, suspicious: 1 });
    expect(few.notes.join(' ')).toMatch(/10 of 10 times have too few samples for any verdict: 6 of each side/);
  });

  test('a machine that is slower as a whole is told and is no finding; code that is slower as a whole is found cell by cell', () => {
    const machine = compared({ seed: 1 }, { seed: 2, speed: 1.4 });
    expect(machine).toMatchObject({ findings: 0, suspicious: 0 });
    expect(machine.drifts[0].machine).toBeCloseTo(1.4, 1);
    expect(machine.notes.join(' ')).toMatch(/The machine itself .* was 4\d % slower/);
    expect(metric(machine, 'time').noisy!.raw).toBeGreaterThan(1.25);
    expect(worse(compared({ seed: 1 }, { seed: 2, code: 1.25 }))).toHaveLength(8);
  });

  test('without the reference loop cells are judged against each other, and all of them together against the roofs', () => {
    const quiet = { referenced: false };
    const one = compared({ seed: 1, ...quiet }, { seed: 2, speed: 1.3, slow: { 2: 1.25 }, ...quiet });
    expect(worse(one)).toEqual(['ssd seqLen=192']);
    expect(one.rows.at(-1)).toMatchObject({ kind: 'machine', verdict: 'same' });
    const all = compared({ seed: 1, ...quiet }, { seed: 2, code: 1.25, ...quiet });
    expect(all.rows.filter((r) => r.finding)).toMatchObject([{ kind: 'machine', verdict: 'worse', metrics: [{ why: expect.stringContaining('against the roofs') }] }]);
    expect(all.drifts[0]).toMatchObject({ machine: null, roofs: [{ name: 'copy' }, { name: 'gemm' }] });
  });

  test('a slowdown that fresh samples do not show is none', () => {
    const before = measured({ seed: 1 });
    const after = measured({ seed: 2, slow: { 2: 1.4 } });
    const again = (slow: Record<number, number>) => measured({ seed: 3, slow, repetitions: 20 }).filter((m) => m.measure.repetition >= 10 && m.measure.options['seqLen'] === 192);
    const judge = (fresh: Measurement[]) => compareStores(held([], before), held([], [...after, ...fresh]), rules, new Set(fresh.map((m) => m.id)));
    const gone = judge(again({}));
    expect(gone).toMatchObject({ findings: 0, suspicious: 0 });
    expect(gone.rows.flatMap((r) => r.metrics.map((m) => m.why)).join()).toContain('10 fresh samples do not confirm it');
    const held2 = judge(again({ 2: 1.4 }));
    expect(worse(held2)).toEqual(['ssd seqLen=192']);
    expect(held2.rows.flatMap((r) => r.metrics.map((m) => m.why)).join()).toContain('10 fresh samples confirm it');
  });

  test('what crashed, lacks memory, is missing or is new is told apart', () => {
    const before = measured({ seed: 1 });
    const at = (m: Measurement, seqLen: number) => m.measure.options['seqLen'] === seqLen;
    const ended = (m: Measurement, state: 'crashed' | 'out-of-memory'): Measurement => ({ ...m, samples: [], outcome: { state, reason: 'no room' }, device: { ...m.device, adapter: 'unknown' } });
    const after = measured({ seed: 2 }).flatMap((m) => (at(m, 64) ? [ended(m, 'out-of-memory')] : at(m, 128) && m.measure.repetition === 4 ? [ended(m, 'crashed')] : at(m, 192) ? [] : [m]));
    const comparison = compareStores(held([], before), held([], [...after, madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen: 9 }, engine: 'wasm', threads: 1 }, samples: [1] })]), rules);
    const of = (name: string) => comparison.rows.find((r) => r.name === name)!;
    expect(of('ssd seqLen=64')).toMatchObject({ verdict: 'failed', finding: true, metrics: [{ why: 'done, now out-of-memory: no room' }] });
    expect(of('ssd seqLen=128')).toMatchObject({ verdict: 'failed', finding: true });
    expect(of('ssd seqLen=192')).toMatchObject({ verdict: 'missing', finding: true });
    expect(of('ssd seqLen=9')).toMatchObject({ verdict: 'new', finding: false });
    expect(compareStores(held([], before), held([], after), { ...rules, allowMissing: true }).rows.filter((r) => r.verdict === 'missing')).toMatchObject([{ finding: false }]);
    expect(compareStores(held([], after), held([], before), rules).rows.filter((r) => r.verdict === 'better')).toHaveLength(2);
  });

  test('state has to be equal, and planned memory may move by a hundredth', () => {
    const one = (more: object) => held([], [madeUpMeasurement({ measure: { workload: 'decode', engine: 'wasm', threads: 1 }, samples: [1], stateBytes: 4096, peakBytes: 1000, ...more })]);
    expect(compareStores(one({}), one({ stateBytes: 4100 }), rules).rows[0]).toMatchObject({ verdict: 'changed', finding: true });
    expect(compareStores(one({}), one({ peakBytes: 1009 }), rules).rows[0]).toMatchObject({ verdict: 'same' });
    expect(compareStores(one({}), one({ peakBytes: 1011 }), rules).rows[0]).toMatchObject({ verdict: 'worse', finding: true });
    expect(compareStores(one({}), one({ peakBytes: 900 }), rules).rows[0]).toMatchObject({ verdict: 'better', finding: false });
  });
});

describe('runs', () => {
  const run = (accuracy: number, more: Partial<MadeUp> & { seed?: number } = {}) => madeUpRecord({ accuracy, ...more, point: { model: 'mamba2', seed: more.seed ?? 0 } });
  const seeds = (accuracies: readonly number[]) => held(accuracies.map((a, seed) => run(a, { seed })));
  const verdict = (before: Held, after: Held, more: Partial<Rules> = {}) => compareStores(before, after, { ...rules, ...more }).rows[0].verdict;

  test('equal runs are the same; a row is a point without its seed', () => {
    const comparison = compareStores(seeds([0.9, 0.8, 0.95]), seeds([0.9, 0.8, 0.95]), rules);
    expect(comparison.rows.map((r) => [r.kind, r.verdict])).toEqual([['run', 'same'], ['speed', 'same']]);
    expect(comparison.rows[0].ids).toHaveLength(3);
  });

  const accuracy = (before: readonly number[], after: readonly number[], more: Partial<Rules> = {}) => metric(compareStores(seeds(before), seeds(after), { ...rules, ...more }), 'accuracy').verdict;

  test('accuracy moves within the spread of the seeds, and not beyond', () => {
    expect(accuracy([0.9, 0.8, 0.95], [0.85, 0.82, 0.85])).toBe('same');
    expect(accuracy([0.9, 0.8, 0.95], [0.4, 0.5, 0.45])).toBe('worse');
    // seeds that agree allow the tolerance and no more
    expect(accuracy([0.99, 0.99, 0.99], [0.975, 0.976, 0.977])).toBe('same');
    expect(accuracy([0.99, 0.99, 0.99], [0.91, 0.92, 0.91])).toBe('worse');
    expect(accuracy([0.4, 0.5, 0.45], [0.9, 0.85, 0.95])).toBe('better');
  });

  test('one seed is judged by the size of its test: 1024 coins', () => {
    expect(accuracy([0.5], [0.45])).toBe('same');
    expect(accuracy([0.5], [0.4])).toBe('worse');
    expect(accuracy([0.5], [0.4], { accuracyTolerance: 0.2 })).toBe('same');
  });

  test('a final loss is judged by its share, with a floor near nought', () => {
    const withLoss = (loss: number) => {
      const r = run(1);
      return held([{ ...r, test: { ...r.test!, loss } }]);
    };
    expect(verdict(withLoss(2), withLoss(2.15))).toBe('same');
    expect(verdict(withLoss(2), withLoss(2.3))).toBe('worse');
    expect(verdict(withLoss(0.001), withLoss(0.04))).toBe('same');
    expect(verdict(withLoss(0.001), withLoss(0.06))).toBe('worse');
  });

  test('parameters and state are exact', () => {
    expect(verdict(held([run(0.9)]), held([run(0.9, { parameters: 100_001 })]))).toBe('changed');
    expect(verdict(held([run(0.9)]), held([run(0.9, { stateBytes: 16_380 })]))).toBe('changed');
  });

  test('a run that was done and diverged or crashed is a finding, the other way round is none', () => {
    for (const state of ['diverged', 'crashed', 'out-of-memory'] as const) {
      const failed = held([run(0, { state, reason: 'loss NaN at step 3' })]);
      const comparison = compareStores(held([run(0.9)]), failed, rules);
      expect(comparison.rows[0]).toMatchObject({ verdict: 'failed', finding: true });
      expect(metric(comparison, 'outcome').why).toBe(`done, now ${state}: loss NaN at step 3`);
      expect(verdict(failed, held([run(0.9)]))).toBe('better');
      expect(verdict(failed, failed)).toBe('same');
    }
    expect(verdict(held([run(0, { state: 'diverged' })]), held([run(0, { state: 'crashed' })]))).toBe('failed');
  });

  test('a seed that was not run is missing', () => {
    const comparison = compareStores(seeds([0.9, 0.91]), seeds([0.9]), rules);
    expect(comparison.rows[0]).toMatchObject({ verdict: 'missing', finding: true });
    expect(comparison.rows[0].metrics.at(-1)!.why).toBe('seed 1 was not run');
  });

  test('training speed over the runs of a cell: one slower model among many is found, a slower machine is told', () => {
    const trained = (factor: (model: number) => number, seed: number) =>
      held(Array.from({ length: 5 }, (_, model) => Array.from({ length: 10 }, (_, s) => ({ ...madeUpRecord({ point: { model: `m${model}`, seed: s } }), tokensPerSecond: (1e5 / factor(model)) * Math.exp(0.03 * rng(seed).fork(model).fork(s).normal()) }))).flat());
    const one = compareStores(trained(() => 1, 1), trained((m) => (m === 3 ? 1.25 : 1), 2), rules);
    expect(one.rows.filter((r) => r.finding)).toMatchObject([{ kind: 'speed', name: 'm3, training', verdict: 'worse' }]);
    const machine = compareStores(trained(() => 1, 1), trained(() => 1.3, 2), rules);
    expect(machine.findings).toBe(0);
    expect(machine.notes.join(' ')).toMatch(/All of training on engine made-up, no device together was 3\d % slower; nothing measured beside it/);
  });
});

describe('what can be compared', () => {
  const here = measured({ seed: 1 });
  const there = measured({ seed: 2, adapter: 'another device' });

  test('other devices are refused with what differs, and compared when it is allowed', () => {
    expect(() => compareStores(held([], there), held([], here), rules)).toThrow(/E_COMPARE: .*adapter "another device" and "no device".*--allow-different-device/);
    const allowed = compareStores(held([], there), held([], here), { ...rules, allowDifferentDevice: true });
    expect(allowed.rows.filter((r) => r.kind === 'cost')).toHaveLength(10);
    expect(allowed.notes.join(' ')).toMatch(/The devices differ/);
  });

  test('of a baseline of several devices the candidate’s is taken', () => {
    const comparison = compareStores(held([], [...there, ...here]), held([], here), rules);
    expect(comparison.baseline).toMatchObject({ measurements: here.length, devices: ['engine wasm, 1 thread, no device'] });
    expect(comparison.findings).toBe(0);
  });

  test('other versions of Node are told and do not matter', () => {
    const newer = here.map((m) => ({ ...m, device: { ...m.device, versions: { node: '24' } } }));
    expect(compareStores(held([], here), held([], newer), rules).notes.join(' ')).toContain('node "20" and "24"');
  });

  test('nothing in common is refused', () => {
    expect(() => compareStores(held([madeUpRecord({ point: { model: 'a' } })]), held([madeUpRecord({ point: { model: 'b' } })]), rules)).toThrow(/E_COMPARE: .*1 runs, 0 measurements.*no point in common/);
    expect(() => compareStores(held([]), held([], here), rules)).toThrow(/E_COMPARE/);
  });
});
