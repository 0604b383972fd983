/** `compare`: whether the candidate is worse than the baseline, for people and for continuous integration. */
import { existsSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Comparison, Rules } from '#results/comparison.ts';
import type { Contents } from '#results/store.ts';
import { INTERRUPTED, onInterrupt } from '../interrupt.ts';
import { print, printJson, remark, writeText } from '../output.ts';
import { real, whole } from '../values.ts';

interface Flags {
  junit?: string;
  markdown?: string;
  bmf?: string;
  actionBenchmark?: string;
  confirm?: number | true;
  seconds: number;
  allowDifferentDevice?: true;
  allowMissing?: true;
  threshold?: number;
  alpha?: number;
  accuracyTolerance?: number;
  lossTolerance?: number;
  all?: true;
  json?: true;
}

/** fresh repetitions of each suspicious cell, unless more are needed for a verdict */
const FRESH = 10;

function rulesOf(flags: Flags, defaults: Rules): Rules {
  return {
    threshold: flags.threshold === undefined ? defaults.threshold : flags.threshold / 100,
    alpha: flags.alpha ?? defaults.alpha,
    accuracyTolerance: flags.accuracyTolerance === undefined ? defaults.accuracyTolerance : flags.accuracyTolerance / 100,
    lossTolerance: flags.lossTolerance === undefined ? defaults.lossTolerance : flags.lossTolerance / 100,
    allowMissing: flags.allowMissing === true,
    allowDifferentDevice: flags.allowDifferentDevice === true,
  };
}

/** Runs again what is suspicious. Returns the candidate with what came out, the ids of added samples, and whether it was stopped. */
async function confirm(comparison: Comparison, candidate: Contents, name: string, flags: Flags): Promise<{ candidate: Contents; fresh: ReadonlySet<string>; ran: number; stopped: boolean }> {
  const [{ rerunOf, checkHere }, { launch }, { Bars, measuringBar }, { isMeasurement }, { openStore }] = await Promise.all([import('#harness/confirm.ts'), import('#harness/launch.ts'), import('../progress.ts'), import('#results/line.ts'), import('#results/store.ts')]);
  const rerun = rerunOf(comparison, candidate, { repetitions: typeof flags.confirm === 'number' ? flags.confirm : FRESH, seconds: flags.seconds });
  if (rerun.jobs.length === 0) return { candidate, fresh: new Set(), ran: 0, stopped: false };
  if (flags.allowDifferentDevice !== true) await checkHere(rerun);
  // what the verdict rests on is kept where the rest of it is
  const store = existsSync(name) && statSync(name).isFile() ? openStore(name) : undefined;
  remark(`Running ${rerun.jobs.length} suspicious ones again${store === undefined ? '' : `, into ${name}`}.`);
  const measurements = new Map(candidate.measurements.map((m) => [m.id, m]));
  const records = new Map(candidate.records.map((r) => [r.id, r]));
  const interrupt = onInterrupt();
  const bars = new Bars();
  const bar = measuringBar(bars, rerun.jobs.map(({ id }) => ({ id, name: '' })));
  let ran = 0;
  try {
    await launch(rerun.jobs, {
      workers: 1,
      signal: interrupt.signal,
      listener: (event: { type: string; id: string }) => {
        if (event.type === 'start' || event.type === 'finish') bar(event as Parameters<typeof bar>[0]);
      },
      store: (record) => {
        store?.append(record);
        if (isMeasurement(record)) measurements.set(record.id, record);
        else records.set(record.id, record);
        ran++;
      },
    });
  } finally {
    bars.stop();
    interrupt.done();
  }
  return { candidate: { ...candidate, records: [...records.values()], measurements: [...measurements.values()] }, fresh: rerun.fresh, ran, stopped: interrupt.signal.aborted && ran < rerun.jobs.length };
}

/** The files that were asked for, and the summary of the job under GitHub Actions. Returns their paths. */
async function writeReports(comparison: Comparison, flags: Flags): Promise<string[]> {
  const written: string[] = [];
  const write = async (path: string | undefined, text: () => Promise<string>, append = false) => {
    if (path === undefined) return;
    writeText(path, await text(), append);
    written.push(path);
  };
  await write(flags.junit, async () => (await import('#reports/comparison/junit.ts')).comparisonJunit(comparison, new Date()));
  await write(flags.bmf, async () => `${JSON.stringify((await import('#reports/comparison/bmf.ts')).comparisonBmf(comparison), null, 2)}\n`);
  await write(flags.actionBenchmark, async () => `${JSON.stringify((await import('#reports/comparison/action.ts')).comparisonAction(comparison), null, 2)}\n`);
  const summary = process.env['GITHUB_STEP_SUMMARY'] === '' ? undefined : process.env['GITHUB_STEP_SUMMARY'];
  const { comparisonMarkdown, SUMMARY_LIMIT } = await import('#reports/comparison/markdown.ts');
  // a summary that has a beginning already is gone on with, and never grows over what GitHub takes
  const appended = flags.markdown === undefined || flags.markdown === summary;
  const before = appended && summary !== undefined && existsSync(summary) ? statSync(summary).size : 0;
  await write(flags.markdown ?? summary, async () => comparisonMarkdown(comparison, SUMMARY_LIMIT - before), appended);
  return written;
}

async function compare(baselineName: string, candidateName: string, flags: Flags): Promise<void> {
  const [{ compareStores }, { defaultRules }, { readNamed }, { describeProblem }, { comparisonText }] = await Promise.all([
    import('#results/compare.ts'),
    import('#results/comparison.ts'),
    import('#results/committed.ts'),
    import('#results/store.ts'),
    import('../compare-tables.ts'),
  ]);
  const rules = rulesOf(flags, defaultRules);
  const baseline = readNamed(baselineName);
  let candidate = readNamed(candidateName);
  for (const problem of [...baseline.problems, ...candidate.problems]) remark(`Warning: ${describeProblem(problem)}`);
  let comparison = compareStores(baseline, candidate, rules);
  let reran: number | undefined;
  if (flags.confirm !== undefined) {
    const again = await confirm(comparison, candidate, candidateName, flags);
    ({ candidate } = again);
    reran = again.ran;
    if (again.stopped) {
      process.exitCode = INTERRUPTED;
      return remark('Stopped: nothing was judged.');
    }
    comparison = compareStores(baseline, candidate, rules, again.fresh);
  }
  const written = await writeReports(comparison, flags);
  process.exitCode = comparison.findings > 0 ? 1 : 0;
  if (flags.json) printJson({ ...comparison, ...(reran === undefined ? {} : { reran }), written });
  else {
    print(comparisonText(comparison, flags.all === true));
    for (const path of written) remark(`Written: ${path}`);
  }
}

export function configure(command: Command): void {
  command
    .argument('<baseline>', 'a store, a folder of stores, or one in git, such as main:results/baseline.jsonl')
    .argument('<candidate>', 'the same, made by the code that is to be judged')
    .option('--threshold <percent>', 'how much slower counts (default: 8)', real('--threshold', { above: 0, max: 1000 }))
    .option('--alpha <p>', 'the chance of a false alarm about times in one comparison (default: 0.05)', real('--alpha', { above: 0, max: 0.5 }))
    .option('--accuracy-tolerance <points>', 'how many percentage points of accuracy do not count (default: 2)', real('--accuracy-tolerance', { min: 0, max: 100 }))
    .option('--loss-tolerance <percent>', 'how much of the final loss does not count (default: 10)', real('--loss-tolerance', { min: 0 }))
    .option('--confirm [repetitions]', `run what is suspicious again, here and with this code, and judge it with the fresh samples (default: ${FRESH} repetitions)`, whole('--confirm', { min: 1, max: 100 }))
    .option('--seconds <s>', 'of sampling for each rerun of --confirm', real('--seconds', { above: 0, max: 3600 }), 0.2)
    .option('--allow-different-device', 'compare what was made on different devices')
    .option('--allow-missing', 'cells that only the baseline has are no finding')
    .option('--junit <file>', 'JUnit XML: a finding is a failed test')
    .option('--markdown <file>', 'Markdown, cut to the 1 MiB of a job summary (default: appended to $GITHUB_STEP_SUMMARY where that is set)')
    .option('--bmf <file>', 'the candidate in Bencher Metric Format')
    .option('--action-benchmark <file>', 'the candidate for github-action-benchmark, tool customSmallerIsBetter')
    .option('--all', 'show the rows that are the same, too')
    .action(compare)
    .addHelpText(
      'after',
      `
Points are matched by id. Accuracy and loss may move within the spread of the seeds; parameters and state have to be equal. A
time is a finding when the effect is above the threshold and a Mann-Whitney p, corrected for the number of cells, is below alpha:
8 to 10 repetitions of each side are needed. Both sides have to be made on the same device. docs/ci.md has the rules in full.

Exit codes: 0 no finding, 1 a finding (worse, failed, changed, missing), 2 wrong usage, 3 not comparable (other devices, nothing in common).

Examples:
  $ recallbench compare results/baseline.jsonl runs/quick.jsonl
  $ recallbench compare main:results/baseline.jsonl runs --confirm --junit compare.xml --markdown compare.md
  $ recallbench compare before.jsonl after.jsonl --threshold 10 --json`,
    );
}
