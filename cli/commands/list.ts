/** `list`: what there is, one line each. */
import type { Command } from 'commander';
import type { OptionDoc } from '#core/config.ts';
import { RecallbenchError, unknownName } from '#core/errors.ts';
import type { ThroughputInput } from '#harness/throughput.ts';
import { print, printJson } from '../output.ts';

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionDoc[];
  readonly [more: string]: unknown;
}

function docs(entries: Readonly<Record<string, { name: string; summary: string; options: readonly OptionDoc[] }>>): Entry[] {
  return Object.values(entries).map(({ name, summary, options }) => ({ name, summary, options }));
}

/** Each section loads only what it shows: models and engines take a second to load, tasks and sweeps do not. */
const sections: Record<string, () => Promise<Entry[]>> = {
  tasks: async () => docs((await import('#tasks/known-tasks.ts')).tasks),
  models: async () => docs((await import('#models/known-mixers.ts')).mixers),
  engines: async () => {
    const { engines } = await import('#engine/index.ts');
    const options = [{ name: 'threads', type: 'integer', description: 'worker threads, the calling one included; all cores when left out' }];
    return Object.values(engines).map(({ name, summary }) => ({ name, summary, options }));
  },
  sweeps: async () => {
    const { sweeps } = await import('#harness/sweeps/index.ts');
    return Object.values(sweeps).map(({ name, summary, figures }) => ({ name, summary, options: [], figures }));
  },
  throughputs: async () => {
    const { throughputs } = await import('#harness/throughputs/index.ts');
    return Object.values<ThroughputInput & { summary: string }>(throughputs).map(({ name, summary, figures }) => ({ name, summary, options: [], figures }));
  },
  workloads: async () => docs((await import('#harness/workloads/index.ts')).workloads),
  figures: async () => {
    const { figures } = await import('#reports/index.ts');
    return Object.values(figures).map(({ name, summary, of }) => ({ name, summary, options: [], of }));
  },
};

/** name  summary (option=default …) */
function line({ name, summary, options }: Entry, width: number): string {
  const list = options.map((o) => (o.default === undefined ? o.name : `${o.name}=${JSON.stringify(o.default).replaceAll('"', '')}`)).join(' ');
  return `  ${name.padEnd(width)}  ${summary}${list === '' ? '' : ` (${list})`}`;
}

async function list(section: string | undefined, { json }: { json?: true }): Promise<void> {
  if (section !== undefined && !Object.hasOwn(sections, section)) throw new RecallbenchError('E_NAME', unknownName('section', section, Object.keys(sections)));
  const asked = section === undefined ? Object.keys(sections) : [section];
  const found = await Promise.all(asked.map(async (name) => [name, await sections[name]()] as const));
  if (json) return printJson(Object.fromEntries(found));
  const width = Math.max(...found.flatMap(([, entries]) => entries.map((e) => e.name.length)));
  print(found.map(([name, entries]) => `${name}\n${entries.map((e) => line(e, width)).join('\n')}`).join('\n\n'));
}

export function configure(command: Command): void {
  command
    .argument('[section]', `one of ${Object.keys(sections).join(', ')}; all when left out`)
    .action(list)
    .addHelpText('after', '\nExamples:\n  $ recallbench list models\n  $ recallbench list --json | jq .tasks');
}
