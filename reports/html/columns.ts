/**
 * A list of records as columns: each value under its path ("point.lr"), and a column of few different values as these and
 * where they stand. 10,000 records take a tenth of their JSON, and a reader builds only the rows that somebody looks at.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** All values in order, or the different ones and for each row which it has; −1 for none. */
export type Column = { readonly each: readonly Json[] } | { readonly of: readonly Json[]; readonly at: readonly number[] };

export interface Columns<Row> {
  readonly rows: number;
  readonly columns: Readonly<Record<string, Column>>;
  /** never there: what a row is, for the compiler */
  readonly like?: Row;
}

/** What stands under a path: "id", "point.lr". */
export type Value<Row, Path> = Path extends keyof Row ? Row[Path] : Path extends `${infer Key}.${infer Inner}` ? (Key extends keyof Row ? Value<NonNullable<Row[Key]>, Inner> : never) : never;

/** Packs objects of JSON values. The objects under the keys `opened` give a column to each of their own keys. */
export function packColumns<Row extends object>(rows: readonly Row[], opened: readonly string[] = []): Columns<Row> {
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
export function valueAt<Row, Path extends string>({ columns }: Columns<Row>, path: Path, row: number): Value<Row, Path> | undefined {
  const column = columns[path];
  if (column === undefined) return undefined;
  return ('each' in column ? column.each[row] : column.of[column.at[row]]) as Value<Row, Path> | undefined;
}

/** A row as the object that was packed. */
export function rowAt<Row>(packed: Columns<Row>, row: number): Row {
  const out: Record<string, unknown> = {};
  for (const path of Object.keys(packed.columns)) {
    const value: unknown = valueAt(packed, path, row);
    if (value === undefined) continue;
    const dot = path.indexOf('.');
    if (dot < 0) out[path] = value;
    else out[path.slice(0, dot)] = { ...(out[path.slice(0, dot)] as object | undefined), [path.slice(dot + 1)]: value };
  }
  return out as Row;
}
