/** What nothing else beats: the Pareto front of marks whose x is a cost and whose y is an accuracy. */
import { list } from './caption.ts';
import type { Look, Mark, Series } from './figure.ts';

/** Thin and grey, unlike the bounds of costs. */
const look: Look = { color: '#777777', marker: 'none', filled: false, dash: [1, 2] };

/** The marks than which no other has as much for less, or more for as much; ascending. */
export function paretoFront<M extends Pick<Mark, 'x' | 'y'>>(marks: readonly M[]): M[] {
  const front: M[] = [];
  for (const mark of marks.toSorted((a, b) => a.x - b.x || b.y - a.y)) if (front.length === 0 || mark.y > front.at(-1)!.y) front.push(mark);
  return front;
}

/** The series of a panel with a line in steps along their front, a fact at each mark of whether it is on it, and names of those that are. */
export function withFront(series: readonly Series[], nameOf: (mark: Mark, series: Series) => string): { drawn: Series[]; names: string[] } {
  const front = paretoFront(series.flatMap((of) => of.marks.map((mark) => ({ x: mark.x, y: mark.y, mark, of }))));
  const on = new Set(front.map(({ mark }) => mark));
  const told = series.map((of) => ({ ...of, marks: of.marks.map((mark) => ({ ...mark, facts: { ...mark.facts, front: on.has(mark) ? 'yes' : 'no' } })) }));
  const line: Series = { name: 'Pareto front', look, stepped: true, marks: front.map(({ x, y, mark }) => ({ x, y, facts: { ...mark.facts, front: 'yes' }, ...(mark.runs === undefined ? {} : { runs: mark.runs }) })), failed: [] };
  return { drawn: [...told, line], names: front.map(({ mark, of }) => nameOf(mark, of)) };
}

/** What a front is, and who is on those of the panels, one sentence each. */
export function frontSentences(of: string, fronts: readonly { title: string; names: readonly string[] }[]): string[] {
  return [
    `On the Pareto front, the dotted grey steps, nothing drawn has more accuracy for ${of}.`,
    ...fronts.flatMap(({ title, names }) => (names.length === 0 ? [] : [`There${title === '' ? '' : `, at ${title}`}: ${list([...new Set(names)], 6, '; ')}.`])),
  ];
}
