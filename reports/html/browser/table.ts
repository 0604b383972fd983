/** A table of many rows: sorted by any column, filtered by words and by columns, and only the rows in sight are in the document. */
import type { TableView } from '../view.ts';
import { button, el } from './dom.ts';

export interface TableColumn {
  key: string;
  label: string;
  /** a longer name */
  title?: string;
  /** to the right, and sorted as numbers */
  numeric?: boolean;
  /** rows may be chosen by its values */
  choose?: boolean;
  /** its words are none that a search should find */
  silent?: boolean;
  text(row: number): string;
  /** what is sorted by; the text unless given */
  value?(row: number): number | null | undefined;
}

export interface TableContents {
  name: string;
  /** "runs" */
  noun: string;
  rows: number;
  columns: readonly TableColumn[];
  idOf(row: number): string;
  /** other ids by which a row is found */
  idsOf?(row: number): readonly string[];
  /** of the dot before the first column */
  colorOf?(row: number): string;
  /** the address of what a row opens */
  hrefOf?(row: number): string | undefined;
  /** classes of a row */
  classOf?(row: number): string;
  open(row: number): void;
}

/** pixels; the style sheet knows it too */
const ROW = 32;
/** rows beyond the edges that are in the document already */
const BEYOND = 6;
/** rows that a printed table has at the most */
const PRINTED = 500;
/** rows by whose texts a column's width is chosen */
const SAMPLED = 400;

const collator = new Intl.Collator('en', { numeric: true });

export class DataTable {
  readonly #contents: TableContents;
  readonly #change: (view: TableView) => void;
  #view: TableView = { q: '', only: {}, ids: [], sort: undefined };
  /** all rows in the order of the view */
  #order: Int32Array;
  #orderKey = '';
  /** the rows in sight of the filters, in that order */
  #shown: Int32Array;
  #words: string[] | undefined;
  readonly #ranks = new Map<string, Float64Array>();
  #focused = -1;
  #printing = false;
  readonly #scroller: HTMLElement;
  readonly #body = el('tbody');
  /** as many as were ever in sight together: another row is shown by other words in the same cells */
  readonly #rows: TableRow[] = [];
  readonly #above = el('tr', { class: 'blank', 'aria-hidden': 'true' });
  readonly #below = el('tr', { class: 'blank', 'aria-hidden': 'true' });
  readonly #heads = new Map<string, HTMLTableCellElement>();
  readonly #search: HTMLInputElement;
  readonly #selects = new Map<string, HTMLSelectElement>();
  readonly #chips = el('span', { class: 'chips' });
  readonly #count = el('span', { class: 'count', role: 'status' });

  constructor(host: HTMLElement, contents: TableContents, change: (view: TableView) => void) {
    this.#contents = contents;
    this.#change = change;
    this.#order = Int32Array.from({ length: contents.rows }, (_, i) => i);
    this.#shown = this.#order;
    this.#search = el('input', { type: 'search', placeholder: `Filter ${contents.noun}`, 'aria-label': `Filter ${contents.noun} by words` });
    this.#search.addEventListener('input', () => this.#set({ q: this.#search.value }));
    const bar = el('div', { class: 'filters', role: 'search' }, this.#search, ...this.#choices(), this.#chips, this.#count);
    const widths = this.#columnWidths();
    const table = el('table', { class: 'data', 'aria-rowcount': contents.rows + 1, 'aria-label': contents.noun, style: `width:${widths.reduce((a, b) => a + b, 0)}px` }, el('colgroup', {}, ...widths.map((width) => el('col', { style: `width:${width}px` }))), el('thead', {}, this.#headRow()), this.#body);
    this.#scroller = el('div', { class: 'scroller', tabindex: '-1' }, table);
    host.replaceChildren(bar, this.#scroller);
    let asked = false;
    this.#scroller.addEventListener('scroll', () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        this.#draw();
      });
    });
    this.#body.addEventListener('click', (event) => this.#clicked(event));
    this.#body.addEventListener('keydown', (event) => this.#pressed(event));
    new ResizeObserver(() => this.#draw()).observe(this.#scroller);
    this.#draw();
  }

  /** Shows a view; nothing is told to anyone. */
  show(view: TableView): void {
    this.#view = view;
    if (this.#search.value !== view.q) this.#search.value = view.q;
    for (const [key, select] of this.#selects) {
      const wanted = view.only[key] ?? '';
      // a value of an address that no row has is shown all the same, since it filters
      if (wanted !== '' && ![...select.options].some((o) => o.value === wanted)) select.append(el('option', { value: wanted }, wanted));
      select.value = wanted;
    }
    this.#chips.replaceChildren(
      ...(view.ids.length === 0 ? [] : [button(`${view.ids.length === 1 ? 'one id' : `${view.ids.length} ids`} ×`, () => this.#set({ ids: [] }), { class: 'chip', title: 'Show all again' })]),
      ...(view.q === '' && Object.keys(view.only).length === 0 ? [] : [button('Clear filters', () => this.#set({ q: '', only: {}, ids: [] }), { class: 'plain' })]),
    );
    for (const [key, head] of this.#heads) head.setAttribute('aria-sort', view.sort?.key !== key ? 'none' : view.sort.down ? 'descending' : 'ascending');
    this.#sort();
    this.#filter();
    const { noun, rows } = this.#contents;
    const format = (n: number) => n.toLocaleString('en');
    this.#count.textContent = this.#shown.length === rows ? `${format(rows)} ${noun}` : `${format(this.#shown.length)} of ${format(rows)} ${noun}`;
    this.#focused = -1;
    this.#scroller.scrollTop = 0;
    this.#draw();
  }

  /** The row before or after another in the order shown, if there is one. */
  neighbour(row: number, step: 1 | -1): number | undefined {
    const at = this.#shown.indexOf(row);
    return at < 0 ? undefined : this.#shown[at + step];
  }

  /** The row of an id, filtered or not. */
  find(id: string): number | undefined {
    const { rows, idOf, idsOf } = this.#contents;
    for (let row = 0; row < rows; row++) if (idOf(row) === id || idsOf?.(row).includes(id)) return row;
    return undefined;
  }

  /** All rows that fit on paper, instead of those in sight; or back. */
  print(on: boolean): void {
    this.#printing = on;
    this.#draw();
  }

  /** Makes what the first search would have to make. */
  prepare(): void {
    this.#words ??= Array.from({ length: this.#contents.rows }, (_, row) => [this.#contents.idOf(row), ...this.#contents.columns.filter((c) => !c.silent).map((c) => c.text(row))].join('\n').toLowerCase());
  }

  #set(part: Partial<TableView>): void {
    const view = { ...this.#view, ...part };
    this.show(view);
    this.#change(view);
  }

  #choices(): HTMLElement[] {
    return this.#contents.columns.flatMap((column) => {
      if (!column.choose) return [];
      const counts = new Map<string, number>();
      for (let row = 0; row < this.#contents.rows; row++) counts.set(column.text(row), (counts.get(column.text(row)) ?? 0) + 1);
      counts.delete('');
      const values = [...counts].sort(([a], [b]) => collator.compare(a, b));
      if (values.length < 2) return [];
      const name = (column.title ?? column.label).toLowerCase();
      const select = el('select', { 'aria-label': `Only this ${name}`, 'data-key': column.key }, el('option', { value: '' }, `Any ${name}`), ...values.map(([value, n]) => el('option', { value }, `${value} (${n.toLocaleString('en')})`)));
      select.addEventListener('change', () => {
        const { [column.key]: _, ...others } = this.#view.only;
        this.#set({ only: select.value === '' ? others : { ...others, [column.key]: select.value } });
      });
      this.#selects.set(column.key, select);
      return [select];
    });
  }

  #headRow(): HTMLTableRowElement {
    return el(
      'tr',
      {},
      ...this.#contents.columns.map((column) => {
        const press = button(column.label, () => this.#sortBy(column), { title: `${column.title ?? column.label}: sort` });
        const head = el('th', { scope: 'col', class: column.numeric ? 'number' : undefined, 'aria-sort': 'none', 'data-key': column.key }, press);
        this.#heads.set(column.key, head);
        return head;
      }),
    );
  }

  /** Numbers from the largest first, then the smallest, then as they came; words the other way round. */
  #sortBy({ key, numeric = false }: TableColumn): void {
    const { sort } = this.#view;
    const first = { key, down: numeric };
    this.#set({ sort: sort?.key !== key ? first : sort.down === first.down ? { key, down: !first.down } : undefined });
  }

  #columnWidths(): number[] {
    const { columns, rows, colorOf } = this.#contents;
    const ctx = document.createElement('canvas').getContext('2d')!;
    ctx.font = '13px Inter, sans-serif';
    const step = Math.max(1, Math.floor(rows / SAMPLED));
    return columns.map((column, c) => {
      let longest = '';
      for (let row = 0; row < rows; row += step) {
        const text = column.text(row);
        if (text.length > longest.length) longest = text;
      }
      // figures of a column are all as wide as a nought
      const width = Math.max(ctx.measureText(column.numeric ? longest.replace(/\d/g, '0') : longest).width * 1.04, ctx.measureText(column.label).width * 1.08) + (c === 0 && colorOf ? 18 : 0);
      return Math.ceil(Math.min(300, width) + 22);
    });
  }

  #sort(): void {
    const { sort } = this.#view;
    const column = this.#contents.columns.find((c) => c.key === sort?.key);
    const key = column === undefined || sort === undefined ? '' : `${sort.down ? '-' : ''}${sort.key}`;
    if (key === this.#orderKey) return;
    this.#orderKey = key;
    this.#order = Int32Array.from({ length: this.#contents.rows }, (_, i) => i);
    if (column === undefined || sort === undefined) return;
    const ranks = this.#ranksOf(column);
    const way = sort.down ? -1 : 1;
    // what has no value comes last, whichever way; NaN stands for it
    this.#order.sort((a, b) => {
      const [x, y] = [ranks[a], ranks[b]];
      if (x === y) return a - b;
      if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
      return Number.isNaN(y) ? -1 : way * (x - y);
    });
  }

  #ranksOf(column: TableColumn): Float64Array {
    let ranks = this.#ranks.get(column.key);
    if (ranks !== undefined) return ranks;
    const { rows } = this.#contents;
    if (column.value !== undefined) ranks = Float64Array.from({ length: rows }, (_, row) => column.value!(row) ?? NaN);
    else {
      const texts = Array.from({ length: rows }, (_, row) => column.text(row));
      const places = new Map([...new Set(texts)].filter((t) => t !== '').sort(collator.compare).map((text, i) => [text, i]));
      ranks = Float64Array.from(texts, (text) => places.get(text) ?? NaN);
    }
    this.#ranks.set(column.key, ranks);
    return ranks;
  }

  #filter(): void {
    const { q, only, ids } = this.#view;
    const words = q.toLowerCase().split(/\s+/).filter((word) => word !== '');
    const chosen = Object.entries(only).flatMap(([key, value]) => {
      const column = this.#contents.columns.find((c) => c.key === key);
      return column === undefined ? [] : [{ column, value }];
    });
    if (words.length === 0 && chosen.length === 0 && ids.length === 0) {
      this.#shown = this.#order;
      return;
    }
    if (words.length > 0) this.prepare();
    const { idOf, idsOf } = this.#contents;
    const wanted = new Set(ids);
    this.#shown = this.#order.filter(
      (row) =>
        (wanted.size === 0 || wanted.has(idOf(row)) || (idsOf?.(row).some((id) => wanted.has(id)) ?? false)) &&
        chosen.every(({ column, value }) => column.text(row) === value) &&
        words.every((word) => this.#words![row].includes(word)),
    );
  }

  #draw(): void {
    const n = this.#shown.length;
    const height = this.#scroller.clientHeight || 600;
    const from = this.#printing ? 0 : Math.max(0, Math.min(n, Math.floor(this.#scroller.scrollTop / ROW)) - BEYOND);
    const to = this.#printing ? Math.min(n, PRINTED) : Math.min(n, from + Math.ceil(height / ROW) + 2 * BEYOND);
    // one row takes the keyboard in; arrows lead to the others
    const stop = this.#focused >= from && this.#focused < to ? this.#focused : Math.min(to - 1, Math.ceil(this.#scroller.scrollTop / ROW));
    const active = this.#body.contains(document.activeElement) ? this.#placeOf(document.activeElement) : undefined;
    while (this.#rows.length < to - from) this.#rows.push(new TableRow(this.#contents));
    const rows = this.#rows.slice(0, to - from);
    rows.forEach((row, i) => row.show(from + i, this.#shown[from + i], from + i === stop));
    const left = n - to;
    this.#above.style.height = `${this.#printing ? 0 : from * ROW}px`;
    this.#below.style.height = `${this.#printing ? 0 : left * ROW}px`;
    const note = n === 0 ? `No ${this.#contents.noun} are left by these filters.` : this.#printing && left > 0 ? `and ${left.toLocaleString('en')} more` : undefined;
    const wanted: Node[] = [this.#above, ...rows.map((row) => row.element), ...(note === undefined ? [] : [this.#note(note)]), this.#below];
    if (wanted.length !== this.#body.childNodes.length || note !== undefined) this.#body.replaceChildren(...wanted);
    if (active !== undefined) this.#link(this.#focused < 0 ? active : this.#focused)?.focus({ preventScroll: true });
  }

  #note(words: string): HTMLTableRowElement {
    return el('tr', { class: 'none' }, el('td', { colspan: this.#contents.columns.length }, words));
  }

  #link(place: number): HTMLAnchorElement | null {
    return this.#body.querySelector(`tr[data-place="${place}"] a[href]`);
  }

  #placeOf(target: EventTarget | null): number | undefined {
    const place = (target as Element | null)?.closest('tr')?.getAttribute('data-place');
    return place === null || place === undefined ? undefined : Number(place);
  }

  #clicked(event: MouseEvent): void {
    const place = this.#placeOf(event.target);
    if (place === undefined || event.ctrlKey || event.metaKey || event.shiftKey || (getSelection()?.toString() ?? '') !== '') return;
    event.preventDefault();
    this.#focused = place;
    this.#contents.open(this.#shown[place]);
  }

  #pressed(event: KeyboardEvent): void {
    const place = this.#placeOf(event.target);
    if (place === undefined) return;
    const last = this.#shown.length - 1;
    const screen = Math.max(1, Math.floor(this.#scroller.clientHeight / ROW) - 2);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + screen, PageUp: place - screen, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#focused = Math.max(0, Math.min(last, to));
    const top = this.#focused * ROW;
    const room = this.#scroller.clientHeight - ROW;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top + ROW > this.#scroller.scrollTop + room) this.#scroller.scrollTop = top + ROW - room;
    this.#draw();
    this.#link(this.#focused)?.focus({ preventScroll: true });
  }
}

/** A row of the document, which shows now this row and now that. */
class TableRow {
  readonly element = el('tr');
  readonly #contents: TableContents;
  readonly #texts: Text[];
  readonly #link = el('a');
  readonly #dot = el('i', { class: 'dot' });

  constructor(contents: TableContents) {
    this.#contents = contents;
    const { columns, colorOf } = contents;
    this.#texts = columns.map(() => document.createTextNode(''));
    this.#link.append(this.#texts[0]);
    this.element.append(...columns.map((column, c) => el('td', { class: column.numeric ? 'number' : undefined }, ...(c > 0 ? [this.#texts[c]] : [...(colorOf ? [this.#dot] : []), this.#link]))));
  }

  show(place: number, row: number, stop: boolean): void {
    const { columns, colorOf, hrefOf, classOf } = this.#contents;
    this.element.dataset['place'] = String(place);
    this.element.ariaRowIndex = String(place + 2);
    this.element.className = classOf?.(row) ?? '';
    if (colorOf) this.#dot.style.background = colorOf(row);
    const href = hrefOf?.(row);
    if (href === undefined) this.#link.removeAttribute('href');
    else this.#link.href = href;
    this.#link.tabIndex = stop ? 0 : -1;
    columns.forEach((column, c) => {
      const text = column.text(row);
      if (this.#texts[c].data === text) return;
      this.#texts[c].data = text;
      if (!column.numeric) (this.element.children[c] as HTMLElement).title = text.length > 24 ? text : '';
    });
  }
}
