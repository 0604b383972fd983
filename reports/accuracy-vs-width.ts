/**
 * Accuracy against model width, one panel a sequence length, one line a mixer and state size, as in figure 8 of the Mamba-2
 * paper (arXiv 2405.21060, §9.1).
 */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { cellsOf, sliceValues, type Cell, type Slice } from '#results/query.ts';
import { accuracyAxis, accuracyLabel, failedRuns, markOf, sizesOf } from './accuracy-mark.ts';
import { captionOf, list, notesOf, whyFailed } from './caption.ts';
import type { Figure, FigureKind, Mark, Panel } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn, type Mixture } from './mixture.ts';
import { cellTraits, nameSeries, type Naming } from './naming.ts';
import { select } from './selection.ts';
import { formatNumber } from './ticks.ts';

export const accuracyVsWidth: FigureKind<'accuracy-vs-width'> = {
  name: 'accuracy-vs-width',
  summary: 'test accuracy against model width, one line per mixer and state size, one panel per test length',
  of: 'runs',
  build({ records }, options = {}): Figure {
    const cells = cellsOf(select('accuracy-vs-width', records, options));
    const mixtures = mixturesOf(cells);
    // beside mixtures of several widths one of a single width is no more than a place to compare: one panel
    const split = mixtures.filter((mixture) => widthsOf(mixture.cells).length > 1);
    const places = mixtures.flatMap((mixture) => (split.length === 0 || split.includes(mixture) ? placesOf(mixture, options.slice?.['seqLen']) : [{ mixture, slice: {}, title: mixture.title }]));
    const mixtureOf = new Map(mixtures.flatMap((mixture) => mixture.cells.map((cell) => [cell, mixture.key])));
    const naming = nameSeries(cells, cellTraits, (cell) => canonicalJson([mixtureOf.get(cell)!, cell.point.dModel]));
    const looks = looksOf(naming.families);
    const widths = widthsOf(cells);
    const names = naming.families.flatMap((family) => family.variants);
    const missing = mixtures.flatMap((mixture) => absentFrom(mixture, cells, naming));

    const panels = places.map(({ mixture, slice, title }): Panel => {
      const where = { ...options.slice, ...slice };
      const cellsBy = groupBy(mixture.cells, naming.nameOf);
      const series = names.map((name) => {
        const own = cellsBy.get(name) ?? [];
        const marks = own.flatMap((cell): Mark[] => {
          const mark = cell.state === 'done' ? markOf(cell, cell.point.dModel, where) : undefined;
          return mark === undefined ? [] : [mark];
        });
        const failed = own.filter((cell) => cell.state === 'failed').map((cell) => ({ x: cell.point.dModel, why: whyFailed(cell), facts: sizesOf(cell), runs: failedRuns(cell) }));
        return { name, look: looks.get(name)!, marks: marks.sort((a, b) => a.x - b.x), failed };
      });
      return {
        title,
        x: { label: 'Model width', scale: 'log2', unit: 'number', ticks: widths },
        y: accuracyAxis(accuracyLabel(options.slice)),
        series,
      };
    });
    return {
      name: 'accuracy-vs-width',
      title: options.title ?? 'Accuracy against model width',
      panels,
      caption: [`${accuracyLabel(options.slice)} on ${describeMixtures(mixtures)}.`, ...Object.values(captionOf(cells))],
      notes: [...notesOf(cells, nameIn(mixtures)), ...(missing.length === 0 ? [] : [`No records: ${list(missing)}.`])],
    };
  },
};

const widthsOf = (cells: readonly Cell[]): number[] => [...new Set(cells.map((cell) => cell.point.dModel))].sort((a, b) => a - b);

/** The sweeps that asked for the finished runs of cells. */
const sweepsOf = (cells: readonly Cell[]) => new Set(cells.flatMap((cell) => (cell.state === 'done' ? cell.runs.map((run) => run.sweep) : [])));

/**
 * "Based (d=256)": the widths at which a series of the mixture's own sweeps has no records; one name for a family that lacks the same in all of
 * its series.
 */
function absentFrom(mixture: Mixture, all: readonly Cell[], naming: Naming<Cell>): string[] {
  const sweeps = sweepsOf(mixture.cells);
  const here = new Set(mixture.cells);
  const own = all.filter((cell) => here.has(cell) || [...sweepsOf([cell])].some((sweep) => sweeps.has(sweep)));
  const widths = widthsOf(own);
  const asked = new Set(own.map((cell) => naming.nameOf(cell)));
  const there = new Set(mixture.cells.map((cell) => `${cell.point.dModel} ${naming.nameOf(cell)}`));
  const say = (name: string, absent: string) => `${name}${mixture.title === '' ? '' : ` at ${mixture.title}`} (d=${absent})`;
  return naming.families.flatMap(({ appearance, variants: every }) => {
    const variants = every.filter((name) => asked.has(name));
    if (variants.length === 0) return [];
    const absent = variants.map((name) => widths.filter((width) => !there.has(`${width} ${name}`)).join(', '));
    if (absent[0] !== '' && new Set(absent).size === 1) return [say(variants.length === 1 ? variants[0] : appearance.label, absent[0])];
    return variants.flatMap((name, i) => (absent[i] === '' ? [] : [say(name, absent[i])]));
  });
}

interface PanelPlace {
  mixture: Mixture;
  slice: Slice;
  title: string;
}

/** A panel for every sequence length that a mixture tests, or for the one asked for. */
function placesOf(mixture: Mixture, only: string | number | undefined): PanelPlace[] {
  const lengths = sliceValues(
    mixture.cells.flatMap((cell) => (cell.state === 'done' ? cell.runs : [])),
    'seqLen',
  );
  if (lengths.length < 2) return [{ mixture, slice: {}, title: mixture.title }];
  const shown = lengths.filter((seqLen) => only === undefined || seqLen === only);
  return shown.map((seqLen) => ({
    mixture,
    slice: { seqLen },
    title: [mixture.title, `length ${typeof seqLen === 'number' ? formatNumber(seqLen) : seqLen}`].filter((t) => t !== '').join(': '),
  }));
}
