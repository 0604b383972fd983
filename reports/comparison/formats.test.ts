/** Every output of a comparison through a real parser of its format, and against its schema. */
import { readFileSync } from 'node:fs';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { lexer, type Tokens } from 'marked';
import { describe, expect, test } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { z } from '#core/config.ts';
import { compareStores } from '#results/compare.ts';
import { defaultRules, type Comparison, type Row } from '#results/comparison.ts';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import { comparisonAction } from './action.ts';
import { comparisonBmf } from './bmf.ts';
import { comparisonJunit } from './junit.ts';
import { comparisonMarkdown, SUMMARY_LIMIT } from './markdown.ts';

/** A text with everything in it that some format takes for its own. */
const NASTY = 'a|b <c> & "d" \'e\' ]]> `f` *g* \u0000\u0007\uFFFF \uD800 ü 𝄞\nnew line';

const run = (model: string, seed: number, more: object = {}) => madeUpRecord({ point: { model, seed }, accuracy: 0.9, ...more });
const costs = (slow: number, from = 0) =>
  Array.from({ length: 10 }, (_, repetition) =>
    [64, 128, 256].map((seqLen, i) => madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen }, engine: 'wasm', threads: 1, repetition }, samples: [(i + 1) * (i === 1 ? slow : 1) * (1 + 0.001 * (from + repetition))], reference: [1], stateBytes: 4096, tokens: 64 })),
  ).flat();
const comparison: Comparison = compareStores(
  { records: [run('a', 0), run('a', 1), run('b', 0), run('gone', 0), run('c', 0)], measurements: costs(1) },
  { records: [run('a', 0), run('a', 1), run('b', 0, { state: 'crashed', reason: NASTY }), run('c', 0, { parameters: 7 }), run('newcomer', 0)], measurements: costs(1.5, 10) },
  defaultRules,
);

/** As many rows, with long names and strange characters. */
function large(rows: number): Comparison {
  const base = comparison.rows.find((r) => r.verdict === 'failed')!;
  return { ...comparison, notes: [NASTY], rows: Array.from({ length: rows }, (_, i): Row => ({ ...base, name: `${i} ${NASTY}`, verdict: i % 2 === 0 ? 'failed' : 'same', finding: i % 2 === 0, metrics: i % 2 === 0 ? base.metrics : [] })) };
}

test('the comparison that the formats are tried on has every kind of verdict', () => {
  expect(comparison.counts).toMatchObject({ failed: 1, worse: 1, changed: 1, missing: 1, new: 1 });
  expect(comparison.findings).toBe(4);
});

describe('JUnit', () => {
  const schema = readFileSync(new URL('./junit.xsd', import.meta.url), 'utf8');
  const validate = (xml: string) => validateXML({ xml: [{ fileName: 'compare.xml', contents: xml }], schema: [{ fileName: 'junit.xsd', contents: schema }] });
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', isArray: (name) => ['testsuite', 'testcase', 'property'].includes(name), trimValues: false });
  interface Case {
    name: string;
    classname: string;
    failure?: { message: string; type: string; '#text': string };
    skipped?: { message: string };
  }

  test('is valid XML and valid against the schema, whatever is in it', async () => {
    for (const each of [comparison, large(20), { ...comparison, rows: [] }]) {
      const xml = comparisonJunit(each, new Date('2026-01-02T03:04:05.678Z'));
      expect(XMLValidator.validate(xml)).toBe(true);
      expect(await validate(xml)).toMatchObject({ valid: true, errors: [] });
    }
    // the schema does refuse what is wrong
    expect((await validate(comparisonJunit(comparison, new Date(0)).replace(/classname="[^"]*"/, ''))).valid).toBe(false);
  });

  test('a finding is a failure with its metrics, and the counts are those of the cases', () => {
    const { testsuites } = parser.parse(comparisonJunit(comparison, new Date(0))) as { testsuites: { tests: string; failures: string; testsuite: { name: string; tests: string; failures: string; skipped: string; testcase: Case[] }[] } };
    const cases = testsuites.testsuite.flatMap((s) => s.testcase);
    expect(testsuites).toMatchObject({ tests: `${comparison.rows.length}`, failures: '4' });
    for (const suite of testsuites.testsuite) {
      expect(suite).toMatchObject({ tests: `${suite.testcase.length}`, failures: `${suite.testcase.filter((c) => c.failure).length}`, skipped: `${suite.testcase.filter((c) => c.skipped).length}` });
    }
    expect(cases.filter((c) => c.failure).map((c) => c.failure!.type).toSorted()).toEqual(['changed', 'failed', 'missing', 'worse']);
    expect(cases.find((c) => c.failure?.type === 'worse')!.failure!.message).toMatch(/^worse: time: worse, 2\.01 ms → 3\.0\d ms; 1\.5\d× \(.*p 0\.\d+/);
    expect(cases.filter((c) => c.skipped).map((c) => c.skipped!.message)).toEqual(['outcome: new, — → —; the baseline does not have it']);
    expect(new Set(cases.map((c) => `${c.classname} ${c.name}`)).size).toBe(cases.length);
  });
});

describe('Markdown', () => {
  const tables = (text: string) => lexer(text, { gfm: true }).filter((t): t is Tokens.Table => t.type === 'table');

  test('is tables of six columns, the gravest rows first, the rest folded away', () => {
    const [telling, rest] = tables(comparisonMarkdown(comparison));
    expect(telling.header.map((h) => h.text)).toEqual(['verdict', 'what', 'metric', 'baseline', 'candidate', 'change']);
    expect(telling.rows.map((r) => r[0].text)).toEqual(['failed', 'worse', 'changed', 'missing', 'new']);
    for (const row of [...telling.rows, ...rest.rows]) expect(row).toHaveLength(6);
    expect(rest.rows.length).toBeGreaterThan(1);
    const heading = lexer(comparisonMarkdown(comparison))[0] as Tokens.Heading;
    expect(heading).toMatchObject({ type: 'heading', depth: 2 });
    expect(heading.text).toMatch(/4 findings in \d+ rows: 1 failed, 1 worse, 1 changed, 1 missing, 1 new/);
  });

  test('strange characters stay inside one cell, as text', () => {
    const [table] = tables(comparisonMarkdown(large(4)));
    expect(table.rows).toHaveLength(2);
    for (const row of table.rows) {
      expect(row).toHaveLength(6);
      for (const cell of row) expect(cell.tokens.every((t) => ['text', 'escape'].includes(t.type))).toBe(true);
    }
  });

  test('is cut to the bytes there are, never inside a row, and says how much is left out', () => {
    const all = large(8000);
    for (const limit of [SUMMARY_LIMIT, 5000]) {
      const text = comparisonMarkdown(all, limit);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limit);
      const shown = tables(text).reduce((n, t) => n + t.rows.length, 0);
      expect(shown).toBeGreaterThan(0);
      expect(text).toContain(`${8000 - shown} rows are left out`);
      for (const row of tables(text).flatMap((t) => t.rows)) expect(row).toHaveLength(6);
    }
    expect(Buffer.byteLength(comparisonMarkdown(all, SUMMARY_LIMIT))).toBeGreaterThan(SUMMARY_LIMIT - 2000);
    expect(Buffer.byteLength(comparisonMarkdown(all, 300))).toBeLessThanOrEqual(300);
    expect(comparisonMarkdown(comparison)).not.toContain('left out');
  });
});

test('Bencher Metric Format: a number for every measure of every benchmark, and its bounds around it', () => {
  // bencher.dev/docs/reference/bencher-metric-format
  const metric = z.strictObject({ value: z.number(), lower_value: z.number().optional(), upper_value: z.number().optional() });
  const schema = z.record(z.string().min(1).max(1024), z.record(z.string().regex(/^[a-z0-9-]{1,64}$/), metric));
  const bmf = schema.parse(JSON.parse(JSON.stringify(comparisonBmf(comparison))));
  const slow = bmf[Object.keys(bmf).find((k) => k.includes('seqLen=128'))!];
  expect(slow).toMatchObject({ 'state-bytes': { value: 4096 }, 'peak-bytes': { value: 1024 } });
  expect(slow['latency'].value).toBeCloseTo(3.0435e6, -2); // nanoseconds
  for (const { value, lower_value = value, upper_value = value } of Object.values(bmf).flatMap((b) => Object.values(b))) {
    expect(lower_value).toBeLessThanOrEqual(value);
    expect(upper_value).toBeGreaterThanOrEqual(value);
  }
  const a = bmf[Object.keys(bmf).find((k) => k.startsWith('a ') && k.includes('lr='))!];
  expect(a).toMatchObject({ accuracy: { value: 0.9 }, parameters: { value: 100_000 } });
  expect(Object.values(bmf).some((b) => b['throughput'] !== undefined)).toBe(true);
});

test('github-action-benchmark: a list of values with units, each once, smaller is better', () => {
  const schema = z.array(z.strictObject({ name: z.string().min(1), unit: z.string().min(1), value: z.number(), range: z.string().optional(), extra: z.string().optional() }));
  const list = schema.parse(JSON.parse(JSON.stringify(comparisonAction(comparison))));
  expect(new Set(list.map((b) => b.name)).size).toBe(list.length);
  const of = (part: string, what: string) => list.find((b) => b.name.includes(part) && b.name.endsWith(`: ${what}`));
  expect(of('seqLen=128', 'time')).toMatchObject({ unit: 'ms', value: expect.closeTo(3.0435, 3), range: expect.stringMatching(/^± 0\.0\d+$/) });
  expect(of('a ', 'test errors')).toMatchObject({ unit: '%', value: expect.closeTo(10, 9) });
  expect(of('a ', 'training time')).toMatchObject({ unit: 'µs/token', value: expect.closeTo(10, 9) });
});

test('names do not depend on what stands beside them', () => {
  const alone = compareStores({ records: [], measurements: costs(1).slice(0, 1) }, { records: [], measurements: costs(1).slice(0, 1) }, defaultRules);
  expect(comparison.rows.map((r) => r.fullName)).toContain(alone.rows[0].fullName);
  expect(alone.rows[0].name).toBe('ssd');
});
