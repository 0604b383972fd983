/** `baseline update`: makes what was measured the measure of what comes. */
import type { Command } from 'commander';
import { RecallbenchError, unknownName } from '#core/errors.ts';
import { print, printJson } from '../output.ts';
import { list } from '../values.ts';

interface Flags {
  from?: string[];
  to: string;
  json?: true;
}

async function baseline(action: string, flags: Flags): Promise<void> {
  if (action !== 'update') throw new RecallbenchError('E_NAME', unknownName('action', action, ['update']));
  const [{ updateBaseline }, { givenStores }] = await Promise.all([import('#results/baseline.ts'), import('../stores.ts')]);
  const updated = updateBaseline(givenStores(flags.from), flags.to);
  if (flags.json) return printJson({ baseline: flags.to, ...updated });
  const { added, replaced, unchanged, kept, dropped } = updated;
  print(`${flags.to}: ${added} records added, ${replaced} replaced, ${unchanged} unchanged, ${kept} kept from before${dropped === 0 ? '' : `, ${dropped} older repetitions dropped`}.`);
}

export function configure(command: Command): void {
  command
    .argument('<action>', 'update')
    .option('--from <store,…>', 'stores, or folders of them; may be given again (default: runs)', list)
    .option('--to <store.jsonl>', 'the baseline', 'results/baseline.jsonl')
    .action(baseline)
    .addHelpText(
      'after',
      `
Copies the newest record of each id and device into the baseline, in place of the one that is there; records of other points and
devices stay. The file is replaced whole or not at all. Damaged lines, and runs that crashed or were interrupted, are refused. Commit
the file, and compare with it: recallbench compare main:results/baseline.jsonl runs.

Examples:
  $ recallbench baseline update
  $ recallbench baseline update --from runs/quick.jsonl,runs/throughput-ci.jsonl --to results/baseline.jsonl`,
    );
}
