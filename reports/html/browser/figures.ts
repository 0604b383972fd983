/** The section of figures: each drawn when it comes into sight, with its numbers as a table and as CSV. */
import { drawCsv } from '../../csv.ts';
import type { Figure } from '../../figure.ts';
import { onTheme, setPrinting } from './colors.ts';
import { el, plainTable, saveButton } from './dom.ts';
import { Drawing } from './drawing.ts';
import { exact, factInWords } from './tip.ts';

/** rows that a table of numbers has at the most; the CSV has them all */
const ROWS = 500;

interface Shown {
  drawing: Drawing;
  inSight: boolean;
}

const shown = new Map<Element, Shown>();
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const one = shown.get(target);
      if (one === undefined) continue;
      one.inSight = isIntersecting;
      if (isIntersecting) one.drawing.draw();
    }
  },
  { rootMargin: '300px' },
);

function redraw(): void {
  for (const { drawing, inSight } of shown.values()) {
    if (inSight) drawing.draw();
    else drawing.reserve();
  }
}

/** Draws a figure into a place when that comes into sight, and again whenever theme or width change. */
export function place(host: HTMLElement, figure: Figure, pick: (ids: readonly string[]) => void): void {
  const drawing = new Drawing(host, figure, pick);
  drawing.reserve();
  shown.set(host, { drawing, inSight: false });
  sight.observe(host);
}

/** Gives up the figures inside an element that goes away. */
export function displace(inside: Element): void {
  for (const host of shown.keys()) {
    if (!inside.contains(host)) continue;
    sight.unobserve(host);
    shown.delete(host);
  }
}

export function startFigures(figures: readonly Figure[], pick: (ids: readonly string[]) => void): void {
  onTheme(redraw);
  let asked = false;
  addEventListener('resize', () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      redraw();
    });
  });
  addEventListener('beforeprint', () => {
    setPrinting(true);
    document.documentElement.classList.add('printing');
    for (const { drawing } of shown.values()) drawing.draw();
  });
  addEventListener('afterprint', () => {
    setPrinting(false);
    document.documentElement.classList.remove('printing');
    redraw();
  });
  for (const article of document.querySelectorAll<HTMLElement>('article[data-figure]')) {
    const figure = figures[Number(article.dataset['figure'])];
    place(article.querySelector<HTMLElement>('.drawing')!, figure, pick);
    const numbers = el('details', { class: 'numbers' }, el('summary', {}, 'Numbers'));
    numbers.addEventListener('toggle', () => {
      if (numbers.open && numbers.children.length === 1) numbers.append(el('div', { class: 'wide' }, numbersOf(figure)));
    });
    article.append(el('div', { class: 'tools' }, numbers, saveButton('CSV', `${figure.name}.csv`, 'text/csv', () => drawCsv(figure))));
  }
}

/** The marks of a figure as a table. */
function numbersOf(figure: Figure): HTMLTableElement {
  const rows = figure.panels.flatMap((panel) =>
    panel.series.flatMap((series) => [
      ...series.marks.map(({ x, y, low, high, facts }) => ({ panel, series: series.name, x, y: exact(y, panel.y), range: low === undefined || high === undefined ? '' : `${exact(low, panel.y)} – ${exact(high, panel.y)}`, facts })),
      ...series.failed.map(({ x, why, facts }) => ({ panel, series: series.name, x, y: why, range: '', facts })),
    ]),
  );
  const titled = figure.panels.some((panel) => panel.title !== '');
  const head = [...(titled ? ['Panel'] : []), 'Series', 'Against', 'x', 'Measure', 'y', 'Range', 'Facts'];
  const table = plainTable(
    head,
    rows.slice(0, ROWS).map(({ panel, series, x, y, range, facts }) => {
      const words = Object.entries(facts).filter(([key]) => key !== 'kernels').map(([key, value]) => `${key} ${factInWords(key, value)}`);
      return [...(titled ? [panel.title] : []), series, panel.x.label, exact(x, panel.x), panel.y.label, y, range, words.join(', ')];
    }),
  );
  if (rows.length > ROWS) table.tBodies[0].append(el('tr', {}, el('td', { colspan: head.length }, `and ${(rows.length - ROWS).toLocaleString('en')} more, in the CSV`)));
  return table;
}
