/** A comparison as Markdown with GitHub's tables, for a job summary or a comment. */
import type { Comparison, Judged, Row } from '#results/comparison.ts';
import { byGravity, changeText, headline, isSuspicious, metricNames, rulesText, tellingMetrics, valueText, verdictText } from './words.ts';

/** What GitHub takes for the summary of one step, in bytes. */
export const SUMMARY_LIMIT = 2 ** 20;

/** The comparison in at most so many bytes: the gravest rows come first, and those for which there is no room are counted. */
export function comparisonMarkdown(comparison: Comparison, limit = SUMMARY_LIMIT): string {
  const { rows, baseline, candidate, notes } = comparison;
  const sorted = byGravity(rows);
  const telling = sorted.filter((r) => r.verdict !== 'same' || isSuspicious(r));
  const rest = sorted.slice(telling.length);
  const head = [
    `## recallbench compare: ${headline(comparison)}`,
    `Baseline: ${side(baseline)}. Candidate: ${side(candidate)}.`,
    ...(notes.length === 0 ? [] : [notes.map((note) => `- ${escaped(note)}`).join('\n')]),
  ].join('\n\n');
  const foot = rulesText(comparison);
  const left = (n: number) => `${n} row${n === 1 ? ' is' : 's are'} left out: there is no room for more.`;
  let room = limit - bytes(head) - bytes(foot) - bytes(left(rows.length)) - 200; // 200: what stands around the tables
  const fit = (some: readonly Row[]): string[] => {
    const lines: string[] = [];
    for (const row of some) {
      const text = tableLines(row).join('\n');
      room -= bytes(text) + 1;
      if (room < 0) break;
      lines.push(text);
    }
    return lines;
  };
  const shown = fit(telling);
  const folded = room < 0 ? [] : fit(rest);
  const out = sorted.length - shown.length - folded.length;
  const text = [
    head,
    ...(shown.length === 0 ? [] : [table(shown)]),
    ...(folded.length === 0 ? [] : [`<details><summary>${folded.length} without a difference that counts</summary>`, table(folded), '</details>']),
    ...(out === 0 ? [] : [left(out)]),
    foot,
  ].join('\n\n');
  return `${bytes(text) < limit ? text : Buffer.from(text).subarray(0, Math.max(0, limit - 1)).toString('utf8').replace(/\uFFFD$/u, '')}\n`;
}

const HEAD = ['| verdict | what | metric | baseline | candidate | change |', '|---|---|---|--:|--:|---|'];

function table(lines: readonly string[]): string {
  return [...HEAD, ...lines].join('\n');
}

/** One line a metric that says something; a row of which none does is one line. */
function tableLines(row: Row): string[] {
  const cells = (metric: Judged | undefined) => {
    if (metric === undefined) return ['', '', '', ''];
    const why = [changeText(metric), metric.why ?? ''].filter((t) => t !== '').join('; ');
    return [metricNames[metric.metric], valueText(metric.metric, metric.baseline), valueText(metric.metric, metric.candidate), why];
  };
  const metrics = tellingMetrics(row);
  return (metrics.length === 0 ? [undefined] : metrics).map((m) => `| ${[verdictText(row), row.name, ...cells(m)].map(escaped).join(' | ')} |`);
}

const side = ({ code, devices, runs, measurements }: Comparison['baseline']) => escaped(`${runs} runs and ${measurements} measurements of recallbench ${code.join(', ')} on ${devices.join('; ') || 'an unknown device'}`);

/** A text that stays one cell of one table, with nothing in it taken as markup. */
function escaped(text: string): string {
  return text
    .replace(/[\\`*_[\]|~]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/\s*[\r\n]+\s*/g, ' ');
}

const bytes = (text: string) => Buffer.byteLength(text);
