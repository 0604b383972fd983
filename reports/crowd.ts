/** Which cells have a line of their own where every cell would have one. */
import { mean } from '#core/statistics.ts';
import type { Cell, DoneCell } from '#results/query.ts';

/** More lines than this in a panel cannot be told apart. */
const CROWD = 8;

/** All cells, or of every label the one that is best on validation; a label without a finished run keeps all of its cells. */
export function lines(cells: readonly Cell[]): Cell[] {
  if (cells.filter((cell) => cell.state === 'done').length <= CROWD) return [...cells];
  const best = new Map<string, DoneCell>();
  for (const cell of cells) {
    const { label } = cell.appearance;
    if (cell.state === 'done') best.set(label, best.has(label) ? better(cell, best.get(label)!) : cell);
  }
  return cells.filter((cell) => (cell.state === 'done' ? best.get(cell.appearance.label) === cell : !best.has(cell.appearance.label)));
}

/** What is left out of panels with these cells, in a sentence, if anything is. */
export function crowdSentence(panels: readonly (readonly Cell[])[]): string[] {
  const done = (cells: readonly Cell[]) => cells.filter((cell) => cell.state === 'done').length;
  const hidden = panels.reduce((n, cells) => n + done(cells) - done(lines(cells)), 0);
  return hidden === 0 ? [] : [`Of each mixer the size that is best on validation is drawn; ${hidden} others are left out.`];
}

/** The mean accuracy of a cell on the validation split; −1 without one. */
export const onValidation = (cell: DoneCell): number => mean(cell.runs.map((run) => run.validation?.accuracy ?? -1));

/** The better of two cells on validation; ties to the smaller state, then to the fewer parameters. */
export function better(a: DoneCell, b: DoneCell): DoneCell {
  return (onValidation(b) - onValidation(a) || a.stateBytes - b.stateBytes || a.parameters - b.parameters) > 0 ? b : a;
}
