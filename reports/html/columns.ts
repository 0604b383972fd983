/**
 * A list of records as columns: each value under its path ("point.lr"), and a column of few different values as these and
 * where they stand. 10,000 records take a tenth of their JSON, and a reader builds only the rows that somebody looks at.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** All values in order, or the different ones and for each row which it has; −1 for none. */
export type Column = { readonly each: readonly Json[] } | { readonly of: readonly Json[]; readonly at: readonly number[] };

export interface Columns {
  readonly rows: number;
  readonly columns: Readonly<Record<string, Column>>;
}

/** Packs objects of JSON values. The objects under the keys `opened` give a column to each of their own keys. */
export function packColumns(rows: readonly object[], opened: readonly string[] = []): Columns {
  const paths = new Map<string, (Json | undefined)[]>();
  rows.forEach((row, i) => {
    for (const [path, value] of entriesOf(row, opened)) {
      let values = paths.get(path);
      if (values === undefined) paths.set(path, (values = new Array<Json | undefined>(rows.length).fill(undefined)));
      values[i] = value;
    }
  });
  return { rows: rows.length, columns: Object.fromEntries([...paths].map(([path, values]) => [path, packColumn(values)])) };
}

function* entriesOf(row: object, opened: readonly string[]): Generator<[string, Json]> {
  for (const [key, value] of Object.entries(row) as [string, Json | undefined][]) {
    if (value === undefined) continue;
    if (opened.includes(key) && typeof value === 'object' && value !== null) for (const [inner, v] of Object.entries(value) as [string, Json | undefined][]) {
      if (v !== undefined) yield [`${key}.${inner}`, v];
    }
    else yield [key, value];
  }
}

function packColumn(values: readonly (Json | undefined)[]): Column {
  const places = new Map<string, number>();
  const of: Json[] = [];
  const at = values.map((value) => {
    if (value === undefined) return -1;
    const key = JSON.stringify(value);
    let place = places.get(key);
    if (place === undefined) {
      places.set(key, (place = of.length));
      of.push(value);
    }
    return place;
  });
  return at.includes(-1) || 2 * of.length <= values.length ? { of, at } : { each: values as Json[] };
}

/** The value of a column in a row; undefined where there is none. */
export function valueAt<T = unknown>({ columns }: Columns, path: string, row: number): T | undefined {
  const column = columns[path];
  if (column === undefined) return undefined;
  return ('each' in column ? column.each[row] : column.of[column.at[row]]) as T | undefined;
}

/** A row as the object that was packed. */
export function rowAt<T extends object>(packed: Columns, row: number): T {
  const out: Record<string, unknown> = {};
  for (const path of Object.keys(packed.columns)) {
    const value = valueAt(packed, path, row);
    if (value === undefined) continue;
    const dot = path.indexOf('.');
    if (dot < 0) out[path] = value;
    else (out[path.slice(0, dot)] ??= {}) && ((out[path.slice(0, dot)] as Record<string, unknown>)[path.slice(dot + 1)] = value);
  }
  return out as T;
}
