/** What `compare` prints: the rows that say something, what the machine did, and the verdict. */
import { byGravity, changeText, headline, isSuspicious, metricNames, rulesText, tellingMetrics, valueText, verdictText } from '#reports/comparison/words.ts';
import type { Comparison, Row } from '#results/comparison.ts';
import { table } from './output.ts';

/** One row for each metric that says something. */
function rowTable(rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => {
    const metrics = tellingMetrics(row);
    if (metrics.length === 0) return [[verdictText(row), row.name, '', '', '', '']];
    return metrics.map((m) => [verdictText(row), row.name, metricNames[m.metric], valueText(m.metric, m.baseline), valueText(m.metric, m.candidate), shortened([changeText(m), m.why ?? ''].filter((t) => t !== '').join('; '))]);
  });
  return table(['verdict', 'what', 'metric', 'baseline', 'candidate', 'change'], lines);
}

/** Ratios of the machine, place by place. */
function driftTable({ drifts }: Comparison): string {
  const ratio = (x: number | null) => (x === null ? '—' : `${x.toFixed(2)}×`);
  return table(['candidate over baseline', 'machine', 'all cells', 'roofs'], drifts.map((d) => [d.place, ratio(d.machine), ratio(d.cells), d.roofs.length === 0 ? '—' : d.roofs.map((r) => `${r.name} ${ratio(r.ratio)}`).join(', ')]));
}

/** The whole comparison for a terminal; `all` shows the rows that are the same, too. */
export function comparisonText(comparison: Comparison, all: boolean): string {
  const { rows, notes, drifts } = comparison;
  const shown = byGravity(rows).filter((r) => all || r.verdict !== 'same' || isSuspicious(r));
  const hidden = rows.length - shown.length;
  return [
    ...(shown.length === 0 ? [] : [rowTable(shown)]),
    ...(drifts.length === 0 ? [] : [driftTable(comparison)]),
    ...notes.map((note) => `Note: ${note}`),
    rulesText(comparison),
    `${headline(comparison)}${hidden === 0 ? '' : ` ${hidden} that ${hidden === 1 ? 'is' : 'are'} the same ${hidden === 1 ? 'is' : 'are'} not shown (--all).`}`,
  ].join('\n');
}

const shortened = (text: string) => (text.length > 110 ? `${text.slice(0, 109)}…` : text);
