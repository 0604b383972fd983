/** The words under a figure: what every figure must state of its runs, and what is missing from it. */
import type { Cell, DoneCell } from '#results/query.ts';
import type { RunRecord } from '#results/record.ts';
import { formatNumber } from './ticks.ts';

/** What must be said of the runs behind a figure, one sentence each. */
export interface Caption {
  /** adapter, engine, precision */
  device: string;
  /** how many seeds, and what the bars are */
  seeds: string;
  /** steps and tokens */
  budget: string;
  /** how the learning rate was chosen, and from which */
  rate: string;
  /** the version of the code that ran */
  code: string;
}

export function captionOf(cells: readonly Cell[]): Caption {
  const done = cells.filter((cell) => cell.state === 'done');
  const runs = done.flatMap((cell) => cell.runs);
  return {
    device: deviceSentence(runs),
    seeds: seedSentence(done),
    budget: budgetSentence(done),
    rate: rateSentence(done),
    code: `recallbench ${list(distinct(runs.map((run) => run.code.version)))}.`,
  };
}

function deviceSentence(runs: readonly RunRecord[]): string {
  const devices = distinct(runs.map(({ device }) => `${device.adapter} (${device.engine}, ${device.precision})`));
  return `Trained on ${list(devices)}.`;
}

function seedSentence(cells: readonly DoneCell[]): string {
  const [least, most] = ends(cells.map((cell) => cell.seeds.length));
  if (most === 1) return 'One seed a point, so no error bars.';
  return `Mean over ${range(least, most)} seeds a point; bars are 95% bootstrap intervals over seeds${least === 1 ? ', where there is more than one' : ''}.`;
}

function budgetSentence(cells: readonly DoneCell[]): string {
  const runs = cells.flatMap((cell) => cell.runs);
  const steps = ends(runs.map((run) => run.steps.run));
  // runs of a cell that took as many steps took as many tokens, and a curve takes time to read
  const distinctRuns = cells.flatMap((cell) => [...new Map(cell.runs.map((run) => [run.steps.run, run])).values()]);
  const tokens = ends(distinctRuns.flatMap((run) => run.curve.at(-1)?.tokens ?? []));
  const stopped = runs.filter((run) => run.steps.run < run.steps.planned).length;
  const early = stopped === 0 ? '' : `; ${stopped} of ${runs.length} runs stopped early`;
  return `${range(...steps)} steps a run${tokens[1] > 0 ? ` (${amount(...tokens)} tokens)` : ''}${early}.`;
}

function rateSentence(cells: readonly DoneCell[]): string {
  const rates = distinct(cells.flatMap((cell) => cell.lrs));
  if (rates.length === 1) return `Learning rate ${formatNumber(rates[0])}, not swept.`;
  return `Learning rate chosen for each point by mean accuracy on the validation split, from ${list(rates.map(formatNumber), 8)}.`;
}

/** How a cell is named in a sentence: "Mamba-2 (N=64), d=128". */
export type CellName = (cell: Cell) => string;

/** Cells without a finished run, failed runs of the others, learning rates and seeds that were never run. */
export function notesOf(cells: readonly Cell[], name: CellName): string[] {
  const notes: string[] = [];
  const failed = cells.filter((cell) => cell.state === 'failed');
  if (failed.length > 0) notes.push(`No finished run: ${list(failed.map((cell) => `${name(cell)} (${whyFailed(cell)})`))}.`);
  const partly = cells.filter((cell) => cell.state === 'done' && cell.failed.length > 0);
  if (partly.length > 0) {
    const unsure = partly.filter((cell) => cell.state === 'done' && cell.failed.some((run) => run.lr === cell.lr));
    const at = unsure.length === 0 ? '' : `; at the learning rate drawn: ${list(unsure.map(name))}`;
    const states = counted(partly.flatMap((cell) => cell.failed.map((run) => run.state)));
    notes.push(`Runs behind the points drawn that did not finish: ${states}${at}.`);
  }
  const missing = cells.flatMap((cell) => {
    const rates = cell.missingLrs.length === 0 ? [] : [`${plural('learning rate', cell.missingLrs.length)} ${cell.missingLrs.map(formatNumber).join(', ')}`];
    const seeds = cell.state === 'failed' || cell.missingSeeds.length === 0 ? [] : [`${plural('seed', cell.missingSeeds.length)} ${list(cell.missingSeeds.map(String))}`];
    return rates.length + seeds.length === 0 ? [] : [`${name(cell)} (${[...rates, ...seeds].join('; ')})`];
  });
  if (missing.length > 0) notes.push(`Not run: ${list(missing)}.`);
  return notes;
}

/** "diverged", or "2 diverged, 1 out-of-memory". */
export function whyFailed(cell: Cell): string {
  const states = new Set(cell.failed.map((run) => run.state));
  return states.size === 1 ? [...states][0] : counted(cell.failed.map((run) => run.state));
}

function counted(states: readonly string[]): string {
  return distinct(states)
    .map((state) => `${states.filter((s) => s === state).length} ${state}`)
    .join(', ');
}

/** The first `most` items and how many more there are. */
export function list(items: readonly string[], most = 6, comma = ', '): string {
  return items.length <= most + 1 ? items.join(comma) : `${items.slice(0, most).join(comma)} and ${items.length - most} more`;
}

function plural(noun: string, n: number): string {
  return n === 1 ? noun : `${noun}s`;
}

function range(least: number, most: number): string {
  return least === most ? formatNumber(least) : `${formatNumber(least)}–${formatNumber(most)}`;
}

/** "34–130 million", "8.4 million – 2.1 billion" */
function amount(least: number, most: number): string {
  const [a, b] = [least, most].map((n) => (n >= 1e9 ? ([n / 1e9, ' billion'] as const) : n >= 1e6 ? ([n / 1e6, ' million'] as const) : ([n, ''] as const))) as [readonly [number, string], readonly [number, string]];
  const digits = (n: number) => formatNumber(Number(n.toPrecision(3)));
  if (a[1] !== b[1]) return `${digits(a[0])}${a[1]} – ${digits(b[0])}${b[1]}`;
  return `${digits(a[0]) === digits(b[0]) ? '' : `${digits(a[0])}–`}${digits(b[0])}${b[1]}`;
}

function ends(values: readonly number[]): [number, number] {
  return values.length === 0 ? [0, 0] : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

function distinct<T extends string | number>(values: readonly T[]): T[] {
  return [...new Set(values)].sort((a, b) => (a < b ? -1 : 1));
}
