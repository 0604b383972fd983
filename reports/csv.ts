/** The very numbers of a figure as CSV (RFC 4180, lines end in \n): one row a mark, in the order of drawing. */
import type { Facts, Figure } from './figure.ts';

/**
 * Columns: panel, measure and against (the titles of the y and x axes), series, x, y, low, high, outcome, and then every
 * fact that a mark has. `outcome` is "done", "done, beside
 * the line" for marks that the line passes by, or why a mark has no value. Empty where there is nothing.
 */
export function drawCsv(figure: Figure): string {
  const rows: { head: (string | number | undefined)[]; facts: Facts }[] = [];
  for (const panel of figure.panels) {
    const place = [panel.title, panel.y.label, panel.x.label];
    for (const series of panel.series) {
      for (const mark of series.marks) {
        rows.push({ head: [...place, series.name, mark.x, mark.y, mark.low, mark.high, mark.aside ? 'done, beside the line' : 'done'], facts: mark.facts });
      }
      for (const mark of series.failed) rows.push({ head: [...place, series.name, mark.x, undefined, undefined, undefined, mark.why], facts: mark.facts });
    }
  }
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.facts)))];
  const lines = [
    ['panel', 'measure', 'against', 'series', 'x', 'y', 'low', 'high', 'outcome', ...names],
    ...rows.map(({ head, facts }) => [...head, ...names.map((name) => (Object.hasOwn(facts, name) ? facts[name] : undefined))]),
  ];
  return lines.map((line) => `${line.map(cell).join(',')}\n`).join('');
}

function cell(value: string | number | undefined): string {
  const text = value === undefined ? '' : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
