/** `report`: figures from stores. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { RecallbenchError } from '#core/errors.ts';
import { print, printJson, remark } from '../output.ts';
import { list } from '../values.ts';

interface Flags {
  from?: string[];
  out: string;
  format?: string[];
  json?: true;
}

async function report(name: string, flags: Flags): Promise<void> {
  const [{ drawFigures, checkFigures, checkFormats }, { describeProblem, readStores }] = await Promise.all([import('../figures.ts'), import('#results/store.ts')]);
  if (name !== 'all') checkFigures([name]);
  const formats = flags.format === undefined ? undefined : checkFormats(flags.format);
  if (flags.from === undefined && !existsSync('runs')) {
    throw new RecallbenchError('E_STORE', 'there is no folder "runs" here. Make one with "recallbench sweep quick", or name stores with --from.');
  }
  const { records, problems } = readStores(flags.from ?? ['runs']);
  for (const problem of problems) remark(`Warning: ${describeProblem(problem)}`);
  if (records.length === 0) throw new RecallbenchError('E_STORE', `there is no record in ${(flags.from ?? ['runs']).join(', ')}.`);
  const { written, skipped } = await drawFigures(name === 'all' ? undefined : [name], records, flags.out, formats);
  if (flags.json) printJson({ written, skipped, records: records.length, problems });
  else for (const path of written) print(path);
  for (const { figure, why } of skipped) remark(`Figure ${figure} was not drawn: ${why}`);
  // what was asked for by name and cannot be drawn is a finding; "all" means all that have data
  process.exitCode = written.length === 0 ? 1 : 0;
}

export function configure(command: Command): void {
  command
    .argument('<figure|all>', 'a figure, see: recallbench list figures; or all that have data')
    .option('--from <store…>', 'stores, or folders of them (default: runs)', list)
    .option('--out <dir>', 'where the figures go', 'figures')
    .option('--format <name,…>', 'png, svg, csv (default: all of them)', list)
    .action(report)
    .addHelpText('after', '\nExamples:\n  $ recallbench report all\n  $ recallbench report recall-vs-state --from runs/quick.jsonl --from runs/more.jsonl --out paper --format svg,csv');
}
