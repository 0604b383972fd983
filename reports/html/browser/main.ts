/** The page of the HTML report: figures, tables, the open run, and an address that says what is looked at. */
import { valueAt, rowAt } from '../columns.ts';
import { curveAt, type PackedCurves } from '../curves.ts';
import { unpackFigures } from '../packed-figures.ts';
import { runAt } from '../packed-runs.ts';
import type { MissingRow, Payload } from '../payload.ts';
import { everything, formatView, parseView, type TableView, type View } from '../view.ts';
import { onTheme, startTheme } from './colors.ts';
import { costDetail, costTitle } from './cost-detail.ts';
import { costsTable, missingTable } from './costs.ts';
import { button, el } from './dom.ts';
import { displace, startFigures } from './figures.ts';
import { runDetail, runTitle } from './run-detail.ts';
import { runsTable } from './runs.ts';
import { DataTable, type TableContents } from './table.ts';

const embedded = (id: string): unknown => JSON.parse(document.getElementById(id)!.textContent);
const payload = embedded('data') as Payload;
let curves: PackedCurves | undefined;

const dialog = document.getElementById('detail') as HTMLDialogElement;
const tables = new Map<string, DataTable>();
let view: View = parseView(location.hash);

/** Changes what is looked at. A step that a reader may want back is one in the history; a letter in a filter is none. */
function go(next: View, step: 'push' | 'replace'): void {
  view = next;
  const address = formatView(view) || location.pathname + location.search;
  if (step === 'push') history.pushState(null, '', address);
  else history.replaceState(null, '', address);
}

const open = (table: string, id: string) => {
  go({ ...view, open: { table, id } }, 'push');
  showOpen();
};

let waiting: ReturnType<typeof setTimeout> | undefined;
function startTable(contents: TableContents): void {
  const host = document.querySelector<HTMLElement>(`[data-table="${contents.name}"]`);
  if (host === null) return;
  const table = new DataTable(host, contents, (own: TableView) => {
    view = { ...view, tables: { ...view.tables, [contents.name]: own } };
    // browsers refuse to write the address at every letter
    clearTimeout(waiting);
    waiting = setTimeout(() => go(view, 'replace'), 150);
  });
  tables.set(contents.name, table);
}

/** Shows only these runs, or costs; one alone is opened. */
function pick(ids: readonly string[]): void {
  const name = ids.some((id) => tables.get('costs')?.find(id) !== undefined) ? 'costs' : 'runs';
  const table = tables.get(name);
  if (table === undefined) return;
  const rows = new Set(ids.map((id) => table.find(id)));
  if (rows.size === 1) return open(name, ids[0]);
  const own = { ...(view.tables[name] ?? everything), q: '', only: {}, ids };
  go({ ...view, tables: { ...view.tables, [name]: own } }, 'push');
  table.show(own);
  document.getElementById(name)!.scrollIntoView();
}

function showTables(): void {
  for (const [name, table] of tables) table.show(view.tables[name] ?? everything);
}

/** Opens the dialog on what the address names, or closes it. */
function showOpen(): void {
  const { open: opened } = view;
  displace(dialog);
  if (opened === undefined) {
    if (dialog.open) dialog.close();
    return;
  }
  const table = tables.get(opened.table);
  const row = table?.find(opened.id);
  const beside = (step: 1 | -1, words: string, name: string) => {
    const next = row === undefined ? undefined : table?.neighbour(row, step);
    return button(words, () => next !== undefined && openBeside(opened.table, next), { 'aria-label': name, title: name, disabled: next === undefined, 'data-step': step });
  };
  const { title, parts, id } = row === undefined ? { title: 'Not in this report', parts: [el('p', {}, `There is nothing of the id ${opened.id} here.`)], id: opened.id } : detailOf(opened.table, row);
  const head = el('header', {}, el('div', {}, el('h2', { id: 'detail-title', tabindex: '-1', autofocus: true }, title), el('p', { class: 'caption' }, el('code', {}, id))), el('div', { class: 'steps' }, beside(-1, '←', 'The one before (k)'), beside(1, '→', 'The next one (j)'), button('×', close, { 'aria-label': 'Close', title: 'Close (Esc)' })));
  // a figure is measured when it is in the document
  dialog.replaceChildren(head, el('div', { class: 'parts' }, ...parts.filter((part) => part !== undefined)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function openBeside(table: string, row: number): void {
  const id = table === 'runs' ? valueAt(payload.runs, 'id', row)! : valueAt(payload.costs, 'id', row)!;
  go({ ...view, open: { table, id } }, 'replace');
  showOpen();
}

function detailOf(table: string, row: number): { title: string; parts: (Node | undefined)[]; id: string } {
  if (table === 'runs') {
    const run = runAt(payload.runs, row);
    curves ??= embedded('curves') as PackedCurves;
    return { title: runTitle(run), id: run.id, parts: runDetail(run, curveAt(curves, row)) };
  }
  const cost = rowAt(payload.costs, row);
  return { title: costTitle(cost), id: cost.id, parts: costDetail(cost, cost.rows.map((r) => rowAt(payload.measurements, r))) };
}

function close(): void {
  if (view.open !== undefined) go({ ...view, open: undefined }, 'push');
  showOpen();
}

/** Everything is measured in the font of the page, so it must be there first. */
async function start(): Promise<void> {
  startTheme(document.getElementById('theme')!);
  await Promise.allSettled([document.fonts.load('13px Inter'), document.fonts.load('600 13px Inter')]);
  startTable(runsTable(payload.runs, (row) => open('runs', valueAt(payload.runs, 'id', row)!)));
  startTable(
    costsTable(
      payload.costs,
      (row) => valueAt(payload.costs, 'rows', row)!.map((r) => valueAt(payload.measurements, 'id', r)!),
      (row) => open('costs', valueAt(payload.costs, 'id', row)!),
    ),
  );
  startTable(missingTable(payload.missing, ({ ids }: MissingRow) => ids.length > 0 && pick(ids)));
  startFigures(unpackFigures(payload.figures), pick);
  onTheme(showTables);
  showTables();
  showOpen();
  // whoever links to a section by its plain id
  if (/^#[\w-]+$/.test(location.hash)) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  performance.mark('interactive');
  document.documentElement.dataset['ready'] = '';
  // before anybody types
  setTimeout(() => tables.forEach((table) => table.prepare()), 200);
}

// the event comes later than the closing: by then another run may have been opened
dialog.addEventListener('close', () => !dialog.open && view.open !== undefined && close());
dialog.addEventListener('click', (event) => event.target === dialog && close());
dialog.addEventListener('keydown', (event) => {
  const step = { j: 1, k: -1 }[event.key];
  if (step !== undefined) dialog.querySelector<HTMLButtonElement>(`[data-step="${step}"]`)?.click();
});
addEventListener('popstate', () => {
  view = parseView(location.hash);
  showTables();
  showOpen();
});
for (const link of document.querySelectorAll<HTMLAnchorElement>('a[data-scroll]')) {
  link.addEventListener('click', (event) => {
    event.preventDefault();
    document.getElementById(link.dataset['scroll']!)?.scrollIntoView();
  });
}
// links to runs in what others wrote keep the filters
document.querySelector('main')!.addEventListener('click', (event) => {
  const href = event.defaultPrevented ? undefined : (event.target as Element).closest('a')?.getAttribute('href');
  const asked = href?.startsWith('#') ? parseView(href).open : undefined;
  if (asked === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(asked.table, asked.id);
});
addEventListener('beforeprint', () => tables.forEach((table) => table.print(true)));
addEventListener('afterprint', () => tables.forEach((table) => table.print(false)));

void start();
