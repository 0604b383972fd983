/** The command `claims` as people run it. Needs `npm run build`. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '#core/package-info.ts';
import { claims } from '#reports/claims/index.ts';
import { formatLine } from '#results/line.ts';
import { madeUpRecord } from '#results/made-up.ts';

const entry = join(packageRoot, 'dist', 'cli', 'main.js');
let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'recallbench-claims-'));
  const run = (model: string, accuracy: number) => formatLine(madeUpRecord({ point: { model, modelOptions: { dState: 16 } }, accuracy }));
  writeFileSync(join(dir, 'store.jsonl'), `${run('mamba2', 0.9)}\n${run('mamba1', 0.3)}\n{"schema":1,"id":"torn`);
  writeFileSync(join(dir, 'foreign.jsonl'), 'hello\n');
  writeFileSync(join(dir, 'empty.jsonl'), '');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  code: number;
  out: string;
  err: string;
}

const run = (args: readonly string[]) =>
  new Promise<Ended>((resolve) => {
    execFile(process.execPath, [entry, ...args], { cwd: dir }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }));
  });

interface Told {
  claims: { name: string; needs: string; verdicts: { state: string; place?: { adapter: string }; measured?: { value: number }; evidence: string; cells: { ids: string[] }[] }[] }[];
  records: number;
  problems: { line: number }[];
}

describe('claims', () => {
  test('decides from a store, names what is lacking and how to get it, and ends with 0 whatever the verdicts', async () => {
    const { code, out, err } = await run(['claims', '--from', 'store.jsonl', '--markdown', 'paper/claims.md']);
    expect(code, err).toBe(0);
    expect(out).toMatch(/confirmed[^]*not enough[^]*Of 12 claims 1 is confirmed, 0 refuted, and for 11 there is not enough data\./);
    expect(out).toContain('$ recallbench sweep hybrid-small');
    expect(err).toMatch(/Warning: .*store\.jsonl:3: torn/);
    expect(readFileSync(join(dir, 'paper/claims.md'), 'utf8')).toContain('**confirmed**');
  });

  test('--json has every claim with its verdicts, numbers and the ids behind them', async () => {
    const { code, out } = await run(['claims', '--from', 'store.jsonl', '--json']);
    expect(code).toBe(0);
    const told = JSON.parse(out) as Told;
    expect(told.claims.map((c) => c.name)).toEqual(Object.keys(claims));
    expect(told).toMatchObject({ records: 2, problems: [{ line: 3 }] });
    expect(told.claims[0].verdicts).toMatchObject([{ state: 'confirmed', place: { adapter: 'no device', engine: 'made-up', precision: 'fp32' }, measured: { value: expect.closeTo(0.6) }, cells: [{ ids: [expect.any(String)] }, { ids: [expect.any(String)] }] }]);
  });

  test('--help has an example', async () => {
    const { code, out } = await run(['claims', '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/--markdown[^]*--json[^]*\$ recallbench claims/);
  });

  test.each<[string, string[], RegExp]>([
    ['a foreign store', ['--from', 'foreign.jsonl'], /^E_STORE: .*foreign\.jsonl is not a store/],
    ['a store that is not there', ['--from', 'nowhere.jsonl'], /^E_STORE: nowhere\.jsonl does not exist/],
    ['an empty store', ['--from', 'empty.jsonl'], /^E_STORE: there is no record in empty\.jsonl/],
    ['no store at all', [], /^E_STORE: there is no folder "runs" here/],
    ['Markdown under a file', ['--from', 'store.jsonl', '--markdown', 'store.jsonl/claims.md'], /E_OUTPUT: cannot write store\.jsonl\/claims\.md/],
  ])('%s ends with 2 and says what is wrong', async (_, args, message) => {
    const { code, err } = await run(['claims', ...args]);
    expect(err).toMatch(new RegExp(message.source, 'm'));
    expect(code).toBe(2);
  });

  test.each([...new Set(Object.values(claims).map((claim) => claim.needs))])('%s is a command that exists', async (needs) => {
    const [program, ...args] = needs.split(' ');
    expect(program).toBe('recallbench');
    const engine = args[0] === 'throughput' ? ['--engine', 'wasm'] : [];
    const { code, out, err } = await run([...args, ...engine, '--dry-run', '--json']);
    expect(code, err).toBe(0);
    expect((JSON.parse(out) as { missing: number }).missing).toBeGreaterThan(0);
    expect(existsSync(join(dir, 'runs'))).toBe(false);
  });
});
