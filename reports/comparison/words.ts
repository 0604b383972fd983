/** A comparison in words and numbers, for every format that people read. */
import { gravity, type Comparison, type Judged, type MetricName, type Row, type Verdict } from '#results/comparison.ts';
import { formatBytes, formatCount, formatNumber } from '../ticks.ts';

export const metricNames: Record<MetricName, string> = { outcome: 'outcome', accuracy: 'test accuracy', loss: 'final loss', parameters: 'parameters', stateBytes: 'state', peakBytes: 'memory', time: 'time', speed: 'training speed' };

/** A value of a metric with its unit; a dash where there is none. */
export function valueText(metric: MetricName, value: number | null): string {
  if (value === null) return '—';
  switch (metric) {
    case 'outcome':
      return value === 1 ? 'done' : value === 0 ? 'failed' : value < 1 ? `${percent(value)} done` : `${value}`;
    case 'accuracy':
      return percent(value);
    case 'loss':
      return significant(value);
    case 'parameters':
      return formatNumber(value);
    case 'stateBytes':
      return `${formatNumber(value)} B`; // to the byte: it is exact
    case 'peakBytes':
      return formatBytes(value);
    case 'time':
      return value < 0.1 ? `${significant(1000 * value)} µs` : `${significant(value)} ms`;
    case 'speed':
      return `${formatCount(value)} tokens/s`;
    default:
      return metric satisfies never;
  }
}

/** What a metric did: "1.25× (1.21 – 1.29), 1.31× as measured, p 0.0003"; of an exact one the difference. */
export function changeText({ metric, baseline, candidate, noisy }: Judged): string {
  if (noisy !== undefined) {
    const { ratio, interval, raw, corrected } = noisy;
    return `${factor(ratio)} (${interval.low.toFixed(2)} – ${interval.high.toFixed(2)}), ${factor(raw)} as measured, p ${significant(corrected, 2)}`;
  }
  if (baseline === null || candidate === null || baseline === candidate) return '';
  if (metric === 'accuracy') return `${candidate > baseline ? '+' : '−'}${(100 * Math.abs(candidate - baseline)).toFixed(1)} points`;
  if (metric === 'outcome') return '';
  return baseline === 0 ? '' : factor(candidate / baseline);
}

/** The metrics of a row that say something: those that are not the same or are suspicious, or else the noisy ones. */
export function tellingMetrics({ metrics }: Row): Judged[] {
  const telling = metrics.filter((m) => m.verdict !== 'same' || m.noisy?.suspicious);
  return telling.length > 0 ? telling : metrics.filter((m) => m.noisy !== undefined);
}

/** Rows from the gravest to the lightest; findings and suspicious ones before others of their verdict. */
export function byGravity(rows: readonly Row[]): Row[] {
  const rank = (row: Row) => 2 * gravity.indexOf(row.verdict) + (row.finding || isSuspicious(row) ? 0 : 1);
  return rows.toSorted((a, b) => rank(a) - rank(b));
}

export function isSuspicious({ metrics }: Row): boolean {
  return metrics.some((m) => m.noisy?.suspicious);
}

/** "suspicious" beside "same", where a rerun could tell. */
export function verdictText(row: Row): string {
  return row.verdict === 'same' && isSuspicious(row) ? 'same?' : row.verdict;
}

/** "2 findings in 43 rows: 1 failed, 1 worse, 41 same" */
export function headline({ rows, counts, findings, suspicious }: Comparison): string {
  const parts = gravity.flatMap((v: Verdict) => (counts[v] === 0 ? [] : [`${counts[v]} ${v}`]));
  const doubts = suspicious === 0 ? '' : `; ${suspicious} suspicious, which a rerun could decide (--confirm)`;
  return `${findings === 0 ? 'No finding' : findings === 1 ? '1 finding' : `${findings} findings`} in ${rows.length} row${rows.length === 1 ? '' : 's'}: ${parts.join(', ')}${doubts}.`;
}

/** By what was judged, in one sentence. */
export function rulesText({ rules }: Comparison): string {
  const { threshold, alpha, accuracyTolerance, lossTolerance } = rules;
  return `A time counts from ${percent(threshold)} on with a Mann-Whitney p, corrected by Holm, below ${alpha}; an accuracy from ${(100 * accuracyTolerance).toFixed(1)} points, a final loss from ${percent(lossTolerance)}, and beyond the spread of the seeds; parameters and state have to be equal.`;
}

const percent = (x: number) => `${Number((100 * x).toFixed(1))} %`;
const factor = (x: number) => `${x.toFixed(x < 10 ? 2 : 0)}×`;
const significant = (x: number, digits = 3) => `${Number(x.toPrecision(digits))}`;
