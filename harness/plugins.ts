/**
 * Plugins: tasks and mixers of others. A plugin is a module, TypeScript or JavaScript, that exports what `defineTask` and `defineMixer`
 * of this package made, under any name; it imports them from 'recallbench' (plugin-api.ts) wherever it lies.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { packageRoot } from '#core/package-info.ts';
import { RecallbenchError } from '#core/errors.ts';
import { mixers } from '#models/known-mixers.ts';
import { isMixer } from '#models/mixer.ts';
import { tasks } from '#tasks/known-tasks.ts';
import { isTask } from '#tasks/task.ts';

/** Which plugins this process has, as paths: worker processes and threads inherit it, and so load the same. */
const VARIABLE = 'RECALLBENCH_PLUGINS';

const loaded = new Set<string>();

/** Names plugins, by file or by package as seen from `from`, for this process and all that it starts, and loads them. Throws E_PLUGIN. */
export async function usePlugins(names: readonly string[], from = process.cwd()): Promise<void> {
  const before = process.env[VARIABLE];
  process.env[VARIABLE] = JSON.stringify([...(before === undefined ? [] : (JSON.parse(before) as string[])), ...names.map((name) => pathOf(name, from))]);
  await loadPlugins();
}

/** Loads the plugins that this process was told to have and has not loaded yet. Throws E_PLUGIN. */
export async function loadPlugins(): Promise<void> {
  for (const path of JSON.parse(process.env[VARIABLE] ?? '[]') as string[]) {
    if (loaded.has(path)) continue;
    await load(path);
    loaded.add(path);
  }
}

function pathOf(name: string, from: string): string {
  const file = resolve(from, name);
  if (existsSync(file)) return file;
  try {
    return createRequire(join(from, 'from.js')).resolve(name);
  } catch (error) {
    throw new RecallbenchError('E_PLUGIN', `there is no file ${name}, and no package of that name that can be resolved from ${from}. Remedy: the path of a file, or npm install ${name}.`, { cause: error });
  }
}

async function load(path: string): Promise<void> {
  const { createJiti } = await import('jiti');
  const jiti = createJiti(import.meta.url, { alias: { recallbench: join(packageRoot, 'dist', 'harness', 'plugin-api.js') }, fsCache: false });
  let exported: unknown[];
  try {
    exported = Object.values(await jiti.import<Record<string, unknown>>(path));
  } catch (error) {
    throw new RecallbenchError('E_PLUGIN', `${path} cannot be loaded: ${(error as Error).message}`, { cause: error });
  }
  let found = 0;
  for (const thing of exported) {
    if (isTask(thing)) add(tasks, 'task', thing, path);
    else if (isMixer(thing)) add(mixers, 'model', thing, path);
    else continue;
    found++;
  }
  if (found === 0) throw new RecallbenchError('E_PLUGIN', `${path} exports no task and no mixer. It should export what defineTask({ … }) or defineMixer({ … }) returns, both imported from 'recallbench' (this copy: ${packageRoot}).`);
}

function add<T extends { readonly name: string }>(entries: Record<string, T>, kind: string, thing: T, path: string): void {
  if (entries[thing.name] === thing) return; // exported twice, say by name and as default
  if (Object.hasOwn(entries, thing.name)) throw new RecallbenchError('E_PLUGIN', `${path}: there is a ${kind} "${thing.name}" already. Choose another name.`);
  entries[thing.name] = thing;
}
