/**
 * Validation accuracy and training loss against steps, for the runs that the other figures draw: of every cell the learning
 * rate chosen on validation, one line a seed.
 */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { cellsOf } from '#results/query.ts';
import type { RunRecord } from '#results/record.ts';
import { accuracyAxis, sizesOf } from './accuracy-mark.ts';
import { captionOf, notesOf } from './caption.ts';
import { crowdSentence, lines } from './crowd.ts';
import type { Axis, Figure, FigureKind, Mark, Panel, Series } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn } from './mixture.ts';
import { cellTraits, nameSeries } from './naming.ts';
import { select } from './selection.ts';

const lossAxis: Axis = { label: 'Training loss (nats)', scale: 'linear', unit: 'number', min: 0 };

export const learningCurves: FigureKind<'learning-curves'> = {
  name: 'learning-curves',
  summary: 'validation accuracy and training loss against steps, for the runs at the chosen learning rates',
  of: 'runs',
  build({ records }, options = {}): Figure {
    const cells = cellsOf(select('learning-curves', records, options));
    const mixtures = mixturesOf(cells);
    const chosen = mixtures.map((mixture) => ({ mixture, drawn: lines(mixture.cells).filter((cell) => cell.state === 'done') }));
    const all = chosen.flatMap(({ drawn }) => drawn);
    const mixtureOf = new Map(chosen.flatMap(({ mixture, drawn }) => drawn.map((cell) => [cell, mixture.key])));
    const naming = nameSeries(all, cellTraits, (cell) => canonicalJson(mixtureOf.get(cell)!), ['dState', 'dModel']);
    const looks = looksOf(naming.families);
    const names = naming.families.flatMap((family) => family.variants);

    const panel = ({ mixture, drawn }: (typeof chosen)[number], y: Axis, marksOf: (run: RunRecord) => [step: number, value: number][], cellsBy = groupBy(drawn, naming.nameOf)): Panel => ({
      title: mixture.title,
      x: { label: 'Step', scale: 'linear', unit: 'count', min: 0, max: drawn.flatMap((cell) => cell.runs).reduce((most, run) => Math.max(most, run.steps.run), 1) },
      y,
      series: names.flatMap((name): Series[] => {
        const look = looks.get(name)!;
        const own = cellsBy.get(name) ?? [];
        // an empty series keeps the legend in order
        if (own.length === 0) return [{ name, look, marks: [], failed: [] }];
        return own.flatMap((cell) =>
          cell.runs.map((run) => {
            const facts = { ...sizesOf(cell), lr: cell.lr, seed: run.point.seed };
            return { name, look, marks: marksOf(run).map(([x, y]): Mark => ({ x, y, facts })), failed: [] };
          }),
        );
      }),
    });
    const words = captionOf(all);
    return {
      name: 'learning-curves',
      title: options.title ?? 'Learning curves',
      columns: 3,
      panels: chosen.flatMap((of) => [
        panel(of, accuracyAxis('Validation accuracy'), (run) => run.curve.flatMap((row) => (row.accuracy === null ? [] : [[row.step, row.accuracy]]))),
        { ...panel(of, lossAxis, (run) => run.curve.flatMap((row) => (row.loss === null ? [] : [[row.step, row.loss]]))), under: true },
      ]),
      caption: [
        `Validation on ${describeMixtures(mixtures)}; one line a seed.`,
        ...crowdSentence(mixtures.map((mixture) => mixture.cells)),
        words.device,
        words.budget,
        words.rate,
        words.code,
      ],
      notes: notesOf(cells, nameIn(mixtures)),
    };
  },
};
