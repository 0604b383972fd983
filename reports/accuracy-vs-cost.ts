/**
 * What recall costs: accuracy against the bytes that decoding carries, and against microseconds a token. The panels of a test
 * share the axis of accuracy, so that a model stands at one height in all of them and is read across.
 */
import { canonicalJson } from '#core/content-id.ts';
import { costsOf, type DoneCost } from '#results/costs.ts';
import { cellsOf, type Cell, type DoneCell } from '#results/query.ts';
import { mean } from '#core/statistics.ts';
import { accuracyAxis, accuracyLabel, failedRuns, markOf, sizesOf } from './accuracy-mark.ts';
import { captionOf, list, notesOf, whyFailed } from './caption.ts';
import { option } from './cost-figure.ts';
import type { Axis, Facts, FigureKind, FigureOptions, Mark, Panel, Series } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn } from './mixture.ts';
import { cellName } from './naming.ts';
import { frontSentences, withFront } from './pareto.ts';
import { select } from './selection.ts';
import { formatNumber } from './ticks.ts';

/** More marks than this in a panel leave no room for words. */
const CROWD = 24;

/** One thing that recall costs. */
interface Price {
  x: Axis;
  /** "as few bytes" */
  little: string;
  /** undefined where it is not known */
  of: (cell: Cell) => number | undefined;
}

export const accuracyVsCost: FigureKind<'accuracy-vs-cost'> = {
  name: 'accuracy-vs-cost',
  summary: 'test accuracy against bytes of state and against microseconds a token, side by side, with Pareto fronts',
  of: 'runs',
  build({ records, measurements }, options = {}) {
    const cells = cellsOf(select('accuracy-vs-cost', records, options));
    const mixtures = mixturesOf(cells);
    const labels = new Map(cells.map((cell) => [cell.appearance.label, cell.appearance]));
    const looks = looksOf([...labels].map(([label, appearance]) => ({ appearance, variants: [label] })));
    const steps = costsOf(measurements).filter((cost): cost is DoneCost => cost.state === 'done' && cost.measure.workload === 'decode' && cost.measure.options['batch'] === 1);
    const decoded = new Map(cells.map((cell) => [cell, decodingOf(cell, steps)]));
    const prices: Price[] = [
      { x: { label: 'State per sequence', scale: 'log2', unit: 'bytes' }, little: 'as few bytes', of: (cell) => cell.stateBytes },
      { x: { label: 'Training: µs a token', scale: 'log10', unit: 'number' }, little: 'as little training time', of: trainingOf },
      { x: { label: 'Decoding: µs a token', scale: 'log10', unit: 'number' }, little: 'as little decoding time', of: (cell) => decoded.get(cell) && 1000 * decoded.get(cell)!.ms },
    ];
    const known = prices.filter((price) => cells.some((cell) => cell.state === 'done' && price.of(cell) !== undefined));
    const fronts = mixtures.flatMap((mixture) =>
      known.map((price) => {
        const series = [...labels.keys()].map((label) => seriesOf(label, mixture.cells.filter((cell) => cell.appearance.label === label), price, options, mixture.cells.length > CROWD));
        const names = new Map(series.flatMap((s) => s.cells.map(({ mark, cell }) => [mark, cellName(cell)])));
        const front = withFront(series.map(({ label, cells: own, failed }): Series => ({ name: label, look: looks.get(label)!, marks: own.map(({ mark }) => mark), failed, scattered: true })), (mark) => names.get(mark)!);
        return { ...front, price, mixture };
      }),
    );
    const panels = fronts.map(({ price, mixture, drawn }): Panel => ({ title: mixture.title, x: price.x, y: accuracyAxis(accuracyLabel(options.slice)), series: drawn }));
    const used = [...new Set([...decoded.values()].flatMap((cost) => cost ?? []))];
    const devices = new Set(cells.flatMap((cell) => (cell.state === 'done' ? cell.runs.map((run) => `${run.device.adapter} ${run.device.engine}`) : [])));
    return {
      name: 'accuracy-vs-cost',
      title: options.title ?? 'Recall for what it costs',
      panels,
      columns: known.length,
      caption: [
        `${accuracyLabel(options.slice)} on ${describeMixtures(mixtures)}. Training time is that of a token in a step, forward, gradients and optimizer.`,
        ...(used.length === 0 ? [] : [`Decoding time is that of one sequence at a context of ${list([...new Set(used.map((cost) => option(cost, 'context')))].sort((a, b) => a - b).map(formatNumber))} on ${list([...new Set(used.map((cost) => `${cost.device.adapter} (${cost.measure.engine}, ${cost.measure.precision})`))].sort())}.`]),
        ...known.flatMap(({ little }) => frontSentences(little, fronts.filter((front) => front.price.little === little).map(({ mixture, names }) => ({ title: mixture.title, names })))),
        ...Object.values(captionOf(cells)),
      ],
      notes: [...(devices.size > 1 ? ['Runs of several devices or engines: their training times are not those of one machine.'] : []), ...notesOf(cells, nameIn(mixtures))],
    };
  },
};

function seriesOf(label: string, cells: readonly Cell[], price: Price, { slice }: FigureOptions, crowded: boolean) {
  const sizes = !crowded && new Set(cells.map((cell) => cell.point.modelOptions['dState'])).size > 1;
  const done = cells.filter((cell): cell is DoneCell => cell.state === 'done').flatMap((cell) => {
    const x = price.of(cell);
    const mark = x === undefined ? undefined : markOf(cell, x, slice);
    if (mark === undefined) return [];
    const { dState } = cell.point.modelOptions;
    return [{ cell, mark: { ...mark, ...(sizes && dState !== undefined ? { label: `N=${String(dState)}` } : {}), facts: { ...mark.facts, ...ratesOf(cell, mark) } } }];
  });
  // what no run tells has no place on the axis of time, and stands in the notes
  const failed = cells.flatMap((cell) => {
    const x = cell.state === 'failed' ? price.of(cell) : undefined;
    return x === undefined ? [] : [{ x, why: whyFailed(cell), facts: sizesOf(cell), runs: failedRuns(cell) }];
  });
  return { label, cells: done, failed };
}

/** Accuracy for a KiB of state and for a microsecond a token of training. */
function ratesOf(cell: DoneCell, { y }: Mark): Facts {
  const us = trainingOf(cell);
  return { accuracyPerKiB: y / (cell.stateBytes / 1024), ...(us === undefined ? {} : { trainingUs: us, accuracyPerUs: y / us }) };
}

/** Microseconds a token in training: the mean over seeds. */
function trainingOf(cell: Cell): number | undefined {
  const times = cell.state === 'done' ? cell.runs.flatMap((run) => (run.tokensPerSecond === null ? [] : [1e6 / run.tokensPerSecond])) : [];
  return times.length === 0 ? undefined : mean(times);
}

/** A decoding step of the same model, if one was measured: on the engine of its runs rather than another, and at the context nearest to the longest test, the longer of two. */
function decodingOf(cell: Cell, steps: readonly DoneCost[]): DoneCost | undefined {
  const { model, modelOptions, dModel, layers, test } = cell.point;
  const length = Math.max(1, ...test.map(({ options }) => (typeof options['seqLen'] === 'number' ? options['seqLen'] : 0)));
  const engines = cell.state === 'done' ? cell.runs.map((run) => run.device.engine) : [];
  const context = (cost: DoneCost) => option(cost, 'context');
  const away = (cost: DoneCost) => Math.abs(Math.log(context(cost) / length));
  const elsewhere = (cost: DoneCost) => (engines.includes(cost.measure.engine) ? 0 : 1);
  return steps
    .filter(({ measure: { options } }) => options['model'] === model && options['dModel'] === dModel && options['layers'] === layers && agree(options['modelOptions'] as object, modelOptions))
    .toSorted((a, b) => elsewhere(a) - elsewhere(b) || away(a) - away(b) || context(b) - context(a) || (a.key < b.key ? -1 : 1))[0];
}

/** Whether options agree wherever both say something. */
function agree(a: object = {}, b: object): boolean {
  return Object.entries(b).every(([key, value]) => !Object.hasOwn(a, key) || canonicalJson((a as Record<string, unknown>)[key]) === canonicalJson(value));
}
