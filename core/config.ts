/** Closed configuration: zod schemas whose errors name the nearest known key, and tables of named entries. */
import { z } from 'zod';
import { RecallbenchError, unknownName } from './errors.ts';

export { z };

/**
 * Checks `raw` against a strict object schema and fills in its defaults.
 * `where` says whose options they are, for the message ("task mqar", "sweep file x.json").
 * Throws E_CONFIG on the first unknown key, wrong type or illegal value.
 */
export function parseConfig<S extends z.ZodObject>(schema: S, raw: unknown, where: string): z.output<S> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 ? Object.keys(schema.shape) : knownKeys(schema, issue.path);
    throw new RecallbenchError('E_CONFIG', `${where}: ${unknownName('key', (issue.keys[0]), known)}`);
  }
  throw new RecallbenchError('E_CONFIG', `${where}: ${path === '' ? '' : `"${path}": `}${issue.message}`);
}

function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const key of path) {
    at = unwrap(at);
    if (at instanceof z.ZodObject) at = (at.shape as Record<PropertyKey, unknown>)[key];
    else if (at instanceof z.ZodArray) at = at.element;
    else return [];
  }
  at = unwrap(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: unknown): unknown {
  while (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) schema = schema.unwrap();
  return schema;
}

/** One option of a schema as `list` and `--help` show it. */
export interface OptionDoc {
  name: string;
  type: string;
  default?: unknown;
  description?: string;
}

/** The options of a strict object schema, in order. */
export function describeOptions(schema: z.ZodObject): OptionDoc[] {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as {
    properties?: Record<string, { type?: string; enum?: unknown[]; default?: unknown; description?: string }>;
  };
  return Object.entries(json.properties ?? {}).map(([name, p]) => ({
    name,
    type: p.enum ? p.enum.join('|') : (p.type ?? 'any'),
    ...(p.default === undefined ? {} : { default: p.default }),
    ...(p.description === undefined ? {} : { description: p.description }),
  }));
}

/** A table of named entries whose keys equal the entries' own names (checked by the compiler). */
export function table<T extends { [K in keyof T]: { name: K } }>(entries: T): T {
  return entries;
}

/** The entry of a table, or E_NAME with the nearest known name. */
export function lookUp<T extends object>(entries: T, kind: string, name: string): T[keyof T] {
  if (!Object.hasOwn(entries, name)) throw new RecallbenchError('E_NAME', unknownName(kind, name, Object.keys(entries)));
  return entries[name as keyof T];
}
