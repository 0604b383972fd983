/** `sweep`: runs what is missing of a sweep, then shows what came out. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { contentId } from '#core/content-id.ts';
import type { Sweep } from '#harness/sweep.ts';
import type { DoneCell } from '#results/query.ts';
import type { Store } from '#results/store.ts';
import type { Point } from '#results/point.ts';
import { engineOptions, GPU_VALIDATE, PRECISION, PRECISIONS } from '../engine-flags.ts';
import { INTERRUPTED, onInterrupt } from '../interrupt.ts';
import { print, printJson, remark } from '../output.ts';
import type { Planned } from '../plan.ts';
import { significant } from '../quantities.ts';
import { figureFolder, readSpec } from '../spec.ts';
import { assignments, whole, word } from '../values.ts';

interface Flags {
  engine: string;
  workers?: number;
  threads?: number;
  precision?: Point['precision'];
  gpuValidate?: true;
  shard?: string;
  out?: string;
  dryRun?: true;
  report?: string;
  only?: Record<string, string>;
  json?: true;
}

/** How many processes, and threads for each: cores are shared out, and one GPU has one process. */
function share(flags: Flags, engine: string, points: number): { workers: number; threads?: number } {
  const cores = availableParallelism();
  if (engine === 'webgpu') return { workers: flags.workers ?? 1, ...(flags.threads === undefined ? {} : { threads: flags.threads }) };
  const workers = Math.min(flags.workers ?? Math.max(1, Math.floor(cores / (flags.threads ?? 1))), points);
  return { workers, threads: flags.threads ?? Math.max(1, Math.floor(cores / workers)) };
}

/** Runs the missing points. Returns how many ended, and whether it was stopped before all had. */
async function run(sweep: Sweep, missing: readonly Planned[], store: Store, flags: Flags): Promise<{ ran: number; stopped: boolean }> {
  const [{ launch, trainingJobs }, { openEngine }, { Bars, sweepBars }] = await Promise.all([import('#harness/launch.ts'), import('#engine/index.ts'), import('../progress.ts')]);
  const engine = await openEngine(flags.engine, engineOptions(flags, missing.some((p) => p.point.precision === 'mixed') ? 'mixed' : 'fp32'));
  await engine.close();
  const { workers, threads } = share(flags, engine.name, missing.length);
  const interrupt = onInterrupt();
  const bars = new Bars();
  const seeds = new Set(missing.map((p) => p.point.seed)).size;
  const named = missing.map(({ id, name, tokens, point }) => ({ id, tokens, name: `${name} lr=${significant(point.lr)}${seeds > 1 ? ` seed=${point.seed}` : ''}` }));
  let ran = 0;
  try {
    await launch(trainingJobs(missing, { sweep: sweep.name, engine: engine.name, engineOptions: engineOptions({ ...flags, ...(threads === undefined ? {} : { threads }) }) }), {
      workers,
      signal: interrupt.signal,
      listener: sweepBars(bars, named, workers),
      store: (record) => {
        store.append(record);
        ran++;
      },
    });
  } finally {
    bars.stop();
    interrupt.done();
  }
  return { ran, stopped: interrupt.signal.aborted && ran < missing.length };
}

/** The best learning rate of a cell for machines. */
function bestRun({ point, lr, lrs, seeds, mean, low, high, stateBytes, parameters, runs }: DoneCell, name: string) {
  return { name, model: point.model, modelOptions: point.modelOptions, dModel: point.dModel, lr, lrs, seeds, testAccuracy: mean, low, high, stateBytes, parameters, tokensPerSecond: runs[0].tokensPerSecond, ids: runs.map((r) => r.id) };
}

async function sweep(name: string, flags: Flags): Promise<void> {
  const [{ sweeps }, { parseSweep }] = await Promise.all([import('#harness/sweeps/index.ts'), import('#harness/sweep.ts')]);
  const given = readSpec(name, { kind: 'sweep', presets: sweeps, parse: parseSweep, example: '{"name":"mine","base":{…},"axes":[{"lr":[0.001,0.01]}]}' });
  const spec = flags.precision === undefined ? given : { ...given, base: { ...given.base, precision: flags.precision } };
  const [{ expandSweep, shard }, { openStore, checkWritable, describeProblem }, { planOf, standing, only }, tables, { cellsOf }, { drawFigures, checkFigures }] = await Promise.all([
    import('#harness/sweep.ts'),
    import('#results/store.ts'),
    import('../plan.ts'),
    import('../sweep-tables.ts'),
    import('#results/query.ts'),
    import('../figures.ts'),
  ]);
  checkFigures(spec.figures ?? []);
  const chosen = only(expandSweep(spec), ({ point }) => point, flags.only ?? {});
  const points = flags.shard === undefined ? chosen : shard(chosen, flags.shard);
  const path = flags.out ?? join('runs', `${spec.name}.jsonl`);
  if (flags.dryRun !== true) checkWritable(path);
  const store = openStore(path);
  for (const problem of store.problems) remark(`Warning: ${describeProblem(problem)}`);

  const plan = planOf(points);
  const before = standing(plan, store);
  const missing = before.filter((p) => !p.done);
  if (flags.dryRun) {
    if (flags.json) {
      const cost = before.map(({ id, name, outcome, done, steps, tokens, stateBytes, point }) => ({ id, name, outcome, done, steps, tokens, stateBytes, point }));
      return printJson({ sweep: spec.name, store: path, total: before.length, done: before.length - missing.length, missing: missing.length, points: cost });
    }
    print(tables.planTable(before));
    return print(`${missing.length} of ${before.length} points of sweep ${spec.name} are missing in ${path}.`);
  }

  const { ran, stopped } = missing.length > 0 ? await run(spec, missing, store, flags) : { ran: 0, stopped: false };
  const after = standing(plan, store);
  const done = after.filter((p) => p.done).length;
  const failed = after.flatMap((p) => {
    const { outcome } = store.find(p.id) ?? { outcome: { state: 'done' } };
    return outcome.state === 'done' ? [] : [{ id: p.id, name: p.name, lr: p.point.lr, outcome: outcome.state, reason: outcome.reason ?? '' }];
  });
  const crashed = failed.filter((f) => f.outcome === 'crashed').length;
  // a shard's store holds a part only: its figures are drawn from all shards together
  const draws = !stopped && (flags.shard === undefined || flags.report !== undefined);
  const folder = flags.report ?? figureFolder(path);
  const ids = new Set(points.map((p) => p.id));
  const records = store.records.filter((r) => ids.has(r.id));
  const cells = cellsOf(records).flatMap((cell) => (cell.state === 'done' ? [cell] : []));
  const names = new Map(plan.map((p) => [p.group, p.name]));
  const nameOf = (cell: DoneCell) => names.get(contentId(cell.point)) ?? cell.point.model;
  const figures = draws && records.length > 0 ? await drawFigures(spec.figures, { records, measurements: [] }, { folder }) : { written: [], skipped: [] };

  process.exitCode = stopped ? INTERRUPTED : crashed > 0 ? 1 : 0;
  const counts = { total: after.length, done, missing: after.length - done, ran };
  if (flags.json) printJson({ sweep: spec.name, store: path, ...counts, interrupted: stopped, best: cells.map((cell) => bestRun(cell, nameOf(cell))), failed, figures: figures.written, skipped: figures.skipped });
  else {
    if (cells.length > 0) print(tables.cellTable(cells, nameOf));
    if (failed.length > 0) print(`\n${tables.failedTable(failed)}`);
    if (!stopped) print(`${done} of ${after.length} points of sweep ${spec.name} are done, in ${path}.${missing.length === 0 ? ' Nothing was missing.' : ''}`);
    if (figures.written.length > 0) print(`Figures:\n${figures.written.map((f) => `  ${f}`).join('\n')}`);
    for (const { why } of figures.skipped) remark(`Not drawn: ${why}`);
    if (flags.shard !== undefined && !stopped && flags.report === undefined) remark('A shard draws no figures: concatenate the stores of all shards and use "recallbench report all --from …".');
  }
  if (stopped) remark(`Stopped: ${done} of ${after.length} points done, resume with the same command.`);
}

export function configure(command: Command): void {
  command
    .argument('<preset|file>', 'a preset, see: recallbench list sweeps; or a JSON file')
    .option('--engine <name>', 'an engine, see: recallbench list engines', 'auto')
    .option('--workers <n>', 'processes that train at the same time (default: one a core, or one on a GPU)', whole('--workers', { min: 1, max: 256 }))
    .option('--threads <n>', 'threads of a CPU engine in each process (default: the cores shared out)', whole('--threads', { min: 1 }))
    .option('--precision <name>', `${PRECISION} (default: what the sweep says, else fp32)`, word('--precision', PRECISIONS))
    .option('--gpu-validate', GPU_VALIDATE)
    .option('--shard <i/n>', 'only part i of n, for several machines')
    .option('--only <key=value,…>', 'only the points that have this value, such as model=mamba2; may be given again', assignments('--only'))
    .option('--out <store.jsonl>', 'the store (default: runs/<name>.jsonl); what is in it is not run again')
    .option('--report <dir>', 'where the figures go (default: a folder named like the store)')
    .option('--dry-run', 'show what would run, and run nothing')
    .action(sweep)
    .addHelpText(
      'after',
      `
Runs what the store does not have yet, so the same command resumes after any interruption. Ctrl-C stops at once and keeps
every finished point. Crashed points are run again; diverged ones, and those for which memory was lacking, are not.
Exits with 1 when a point crashed.

Examples:
  $ recallbench sweep quick
  $ recallbench sweep mamba2-fig8-small --dry-run
  $ recallbench sweep mine.json --shard 1/4 --out part1.jsonl`,
    );
}
