/** A comparison as JUnit XML (the form that Jenkins, GitLab and GitHub actions read): a suite for each kind of row, a test case for each row. */
import type { Comparison, Row } from '#results/comparison.ts';
import { changeText, metricNames, rulesText, valueText } from './words.ts';

const suites: readonly { readonly kind: Row['kind']; readonly name: string }[] = [
  { kind: 'run', name: 'recallbench.runs' },
  { kind: 'speed', name: 'recallbench.speeds' },
  { kind: 'cost', name: 'recallbench.costs' },
  { kind: 'machine', name: 'recallbench.machine' },
];

/** A finding is a failure; a row that only one side has, where that is none, is skipped. `timestamp` is when it was compared. */
export function comparisonJunit(comparison: Comparison, timestamp: Date): string {
  const lines = suites.flatMap(({ kind, name }) => {
    const rows = comparison.rows.filter((r) => r.kind === kind);
    if (rows.length === 0) return [];
    const attributes = { name, tests: rows.length, failures: failures(rows), errors: 0, skipped: rows.filter(isSkipped).length, timestamp: timestamp.toISOString().slice(0, 19) };
    return [
      `  <testsuite${written(attributes)}>`,
      ...(comparison.notes.length === 0 ? [] : ['    <properties>', ...comparison.notes.map((value) => `      <property${written({ name: 'note', value })}/>`), `      <property${written({ name: 'rules', value: rulesText(comparison) })}/>`, '    </properties>']),
      ...rows.flatMap((row) => testCase(row, name)),
      '  </testsuite>',
    ];
  });
  const all = { name: 'recallbench compare', tests: comparison.rows.length, failures: failures(comparison.rows), errors: 0 };
  return ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites${written(all)}>`, ...lines, '</testsuites>', ''].join('\n');
}

function testCase(row: Row, classname: string): string[] {
  const metrics = row.metrics.map((m) => [`${metricNames[m.metric]}: ${m.verdict}, ${valueText(m.metric, m.baseline)} → ${valueText(m.metric, m.candidate)}`, changeText(m), m.why ?? ''].filter((t) => t !== '').join('; '));
  const worst = row.metrics.findIndex((m) => m.verdict === row.verdict);
  return [
    `    <testcase${written({ classname, name: row.fullName })}>`,
    ...(row.finding ? [`      <failure${written({ message: `${row.verdict}: ${metrics[worst]}`, type: row.verdict })}>${escaped(metrics.join('\n'))}</failure>`] : []),
    ...(isSkipped(row) ? [`      <skipped${written({ message: metrics[worst] })}/>`] : []),
    `      <system-out>${escaped(metrics.join('\n'))}</system-out>`,
    '    </testcase>',
  ];
}

const failures = (rows: readonly Row[]) => rows.filter((r) => r.finding).length;

const isSkipped = (row: Row) => !row.finding && (row.verdict === 'missing' || row.verdict === 'new');

function written(attributes: Readonly<Record<string, string | number>>): string {
  return Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${escaped(`${value}`).replace(/\s/g, ' ')}"`)
    .join('');
}

/** Text of XML 1.0, which has no place for most control characters, lone surrogates and two non-characters. */
function escaped(text: string): string {
  // by way of bytes, lone surrogates become U+FFFD
  return Buffer.from(text)
    .toString()
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}
