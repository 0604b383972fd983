/** The page as text: it says what it was given, runs nothing that was in the data, and asks the network for nothing. Needs `npm run build:page`. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import type { Figure } from '../figure.ts';
import { figures } from '../index.ts';
import { shellWord } from './command.ts';
import { htmlReport } from './report.ts';

const evil = '</script><script>alert("1")</script><!-- & \'x\' \u2028 <img src=x onerror=alert(2)>';
const records = [
  madeUpRecord({ point: { model: 'mamba2' }, appearance: { label: evil }, accuracy: 0.5 }),
  madeUpRecord({ point: { model: 'attention', seed: 1 }, state: 'crashed', reason: evil, sweep: 'one' }),
];
const measurements = [madeUpMeasurement({ measure: { workload: 'ssd', engine: 'wasm' }, samples: [1], state: 'done', sweep: evil })];
const figure: Figure = { ...figures['recall-vs-state'].build({ records, measurements: [] }), title: evil, notes: [evil] };
const page = htmlReport({ records, measurements }, [figure], {
  title: evil,
  sections: [{ id: 'claims', title: 'Claims & more', html: '<p id="own">a <b>verdict</b></p>' }],
  problems: [{ path: `runs/${evil}.jsonl`, line: 12, why: 'torn: the record breaks off' }],
  repeated: [records[0].id],
  skipped: [{ figure: 'roofline', why: `no measurements ${evil}` }],
});

/** What stands in the script elements of a page, and the page without that. */
function parts(html: string): { scripts: string[]; around: string } {
  const scripts = [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map((m) => m[1]);
  return { scripts, around: scripts.reduce((text, inside) => text.replace(inside, () => ''), html) };
}
const { scripts, around } = parts(page);

test('equal arguments give equal bytes', () => {
  expect(htmlReport({ records, measurements }, [figure]) === htmlReport({ records: [...records], measurements: [...measurements] }, [structuredClone(figure)])).toBe(true);
});

describe('what is in the data', () => {
  test('ends no script and is no element', () => {
    expect(scripts).toHaveLength(3);
    const [data, curves, code] = scripts;
    expect(JSON.parse(data)).toMatchObject({ runs: { rows: 2 }, measurements: { rows: 1 }, costs: { rows: 1 } });
    expect(JSON.stringify(JSON.parse(data))).toContain(JSON.stringify(evil).slice(1, -1));
    expect((JSON.parse(curves) as { runs: number[][] }).runs.map(([rows]) => rows)).toEqual([10, 10]);
    expect(code.includes('<!--')).toBe(false);
    expect(around).not.toMatch(/<script>alert|<img/);
    expect(around.match(/&lt;\/script&gt;&lt;script&gt;alert\(&quot;1&quot;\)/g)!.length).toBeGreaterThanOrEqual(5);
  });

  test('stands beside what others add', () => {
    expect(around).toContain('<p id="own">a <b>verdict</b></p>');
    expect(around).toMatch(/<a href="#claims"[^>]*>Claims &amp; more<\/a>/);
    expect(around).toContain('.jsonl:12: torn: the record breaks off');
    expect(around).toContain(`<a href="#run=${records[0].id}">`);
    expect(around).toContain('Not drawn: one figure');
  });
});

test('nothing is asked of a network, and the page forbids it to itself', () => {
  expect(around).toContain(`content="default-src 'none';`);
  expect(around).not.toMatch(/<[a-z][^>]*\s(?:src|srcset|action|poster)=|<link\b|@import|url\((?!data:)|href="(?!#)/);
  expect(/\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\(|EventSource/.exec(scripts[2])?.[0]).toBeUndefined();
});

test('a page of nothing says so', () => {
  const empty = parts(htmlReport({ records: [], measurements: [] }, [])).around;
  expect(empty).toContain('Nothing: every cell has all of its runs');
  expect(empty).not.toContain('data-table=');
});

test('the head says what there is, where and when', () => {
  for (const words of ['2: 1 crashed, 1 done', '<dt>Measurements</dt><dd>1, done</dd>', '<dd>mqar</dd>', 'no device, made-up, fp32', 'node 20', '2024-01-01, 00:00 – 00:01 UTC', 'one (1)']) expect(around).toContain(words);
});

test('words for a shell arrive as they are', () => {
  const word = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'\'"$`\\ \na!*~#-='.split('')) })).filter((s) => s !== '' && !s.includes('\0') && Buffer.from(s).toString() === s);
  fc.assert(
    fc.property(fc.array(word, { minLength: 20, maxLength: 40 }), (words) => {
      expect(execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(shellWord).join(' ')}`]).toString()).toBe(words.map((w) => `${w}\0`).join(''));
    }),
    { numRuns: 5 },
  );
});
