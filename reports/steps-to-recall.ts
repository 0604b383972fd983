/** How soon a model has learnt: steps until the validation accuracy first reaches a share, against model width. */
import { canonicalJson } from '#core/content-id.ts';
import { cellsOf, overSeeds, type DoneCell } from '#results/query.ts';
import type { RunRecord } from '#results/record.ts';
import { failedRuns, runsOf, sizesOf } from './accuracy-mark.ts';
import { captionOf, list, notesOf, whyFailed } from './caption.ts';
import type { FailedMark, FigureKind, Mark, Panel, Series } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn } from './mixture.ts';
import { cellTraits, nameSeries } from './naming.ts';
import { select } from './selection.ts';
import { formatNumber } from './ticks.ts';

export const stepsToRecall: FigureKind<'steps-to-recall'> = {
  name: 'steps-to-recall',
  summary: 'steps until 99 % validation accuracy (or another share) against model width, never reached as arrows',
  of: 'runs',
  build({ records }, options = {}) {
    const cells = cellsOf(select('steps-to-recall', records, options));
    const { reach = 0.99 } = options;
    const mixtures = mixturesOf(cells);
    const mixtureOf = new Map(mixtures.flatMap((mixture) => mixture.cells.map((cell) => [cell, mixture.key])));
    const naming = nameSeries(cells, cellTraits, (cell) => canonicalJson([mixtureOf.get(cell)!, cell.point.dModel]));
    const looks = looksOf(naming.families);
    const widths = [...new Set(cells.map((cell) => cell.point.dModel))].sort((a, b) => a - b);
    const done = cells.filter((cell) => cell.state === 'done');
    const reached = new Map(done.map((cell) => [cell, reachedBy(cell, reach)]));
    const never = new Set(done.filter((cell) => reached.get(cell)!.length === 0));
    const most = done.flatMap((cell) => cell.runs).reduce((n, run) => Math.max(n, run.steps.planned), 1);
    const nameOf = nameIn(mixtures);
    const partly = done.flatMap((cell) => {
      const n = reached.get(cell)!.length;
      return n === 0 || n === cell.runs.length ? [] : [`${nameOf(cell)} (${n} of ${cell.runs.length})`];
    });
    const panels = mixtures.map(
      (mixture): Panel => ({
        title: mixture.title,
        x: { label: 'Model width', scale: 'log2', unit: 'number', ticks: widths },
        // without a mark the budget is what is known of the axis
        y: { label: `Steps to ${percent(reach)} recall`, scale: 'log10', unit: 'count', ...(never.size === done.length ? { min: most / 100, max: most } : {}) },
        series: naming.families.flatMap(({ variants }) =>
          variants.map((name): Series => {
            const own = mixture.cells.filter((cell) => naming.nameOf(cell) === name);
            const marks = own.flatMap((cell) => (cell.state === 'done' ? markOf(cell, reached.get(cell)!) : []));
            const failed = own.flatMap((cell): FailedMark[] => {
              const x = cell.point.dModel;
              if (cell.state === 'failed') return [{ x, why: whyFailed(cell), facts: sizesOf(cell), runs: failedRuns(cell) }];
              return never.has(cell) ? [{ x, why: 'not reached', above: true, facts: { ...sizesOf(cell), lr: cell.lr, seeds: cell.seeds.length, best: bestOf(cell) }, runs: runsOf(cell) }] : [];
            });
            return { name, look: looks.get(name)!, marks: marks.toSorted((a, b) => a.x - b.x), failed };
          }),
        ),
      }),
    );
    const { device, seeds, budget, rate, code } = captionOf(cells);
    return {
      name: 'steps-to-recall',
      title: options.title ?? `Steps to ${percent(reach)} recall`,
      panels,
      caption: [
        `The first evaluation with at least ${percent(reach)} validation accuracy, on ${describeMixtures(mixtures)}; arrows at the upper edge did not reach it.`,
        device,
        seeds,
        budget,
        rate,
        code,
      ],
      notes: [
        ...(never.size === 0 ? [] : [`Not reached: ${list([...never].map((cell) => `${nameOf(cell)} (best ${formatNumber(bestOf(cell))})`))}.`]),
        ...(partly.length === 0 ? [] : [`Reached by some seeds only, and the mean is over those: ${list(partly)}.`]),
        ...notesOf(cells, nameOf),
      ],
    };
  },
};

const percent = (share: number): string => `${formatNumber(100 * share)} %`;

/** The rows of the curves at which the runs of a cell first reach a validation accuracy: those that do. */
function reachedBy({ runs }: DoneCell, share: number): RunRecord['curve'] {
  return runs.flatMap((run) => run.curve.find((row) => row.accuracy !== null && row.accuracy >= share) ?? []);
}

function markOf(cell: DoneCell, rows: RunRecord['curve']): Mark[] {
  if (rows.length === 0) return [];
  const { mean, low, high } = overSeeds(rows.map((row) => row.step), `${cell.key} steps`);
  const tokens = rows.reduce((sum, row) => sum + row.tokens, 0) / rows.length;
  const facts = { ...sizesOf(cell), lr: cell.lr, seeds: cell.seeds.length, reached: rows.length, steps: rows.map((row) => row.step).join(' '), tokens };
  // a mean over some of the seeds is drawn hollow, beside the line
  return [{ x: cell.point.dModel, y: mean, ...(low === undefined || high === undefined ? {} : { low, high }), ...(rows.length < cell.runs.length ? { aside: true } : {}), facts, runs: runsOf(cell) }];
}

/** The highest validation accuracy of any run at any time. */
function bestOf({ runs }: DoneCell): number {
  return runs.reduce((most, run) => run.curve.reduce((m, row) => Math.max(m, row.accuracy ?? 0), most), 0);
}
