/** What a reader looks at, as the fragment of the page's address: filters, order, an open run. So a view can be linked. */

/** A table's filters and order. */
export interface TableView {
  /** words that all must be in a row */
  q: string;
  /** a value for a column, by the column's key */
  only: Readonly<Record<string, string>>;
  /** ids, where only these are shown */
  ids: readonly string[];
  /** the key of a column, and which way */
  sort: { readonly key: string; readonly down: boolean } | undefined;
}

export interface View {
  /** by the name of the table */
  tables: Readonly<Record<string, TableView>>;
  /** the open run, or cost */
  open: { readonly table: string; readonly id: string } | undefined;
}

export const everything: TableView = { q: '', only: {}, ids: [], sort: undefined };

/** The table that addresses mean when they name none. */
export const FIRST = 'runs';
/** keys under which the first table's own things stand */
const OPEN: Readonly<Record<string, string>> = { run: 'runs', cost: 'costs' };

/** `#model=Mamba-2&sort=-accuracy&run=cc7aca98024bdeb2`; of other tables than the first with their name before the key, `costs.q=ssd`. */
export function formatView({ tables, open }: View): string {
  const out = new URLSearchParams();
  for (const [name, { q, only, ids, sort }] of Object.entries(tables)) {
    const put = (key: string, value: string) => out.set(name === FIRST ? key : `${name}.${key}`, value);
    if (q !== '') put('q', q);
    for (const [key, value] of Object.entries(only)) put(key, value);
    if (ids.length > 0) put('ids', ids.join(','));
    if (sort !== undefined) put('sort', `${sort.down ? '-' : ''}${sort.key}`);
  }
  for (const [key, table] of Object.entries(OPEN)) if (open?.table === table) out.set(key, open.id);
  const text = out.toString();
  return text === '' ? '' : `#${text}`;
}

/** Reads a fragment; what is not understood is a filter that no column has, and does nothing. */
export function parseView(fragment: string): View {
  const tables: Record<string, TableView> = {};
  let open: View['open'];
  for (const [key, value] of new URLSearchParams(fragment.replace(/^#/, ''))) {
    const opened = OPEN[key];
    if (opened !== undefined) {
      open = { table: opened, id: value };
      continue;
    }
    const dot = key.indexOf('.');
    const [name, own] = dot < 0 ? [FIRST, key] : [key.slice(0, dot), key.slice(dot + 1)];
    const before = tables[name] ?? everything;
    tables[name] =
      own === 'q' ? { ...before, q: value }
      : own === 'ids' ? { ...before, ids: value.split(',').filter((id) => id !== '') }
      : own === 'sort' ? { ...before, sort: { key: value.replace(/^-/, ''), down: value.startsWith('-') } }
      : { ...before, only: { ...before.only, [own]: value } };
  }
  return { tables, open };
}
