/** `throughput`: measures what is missing of a throughput sweep, then shows what things cost. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Place, PlannedMeasure, Throughput } from '#harness/throughput.ts';
import type { Point } from '#results/point.ts';
import { engineOptions, PRECISION, PRECISIONS } from '../engine-flags.ts';
import { INTERRUPTED, onInterrupt } from '../interrupt.ts';
import { print, printJson, remark } from '../output.ts';
import { figureFolder, readSpec } from '../spec.ts';
import { assignments, real, whole, word } from '../values.ts';

interface Flags {
  engine: string;
  threads?: number;
  precision?: Point['precision'];
  repetitions?: number;
  seconds?: number;
  only?: Record<string, string>;
  out?: string;
  report?: string;
  dryRun?: true;
  json?: true;
}

/** Where the engine that the flags ask for measures. */
async function placeFor(flags: Flags): Promise<Place> {
  const { openEngine } = await import('#engine/index.ts');
  const engine = await openEngine(flags.engine, engineOptions(flags, flags.precision));
  const { name } = engine;
  const { features } = engine.describe();
  await engine.close();
  const gpu = (name === 'webgpu' && !features.includes('software')) || name === 'tensorflow-gpu';
  return {
    engine: name,
    kind: gpu ? 'gpu' : 'cpu',
    ...(name === 'wasm' ? { threads: flags.threads ?? availableParallelism() } : {}),
    ...(flags.precision === undefined ? {} : { precision: flags.precision }),
  };
}

/** Takes the missing measurements. Returns how many ended, and whether it was stopped before all had. */
async function run(spec: Throughput, missing: readonly (PlannedMeasure & { readonly name: string })[], place: Place, store: import('#results/store.ts').Store): Promise<{ ran: number; stopped: boolean }> {
  const [{ launch }, { measuringJobs }, { Bars, measuringBar }] = await Promise.all([import('#harness/launch.ts'), import('#harness/throughput.ts'), import('../progress.ts')]);
  const setting = { sweep: spec.name, engine: place.engine, engineOptions: engineOptions(place.threads === undefined ? {} : { threads: place.threads }) };
  const interrupt = onInterrupt();
  const bars = new Bars();
  let ran = 0;
  try {
    await launch(measuringJobs(missing, setting, spec.seconds), {
      // one after the other: two would disturb each other
      workers: 1,
      signal: interrupt.signal,
      listener: measuringBar(bars, missing),
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

async function throughput(name: string, flags: Flags): Promise<void> {
  const [{ throughputs }, { parseThroughput, expandThroughput }, { openStore, checkWritable, describeProblem }, { only }, { costNames, costTable, exponentTable, failedCosts }, costs, { openMeasure }, { finished }, { drawFigures, checkFigures }] = await Promise.all([
    import('#harness/throughputs/index.ts'),
    import('#harness/throughput.ts'),
    import('#results/store.ts'),
    import('../plan.ts'),
    import('../cost-tables.ts'),
    import('#results/costs.ts'),
    import('#harness/measure.ts'),
    import('#harness/launch.ts'),
    import('../figures.ts'),
  ]);
  const given = readSpec(name, { kind: 'throughput', presets: throughputs, parse: parseThroughput, example: '{"name":"mine","grids":[{"base":{"workload":"ssd","options":{"heads":4,"dState":64}},"axes":[{"options.seqLen":[512,1024]}]}]}' });
  const spec: Throughput = { ...given, ...(flags.repetitions === undefined ? {} : { repetitions: flags.repetitions }), ...(flags.seconds === undefined ? {} : { seconds: flags.seconds }) };
  checkFigures(spec.figures ?? []);
  const place = await placeFor(flags);
  const all = only(expandThroughput(spec, place), ({ measure }) => measure, flags.only ?? {});
  const planned = all.map((p) => ({ ...p, appearance: openMeasure(p.measure).appearance }));
  const names = costNames(planned);
  const path = flags.out ?? join('runs', `throughput-${spec.name}.jsonl`);
  if (flags.dryRun !== true) checkWritable(path);
  const store = openStore(path);
  for (const problem of store.problems) remark(`Warning: ${describeProblem(problem)}`);
  const done = (id: string) => {
    const found = store.findMeasurement(id);
    return found !== undefined && finished.has(found.outcome.state);
  };
  const missing = planned.flatMap((p, i) => (done(p.id) ? [] : [{ id: p.id, measure: p.measure, name: names[i] }]));
  const at = `engine ${place.engine}${place.threads === undefined ? '' : ` with ${place.threads} threads`}`;
  if (flags.dryRun) {
    if (flags.json) return printJson({ throughput: spec.name, store: path, place, total: planned.length, missing: missing.length, measures: planned.map(({ id, measure }, i) => ({ id, name: names[i], measure, done: done(id) })) });
    for (const line of new Set(names)) print(line);
    return print(`${missing.length} of ${planned.length} measurements of throughput ${spec.name} (${spec.repetitions} repetitions) are missing in ${path}, on ${at}.`);
  }

  const { ran, stopped } = missing.length > 0 ? await run(spec, missing, place, store) : { ran: 0, stopped: false };
  const ids = new Set(planned.map((p) => p.id));
  const measurements = store.measurements.filter((m) => ids.has(m.id));
  const found = costs.costsOf(measurements);
  const roofs = costs.roofsOf(found);
  const foundNames = costNames(found);
  const crashed = found.filter((c) => c.state === 'crashed').length;
  const left = planned.filter((p) => !done(p.id)).length;
  const figures = !stopped && measurements.length > 0 ? await drawFigures(spec.figures, { records: [], measurements }, { folder: flags.report ?? figureFolder(path) }) : { written: [], skipped: [] };
  process.exitCode = stopped ? INTERRUPTED : crashed > 0 ? 1 : 0;
  if (flags.json) {
    const rows = found.map((cost, i) => {
      const { measurements: _, ...rest } = cost;
      return { name: foundNames[i], ...rest, ...(cost.state === 'done' ? costs.ratesOf(cost, roofs.get(costs.placeOf(cost))) : {}) };
    });
    printJson({ throughput: spec.name, store: path, place, total: planned.length, missing: left, ran, interrupted: stopped, costs: rows, figures: figures.written, skipped: figures.skipped });
  } else {
    if (found.length > 0) print(costTable(found, foundNames));
    for (const more of [exponentTable(found), failedCosts(found, foundNames)]) if (more !== undefined) print(`\n${more}`);
    if (!stopped) print(`${planned.length - left} of ${planned.length} measurements of throughput ${spec.name} are done on ${at}, in ${path}.${missing.length === 0 ? ' Nothing was missing.' : ''}`);
    if (figures.written.length > 0) print(`Figures:\n${figures.written.map((f) => `  ${f}`).join('\n')}`);
    for (const { why } of figures.skipped) remark(`Not drawn: ${why}`);
  }
  if (stopped) remark(`Stopped: ${planned.length - left} of ${planned.length} measurements done, resume with the same command.`);
}

export function configure(command: Command): void {
  command
    .argument('<preset|file>', 'a preset, see: recallbench list throughputs; or a JSON file')
    .option('--engine <name>', 'an engine, see: recallbench list engines', 'auto')
    .option('--threads <n>', 'threads of a CPU engine (default: one a core)', whole('--threads', { min: 1 }))
    .option('--precision <name>', `${PRECISION} (default: what the preset says, else fp32)`, word('--precision', PRECISIONS))
    .option('--repetitions <n>', 'how often everything is measured, in turn (default: what the preset says)', whole('--repetitions', { min: 1, max: 100 }))
    .option('--seconds <s>', 'of sampling for each measurement (default: what the preset says)', real('--seconds', { above: 0, max: 3600 }))
    .option('--only <key=value,…>', 'only the measures that have this value, such as workload=ssd or options.seqLen=4096; may be given again', assignments('--only'))
    .option('--out <store.jsonl>', 'the store (default: runs/throughput-<name>.jsonl); what is in it is not measured again')
    .option('--report <dir>', 'where the figures go (default: a folder named like the store)')
    .option('--dry-run', 'show what would be measured, and measure nothing')
    .action(throughput)
    .addHelpText(
      'after',
      `
Measures what the store does not have yet, so the same command resumes after any interruption. Times are medians over
interleaved repetitions, with the range of the repetitions' medians; on a GPU they are the device's own. A cell for which
memory is lacking is a row. Roofs (a matrix product, a copy, an empty call) are measured in the same run.

Examples:
  $ recallbench throughput quick
  $ recallbench throughput fig10-length --engine webgpu --dry-run
  $ recallbench throughput fig10-state --only workload=ssd --out runs/ssd.jsonl`,
    );
}
