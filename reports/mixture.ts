/** Test mixtures: accuracies on different ones cannot be compared, so each gets a panel of its own. */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { greatest } from '#core/statistics.ts';
import type { Cell, CellPoint } from '#results/query.ts';
import { list } from './caption.ts';
import { cellName } from './naming.ts';
import { formatNumber } from './ticks.ts';

export interface Mixture {
  key: string;
  /** what tells it from the others: "length 256"; empty if it is the only one */
  title: string;
  task: string;
  /** "length 64–1,024, 4–256 pairs" */
  description: string;
  cells: Cell[];
}

/** Cells by task and test mixture, shortest first. */
export function mixturesOf(cells: readonly Cell[]): Mixture[] {
  const mixtures = [...groupBy(cells, (cell) => canonicalJson([cell.point.task, cell.point.test]))].map(([key, own]) => ({ key, point: own[0].point, cells: own }));
  mixtures.sort((a, b) => (a.point.task < b.point.task ? -1 : a.point.task > b.point.task ? 1 : longest(a.point) - longest(b.point) || (a.key < b.key ? -1 : 1)));
  const titles = titlesOf(mixtures.map(({ point }) => point));
  return mixtures.map(({ key, point, cells: own }, i) => ({
    key,
    title: titles[i],
    task: point.task,
    description: ['seqLen', 'pairs'].map((name) => spread(point, name)).filter((text) => text !== undefined).join(', '),
    cells: own,
  }));
}

/** "mqar (length 256, 64 pairs; length 512, 128 pairs)" */
export function describeMixtures(mixtures: readonly Mixture[]): string {
  return [...new Set(mixtures.map((m) => m.task))]
    .map((task) => {
      const words = mixtures.filter((m) => m.task === task && m.description !== '').map((m) => m.description);
      return words.length === 0 ? task : `${task} (${list(words, 6, '; ')})`;
    })
    .join(', ');
}

/** Cells named with their panel, where there are several. */
export function nameIn(mixtures: readonly Mixture[]): (cell: Cell) => string {
  const titles = new Map(mixtures.flatMap((m) => m.cells.map((cell) => [cell, m.title])));
  return (cell) => [cellName(cell), titles.get(cell)!].filter((t) => t !== '').join(', ');
}

function longest(point: CellPoint): number {
  return greatest([0, ...point.test.map(({ options }) => (typeof options['seqLen'] === 'number' ? options['seqLen'] : 0))]);
}

/** The shortest titles that differ: by task and length, then pairs, then every option; at last by number. */
function titlesOf(points: readonly CellPoint[]): string[] {
  if (points.length === 1) return [''];
  const tasks = new Set(points.map((point) => point.task)).size > 1;
  const every = [...new Set(points.flatMap((point) => point.test.flatMap(({ options }) => Object.keys(options))))].sort();
  for (const names of [['seqLen'], ['seqLen', 'pairs'], ['seqLen', 'pairs', ...every.filter((name) => name !== 'seqLen' && name !== 'pairs')]]) {
    const varying = names.filter((name) => new Set(points.map((point) => spread(point, name))).size > 1);
    const titles = points.map((point) => [...(tasks ? [point.task] : []), ...varying.map((name) => spread(point, name)).filter((text) => text !== undefined)].join(', '));
    if (new Set(titles).size === titles.length) return titles;
  }
  return points.map((point, i) => `${point.task}, test mixture ${i + 1}`);
}

/** "length 64–1,024", "4–256 pairs", "powerA 0.01"; undefined where no segment has the option. */
export function spread(point: CellPoint, name: string): string | undefined {
  const values = [...new Set(point.test.map(({ options }) => options[name]).filter((value) => value !== undefined))];
  if (values.length === 0) return undefined;
  const numbers = values.filter((value) => typeof value === 'number').sort((a, b) => a - b);
  const text =
    numbers.length < values.length
      ? values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(', ')
      : numbers.length === 1
        ? formatNumber(numbers[0])
        : `${formatNumber(numbers[0])}–${formatNumber(numbers.at(-1)!)}`;
  return name === 'seqLen' ? `length ${text}` : name === 'pairs' ? `${text} pairs` : `${name} ${text}`;
}
