/** What a sweep or a throughput sweep is named by on the command line, and where its figures go. */
import { existsSync, readFileSync } from 'node:fs';
import { RecallbenchError, unknownName } from '#core/errors.ts';

/** A preset by its name, or a JSON file. Errors: E_NAME, E_CONFIG. */
export function readSpec<T>(name: string, { kind, presets, parse, example }: { kind: string; presets: object; parse: (raw: unknown, where: string) => T; example: string }): T {
  if (Object.hasOwn(presets, name)) return parse(presets[name as keyof typeof presets], `${kind} ${name}`);
  if (!/[./\\]/.test(name) && !existsSync(name)) throw new RecallbenchError('E_NAME', `${unknownName(kind, name, Object.keys(presets))} A ${kind} of your own is named by its JSON file.`);
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(name, 'utf8'));
  } catch (error) {
    throw new RecallbenchError('E_CONFIG', `${kind} file ${name} cannot be ${error instanceof SyntaxError ? 'understood' : 'read'}: ${(error as Error).message}. It holds JSON such as ${example}.`, { cause: error });
  }
  return parse(raw, `${kind} file ${name}`);
}

/** Where the figures of a store go when nothing else is asked for: runs/quick.jsonl → runs/quick */
export function figureFolder(store: string): string {
  return store.endsWith('.jsonl') ? store.slice(0, -'.jsonl'.length) : `${store}-figures`;
}
