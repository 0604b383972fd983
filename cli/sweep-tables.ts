/** What `sweep` prints: the plan, the best runs, and those that failed. */
import type { DoneCell } from '#results/query.ts';
import { table } from './output.ts';
import { groups, type Standing } from './plan.ts';
import { bytes, count, percent, significant } from './quantities.ts';

const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);

/** One row a group, and one for all. */
export function planTable(plan: readonly Standing[]): string {
  const row = (name: string, rates: string, points: readonly Standing[], state: string) => {
    const missing = points.filter((p) => !p.done);
    return [name, rates, `${points.length}`, `${points.length - missing.length}`, `${missing.length}`, state, count(sum(missing.map((p) => p.steps))), count(sum(missing.map((p) => p.tokens)))];
  };
  const rows = groups(plan).map((group) => row(group[0].name, [...new Set(group.map((p) => significant(p.point.lr)))].join(', '), group, bytes(group[0].stateBytes)));
  return table(['run', 'learning rates', 'points', 'done', 'missing', 'state', 'steps to run', 'tokens to run'], [...rows, row('all', '', plan, '')]);
}

/** One row a cell: the learning rate that was best on the validation split, and how it did. */
export function cellTable(cells: readonly DoneCell[], nameOf: (cell: DoneCell) => string): string {
  const spread = ({ low, high }: DoneCell) => (low === undefined || high === undefined ? '' : ` (${percent(low)} – ${percent(high)})`);
  const average = (xs: readonly number[]) => (xs.length === 0 ? null : sum(xs) / xs.length);
  const rows = cells.map((cell) => [
    nameOf(cell),
    `${significant(cell.lr)}${cell.lrs.length === 1 ? '' : ` (best of ${cell.lrs.length})`}`,
    percent(average(cell.runs.flatMap((r) => r.validation?.accuracy ?? []))),
    `${percent(cell.mean)}${spread(cell)}`,
    bytes(cell.stateBytes),
    count(cell.parameters),
    count(average(cell.runs.flatMap((r) => r.tokensPerSecond ?? []))),
  ]);
  return table(['run', 'learning rate', 'validation', 'test', 'state', 'parameters', 'tokens/s'], rows);
}

export interface Failed {
  readonly id: string;
  readonly name: string;
  readonly lr: number;
  readonly outcome: string;
  readonly reason: string;
}

/** Points that ended otherwise than done. */
export function failedTable(failed: readonly Failed[]): string {
  return table(['run', 'learning rate', 'outcome', 'reason'], failed.map((f) => [f.name, significant(f.lr), f.outcome, f.reason.length > 100 ? `${f.reason.slice(0, 99)}…` : f.reason]));
}
