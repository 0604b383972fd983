/** Settings: trained models that were asked the same and trained alike, at one width and depth. Only they can be compared. */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { mean } from '#core/statistics.ts';
import { protocolOf, type Cell, type CellPoint, type DoneCell } from '#results/query.ts';
import { spread } from '../mixture.ts';
import { formatNumber } from '../ticks.ts';
import type { Used } from './claim.ts';

export interface Setting {
  /** "length 256, 64 pairs, width 64" */
  readonly name: string;
  readonly cells: readonly DoneCell[];
  /** accuracy up to which nothing need have been learnt: that of guessing among the values seen, and a little */
  readonly floor: number;
}

/** The settings of cells that finished, in an order that does not depend on theirs. */
export function settingsOf(cells: readonly Cell[]): Setting[] {
  const done = cells.filter((cell): cell is DoneCell => cell.state === 'done');
  const groups = groupBy(done, ({ point }) => canonicalJson([protocolOf(point), point.dModel, point.layers, point.mlp, point.glu ?? null]));
  const settings = [...groups].map(([key, own]) => ({ key, name: nameOf(own[0].point), cells: own, floor: floorOf(own[0].point) }));
  return settings.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }) || (a.key < b.key ? -1 : 1));
}

function nameOf(point: CellPoint): string {
  const shapes = ['seqLen', 'pairs'].flatMap((name) => spread(point, name) ?? []);
  return [...(point.task === 'mqar' ? [] : [point.task]), ...shapes, `width ${formatNumber(point.dModel)}`, ...(point.layers === 2 ? [] : [`${point.layers} layers`])].join(', ');
}

/** how far above guessing an accuracy must be to tell of learning */
const ABOVE_GUESSING = 0.05;

function floorOf({ test }: CellPoint): number {
  const shares = test.map(({ options }) => (typeof options['pairs'] === 'number' && options['pairs'] > 0 ? 1 / options['pairs'] : 0));
  return ABOVE_GUESSING + mean(shares);
}

/** The best on validation, as the learning rate is chosen; ties to the fewer parameters, then by content. */
export function bestOf(cells: readonly DoneCell[]): DoneCell | undefined {
  const validation = ({ runs }: DoneCell) => mean(runs.map((run) => run.validation?.accuracy ?? -1));
  return cells.toSorted((a, b) => validation(b) - validation(a) || a.parameters - b.parameters || (a.key < b.key ? -1 : 1))[0];
}

/** The state size N of a cell of one mixer. */
export const stateSize = ({ point }: DoneCell): number | undefined => (typeof point.modelOptions['dState'] === 'number' ? point.modelOptions['dState'] : undefined);

export const usedCell = (cell: DoneCell, setting: string): Used => {
  const n = stateSize(cell);
  return { name: `${cell.appearance.label}${n === undefined || cell.appearance.label.includes(`N=${n}`) ? '' : ` (N=${n})`}, ${setting}, seeds ${cell.seeds.join(', ')}`, ids: cell.runs.map((run) => run.id) };
};
