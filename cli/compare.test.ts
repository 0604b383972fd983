/** `compare` and `baseline` of the built command line, as people and continuous integration run them. Needs `npm run build`. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XMLValidator } from 'fast-xml-parser';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '#core/package-info.ts';
import { rng } from '#core/random.ts';
import type { Comparison } from '#results/comparison.ts';
import { formatLine, type StoredRecord } from '#results/line.ts';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import { measurementSchema, type Measurement } from '#results/measurement.ts';

const entry = join(packageRoot, 'dist', 'cli', 'main.js');
const root = mkdtempSync(join(tmpdir(), 'recallbench-compare-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = () => {
  const path = join(root, `${folders++}`);
  mkdirSync(path);
  return path;
};

function run(args: readonly string[], cwd: string, env: Record<string, string> = {}): { code: number | null; out: string; err: string } {
  const { GITHUB_STEP_SUMMARY: _, ...own } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { cwd, env: { ...own, ...env }, encoding: 'utf8', timeout: 120_000 });
  return { code: status, out: stdout, err: stderr };
}

const write = (path: string, records: readonly StoredRecord[]) => writeFileSync(path, records.map((r) => `${formatLine(r)}\n`).join(''));
const times = (slow: number, adapter?: string) =>
  Array.from({ length: 10 }, (_, repetition) =>
    [64, 128].map((seqLen) => madeUpMeasurement({ measure: { workload: 'ssd', options: { seqLen }, engine: 'wasm', threads: 1, repetition }, samples: [(seqLen === 64 ? slow : 1) * (1 + 0.02 * rng(7).fork(`${slow}`).fork(`${seqLen} ${repetition}`).uniform())], reference: [1], ...(adapter === undefined ? {} : { adapter }) })),
  ).flat();
const trained = (accuracy: number) => madeUpRecord({ point: { model: 'mamba2' }, accuracy });

/** A folder with a baseline, a candidate that is slower and one that is not. */
function stores(): string {
  const dir = folder();
  write(join(dir, 'baseline.jsonl'), [trained(0.9), ...times(1)]);
  write(join(dir, 'same.jsonl'), [trained(0.9), ...times(1.01)]);
  write(join(dir, 'slow.jsonl'), [trained(0.5), ...times(1.3)]);
  return dir;
}

describe('compare', () => {
  test('exit code 0 without a finding, 1 with one; the table, the note and the JSON say which', () => {
    const dir = stores();
    const same = run(['compare', 'baseline.jsonl', 'same.jsonl'], dir);
    expect(same.code, same.err).toBe(0);
    expect(same.out).toMatch(/No finding in 4 rows: 4 same\. 4 that are the same are not shown \(--all\)\./);
    const slow = run(['compare', 'baseline.jsonl', 'slow.jsonl'], dir);
    expect(slow.code).toBe(1);
    expect(slow.out).toMatch(/worse .*mamba2.* test accuracy .*90 % .*50 % .*−40\.0 points/);
    expect(slow.out).toMatch(/worse .*ssd seqLen=64.* time .*1\.3\d?×/);
    const json = JSON.parse(run(['compare', 'baseline.jsonl', 'slow.jsonl', '--json'], dir).out) as Comparison;
    expect(json).toMatchObject({ findings: 2, counts: { worse: 2, same: 2 }, rules: { threshold: 0.08, alpha: 0.05 } });
    expect(run(['compare', 'baseline.jsonl', 'slow.jsonl', '--threshold', '50', '--accuracy-tolerance', '50', '--loss-tolerance', '900'], dir).code).toBe(0);
  });

  test('writes every format, and goes on with the summary of a job where there is one', () => {
    const dir = stores();
    writeFileSync(join(dir, 'summary.md'), 'before\n');
    const formats = ['--junit', 'out/c.xml', '--bmf', 'out/c.bmf.json', '--action-benchmark', 'out/c.action.json'];
    const { code, err } = run(['compare', 'baseline.jsonl', 'slow.jsonl', ...formats], dir, { GITHUB_STEP_SUMMARY: join(dir, 'summary.md') });
    expect(code, err).toBe(1);
    const text = (name: string) => readFileSync(join(dir, name), 'utf8');
    expect(XMLValidator.validate(text('out/c.xml'))).toBe(true);
    expect(text('out/c.xml').match(/<failure /g)).toHaveLength(2);
    expect(Object.keys(JSON.parse(text('out/c.bmf.json')) as object).length).toBe(4);
    expect((JSON.parse(text('out/c.action.json')) as unknown[]).length).toBeGreaterThan(4);
    expect(text('summary.md')).toMatch(/^before\n## recallbench compare: 2 findings/);
    expect(err).toMatch(/Written: .*summary\.md/);
    run(['compare', 'baseline.jsonl', 'slow.jsonl', '--markdown', 'own.md'], dir, { GITHUB_STEP_SUMMARY: join(dir, 'summary.md') });
    expect(text('own.md')).toMatch(/^## recallbench compare/);
    expect(text('summary.md').match(/## recallbench/g)).toHaveLength(1);
  });

  test('exit code 3 where it cannot be compared, 2 for wrong usage', () => {
    const dir = stores();
    write(join(dir, 'elsewhere.jsonl'), times(1, 'another device'));
    write(join(dir, 'other.jsonl'), [madeUpRecord({ point: { model: 'attention' } })]);
    const elsewhere = run(['compare', 'baseline.jsonl', 'elsewhere.jsonl'], dir);
    expect(elsewhere).toMatchObject({ code: 3, out: '' });
    expect(elsewhere.err).toMatch(/E_COMPARE: .*adapter "no device" and "another device".*--allow-different-device/);
    expect(run(['compare', 'baseline.jsonl', 'elsewhere.jsonl', '--allow-different-device', '--allow-missing'], dir).code).toBe(0);
    expect(run(['compare', 'baseline.jsonl', 'other.jsonl'], dir).code).toBe(3);
    for (const [args, complaint] of [[['nowhere.jsonl', 'same.jsonl'], /E_STORE: nowhere\.jsonl does not exist/], [['main:no.jsonl', 'same.jsonl'], /E_STORE: main:no\.jsonl is neither a path nor/], [['baseline.jsonl'], /E_CONFIG/], [['baseline.jsonl', 'same.jsonl', '--alpha', '2'], /E_CONFIG: --alpha/], [['baseline.jsonl', 'same.jsonl', '--junit', 'baseline.jsonl/x.xml'], /E_OUTPUT/]] as const) {
      const { code, err } = run(['compare', ...args], dir);
      expect(err).toMatch(complaint);
      expect(code).toBe(2);
    }
  });

  test('against a committed baseline, which "baseline update" wrote', () => {
    const dir = stores();
    const git = (...args: string[]) => expect(spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'init.defaultBranch=main', ...args], { cwd: dir, encoding: 'utf8' })).toMatchObject({ status: 0 });
    const update = run(['baseline', 'update', '--from', 'baseline.jsonl'], dir);
    expect(update).toMatchObject({ code: 0, out: 'results/baseline.jsonl: 21 records added, 0 replaced, 0 unchanged, 0 kept from before.\n' });
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'baseline');
    expect(JSON.parse(run(['baseline', 'update', '--from', 'slow.jsonl', '--json'], dir).out)).toEqual({ baseline: 'results/baseline.jsonl', added: 0, replaced: 21, unchanged: 0, kept: 0, dropped: 0 });
    expect(run(['compare', 'main:results/baseline.jsonl', 'slow.jsonl'], dir).code).toBe(1);
    expect(run(['compare', 'results/baseline.jsonl', 'slow.jsonl'], dir).code).toBe(0);
    expect(run(['baseline', 'renew'], dir)).toMatchObject({ code: 2, err: expect.stringContaining('unknown action "renew". Known: update.') });
    expect(run(['baseline', 'update'], dir)).toMatchObject({ code: 2, err: expect.stringContaining('there is no folder "runs" here') });
  });

  test.each(['compare', 'baseline'])('%s --help has an example', (command) => {
    const { code, out } = run([command, '--help'], root);
    expect(code).toBe(0);
    expect(out).toContain(`$ recallbench ${command}`);
  });
});

describe('compare --confirm', () => {
  test('reruns only what is suspicious, here, and takes back a slowdown that fresh samples do not show', () => {
    const dir = folder();
    writeFileSync(join(dir, 'ops.json'), JSON.stringify({ name: 'ops', repetitions: 8, seconds: 0.02, roofs: false, figures: [], grids: [{ base: { workload: 'ssd', options: { heads: 1, headDim: 8, dState: 4 } }, axes: [{ 'options.seqLen': [16, 32, 64] }] }] }));
    const measure = run(['throughput', 'ops.json', '--engine', 'wasm', '--threads', '1', '--out', 'baseline.jsonl'], dir);
    expect(measure.code, measure.err).toBe(0);
    const measured = readFileSync(join(dir, 'baseline.jsonl'), 'utf8').trim().split('\n').map((l) => measurementSchema.parse(JSON.parse(l)));
    // what was measured, but for one cell that a candidate claims to be twice as slow
    const claimed = (factor: number) => measured.map((m): Measurement => (m.measure.options['seqLen'] === 32 ? { ...m, samples: m.samples.map((ms) => factor * ms) } : m));
    write(join(dir, 'claimed.jsonl'), claimed(2));
    expect(run(['compare', 'baseline.jsonl', 'claimed.jsonl'], dir).code).toBe(1);
    const confirmed = run(['compare', 'baseline.jsonl', 'claimed.jsonl', '--confirm', '--seconds', '0.02', '--threshold', '50', '--json'], dir);
    expect(confirmed.code, confirmed.err).toBe(0);
    expect(confirmed.err).toMatch(/Running 10 suspicious ones again, into claimed\.jsonl/);
    const { rows, reran } = JSON.parse(confirmed.out) as Comparison & { reran: number };
    expect(reran).toBe(10);
    const row = rows.find((r) => r.name.endsWith('seqLen=32'))!;
    expect(row.metrics.find((m) => m.metric === 'time')).toMatchObject({ verdict: 'same', noisy: { samples: [8, 18], suspicious: false } });
    expect(readFileSync(join(dir, 'claimed.jsonl'), 'utf8').trim().split('\n')).toHaveLength(34);

    // a baseline that is really faster: fresh samples say so too
    copyFileSync(join(dir, 'baseline.jsonl'), join(dir, 'candidate.jsonl'));
    write(join(dir, 'fast.jsonl'), claimed(0.25));
    const real = run(['compare', 'fast.jsonl', 'candidate.jsonl', '--confirm', '8', '--seconds', '0.02', '--threshold', '50', '--json'], dir);
    expect(real.code, real.err).toBe(1);
    expect((JSON.parse(real.out) as Comparison).rows.find((r) => r.finding)!.metrics.find((m) => m.metric === 'time')!.why).toBe('8 fresh samples confirm it');
    // nothing suspicious, nothing run
    expect(JSON.parse(run(['compare', 'baseline.jsonl', 'baseline.jsonl', '--confirm', '--json'], dir).out)).toMatchObject({ reran: 0, findings: 0 });
  });

  test('elsewhere than where the candidate was made it ends with 3', () => {
    const dir = stores();
    const { code, err } = run(['compare', 'baseline.jsonl', 'slow.jsonl', '--confirm'], dir);
    expect(code).toBe(3);
    expect(err).toMatch(/E_COMPARE: --confirm reruns cells of the candidate here/);
  });
});

test('the workflow is YAML whose steps call commands and options that exist', () => {
  const path = join(packageRoot, '.github/workflows/recallbench.yml');
  if (!existsSync(path)) return; // an installed package has no workflow
  const workflow = parse(readFileSync(path, 'utf8')) as { on: object; jobs: Record<string, { steps: { run?: string; uses?: string }[] }> };
  expect(Object.keys(workflow.on)).toEqual(['pull_request', 'push', 'workflow_dispatch']);
  const steps = Object.values(workflow.jobs).flatMap((j) => j.steps);
  for (const step of steps) expect(step.run ?? step.uses).toMatch(step.run === undefined ? /^actions\/[\w-]+@v\d+$/ : /\S/);
  const commands = steps.flatMap((s) => [...(s.run ?? '').matchAll(/npx recallbench (\w+)([^|;&\n]*)/g)].map((m) => ({ command: m[1], options: [...m[2].matchAll(/ (--[\w-]+)/g)].map((o) => o[1]) })));
  expect(commands.map((c) => c.command)).toEqual(expect.arrayContaining(['sweep', 'throughput', 'compare', 'report']));
  for (const command of new Set(commands.map((c) => c.command))) {
    const { out } = run([command, '--help'], root);
    for (const option of commands.filter((c) => c.command === command).flatMap((c) => c.options)) expect(out).toContain(option);
  }
});
