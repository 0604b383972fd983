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
  by?: string;
  reach?: string;
  anchors?: true;
  title?: string | undefined;
  theme: string;
  width?: string;
  caption: boolean;
  json?: true;
}

/** Which records, and what of them, a figure shows. */
function optionsOf({ task, sweep, model, slice, by, reach, anchors, title }: Flags): FigureOptions {
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
    ...(by === undefined ? {} : { by }),
    ...(reach === undefined ? {} : { reach: share('--reach', reach) }),
    ...(anchors === undefined ? {} : { anchors }),
    ...(title === undefined ? {} : { title }),
  };
}

/** A number above 0 and up to 1. Throws E_CONFIG. */
function share(flag: string, text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new RecallbenchError('E_CONFIG', `${flag} is a share above 0 and up to 1, such as 0.9, not "${text}".`);
}

async function report(name: string, flags: Flags): Promise<void> {
  const [{ drawFigures, checkFigures }, { readGiven }] = await Promise.all([import('../figures.ts'), import('../stores.ts')]);
  try {
    if (name !== 'all') checkFigures([name]);
  } catch (error) {
    if (!existsSync(name)) throw error;
    throw new RecallbenchError('E_NAME', `"${name}" is a path and no figure. Remedy: recallbench report all --from ${name}`);
  }
  const [{ themes }, { parseReportFormats, parseWidth }] = await Promise.all([import('#reports/theme.ts'), import('#reports/write.ts')]);
  const page = flags.format !== undefined && parseReportFormats(flags.format).html;
  const theme = lookUp(themes, 'theme', flags.theme).name;
  const { records, measurements, problems, repeated } = readGiven(flags.from);
  const { written, skipped } = await drawFigures(name === 'all' ? undefined : [name], { records, measurements }, {
    folder: flags.out,
    options: optionsOf(page ? { ...flags, title: undefined } : flags),
    draw: { theme, caption: flags.caption, ...(flags.width === undefined ? {} : { mm: parseWidth(flags.width) }) },
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
    .option('--format <name,…>', 'png, svg, pdf, csv, or html, all figures and runs in one page (default: png, svg, csv)', list)
    .option('--task <name>', 'only runs of this task')
    .option('--sweep <name>', 'only what this sweep asked for')
    .option('--model <name,…>', 'only these models; single ops go by the name of the workload', list)
    .option('--slice <key=value>', 'accuracy at these slices of the test, such as seqLen=512; may be given again', assignments('--slice'))
    .option('--by <key>', 'accuracy-by-slice: against this key of the test, such as pairs (default: all that vary)')
    .option('--reach <share>', 'steps-to-recall: the validation accuracy that counts (default: 0.99)')
    .option('--anchors', 'published times and ratios beside the measured ones, marked as published')
    .option('--theme <name>', 'paper, screen or dark', 'paper')
    .option('--width <name>', 'in print: column (85 mm), wide (180 mm), or millimetres; letters are at least 6 points high (default: 720 pixels, which are 145 mm)')
    .option('--no-caption', 'without the words under the figure; SVG and PDF have them as description all the same')
    .option('--title <text>', 'instead of the title of the figure; an empty one is none. With html, the title of the page')
    .action(report)
    .addHelpText('after', '\nExamples:\n  $ recallbench report all\n  $ recallbench report all --format html --out report\n  $ recallbench report recall-vs-state --from runs/quick.jsonl,runs/more.jsonl --out paper --format pdf,csv --width column\n  $ recallbench report time-vs-length --from results/published/h200 --anchors --theme dark\n  $ recallbench report accuracy-by-slice --by pairs --slice seqLen=512 --title ""');
}
