/** `report`: figures from stores. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { lookUp } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { FigureOptions } from '#reports/figure.ts';
import { print, printJson, remark } from '../output.ts';
import { assignments, list, scalar } from '../values.ts';

interface Flags {
  from?: string[];
  out: string;
  format?: string[];
  task?: string;
  sweep?: string;
  model?: string[];
  slice?: Record<string, string>;
  anchors?: true;
  title?: string | undefined;
  theme: string;
  json?: true;
}

/** Which records, and what of them, a figure shows. */
function optionsOf({ task, sweep, model, slice, anchors, title }: Flags): FigureOptions {
  return {
    ...(task === undefined ? {} : { task }),
    ...(sweep === undefined ? {} : { sweep }),
    ...(model === undefined ? {} : { models: model }),
    ...(slice === undefined
      ? {}
      : {
          slice: Object.fromEntries(
            Object.entries(slice).map(([key, text]) => {
              const value = scalar(text);
              return [key, typeof value === 'boolean' ? text : value];
            }),
          ),
        }),
    ...(anchors === undefined ? {} : { anchors }),
    ...(title === undefined ? {} : { title }),
  };
}

async function report(name: string, flags: Flags): Promise<void> {
  const [{ drawFigures, checkFigures }, { describeProblem, readStores }] = await Promise.all([import('../figures.ts'), import('#results/store.ts')]);
  if (name !== 'all') checkFigures([name]);
  if (flags.format !== undefined) (await import('#reports/write.ts')).parseFormats(flags.format);
  const { themes } = await import('#reports/theme.ts');
  const theme = lookUp(themes, 'theme', flags.theme).name;
  const from = flags.from ?? ['runs'];
  if (flags.from === undefined && !existsSync('runs')) {
    throw new RecallbenchError('E_STORE', 'there is no folder "runs" here. Make one with "recallbench sweep quick", or name stores with --from.');
  }
  const { records, measurements, problems, repeated } = readStores(from);
  for (const problem of problems) remark(`Warning: ${describeProblem(problem)}`);
  if (records.length + measurements.length === 0) throw new RecallbenchError('E_STORE', `there is no record in ${from.join(', ')}. Make some with: recallbench sweep quick --out ${from[0]}.`);
  const { written, skipped } = await drawFigures(name === 'all' ? undefined : [name], { records, measurements }, {
    folder: flags.out,
    options: optionsOf(name === 'all' ? { ...flags, title: undefined } : flags),
    draw: { theme },
    more: { problems, repeated, ...(flags.title === undefined ? {} : { title: flags.title }) },
    ...(flags.format === undefined ? {} : { formats: flags.format }),
  });
  if (flags.json) printJson({ written, skipped, records: records.length, measurements: measurements.length, problems });
  else for (const path of written) print(path);
  for (const { why } of skipped) remark(`Not drawn: ${why}`);
  // "all" means all that have data; nothing at all is a finding
  process.exitCode = written.length === 0 ? 1 : 0;
}

export function configure(command: Command): void {
  command
    .argument('<figure|all>', 'a figure, see: recallbench list figures; or all that have data')
    .option('--from <store,…>', 'stores, or folders of them; may be given again (default: runs)', list)
    .option('--out <dir>', 'where the figures go', 'figures')
    .option('--format <name,…>', 'png, svg, csv (default: these), html: all figures and runs in one file to look around in', list)
    .option('--task <name>', 'only runs of this task')
    .option('--sweep <name>', 'only what this sweep asked for')
    .option('--model <name,…>', 'only these models; single ops go by the name of the workload', list)
    .option('--slice <key=value>', 'accuracy at these slices of the test, such as seqLen=512; may be given again', assignments('--slice'))
    .option('--anchors', 'published times and ratios beside the measured ones, marked as published')
    .option('--theme <name>', 'paper, screen or dark', 'paper')
    .option('--title <text>', 'instead of the title of the figure; with all, of the HTML report')
    .action(report)
    .addHelpText('after', '\nExamples:\n  $ recallbench report all\n  $ recallbench report all --from runs --format html --out report\n  $ recallbench report recall-vs-state --from runs/quick.jsonl,runs/more.jsonl --out paper --format svg,csv\n  $ recallbench report time-vs-length --from results/published/h100 --anchors');
}
