/** The built command line as people run it: a process, its two streams, its files and its exit code. Needs `npm run build`. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '#core/package-info.ts';
import { rng } from '#core/random.ts';
import { webgpu } from '#engine/webgpu/engine.ts';
import { madeUpRecord } from '#results/made-up.ts';
import { measurementSchema } from '#results/measurement.ts';
import { recordSchema, type RunRecord } from '#results/record.ts';
import { tasks } from '#tasks/index.ts';

const entry = join(packageRoot, 'dist', 'cli', 'main.js');
const root = mkdtempSync(join(tmpdir(), 'recallbench-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
/** A new empty folder to work in. */
function folder(): string {
  const path = join(root, `${folders++}`);
  mkdirSync(path);
  return path;
}

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Starts the program; `ended` resolves when it is over. */
function start(args: readonly string[], cwd = root): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [entry, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (d: Buffer) => (out += d.toString()));
  child.stderr.on('data', (d: Buffer) => (err += d.toString()));
  return { child, ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err }))) };
}

const run = (args: readonly string[], cwd?: string) => start(args, cwd).ended;

/** Runs with --json and returns what was printed; whatever is not the expected exit code shows its complaint. */
async function json<T>(args: readonly string[], cwd?: string, code = 0): Promise<T> {
  const ended = await run([...args, '--json'], cwd);
  expect(ended, ended.err).toMatchObject({ code });
  return JSON.parse(ended.out) as T;
}

const figures = async () => (await json<{ figures: { name: string; of: 'runs' | 'costs' }[] }>(['list', 'figures'])).figures;

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('waited for too long');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const lines = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter((l) => l !== '') : []);
const records = (path: string) => lines(path).map((l) => recordSchema.parse(JSON.parse(l)));

const tinyTask = { seqLen: 16, pairs: 2, vocabSize: 32 };
const tiny = ['--task', 'mqar', '--d-model', '16', ...Object.entries(tinyTask).flatMap(([k, v]) => ['-t', `${k}=${v}`])];

/** A sweep file of one model at some learning rates. */
function sweepFile(dir: string, steps: number, lr: readonly number[], model = 'attention'): string {
  const path = join(dir, 'tiny.json');
  const base = { task: 'mqar', model, positions: true, dModel: 16, batch: 32, train: [{ options: tinyTask, examples: 32 * steps }], test: [{ options: tinyTask, examples: 64 }] };
  writeFileSync(path, JSON.stringify({ name: 'tiny', base, axes: [{ lr }] }));
  return path;
}

interface SweepResult {
  total: number;
  done: number;
  missing: number;
  ran: number;
  interrupted: boolean;
  best: { name: string; lr: number; testAccuracy: number }[];
  failed: { outcome: string; reason: string }[];
  figures: string[];
}

describe.concurrent('looking around', () => {
  test('list --json has every section, and every entry its options', async () => {
    const all = await json<Record<string, { name: string; summary: string; options: { name: string; type: string }[] }[]>>(['list']);
    expect(Object.keys(all)).toEqual(['tasks', 'models', 'engines', 'sweeps', 'throughputs', 'workloads', 'figures']);
    for (const entries of Object.values(all)) {
      expect(entries.length).toBeGreaterThan(0);
      for (const e of entries) expect(e).toEqual(expect.objectContaining({ name: expect.any(String), summary: expect.any(String), options: expect.any(Array) }));
    }
    expect(all['tasks'][0]).toMatchObject({ name: 'mqar', options: expect.arrayContaining([{ name: 'seqLen', type: 'integer', default: 64, description: expect.any(String) }]) });
    expect(all['figures'].map((f) => f.name)).toContain('recall-vs-state');
  });

  test('list of one section is one line each', async () => {
    const { code, out } = await run(['list', 'tasks']);
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toHaveLength(1 + Object.keys(tasks).length);
    expect(out).toMatch(/mqar .*\(.*pairs=8.*\)/);
    expect(Object.keys(await json<object>(['list', 'tasks']))).toEqual(['tasks']);
  });

  test.each(['list', 'doctor', 'data', 'train', 'sweep', 'throughput', 'report'])('%s --help has an example', async (command) => {
    const { code, out, err } = await run([command, '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(`$ recallbench ${command}`);
    expect(out).toContain('--json');
  });

  test('the figures of every preset exist, and quick has a plan', async () => {
    const { sweeps } = await json<{ sweeps: { name: string; figures?: string[] }[] }>(['list', 'sweeps']);
    const known = (await figures()).map((f) => f.name);
    const { throughputs } = await json<{ throughputs: { name: string; figures?: string[] }[] }>(['list', 'throughputs']);
    for (const { figures = [] } of [...sweeps, ...throughputs]) expect(known).toEqual(expect.arrayContaining(figures));
    const plan = await json<{ total: number; missing: number; points: { steps: number; tokens: number }[] }>(['sweep', 'quick', '--dry-run'], folder());
    expect(plan.total).toBeGreaterThan(0);
    expect(plan).toMatchObject({ missing: plan.total, points: expect.any(Array) });
    for (const p of plan.points) expect(p.tokens).toBeGreaterThan(p.steps);
  });

  test('doctor --json tests every engine', async () => {
    const found = await json<{ ok: boolean; engines: { name: string; ok: boolean; detail: string; selfTest?: { ok: boolean }; devices?: { adapters: { features: string[]; limits: object }[] } }[] }>(['doctor']);
    expect(found).toMatchObject({ ok: true, node: { ok: true }, threads: { ok: true }, canvas: { ok: true }, memory: { total: expect.any(Number) } });
    expect(found.engines.find((e) => e.name === 'wasm')).toMatchObject({ ok: true, selfTest: { ok: true } });
    for (const e of found.engines) expect(e.ok || e.detail !== '').toBe(true);
    const gpu = found.engines.find((e) => e.name === 'webgpu')!;
    if (gpu.ok) expect(gpu.devices!.adapters[0]).toMatchObject({ features: expect.any(Array), limits: { maxBufferSize: expect.any(Number) } });
    const { out } = await run(['doctor']);
    expect(out).toContain('✓ wasm');
  });

  test('trains on a GPU in its own process and in a worker, and both end', async (context) => {
    if (!(await webgpu.available()).ok) context.skip();
    // a mixer of few kernels: a software adapter compiles slowly
    const record = await json<RunRecord>(['train', ...tiny, '--model', 'gated-conv', '--steps', '4', '--batch', '4', '--test-examples', '8', '--engine', 'webgpu', '--gpu-validate']);
    expect(record).toMatchObject({ outcome: { state: 'done' }, device: { engine: 'webgpu', precision: 'fp32' } });
    const dir = folder();
    await json(['sweep', sweepFile(dir, 3, [1e-3], 'gated-conv'), '--engine', 'webgpu', '--out', join(dir, 'gpu.jsonl')], dir);
    expect(records(join(dir, 'gpu.jsonl')).map((r) => r.outcome.state)).toEqual(['done']);
  });

  test('without a Vulkan driver webgpu ends with 3 and the remedy, and auto takes wasm', async () => {
    const env = { ...process.env, VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' };
    const without = (engine: string) => spawnSync(process.execPath, [entry, 'train', ...tiny, '--model', 'attention', '--steps', '2', '--batch', '2', '--test-examples', '2', '--engine', engine, '--json'], { cwd: root, env, encoding: 'utf8', timeout: 60_000 });
    const gpu = without('webgpu');
    expect(gpu.status).toBe(3);
    expect(gpu.stdout + gpu.stderr).toMatch(/engine webgpu cannot run here: no WebGPU adapter was found.*Remedy: .*driver/s);
    const auto = without('auto');
    expect(auto.status, auto.stderr).toBe(0);
    expect((JSON.parse(auto.stdout) as RunRecord).device.engine).toBe('wasm');
  });

  test('a reader that goes away is no crash', () => {
    for (const args of ['list --json', 'list', 'data mqar', '--help']) {
      const { status, stderr } = spawnSync('bash', ['-c', `set -o pipefail; "${process.execPath}" "${entry}" ${args} 2>err | true; echo $? >code; cat err >&2`], { cwd: folder(), encoding: 'utf8' });
      expect(status).toBe(0);
      expect(stderr).not.toMatch(/EPIPE|at .*node:/);
    }
  });
});

describe('data', () => {
  test('writes the examples that train sees, and draws the first', async () => {
    const cwd = folder();
    const args = ['data', 'mqar', ...tiny.slice(4), '--examples', '50', '--seed', '7', '--out', 'f.jsonl'];
    const { code, out } = await run(args, cwd);
    expect(code).toBe(0);
    expect(out).toMatch(/^tokens .*\ntargets/);

    const task = tasks.mqar.open(tinyTask);
    const stream = rng(7).fork('data').fork('train').fork(0).fork(0);
    const expected = Array.from({ length: 50 }, (_, i) => {
      const e = { tokens: new Int32Array(16), targets: new Int32Array(16) };
      task.example(stream.fork(i), e);
      return { tokens: [...e.tokens], targets: [...e.targets] };
    });
    expect(lines(join(cwd, 'f.jsonl')).map((l) => JSON.parse(l) as unknown)).toEqual(expected);

    const shown = await json(args, cwd);
    expect(shown).toMatchObject({ task: 'mqar', examples: 50, out: 'f.jsonl', options: { seqLen: 16, passes: 1 }, first: expected[0] });
    expect(readdirSync(cwd)).toEqual(['f.jsonl']);
  });
});

describe.concurrent('wrong input ends with 2, names what is wrong, and touches nothing', () => {
  const cases: [string, string[], RegExp][] = [
    ['unknown command', ['swep', 'quick'], /^E_NAME: unknown command "swep"\. Did you mean "sweep"\?/],
    ['unknown option', ['train', '--stps', '3'], /^E_CONFIG: unknown option '--stps'.*--steps/],
    ['missing option', ['train', '--model', 'mamba2'], /^E_CONFIG: --task is missing/],
    ['missing argument', ['data'], /^E_CONFIG: .*'task'/],
    ['too many arguments', ['doctor', 'now'], /^E_CONFIG: .*too many arguments/],
    ['unknown section', ['list', 'task'], /^E_NAME: unknown section "task"\. Did you mean "tasks"\?/],
    ['unknown task', ['data', 'mqr'], /^E_NAME: unknown task "mqr"\. Did you mean "mqar"\?/],
    ['unknown task of train', ['train', '--task', 'mqra', '--model', 'mamba2'], /^E_NAME: unknown task "mqra"\. Did you mean "mqar"\?/],
    ['unknown model', ['train', ...tiny, '--model', 'mamba9'], /^E_NAME: unknown model "mamba9"\. Did you mean "mamba/],
    ['unknown engine', ['train', ...tiny, '--model', 'mamba2', '--engine', 'wsm'], /^E_NAME: unknown engine "wsm"\. Did you mean "wasm"\?/],
    ['mixed precision on a CPU', ['train', ...tiny, '--model', 'mamba2', '--engine', 'wasm', '--precision', 'mixed'], /^E_CONFIG: engine wasm computes in fp32 only.*Remedy/],
    ['unknown precision', ['train', ...tiny, '--model', 'mamba2', '--precision', 'fp23'], /^E_CONFIG: .*fp32/],
    ['unknown sweep', ['sweep', 'quik'], /^E_NAME: unknown sweep "quik"\. Did you mean "quick"\?/],
    ['unknown figure', ['report', 'recall-vs-stat', '--from', 'good.jsonl'], /^E_NAME: unknown figure "recall-vs-stat"\. Did you mean "recall-vs-state"\?/],
    ['a store for a figure', ['report', 'good.jsonl'], /^E_NAME: "good\.jsonl" is a path and no figure\. Remedy: recallbench report all --from good\.jsonl/],
    ['a width that is none', ['report', 'all', '--from', 'good.jsonl', '--width', 'colum'], /^E_CONFIG: the width of a figure is column \(85 mm\).*not "colum"/],
    ['a share that is none', ['report', 'all', '--from', 'good.jsonl', '--reach', '2'], /^E_CONFIG: --reach is a share above 0/],
    ['unknown theme', ['report', 'all', '--from', 'good.jsonl', '--theme', 'drak'], /^E_NAME: unknown theme "drak"\. Did you mean "dark"\?/],
    ['unknown format', ['report', 'all', '--from', 'good.jsonl', '--format', 'pgn'], /^E_CONFIG: unknown figure format "pgn"\. Did you mean "png"\?/],
    ['unknown task option', ['data', 'mqar', '-t', 'pair=4'], /^E_CONFIG: task mqar: unknown key "pair"\. Did you mean "pairs"\? Known: vocabSize/],
    ['unknown model option', ['train', ...tiny, '--model', 'mamba2', '-m', 'dstate=4'], /^E_CONFIG: model mamba2: unknown key "dstate"\. Did you mean "dState"\?/],
    ['no value', ['data', 'mqar', '-t', 'pairs'], /^E_CONFIG: -t: "pairs" is not of the form key=value/],
    ['a word for a number', ['train', ...tiny, '--model', 'mamba2', '--steps', 'abc'], /^E_CONFIG: --steps: "abc" is not a whole number ≥ 1/],
    ['a fraction of a step', ['train', ...tiny, '--model', 'mamba2', '--steps', '2.5'], /^E_CONFIG: --steps: "2\.5" is not a whole number/],
    ['a rate of zero', ['train', ...tiny, '--model', 'mamba2', '--lr', '1e-3,0'], /^E_CONFIG: --lr: "0" is not a number > 0/],
    ['an infinite rate', ['train', ...tiny, '--model', 'mamba2', '--lr', '1e999'], /^E_CONFIG: --lr/],
    ['a schedule of no kind', ['train', ...tiny, '--model', 'mamba2', '--schedule', 'cos'], /^E_CONFIG: --schedule: "cos" is none of constant/],
    ['a task option of another type', ['data', 'mqar', '-t', 'pairs=many'], /^E_CONFIG: task mqar: "pairs"/],
    ['impossible sizes of a task', ['data', 'mqar', '-t', 'seqLen=16', '-t', 'pairs=8'], /^E_SIZE: task mqar: pairs 8 needs seqLen ≥ 32/],
    ['impossible sizes of a model', ['train', ...tiny, '--model', 'attention', '-m', 'heads=3'], /^E_SIZE: model attention: 3 heads/],
    ['data into a folder that is not there', ['data', 'mqar', '--out', 'not/there.jsonl'], /^E_OUTPUT: cannot write not\/there\.jsonl/],
    ['data over a folder', ['data', 'mqar', '--out', 'sub'], /^E_OUTPUT: cannot write sub/],
    ['a store under a file', ['train', ...tiny, '--model', 'mamba2', '--out', 'good.jsonl/x.jsonl'], /^E_(OUTPUT|STORE): /],
    ['a foreign store', ['train', ...tiny, '--model', 'mamba2', '--out', 'foreign.jsonl'], /^E_STORE: foreign\.jsonl is not a store/],
    ['a foreign store of a sweep', ['sweep', 'mamba2-fig8-small', '--out', 'foreign.jsonl'], /^E_STORE: foreign\.jsonl is not a store/],
    ['a foreign store of a report', ['report', 'all', '--from', 'foreign.jsonl'], /^E_STORE: .*foreign\.jsonl is not a store/],
    ['a store that is not there', ['report', 'all', '--from', 'nowhere.jsonl'], /^E_STORE: nowhere\.jsonl does not exist/],
    ['no store at all', ['report', 'all'], /^E_STORE: there is no folder "runs"/],
    ['a store with a torn record only', ['report', 'all', '--from', 'torn.jsonl'], /torn[^]*^E_STORE: there is no record/m],
    ['a shard beyond the last', ['sweep', 'mamba2-fig8-small', '--shard', '3/2'], /^E_CONFIG: shard "3\/2"/],
    ['a key of no point', ['sweep', 'mamba2-fig8-small', '--only', 'modl=mamba2'], /^E_CONFIG: --only: unknown key "modl"\. Did you mean "model"\?/],
    ['a value of no point', ['sweep', 'mamba2-fig8-small', '--only', 'model=mamba22'], /^E_CONFIG: --only: unknown model "mamba22"\. Did you mean "mamba2"\?/],
    ['a sweep file that is not there', ['sweep', 'mine.json'], /^E_CONFIG: sweep file mine\.json cannot be read/],
    ['a sweep file that is no JSON', ['sweep', 'foreign.jsonl'], /^E_CONFIG: sweep file foreign\.jsonl cannot be understood/],
    ['an unknown throughput sweep', ['throughput', 'quik'], /^E_NAME: unknown throughput "quik"\. Did you mean "quick"\?/],
    ['sampling for no time', ['throughput', 'quick', '--seconds', '0'], /^E_CONFIG: --seconds: "0" is not a number > 0/],
    ['no repetition', ['throughput', 'quick', '--repetitions', '0'], /^E_CONFIG: --repetitions: "0" is not a whole number ≥ 1/],
    ['a workload of no measure', ['throughput', 'quick', '--only', 'workload=sdd'], /^E_CONFIG: --only: unknown workload "sdd"\. Did you mean "ssd"\?/],
    ['a throughput file with an unknown workload', ['throughput', 'ops.json', '--engine', 'wasm'], /^E_NAME: throughput ops, measure 1 of 1: unknown workload "atention"/],
    ['a foreign store of measurements', ['throughput', 'quick', '--engine', 'wasm', '--out', 'foreign.jsonl'], /^E_STORE: foreign\.jsonl is not a store/],
    ['a sweep file with an unknown key', ['sweep', 'odd.json'], /^E_CONFIG: sweep file odd\.json: unknown key "axis"\. Did you mean "axes"\?/],
  ];
  const whole = JSON.stringify(madeUpRecord({ point: { model: 'mamba2' } }));
  const files = { 'good.jsonl': `${whole}\n`, 'foreign.jsonl': 'name,score\na,1\n', 'torn.jsonl': whole.slice(0, 300), 'odd.json': '{"name":"odd","axis":[]}', 'ops.json': '{"name":"ops","roofs":false,"grids":[{"base":{"workload":"atention"}}]}' };

  test.each(cases)('%s', { timeout: 60_000 }, async (_, args, complaint) => {
    const cwd = folder();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
    mkdirSync(join(cwd, 'sub'));
    const { code, out, err } = await run([...args, '--json'], cwd);
    expect(err).toMatch(complaint);
    expect(code).toBe(2);
    const { error } = JSON.parse(out) as { error: { code: string; message: string } };
    expect(err).toContain(`${error.code}: ${error.message}`);
    expect(readdirSync(cwd, { recursive: true }).sort()).toEqual([...Object.keys(files), 'sub'].sort());
    for (const [name, text] of Object.entries(files)) expect(readFileSync(join(cwd, name), 'utf8')).toBe(text);
  });

  test.skipIf(process.getuid?.() === 0)('a folder without permission', async () => {
    const cwd = folder();
    chmodSync(cwd, 0o500);
    expect((await run(['data', 'mqar', '--out', join(cwd, 'f.jsonl')])).err).toMatch(/^E_OUTPUT/);
    expect((await run(['sweep', 'quick', '--out', join(cwd, 'f.jsonl')])).err).toMatch(/^E_OUTPUT/);
  });
});

describe('train', () => {
  test('prints its record as JSON, and stores the same', async () => {
    const cwd = folder();
    const record = await json<RunRecord>(['train', ...tiny, '--model', 'attention', '--steps', '20', '--batch', '16', '--test-examples', '32', '--out', 's/store.jsonl'], cwd);
    expect(() => recordSchema.parse(record)).not.toThrow();
    expect(record).toMatchObject({ outcome: { state: 'done' }, steps: { run: 20, planned: 20 }, point: { positions: true, batch: 16, dModel: 16, train: [{ examples: 320 }] } });
    expect(record.test!.slices).toMatchObject([{ slice: { seqLen: 16, pairs: 2 }, examples: 32 }]);
    expect(records(join(cwd, 's/store.jsonl'))).toEqual([record]);
  });

  test('of several learning rates the best by validation is shown', async () => {
    const { best, runs } = await json<{ best: RunRecord; runs: RunRecord[] }>(['train', ...tiny, '--model', 'mamba2', '-m', 'dState=4', '--steps', '8', '--batch', '16', '--lr', '1e-4,1e-2', '--test-examples', '32']);
    expect(runs.map((r) => r.point.lr)).toEqual([1e-4, 1e-2]);
    expect(best.validation!.accuracy).toBe(Math.max(...runs.map((r) => r.validation!.accuracy)));
    expect(runs.every((r) => r.point.modelOptions['dState'] === 4 && !r.point.positions)).toBe(true);
  });

  test('Ctrl-C keeps what there is and ends with 130', async () => {
    const cwd = folder();
    const { child, ended } = start(['train', ...tiny, '--model', 'attention', '--steps', '1000000', '--eval-every', '50', '--out', 'store.jsonl'], cwd);
    await until(() => existsSync(join(cwd, 'store.jsonl'))); // made before the first step
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGINT');
    const { code, out, err } = await ended;
    expect(code).toBe(130);
    expect(out).toContain('interrupted');
    expect(err).toMatch(/^Stopped at step \d+ of 1000000: what was measured is kept in store\.jsonl/);
    expect(records(join(cwd, 'store.jsonl'))).toMatchObject([{ outcome: { state: 'interrupted' } }]);
  });
});

describe('sweep and report', () => {
  test('survives kill -9, resumes without losing or repeating, and leaves figures', async () => {
    const cwd = folder();
    const store = join(cwd, 'runs/tiny.jsonl');
    const file = sweepFile(cwd, 40, [1e-4, 1e-3, 3e-3, 1e-2]);
    const { child, ended } = start(['sweep', file, '--workers', '1'], cwd);
    await until(() => lines(store).length >= 1);
    child.kill('SIGKILL');
    await ended;
    const kept = readFileSync(store, 'utf8');
    expect(records(store).length).toBeLessThan(4);

    const resumed = await json<SweepResult>(['sweep', file, '--workers', '2'], cwd);
    const after = records(store);
    expect(resumed).toMatchObject({ total: 4, done: 4, missing: 0, ran: 4 - (kept.split('\n').length - 1), interrupted: false, failed: [] });
    expect(readFileSync(store, 'utf8').startsWith(kept)).toBe(true);
    expect(new Set(after.map((r) => r.id)).size).toBe(4);
    expect(after).toHaveLength(4);
    expect(resumed.best).toMatchObject([{ name: 'attention' }]);
    expect(resumed.figures.length).toBeGreaterThan(0);
    for (const f of resumed.figures) expect(existsSync(join(cwd, f)), f).toBe(true);
    expect(readdirSync(join(cwd, 'runs/tiny')).length).toBeGreaterThan(0);

    // again: nothing runs, nothing changes
    const text = readFileSync(store, 'utf8');
    const { code, out } = await run(['sweep', file], cwd);
    expect(code).toBe(0);
    expect(out).toContain('4 of 4 points of sweep tiny are done');
    expect(out).toContain('Nothing was missing');
    expect(readFileSync(store, 'utf8')).toBe(text);

    const { written } = await json<{ written: string[] }>(['report', 'learning-curves', '--out', 'paper', '--format', 'svg,pdf,csv', '--width', 'column', '--theme', 'dark', '--no-caption'], cwd);
    expect(written.map((f) => f.replace(/.*\./, '')).sort()).toEqual(['csv', 'pdf', 'svg']);
    expect(readFileSync(join(cwd, written[0]), 'utf8')).toMatch(/width="85\.\d+mm"[^]*fill="#16181D"/);
    for (const f of written) expect(readFileSync(join(cwd, f), 'utf8').length).toBeGreaterThan(50);

    // a torn last line is set aside, and nothing else is lost
    writeFileSync(store, text.slice(0, -200));
    const mended = await run(['sweep', file, '--json'], cwd);
    expect(mended.err).toMatch(/Warning: .*tiny\.jsonl:4: torn/);
    expect(JSON.parse(mended.out)).toMatchObject({ done: 4, ran: 1 });
  });

  test('Ctrl-C ends with 130 and says how to go on', async () => {
    const cwd = folder();
    const store = join(cwd, 'store.jsonl');
    const file = sweepFile(cwd, 60, [1e-4, 1e-3, 1e-2]);
    const args = ['sweep', file, '--out', 'store.jsonl', '--workers', '1'];
    const { child, ended } = start(args, cwd);
    await until(() => lines(store).length >= 1);
    child.kill('SIGINT');
    const { code, err } = await ended;
    expect(code).toBe(130);
    expect(err).toMatch(/Stopped: \d of 3 points done, resume with the same command\./);
    expect(records(store).length).toBeLessThan(3);
  });

  test('a worker that dies is a row, exit code 1, and runs again', async () => {
    const cwd = folder();
    const file = sweepFile(cwd, 400, [1e-3]);
    const { child, ended } = start(['sweep', file, '--json'], cwd);
    const children = `/proc/${child.pid}/task/${child.pid}/children`;
    if (!existsSync(children)) {
      child.kill('SIGKILL');
      return;
    }
    await until(() => readFileSync(children, 'utf8').trim() !== '');
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.kill(Number(readFileSync(children, 'utf8').trim().split(' ')[0]), 'SIGKILL');
    const { code, out } = await ended;
    expect(JSON.parse(out)).toMatchObject({ done: 0, missing: 1, failed: [{ outcome: 'crashed', reason: expect.stringContaining('SIGKILL') }] });
    expect(code).toBe(1);
    expect(await json<SweepResult>(['sweep', sweepFile(cwd, 10, [1e-3])], cwd)).toMatchObject({ done: 1, ran: 1 });
  });

  test('shards are parts of the whole, and --only chooses', async () => {
    const cwd = folder();
    const file = sweepFile(cwd, 4, [1e-4, 1e-3, 1e-2]);
    const ids = (plan: { points: { id: string }[] }) => plan.points.map((p) => p.id);
    const whole = ids(await json(['sweep', file, '--dry-run'], cwd));
    const parts = [ids(await json(['sweep', file, '--dry-run', '--shard', '1/2'], cwd)), ids(await json(['sweep', file, '--dry-run', '--shard', '2/2'], cwd))];
    expect(parts.map((p) => p.length)).toEqual([2, 1]);
    expect(parts.flat().sort()).toEqual([...whole].sort());
    expect(await json(['sweep', file, '--dry-run', '--only', 'lr=0.001'], cwd)).toMatchObject({ total: 1, points: [{ id: whole[1] }] });
    expect(readdirSync(cwd)).toEqual(['tiny.json']);

    const ran = await json<SweepResult>(['sweep', file, '--shard', '2/2', '--out', 'part.jsonl'], cwd);
    expect(ran).toMatchObject({ total: 1, done: 1, figures: [] });
    expect(await json(['sweep', file, '--dry-run', '--out', 'part.jsonl'], cwd)).toMatchObject({ total: 3, done: 1, missing: 2 });
    const { out } = await run(['sweep', file, '--dry-run', '--out', 'part.jsonl'], cwd);
    expect(out).toContain('2 of 3 points of sweep tiny are missing in part.jsonl');
  });

  test('report all draws the figures of what a store holds, skips those without data and says so', async () => {
    const cwd = folder();
    writeFileSync(join(cwd, 'good.jsonl'), `${JSON.stringify(madeUpRecord({ point: { model: 'mamba2' } }))}\n`);
    const { code, out, err } = await run(['report', 'all', '--from', 'good.jsonl', '--out', 'f', '--format', 'csv'], cwd);
    expect(code, err).toBe(0);
    const paths = out.trim().split('\n');
    expect(paths.length + err.split('Not drawn').length - 1).toBe((await figures()).filter((f) => f.of === 'runs').length);
    for (const p of paths) expect(existsSync(join(cwd, p))).toBe(true);
  });
});

describe('throughput', () => {
  const spec = (dir: string, seqLen: readonly number[], seconds = 0.02) => {
    const path = join(dir, 'ops.json');
    const options = { heads: 1, headDim: 8, dState: 4, direction: 'forward-backward' };
    writeFileSync(path, JSON.stringify({ name: 'ops', repetitions: 2, seconds, grids: [{ base: { workload: 'ssd', options }, axes: [{ 'options.seqLen': seqLen }] }] }));
    return path;
  };
  const measurements = (path: string) => lines(path).map((l) => measurementSchema.parse(JSON.parse(l)));
  interface Throughput {
    total: number;
    missing: number;
    ran: number;
    costs: { name: string; state: string; ms: number; repetitions: number; flopsPerSecond: number; roofShare: number; measure: { options: { seqLen?: number } } }[];
  }

  test('measures, resumes, and adds what a longer file asks for; a cell without memory is a row', async () => {
    const cwd = folder();
    const store = join(cwd, 'runs/throughput-ops.jsonl');
    const first = await json<Throughput>(['throughput', spec(cwd, [16, 32, 64]), '--engine', 'wasm', '--threads', '2'], cwd);
    expect(first).toMatchObject({ total: 12, missing: 0, ran: 12 });
    expect(first.costs).toHaveLength(6);
    for (const cost of first.costs) {
      expect(cost).toMatchObject({ state: 'done', repetitions: 2 });
      expect(cost.ms).toBeGreaterThan(0);
      expect(cost.flopsPerSecond).toBeGreaterThan(0);
      expect(cost.roofShare).toBeGreaterThan(0);
    }
    expect(measurements(store).map((m) => m.measure.repetition)).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);

    const file = spec(cwd, [16, 32, 64, 2 ** 33]);
    const second = await run(['throughput', file, '--engine', 'wasm', '--threads', '2'], cwd);
    expect(second.code, second.err).toBe(0);
    expect(second.out).toContain('14 of 14 measurements of throughput ops are done on engine wasm with 2 threads');
    expect(second.out).toMatch(/out-of-memory.*E_MEMORY/);
    expect(second.out).toMatch(/seqLen.*16 … .*\d\.\d\d/);
    expect(measurements(store)).toHaveLength(14);
    // with figures of what there is: no model was measured
    expect(second.out).toMatch(/Figures:\n {2}runs\/throughput-ops\/time-vs-length\.png/);
    expect(second.err).toMatch(/Not drawn: decode-latency: .*recallbench throughput decode/);
    const csv = readFileSync(join(cwd, 'runs/throughput-ops/time-vs-length.csv'), 'utf8');
    expect(csv.split('\n').filter((l) => l.includes(',out-of-memory,'))).toHaveLength(1);
    const drawn = await json<{ written: string[]; measurements: number }>(['report', 'time-vs-length', '--from', 'runs', '--anchors', '--format', 'svg,csv'], cwd);
    expect(drawn).toMatchObject({ written: ['figures/time-vs-length.svg', 'figures/time-vs-length.csv'], measurements: 14 });
    expect((await run(['throughput', file, '--engine', 'wasm', '--threads', '2'], cwd)).out).toContain('Nothing was missing');
    expect(await json(['throughput', file, '--engine', 'wasm', '--threads', '1', '--dry-run'], cwd)).toMatchObject({ total: 14, missing: 14 });
  });

  test('Ctrl-C ends with 130 and says how to go on', async () => {
    const cwd = folder();
    const store = join(cwd, 'runs/throughput-ops.jsonl');
    const { child, ended } = start(['throughput', spec(cwd, [16, 32, 64], 2), '--engine', 'wasm'], cwd);
    await until(() => lines(store).length >= 1);
    child.kill('SIGINT');
    const { code, err } = await ended;
    expect(code).toBe(130);
    expect(err).toMatch(/Stopped: \d+ of 12 measurements done, resume with the same command\./);
    const before = measurements(store).length;
    expect(before).toBeLessThan(12);
    expect(await json(['throughput', spec(cwd, [16, 32, 64]), '--engine', 'wasm'], cwd)).toMatchObject({ missing: 0, ran: 12 - before });
  });
});
