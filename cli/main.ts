#!/usr/bin/env node
/**
 * The command line: finds the command, loads it and nothing else, runs it, and turns every ending into an exit code.
 *
 *     0 fine   1 a finding (failed points, a regression)   2 wrong usage or config   3 cannot run or compare here   130 stopped by Ctrl-C
 */
import { Command } from 'commander';
import { packageVersion } from '#core/package-info.ts';
import { failure, showFailure } from './failure.ts';
import { flush, quietPipes } from './output.ts';
import { list } from './values.ts';

/** What a module of `commands/` exports: its options, example and action. The action sets `process.exitCode`. */
interface CommandModule {
  configure(command: Command): void;
}

const commands: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  list: { summary: 'what there is: tasks, models, engines, sweeps, figures, with their options', load: () => import('./commands/list.ts') },
  doctor: { summary: 'which engines run here, and for the others the reason and the remedy', load: () => import('./commands/doctor.ts') },
  data: { summary: 'export examples of a task, and draw one', load: () => import('./commands/data.ts') },
  train: { summary: 'train one model on one task and measure what it remembers', load: () => import('./commands/train.ts') },
  sweep: { summary: 'run what is missing of a sweep, and draw its figures', load: () => import('./commands/sweep.ts') },
  throughput: { summary: 'measure speed and memory of ops and of whole models', load: () => import('./commands/throughput.ts') },
  claims: { summary: 'published claims, each decided from stores: confirmed, refuted, or what is lacking', load: () => import('./commands/claims.ts') },
  report: { summary: 'draw figures from stores', load: () => import('./commands/report.ts') },
  compare: { summary: 'whether a candidate is worse than a baseline: exit code 1 when it is', load: () => import('./commands/compare.ts') },
  baseline: { summary: 'make what was measured the baseline of later comparisons', load: () => import('./commands/baseline.ts') },
};

async function main(args: readonly string[]): Promise<void> {
  const program = new Command('recallbench')
    .description('How much does a sequence model remember, and what does it cost?')
    .version(packageVersion, '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // errors are printed in one place, below
    .showHelpAfterError(false)
    .addHelpText('after', '\nStart with:\n  $ recallbench doctor\n  $ recallbench sweep quick');
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).description(summary);
    if (!args.includes(name)) continue;
    (await load()).configure(command);
    command.option('--json', 'print the result as JSON, for machines');
    command.option('--plugin <file|package,…>', 'adds tasks and models from a module of yours, see docs/plugins.md; may be given again', list);
    command.hook('preAction', async () => {
      const { plugin } = command.opts<{ plugin?: string[] }>();
      if (plugin !== undefined) await (await import('#harness/plugins.ts')).usePlugins(plugin);
    });
  }
  await program.parseAsync(args, { from: 'user' });
}

const args = process.argv.slice(2);
const end = (error: unknown) => {
  process.exitCode = showFailure(failure(error, args, Object.keys(commands)), args.includes('--json'));
};
quietPipes();
process.on('uncaughtException', (error) => {
  end(error);
  process.exit();
});
await main(args).catch(end);
await flush();
// engines may hold devices and threads that would keep the process alive
process.exit();
