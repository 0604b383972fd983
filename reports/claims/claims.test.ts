import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { madeUpMeasurement, madeUpRecord, type MadeUp, type MadeUpMeasurement } from '#results/made-up.ts';
import type { Measurement } from '#results/measurement.ts';
import type { RunRecord } from '#results/record.ts';
import type { Stored } from '../figure.ts';
import type { Decided, Verdict } from './claim.ts';
import type { Decision } from './decide.ts';
import { claimsHtml } from './html.ts';
import { claims, decideClaims } from './index.ts';
import { claimsMarkdown } from './markdown.ts';

type Name = keyof typeof claims;

const runs = (...records: RunRecord[]): Stored => ({ records, measurements: [] });
const costs = (...measurements: Measurement[]): Stored => ({ records: [], measurements });
const merged = (...all: Stored[]): Stored => ({ records: all.flatMap((s) => s.records), measurements: all.flatMap((s) => s.measurements) });

/** A run of a model at each of these accuracies, one a seed. */
const cell = (model: string, modelOptions: object, accuracies: readonly number[], more: Omit<Partial<MadeUp>, 'point'> & { point?: object } = {}): Stored =>
  runs(...accuracies.map((accuracy, seed) => madeUpRecord({ ...more, point: { model, modelOptions: { ...modelOptions }, seed, ...more.point }, accuracy })));

const mamba = (model: 'mamba1' | 'mamba2', dState: number, accuracies: readonly number[], more: Parameters<typeof cell>[3] = {}) => cell(model, { dState }, accuracies, more);

const looks: Record<string, string> = { ssd: 'SSD, chunked', 'selective-scan': 'Selective scan', 'causal-attention': 'Causal attention' };

/** Repetitions of one op at about this time. */
function op(workload: 'ssd' | 'selective-scan' | 'causal-attention', shape: { seqLen: number; dState?: number; direction?: string }, ms: number, { repetitions = 2, ...more }: Partial<MadeUpMeasurement> & { repetitions?: number } = {}): Stored {
  const own = workload === 'ssd' ? { heads: 4, headDim: 64, chunk: 64, form: 'chunked', dState: 64 } : workload === 'selective-scan' ? { channels: 256, dState: 64 } : { heads: 4, headDim: 64 };
  const options = { batch: 1, direction: 'forward', ...own, ...shape };
  return costs(...Array.from({ length: repetitions }, (_, repetition) => madeUpMeasurement({ appearance: { label: looks[workload] }, ...more, measure: { workload, options, engine: 'wasm', threads: 2, repetition, ...more.measure }, samples: [0.99, 1, 1.01].map((f) => f * ms * (1 + 0.02 * repetition)) })));
}

/** An op over lengths at a power of them. */
const over = (workload: 'ssd' | 'causal-attention', power: number, lengths: readonly number[] = [1024, 2048, 4096, 8192]) => merged(...lengths.map((seqLen) => op(workload, { seqLen }, (seqLen / 1024) ** power)));
const overStates = (workload: 'ssd' | 'selective-scan', power: number, states: readonly number[] = [16, 64, 256]) => merged(...states.map((dState) => op(workload, { seqLen: 4096, dState }, (dState / 16) ** power)));

const train = (model: string, dState: number, ms: number) => costs(madeUpMeasurement({ measure: { workload: 'train', options: { model, modelOptions: { dState }, dModel: 64, layers: 2, batch: 64, seqLen: 64 }, engine: 'wasm', threads: 2 }, samples: [ms] }));
const decode = (model: string, context: number, stateBytes: number) => costs(madeUpMeasurement({ measure: { workload: 'decode', options: { model, dModel: 64, batch: 1, context }, engine: 'wasm', threads: 2 }, appearance: { label: model }, samples: [1], stateBytes }));
const forms = (...rms: number[]) => costs(...rms.map((r, i) => ({ ...madeUpMeasurement({ measure: { workload: 'ssd-forms', options: { seqLen: 63 + i }, engine: 'wasm', threads: 2 }, samples: [1] }), differences: [{ of: 'chunked and linear: y', rms: r }] })));
const hybrid = (accuracies: readonly number[]) => cell('mamba2*9,attention', {}, accuracies, { point: { layers: 10 } });
const pure = (model: string, accuracies: readonly number[]) => cell(model, {}, accuracies, { point: { layers: 10 } });
const both = (scan: number, ssd: number, seqLen = 4096) => merged(op('selective-scan', { seqLen }, scan), op('ssd', { seqLen }, ssd));
const against = (attention: number, ssd: number, seqLen: number) => merged(op('causal-attention', { seqLen }, attention), op('ssd', { seqLen }, ssd));

/** Made-up stores that decide each claim one way, the other, and not at all. */
const scenarios: Record<Name, Record<Verdict['state'], Stored>> = {
  'mamba2-beats-mamba1': {
    confirmed: merged(mamba('mamba2', 16, [0.8, 0.85, 0.9]), mamba('mamba1', 16, [0.3, 0.35, 0.4])),
    refuted: merged(mamba('mamba2', 16, [0.3, 0.35, 0.4]), mamba('mamba1', 16, [0.8, 0.85, 0.9])),
    'not-enough-data': merged(mamba('mamba2', 16, [0.3, 0.9]), mamba('mamba1', 16, [0.4, 0.7])),
  },
  'larger-state-helps': {
    confirmed: merged(mamba('mamba2', 16, [0.3, 0.35]), mamba('mamba2', 64, [0.6, 0.65]), mamba('mamba2', 256, [0.9, 0.95])),
    refuted: merged(mamba('mamba2', 16, [0.5, 0.5]), mamba('mamba2', 64, [0.5, 0.5])),
    'not-enough-data': merged(mamba('mamba2', 16, [0.5]), mamba('mamba2', 64, [0.55])),
  },
  'larger-state-trains-faster': {
    confirmed: merged(train('mamba1', 16, 3), train('mamba2', 256, 2)),
    refuted: merged(train('mamba1', 16, 2), train('mamba2', 256, 3)),
    'not-enough-data': merged(train('mamba1', 16, 3), train('mamba2', 64, 2)),
  },
  'ssd-faster-than-scan': { confirmed: both(4, 1), refuted: both(1.5, 1), 'not-enough-data': both(2, 1) },
  'scan-linear-in-state': { confirmed: overStates('selective-scan', 1), refuted: overStates('selective-scan', 0.5), 'not-enough-data': overStates('selective-scan', 1, [16, 32]) },
  'ssd-flat-in-state': { confirmed: overStates('ssd', 0.1), refuted: overStates('ssd', 0.5), 'not-enough-data': overStates('ssd', 0.25) },
  'ssd-passes-attention': { confirmed: against(2, 1, 2048), refuted: merged(against(2, 1, 2048), against(1, 2, 4096)), 'not-enough-data': against(2, 1, 1024) },
  'ssd-six-times-attention': { confirmed: against(7, 1, 16384), refuted: against(5, 1, 16384), 'not-enough-data': against(7, 1, 8192) },
  'growth-with-length': {
    confirmed: merged(over('ssd', 1), over('causal-attention', 2)),
    refuted: merged(over('ssd', 1.5), over('causal-attention', 2)),
    'not-enough-data': merged(over('ssd', 1), over('causal-attention', 2, [512, 1024, 2048])),
  },
  'forms-equal': { confirmed: forms(1e-6, 2e-6), refuted: forms(1e-6, 1e-3), 'not-enough-data': costs() },
  'attention-hybrid': {
    confirmed: merged(hybrid([0.9, 0.95]), pure('mamba2', [0.4, 0.45]), pure('attention', [0.5, 0.55])),
    refuted: merged(hybrid([0.5, 0.55]), pure('mamba2', [0.4, 0.45]), pure('attention', [0.9, 0.95])),
    'not-enough-data': merged(hybrid([1, 1]), pure('mamba2', [0.4, 0.45]), pure('attention', [1, 1])),
  },
  'constant-decode-state': {
    confirmed: merged(decode('mamba2', 256, 100), decode('mamba2', 4096, 100), decode('attention', 256, 10), decode('attention', 4096, 160)),
    refuted: merged(decode('mamba2', 256, 100), decode('mamba2', 4096, 200), decode('attention', 256, 10), decode('attention', 4096, 160)),
    'not-enough-data': merged(decode('mamba2', 256, 100), decode('mamba2', 512, 100), decode('attention', 256, 10), decode('attention', 512, 20)),
  },
};

const states = ['confirmed', 'refuted', 'not-enough-data'] as const;
const names = Object.keys(scenarios) as Name[];
const of = (name: Name, stored: Stored): Decision[] => decideClaims(stored).filter(({ claim }) => claim.name === name);
/** The one verdict that there is. */
function verdict(name: Name, stored: Stored): Verdict {
  const decisions = of(name, stored);
  expect(decisions).toHaveLength(1);
  return decisions[0].verdict;
}
const at = (stored: Stored, adapter: string): Stored => ({ records: stored.records.map((r) => ({ ...r, device: { ...r.device, adapter } })), measurements: stored.measurements.map((m) => ({ ...m, device: { ...m.device, adapter } })) });
const distinct = <T extends { id: string }>(all: readonly T[]): T[] => [...new Map(all.map((r) => [r.id, r])).values()];
const everything = ((all: Stored): Stored => ({ records: distinct(all.records), measurements: distinct(all.measurements) }))(merged(...names.map((name) => scenarios[name].confirmed)));

test('verdicts are the same in any order of the records', () => {
  const { records, measurements } = everything;
  const expected = decideClaims(everything);
  fc.assert(
    fc.property(fc.shuffledSubarray([...records.keys()], { minLength: records.length }), fc.shuffledSubarray([...measurements.keys()], { minLength: measurements.length }), (r, m) => {
      expect(decideClaims({ records: r.map((i) => records[i]), measurements: m.map((i) => measurements[i]) })).toEqual(expected);
    }),
    { numRuns: 20 },
  );
});

describe.each(names)('%s', (name) => {
  test.each(states)('is %s by data made for it, with a number and the records behind it', (state) => {
    const stored = scenarios[name][state];
    const found = verdict(name, stored);
    expect(found.state, found.evidence).toBe(state);
    expect(found.evidence.length).toBeGreaterThan(20);
    if (state !== 'not-enough-data') {
      const { measured, cells } = found as Decided;
      expect(Number.isFinite(measured.value)).toBe(true);
      if (measured.interval !== undefined) {
        expect(measured.interval.low).toBeLessThanOrEqual(measured.value);
        expect(measured.interval.high).toBeGreaterThanOrEqual(measured.value);
      }
      expect(cells.length).toBeGreaterThan(0);
    }
    const ids = new Set([...stored.records, ...stored.measurements].map((r) => r.id));
    for (const { ids: used } of found.cells) for (const id of used) expect(ids.has(id)).toBe(true);
  });

  test('is decided for every device by itself', () => {
    const two = merged(at(scenarios[name].confirmed, 'first'), at(scenarios[name].refuted, 'second'));
    expect(of(name, two).map(({ place, verdict: { state } }) => [place?.adapter, state])).toEqual([['first', 'confirmed'], ['second', 'refuted']]);
  });

  test('half of what it takes on one device and half on another decides nothing', () => {
    const { records, measurements } = scenarios[name].confirmed;
    const first = (r: RunRecord | Measurement) => ('point' in r ? r.point.model : `${r.measure.workload} ${String(r.measure.options['model'])}`);
    const kinds = [...new Set([...records, ...measurements].map(first))];
    // what one model or op alone tells of
    if (kinds.length === 1) return;
    const half = (which: boolean): Stored => ({ records: records.filter((r) => (first(r) === kinds[0]) === which), measurements: measurements.filter((m) => (first(m) === kinds[0]) === which) });
    for (const { verdict: { state } } of of(name, merged(at(half(true), 'first'), at(half(false), 'second')))) expect(state).toBe('not-enough-data');
  });

  test('without data it is undecided once, and nothing is made up', () => {
    expect(verdict(name, runs())).toEqual({ state: 'not-enough-data', evidence: expect.any(String), cells: [] });
  });

  test('runs and costs that did not end well, and those of peers, decide nothing', () => {
    const { records, measurements } = scenarios[name].confirmed;
    const failed: Stored = {
      records: records.map((r) => ({ ...r, outcome: { state: 'diverged' } })),
      measurements: measurements.map((m) => ({ ...m, outcome: { state: 'out-of-memory' }, samples: [] })),
    };
    const peers = costs(...measurements.map((m) => ({ ...m, measure: { ...m.measure, options: { ...m.measure.options, implementation: 'einsum' } } })));
    for (const stored of [failed, peers]) expect(verdict(name, stored)).toMatchObject({ state: 'not-enough-data', cells: [] });
  });
});

describe('differences of accuracy', () => {
  const name = 'mamba2-beats-mamba1';
  test('of single seeds have to be large, and say that they are of single seeds', () => {
    for (const [a, b, state] of [[0.8, 0.5, 'confirmed'], [0.55, 0.5, 'not-enough-data'], [0.5, 0.55, 'not-enough-data'], [0.5, 0.8, 'refuted']] as const) {
      const found = verdict(name, merged(mamba('mamba2', 16, [a]), mamba('mamba1', 16, [b])));
      expect(found.state).toBe(state);
      expect(found.measured).not.toHaveProperty('interval');
      expect(found.evidence).toContain('One seed a cell');
    }
  });

  test('compare nothing but the same N, width, data and budget', () => {
    const one = mamba('mamba2', 16, [0.9, 0.9]);
    for (const point of [{ dModel: 128 }, { epochs: 2 }, { train: [{ options: { seqLen: 64, pairs: 8 }, examples: 2048 }] }, { layers: 4 }]) {
      expect(verdict(name, merged(one, mamba('mamba1', 16, [0.2, 0.2], { point }))).cells).toEqual([]);
    }
    expect(verdict(name, merged(one, mamba('mamba1', 64, [0.2, 0.2]))).cells).toEqual([]);
    expect(verdict(name, merged(cell('mamba2', { dState: 16 }, [0.9, 0.9], { point: { task: 'parity' } }), cell('mamba1', { dState: 16 }, [0.2, 0.2], { point: { task: 'parity' } }))).cells).toEqual([]);
  });

  test('take the learning rate that is best on validation, whatever its test accuracy', () => {
    const at = (lr: number, validation: number, accuracy: number) => madeUpRecord({ point: { model: 'mamba1', modelOptions: { dState: 16 }, lr }, validation, accuracy });
    const found = verdict(name, merged(mamba('mamba2', 16, [0.8]), runs(at(1e-3, 0.5, 0.4), at(1e-2, 0.4, 0.9))));
    expect(found).toMatchObject({ state: 'confirmed', measured: { value: 0.4 } });
    expect(found.evidence).toContain('Learning rates tried: 1 against 2.');
  });

  test('that both solve, or neither has learnt, tell nothing', () => {
    for (const [a, b] of [[1, 0.995], [0.01, 0.02], [0.17, 0.125]]) {
      const found = verdict(name, merged(mamba('mamba2', 16, [a, a]), mamba('mamba1', 16, [b, b])));
      expect(found).toMatchObject({ state: 'not-enough-data', evidence: expect.stringContaining('nothing can be told') });
      expect(found).not.toHaveProperty('measured');
    }
  });

  test('turned round in one setting refute what is better on average, with several seeds', () => {
    const wide = { point: { dModel: 128 } };
    const most = merged(mamba('mamba2', 16, [0.9, 0.9]), mamba('mamba1', 16, [0.2, 0.2]));
    expect(verdict(name, merged(most, mamba('mamba2', 16, [0.5, 0.5], wide), mamba('mamba1', 16, [0.8, 0.8], wide))).state).toBe('refuted');
    expect(verdict(name, merged(most, mamba('mamba2', 16, [0.5], wide), mamba('mamba1', 16, [0.8], wide))).state).toBe('not-enough-data');
  });
});

describe('times', () => {
  test('more than was published is confirmed and told as more; short lengths are told and do not count', () => {
    const found = verdict('ssd-faster-than-scan', merged(both(3, 1, 4096), both(12, 1, 8192), both(1, 1, 512)));
    expect(found.state).toBe('confirmed');
    expect(found.evidence).toContain('above 8 at 8,192 forward');
    expect(found.evidence).toContain('Shorter, not counted: 1 times as long forward (512)');
    expect(verdict('ssd-faster-than-scan', both(3, 1)).evidence).toContain('all within 2 to 8');
    expect(verdict('ssd-faster-than-scan', both(1.5, 1)).evidence).toContain('below 2 at 4,096 forward');
  });

  test('of one repetition say so', () => {
    const lone = merged(op('selective-scan', { seqLen: 4096 }, 4, { repetitions: 1 }), op('ssd', { seqLen: 4096 }, 1, { repetitions: 1 }));
    const found = verdict('ssd-faster-than-scan', lone) as Decided;
    expect(found.evidence).toContain('One repetition each');
    expect(found.measured.interval!.low).toBeCloseTo(4 * (0.99 / 1.01));
  });

  test('a line that still steepens is no line that grows too slowly', () => {
    const bending = merged(...[512, 1024, 2048, 4096, 8192].map((seqLen) => op('causal-attention', { seqLen }, 10 + (seqLen / 1024) ** 2)));
    const found = verdict('growth-with-length', merged(over('ssd', 1), bending));
    expect(found).toMatchObject({ state: 'not-enough-data', evidence: expect.stringContaining('still steepening, not counted') });
    const straight = over('causal-attention', 1.5);
    expect(verdict('growth-with-length', merged(over('ssd', 1), straight)).state).toBe('refuted');
  });

  test('where attention is passed is told by length', () => {
    const all = merged(against(0.5, 1, 512), against(0.9, 1, 1024), against(1.5, 1, 2048), against(3, 1, 4096));
    expect(verdict('ssd-passes-attention', all).evidence).toContain('SSD takes less time forward from 2,048 on.');
  });

  test('precision and threads are places of their own', () => {
    const mixed = both(4, 1).measurements.map((m) => ({ ...m, measure: { ...m.measure, precision: 'mixed' as const } }));
    expect(of('ssd-faster-than-scan', merged(both(1.5, 1), costs(...mixed))).map(({ place, verdict: { state } }) => [place?.precision, state])).toEqual([['fp32', 'refuted'], ['mixed', 'confirmed']]);
  });
});

describe('shown', () => {
  const evil = 'GPU <b>|`x`</b> & "co"';
  const decisions = decideClaims(merged(everything, at(scenarios['ssd-faster-than-scan'].refuted, evil)));

  test('Markdown has every claim with source, rule, verdict and command, and no markup of strangers', () => {
    const text = claimsMarkdown(decisions);
    for (const { needs } of Object.values(claims)) expect(text).toContain(`\`${needs}\``);
    expect(text.match(/^Rule: /gm)).toHaveLength(names.length);
    expect(text).not.toContain('<b>');
    // the table has four columns in every row
    const rows = text.split('\n').filter((line) => line.startsWith('| '));
    expect(rows).toHaveLength(decisions.length + 2);
    for (const row of rows) expect(row.replaceAll('\\|', '').split('|')).toHaveLength(6);
  });

  test('HTML is a section with every verdict, and text in it is text', () => {
    const { id, title, html } = claimsHtml(decisions);
    expect([id, title]).toEqual(['claims', expect.any(String)]);
    expect(html).not.toContain('<b>');
    expect(html).toContain('GPU &lt;b&gt;|`x`&lt;/b&gt; &amp; &quot;co&quot;');
    expect(html.match(/<tr class="(confirmed|refuted|not-enough-data)">/g)).toHaveLength(decisions.length);
    for (const tag of ['table', 'tbody', 'tr', 'td', 'details', 'p', 'code']) expect(html.split(`<${tag}`).length, tag).toBe(html.split(`</${tag}>`).length);
  });
});
