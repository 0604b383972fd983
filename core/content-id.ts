/** Canonical JSON and content ids: equal content gives an equal id, whatever the order of keys. */
import { createHash } from 'node:crypto';

/** JSON with keys sorted and `undefined` left out; numbers must be finite. Texts of arrays that come again and again can be kept in `known`. */
export function canonicalJson(value: unknown, known?: WeakMap<object, string>): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON holds finite numbers only, not ${value}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    const text = known?.get(value) ?? `[${value.map((v) => canonicalJson(v, known)).join(',')}]`;
    known?.set(value, text);
    return text;
  }
  if (typeof value === 'object') {
    const fields = value as Record<string, unknown>;
    let text = '';
    for (const key of Object.keys(fields).sort()) {
      if (fields[key] !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(fields[key], known)}`;
    }
    return `{${text}}`;
  }
  throw new TypeError(`canonical JSON cannot hold a ${typeof value}`);
}

/** The first 16 hex digits of the SHA-256 of the canonical JSON. */
export function contentId(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16);
}
