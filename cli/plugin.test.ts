/** Plugins as people use them: the example of docs/plugins.md, copied out of the package, through the built command line. Needs `npm run build`. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { packageRoot } from '#core/package-info.ts';

const folder = mkdtempSync(join(tmpdir(), 'recallbench-plugin-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
copyFileSync(join(packageRoot, 'examples', 'plugin', 'leaky-memory.ts'), join(folder, 'mine.ts'));

function run(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(packageRoot, 'dist', 'cli', 'main.js'), ...args], { cwd: folder, encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}
const json = (...args: string[]): unknown => {
  const { code, out, err } = run(...args, '--json');
  expect(code, err).toBe(0);
  return JSON.parse(out);
};

test('its tasks and models are listed, drawn and measured beside the suite\'s own', () => {
  const { tasks, models } = json('list', '--plugin', './mine.ts') as Record<'tasks' | 'models', { name: string }[]>;
  expect(tasks.map((t) => t.name)).toEqual(expect.arrayContaining(['mqar', 'last-seen']));
  expect(models.map((m) => m.name)).toEqual(expect.arrayContaining(['attention', 'leaky-memory']));
  const { first } = json('data', 'last-seen', '--plugin', './mine.ts', '-t', 'seqLen=8') as { first: { targets: number[] } };
  expect(first.targets.filter((y) => y >= 0)).toHaveLength(1);
  const decoding = { name: 'mine', repetitions: 1, seconds: 0.01, roofs: false, grids: [{ base: { workload: 'decode', options: { model: 'leaky-memory', dModel: 16, context: 8 } } }] };
  writeFileSync(join(folder, 'decode.json'), JSON.stringify(decoding));
  expect(json('throughput', 'decode.json', '--plugin', './mine.ts', '--engine', 'wasm')).toMatchObject({ missing: 0, costs: [{ state: 'done', stateBytes: 2 * 4 * 64 }] });
});

test('a sweep trains its model on its task in worker processes, and it learns', () => {
  const segment = (examples: number) => [{ options: { seqLen: 16 }, examples }];
  writeFileSync(join(folder, 'sweep.json'), JSON.stringify({ name: 'mine', base: { task: 'last-seen', train: segment(64 * 300), test: segment(200), batch: 64, dModel: 64, lr: 1e-2 }, axes: [{ model: ['leaky-memory'] }] }));
  const { out, ...ended } = run('sweep', 'sweep.json', '--plugin', './mine.ts', '--engine', 'wasm', '--json');
  expect(ended).toMatchObject({ code: 0 });
  expect(JSON.parse(out)).toMatchObject({ done: 1, missing: 0 });
  const record = JSON.parse(readFileSync(join(folder, 'runs', 'mine.jsonl'), 'utf8')) as { test: { accuracy: number } };
  // a guess is right once in 14
  expect(record.test.accuracy).toBeGreaterThan(0.5);
});

test('an npm package is found from where the command runs', () => {
  const at = join(folder, 'node_modules', 'recallbench-mine');
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: 'recallbench-mine', version: '1.0.0', main: 'index.ts' }));
  copyFileSync(join(folder, 'mine.ts'), join(at, 'index.ts'));
  expect((json('list', 'tasks', '--plugin', 'recallbench-mine') as { tasks: { name: string }[] }).tasks.map((t) => t.name)).toContain('last-seen');
});

test.each([
  ['nowhere.ts', '', 'there is no file nowhere.ts'],
  ['broken.ts', 'export const x = ;', 'cannot be loaded'],
  ['nothing.ts', 'export const x: number = 1;', 'exports no task and no mixer'],
  ['taken.ts', "import { defineTask, z } from 'recallbench';\nexport const t = defineTask({ name: 'mqar', summary: '', config: z.strictObject({}), open: () => { throw new Error(); } });", 'there is a task "mqar" already'],
])('%s is refused with the reason', (name, text, why) => {
  if (text !== '') writeFileSync(join(folder, name), text);
  const { code, err } = run('list', 'tasks', '--plugin', name);
  expect(code).toBe(2);
  expect(err).toContain('E_PLUGIN');
  expect(err).toContain(why);
});
