/**
 * Accuracy against the bytes that decoding carries from step to step: what a model remembers for what it keeps. One line
 * a mixer, through all of its widths and state sizes, as in figure 2 of the Based paper (arXiv 2402.18668).
 */
import { cellsOf, type Cell } from '#results/query.ts';
import { accuracyAxis, accuracyLabel, failedRuns, markOf, sizesOf } from './accuracy-mark.ts';
import { captionOf, notesOf, whyFailed } from './caption.ts';
import { better } from './crowd.ts';
import type { FigureKind, FigureOptions, Look, Mark, Panel, Series } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn } from './mixture.ts';
import { frontSentences, withFront } from './pareto.ts';
import { withOptions } from './naming.ts';
import { select } from './selection.ts';

export const recallVsState: FigureKind<'recall-vs-state'> = {
  name: 'recall-vs-state',
  summary: 'test accuracy against decoding state in bytes, one line per mixer, one panel per test mixture',
  of: 'runs',
  build({ records }, options = {}) {
    const cells = cellsOf(select('recall-vs-state', records, options));
    const labels = new Map(cells.map((cell) => [cell.appearance.label, cell.appearance]));
    const looks = looksOf([...labels].map(([label, appearance]) => ({ appearance, variants: [label] })));
    const mixtures = mixturesOf(cells);
    const panels = mixtures.map(
      (mixture): Panel => ({
        title: mixture.title,
        x: { label: 'Decoding state per sequence', scale: 'log2', unit: 'bytes' },
        y: accuracyAxis(accuracyLabel(options.slice)),
        series: [...labels.keys()].map((label) => seriesOf(label, mixture.cells.filter((cell) => cell.appearance.label === label), looks.get(label)!, options)),
      }),
    );
    const fronts = panels.map((panel) => withFront(panel.series, (mark, of) => withSizes(of.name, mark)));
    const aside = panels.some((panel) => panel.series.some((series) => series.marks.some((mark) => mark.aside)));
    return {
      name: 'recall-vs-state',
      title: options.title ?? 'Recall against the size of the state',
      panels: panels.map((panel, i) => ({ ...panel, series: fronts[i].drawn })),
      caption: [
        `${accuracyLabel(options.slice)} on ${describeMixtures(mixtures)}.`,
        ...(aside ? ['Where models have the same state, the line joins those best on validation; the others are small and hollow.'] : []),
        ...frontSentences('as few bytes', panels.map(({ title }, i) => ({ title, names: fronts[i].names }))),
        ...Object.values(captionOf(cells)),
      ],
      notes: notesOf(cells, nameIn(mixtures)),
    };
  },
};

function seriesOf(label: string, cells: readonly Cell[], look: Look, options: FigureOptions): Series {
  const done = cells.filter((cell) => cell.state === 'done');
  const failed = cells.filter((cell) => cell.state === 'failed');
  const labelled = new Set(done.map((cell) => cell.point.modelOptions['dState'])).size > 1;
  const marks = done.flatMap((cell): Mark[] => {
    const mark = markOf(cell, cell.stateBytes, options.slice);
    if (mark === undefined) return [];
    const rivals = done.filter((other) => other.stateBytes === cell.stateBytes);
    const aside = cell !== rivals.reduce(better);
    const { dState } = cell.point.modelOptions;
    return [{ ...mark, ...(aside ? { aside } : {}), ...(labelled && dState !== undefined ? { label: `N=${String(dState)}` } : {}) }];
  });
  return {
    name: label,
    look,
    marks: marks.sort((a, b) => a.x - b.x),
    failed: failed.map((cell) => ({ x: cell.stateBytes, why: whyFailed(cell), facts: sizesOf(cell), runs: failedRuns(cell) })),
  };
}

/** "Mamba-2 (N=64), d=128" */
function withSizes(label: string, { facts: { dState, dModel } }: Mark): string {
  return `${withOptions(label, dState === undefined ? {} : { dState })}, d=${dModel}`;
}
