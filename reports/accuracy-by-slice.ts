/**
 * Accuracy against a key of the test: its length, its number of pairs, its gap. Beyond the longest length in training that is
 * extrapolation, as in table 2 of the Mamba paper (arXiv 2312.00752, §4.1.2).
 */
import { canonicalJson } from '#core/content-id.ts';
import { RecallbenchError, unknownName } from '#core/errors.ts';
import { greatest } from '#core/statistics.ts';
import { cellsOf, type Cell, type Slice } from '#results/query.ts';
import { accuracyAxis, accuracyLabel, failedRuns, markOf, sizesOf } from './accuracy-mark.ts';
import { captionOf, list, notesOf, whyFailed } from './caption.ts';
import { bound } from './cost-figure.ts';
import { crowdSentence, lines } from './crowd.ts';
import type { Axis, FigureKind, Mark, Panel, Series } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn } from './mixture.ts';
import { cellTraits, nameSeries } from './naming.ts';
import { select } from './selection.ts';
import { formatNumber } from './ticks.ts';

type Value = number | string;

export const accuracyBySlice: FigureKind<'accuracy-by-slice'> = {
  name: 'accuracy-by-slice',
  summary: 'test accuracy against each key of the test that varies (length, pairs, …), with the limit of training: extrapolation',
  of: 'runs',
  build({ records }, options = {}) {
    const cells = cellsOf(select('accuracy-by-slice', records, options));
    const mixtures = mixturesOf(cells);
    const { slice: where = {}, by } = options;
    const sliced = mixtures.map((mixture) => ({ mixture, slices: slicesOf(mixture.cells).filter((slice) => Object.entries(where).every(([key, value]) => slice[key] === value)) }));
    const along = (keysFor: (slices: readonly Slice[]) => string[][]) => sliced.flatMap(({ mixture, slices }) => keysFor(slices).map((keys) => ({ mixture, keys, values: valuesOf(slices, keys[0]), drawn: lines(mixture.cells) })));
    const varying = along(by === undefined ? varyingKeys : (slices) => (keysOf(slices).includes(by) ? [[by]] : []));
    // where no test varies in anything the first key stands for all
    const places = varying.length > 0 || by !== undefined ? varying : along((slices) => keysOf(slices).slice(0, 1).map((key) => [key]));
    if (places.length === 0) {
      const known = [...new Set(slicesOf(cells).flatMap((slice) => Object.keys(slice)))].sort();
      throw new RecallbenchError('E_CONFIG', `accuracy-by-slice: ${by === undefined ? 'no test has a slice' : unknownName('key of a slice', by, known)}`);
    }
    const all = [...new Set(places.flatMap(({ drawn }) => drawn))];
    const mixtureOf = new Map(mixtures.flatMap((mixture) => mixture.cells.map((cell) => [cell, mixture.key])));
    const naming = nameSeries(all, cellTraits, (cell) => canonicalJson(mixtureOf.get(cell)!), ['dState']);
    const looks = looksOf(naming.families);
    const panels = places.map(({ mixture, keys, values, drawn }): Panel => {
      const [key] = keys;
      const x = (value: Value) => (typeof value === 'number' ? value : values.indexOf(value));
      const series = naming.families.flatMap(({ variants }) =>
        variants.map((name): Series => {
          const own = drawn.filter((cell) => naming.nameOf(cell) === name);
          const marks = own.flatMap((cell) =>
            values.flatMap((value): Mark[] => {
              const mark = cell.state === 'done' ? markOf(cell, x(value), { ...where, [key]: value }) : undefined;
              return mark === undefined ? [] : [{ ...mark, facts: { ...mark.facts, slice: `${key}=${value}` } }];
            }),
          );
          const failed = own.flatMap((cell) => (cell.state === 'failed' ? values.map((value) => ({ x: x(value), why: whyFailed(cell), facts: sizesOf(cell), runs: failedRuns(cell) })) : []));
          return { name, look: looks.get(name)!, marks, failed };
        }),
      );
      return { title: mixture.title, x: axisOf(keys, values), y: accuracyAxis(accuracyLabel(options.slice)), series: [...series, ...limitOfTraining(drawn, key, values)] };
    });
    const trained = panels.some((panel) => panel.series.some((series) => series.name === TRAINED));
    const placed = new Set(places.map(({ mixture }) => mixture));
    const [drawn, left] = [true, false].map((is) => mixtures.filter((mixture) => placed.has(mixture) === is));
    return {
      name: 'accuracy-by-slice',
      title: options.title ?? 'Accuracy by slice of the test',
      panels,
      caption: [
        `${accuracyLabel(options.slice)} on ${describeMixtures(drawn)}; at each value the mean over all else that the test varies.`,
        ...(trained ? ['Right of the dotted line is beyond everything in training.', ...new Set(panels.flatMap(extrapolation))] : []),
        ...crowdSentence(drawn.map((mixture) => mixture.cells)),
        ...Object.values(captionOf(all)),
      ],
      notes: [...(left.length === 0 ? [] : [`Not drawn, as ${by === undefined ? 'nothing varies in the test' : `no test has the key ${by}`}: ${describeMixtures(left)}.`]), ...notesOf(drawn.flatMap((mixture) => mixture.cells), nameIn(mixtures))],
    };
  },
};

const TRAINED = 'Limit of training';

function slicesOf(cells: readonly Cell[]): Slice[] {
  const found = new Map<string, Slice>();
  for (const cell of cells) {
    if (cell.state !== 'done') continue;
    for (const run of cell.runs) for (const { slice } of run.test!.slices) found.set(canonicalJson(slice), slice);
  }
  return [...found.values()];
}

/** Numbers before words, each ascending. */
function valuesOf(slices: readonly Slice[], key: string): Value[] {
  const values = [...new Set(slices.flatMap((slice) => slice[key] ?? []))];
  return values.sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : typeof a === typeof b ? (a < b ? -1 : 1) : typeof a === 'number' ? -1 : 1));
}

const keysOf = (slices: readonly Slice[]): string[] => [...new Set(slices.flatMap((slice) => Object.keys(slice)))].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

/** The keys that vary, length first; keys that always vary together are one. */
function varyingKeys(slices: readonly Slice[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const key of keysOf(slices)) {
    const values = valuesOf(slices, key);
    if (values.length < 2) continue;
    const partition = canonicalJson(slices.map((slice) => values.indexOf(slice[key] ?? '')));
    groups.set(partition, [...(groups.get(partition) ?? []), key]);
  }
  return [...groups.values()];
}

const shown: Record<string, string> = { seqLen: 'Sequence length', pairs: 'Key-value pairs' };
const rank = (key: string): number => [...Object.keys(shown), key].indexOf(key);

function axisOf([key, ...along]: readonly string[], values: readonly Value[]): Axis {
  const label = `${shown[key] ?? key}${along.length === 0 ? '' : ` (and ${along.join(', ')})`}`;
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length < values.length) return { label, scale: 'linear', unit: 'number', min: -0.5, max: values.length - 0.5, ticks: values.map((_, i) => i), names: values.map(String) };
  const [low, high] = [numbers[0], numbers.at(-1)!];
  // fixed ends: the lengths of one task say nothing about those of another
  if (low > 0 && high / low >= 4) return { label, scale: 'log2', unit: 'number', ticks: numbers, min: low / (high / low) ** 0.08, max: high * (high / low) ** 0.08 };
  const room = 0.08 * (high - low) || 1;
  return { label, scale: 'linear', unit: 'number', ticks: numbers, min: low - room, max: high + room };
}

/** A line at the greatest value of a key in training, where the test goes beyond it. */
function limitOfTraining(cells: readonly Cell[], key: string, values: readonly Value[]): Series[] {
  const greatest = new Set(cells.map(({ point }) => Math.max(...point.train.map(({ options }) => (typeof options[key] === 'number' ? options[key] : Infinity)))));
  const beyond = (x: number) => values.every((value) => typeof value === 'number') && values.some((value) => (value as number) > x);
  return [...greatest].filter((x) => Number.isFinite(x) && beyond(x)).sort((a, b) => a - b).map((x): Series => ({
    name: TRAINED,
    look: bound,
    marks: [0, 1].map((y) => ({ x, y, facts: { trained: `${key} up to ${formatNumber(x)}` } })),
    failed: [],
  }));
}

/** What counts as holding beyond training: table 2 of the Mamba paper has nothing between "fails" and more than this. */
const HOLDS = 0.95;

/** Whose accuracy holds at the greatest value, beyond training, and whose does not. */
function extrapolation({ x: axis, series }: Panel): string[] {
  const limits = series.filter((each) => each.name === TRAINED);
  if (limits.length !== 1) return [];
  const limit = limits[0].marks[0].x;
  const models = series.filter((each) => each.name !== TRAINED && each.marks.length > 0);
  const farthest = greatest(models.flatMap(({ marks }) => marks.map((mark) => mark.x)));
  const at = (marks: readonly Mark[], where: number) => {
    const there = marks.filter((mark) => mark.x === where).map((mark) => mark.y);
    return there.length === 0 ? undefined : greatest(there);
  };
  const tested = models.flatMap(({ name, marks }) => {
    const accuracy = at(marks, farthest);
    return accuracy === undefined ? [] : [{ name, accuracy, within: at(marks, limit) }];
  });
  const holding = tested.filter(({ accuracy }) => accuracy >= HOLDS).map(({ name }) => name);
  const failing = tested.filter(({ accuracy }) => accuracy < HOLDS).map(({ name, accuracy, within }) => `${name} (${accuracy.toFixed(2)}${within === undefined ? '' : `, from ${within.toFixed(2)} at ${formatNumber(limit)}`})`);
  const kept = holding.length === 0 ? 'none' : list(holding);
  const lost = failing.length === 0 ? '' : `${holding.length === 0 ? ': ' : ', not by '}${list(failing)}`;
  return [`${axis.label}: trained to ${formatNumber(limit)}; at ${formatNumber(farthest)} an accuracy of ${HOLDS} is kept by ${kept}${lost}.`];
}
