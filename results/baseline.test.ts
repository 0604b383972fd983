import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { updateBaseline } from './baseline.ts';
import { readNamed } from './committed.ts';
import { formatLine, type StoredRecord } from './line.ts';
import { madeUpMeasurement, madeUpRecord } from './made-up.ts';

const root = mkdtempSync(join(tmpdir(), 'recallbench-baseline-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const folder = () => {
  const path = join(root, `${made++}`);
  mkdirSync(path);
  return path;
};
const write = (path: string, records: readonly StoredRecord[]) => writeFileSync(path, records.map((r) => `${formatLine(r)}\n`).join(''));
const run = (seed: number, more: object = {}) => madeUpRecord({ point: { model: 'm', seed }, ...more });
const time = (repetition: number, ms: number, adapter?: string) => madeUpMeasurement({ measure: { workload: 'ssd', engine: 'wasm', threads: 1, repetition }, samples: [ms], ...(adapter === undefined ? {} : { adapter }) });

describe('updating a baseline', () => {
  test('the newest record of each id and device, in place of the old one; the rest stays', () => {
    const dir = folder();
    const [a, b, to] = ['a.jsonl', 'b.jsonl', 'new/baseline.jsonl'].map((n) => join(dir, n));
    write(a, [run(0), run(1), time(0, 1), time(0, 2, 'another')]);
    expect(updateBaseline([a], to)).toEqual({ added: 4, replaced: 0, unchanged: 0, kept: 0, dropped: 0 });
    expect(readNamed(to)).toMatchObject({ records: [run(0), run(1)], measurements: [time(0, 1), time(0, 2, 'another')], problems: [] });
    const newer = run(1, { accuracy: 0.7, finishedAt: '2025-01-01T00:00:00Z' });
    write(b, [run(0), newer, run(1), time(0, 3)]);
    expect(updateBaseline([b], to)).toEqual({ added: 0, replaced: 2, unchanged: 1, kept: 1, dropped: 0 });
    const after = readNamed(to);
    expect(after.records).toEqual([run(0), newer]);
    expect(after.measurements.map((m) => m.samples)).toEqual([[3], [2]]);
    expect(readdirSync(join(dir, 'new'))).toEqual(['baseline.jsonl']);
  });

  test('an older record than the baseline’s replaces it all the same: it was asked for', () => {
    const dir = folder();
    const [from, to] = [join(dir, 'from.jsonl'), join(dir, 'to.jsonl')];
    write(to, [run(0, { finishedAt: '2026-01-01T00:00:00Z' })]);
    write(from, [run(0)]);
    expect(updateBaseline([from], to)).toMatchObject({ replaced: 1 });
    expect(readNamed(to).records).toEqual([run(0)]);
  });

  test('fewer repetitions than before leave none of the old ones among them', () => {
    const dir = folder();
    const [from, to] = [join(dir, 'from.jsonl'), join(dir, 'to.jsonl')];
    write(to, [time(0, 1), time(1, 1), time(2, 1), time(2, 1, 'another')]);
    write(from, [time(0, 2), time(1, 2)]);
    expect(updateBaseline([from], to)).toEqual({ added: 0, replaced: 2, unchanged: 0, kept: 1, dropped: 1 });
    expect(readNamed(to).measurements.map((m) => [m.device.adapter, m.samples[0]])).toEqual([['no device', 2], ['no device', 2], ['another', 1]]);
  });

  test('damaged and crashed ones are refused, and nothing is written; a run that diverges may be expected', () => {
    const dir = folder();
    const [from, to] = [join(dir, 'from.jsonl'), join(dir, 'to.jsonl')];
    write(from, [run(0), run(1, { state: 'diverged' })]);
    updateBaseline([from], to);
    const before = readFileSync(to, 'utf8');
    appendFileSync(from, formatLine(run(2)).slice(0, 100));
    expect(() => updateBaseline([from], to)).toThrow(/E_STORE: a line is damaged.*from\.jsonl:3: torn.*nothing was written/);
    write(from, [run(0), run(1, { state: 'crashed', reason: 'SIGKILL' })]);
    expect(() => updateBaseline([from], to)).toThrow(/E_STORE: 1 of 2 records did not end well \(\w+: crashed, SIGKILL\)/);
    expect(() => updateBaseline([join(dir, 'nowhere.jsonl')], to)).toThrow(/E_STORE.*does not exist/);
    write(from, []);
    expect(() => updateBaseline([from], to)).toThrow(/E_STORE: there is no record/);
    expect(readFileSync(to, 'utf8')).toBe(before);
    write(from, [run(0)]);
    writeFileSync(to, 'Dear diary\n');
    expect(() => updateBaseline([from], to)).toThrow(/E_STORE.*not a store/);
    expect(readFileSync(to, 'utf8')).toBe('Dear diary\n');
    expect(() => updateBaseline([from], join(from, 'under-a-file.jsonl'))).toThrow(/E_OUTPUT/);
    expect(readdirSync(dir).toSorted()).toEqual(['from.jsonl', 'to.jsonl']);
  });
});

describe('stores in git', () => {
  const dir = folder();
  const git = (...args: string[]) => {
    const { status, stderr } = spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'init.defaultBranch=main', ...args], { cwd: dir, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  };
  git('init', '-q');
  mkdirSync(join(dir, 'results'));
  write(join(dir, 'results/baseline.jsonl'), [run(0), time(0, 1), time(0, 2, 'another')]);
  writeFileSync(join(dir, 'notes.txt'), 'no store\n');
  git('add', '.');
  git('commit', '-qm', 'one');
  git('tag', 'v1');
  write(join(dir, 'results/baseline.jsonl'), [run(1)]);
  appendFileSync(join(dir, 'results/baseline.jsonl'), '{"schema":1,"id":"x');
  git('commit', '-qam', 'two');

  // names are relative to the repository of the current folder, and a test process has one of its own
  const within = <T>(f: () => T): T => {
    const before = process.cwd();
    process.chdir(dir);
    try {
      return f();
    } finally {
      process.chdir(before);
    }
  };

  test('a revision and a path: the file as it was committed, a folder of them, a path relative to where one stands', () => {
    within(() => {
      expect(readNamed('v1:results/baseline.jsonl')).toMatchObject({ records: [run(0)], measurements: [{}, {}], problems: [] });
      expect(readNamed('HEAD~1:results').records).toEqual([run(0)]);
      expect(readNamed('v1:./results/baseline.jsonl').records).toEqual([run(0)]);
      const now = readNamed('main:results/baseline.jsonl');
      expect(now).toMatchObject({ records: [run(1)], problems: [{ path: 'main:results/baseline.jsonl', line: 2 }] });
      expect(readNamed('results/baseline.jsonl').records).toEqual([run(1)]);
    });
  });

  test('no such revision, no such file, a file that is no store, no repository, no git', () => {
    within(() => {
      expect(() => readNamed('nowhere:results/baseline.jsonl')).toThrow(/E_STORE: nowhere:results\/baseline\.jsonl is neither a path nor a file that git knows.*git fetch/);
      expect(() => readNamed('v1:results/other.jsonl')).toThrow(/E_STORE.*does not exist in 'v1'|E_STORE.*neither a path/);
      expect(() => readNamed('v1:notes.txt')).toThrow(/E_STORE: v1:notes\.txt is not a store/);
      const path = process.env['PATH'];
      process.env['PATH'] = '/nowhere';
      try {
        expect(() => readNamed('v1:results/baseline.jsonl')).toThrow(/E_STORE.*git cannot be started.*Install git/);
      } finally {
        process.env['PATH'] = path;
      }
    });
    expect(() => readNamed('nowhere.jsonl')).toThrow(/E_STORE: nowhere\.jsonl does not exist/);
    expect(existsSync(join(dir, '.git'))).toBe(true);
  });
});
