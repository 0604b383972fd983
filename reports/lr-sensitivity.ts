/** How much hangs on the learning rate: validation accuracy against it, with the one chosen in a ring. */
import { canonicalJson } from '#core/content-id.ts';
import { atEachRate, cellsOf, validationOf, type Cell, type DoneCell } from '#results/query.ts';
import { accuracyAxis, failedRuns, runsOf, sizesOf } from './accuracy-mark.ts';
import { captionOf, notesOf, whyFailed } from './caption.ts';
import { crowdSentence, lines } from './crowd.ts';
import type { FigureKind, Mark, Panel, Series } from './figure.ts';
import { looksOf } from './look.ts';
import { describeMixtures, mixturesOf, nameIn } from './mixture.ts';
import { cellTraits, nameSeries } from './naming.ts';
import { select } from './selection.ts';

export const lrSensitivity: FigureKind<'lr-sensitivity'> = {
  name: 'lr-sensitivity',
  summary: 'validation accuracy against learning rate, one line per mixer and size, the chosen rate in a ring',
  of: 'runs',
  build({ records }, options = {}) {
    const selected = select('lr-sensitivity', records, options);
    const cells = cellsOf(selected);
    const rates = atEachRate(selected);
    const mixtures = mixturesOf(cells);
    const drawn = mixtures.map((mixture) => lines(mixture.cells));
    const all = drawn.flat();
    const mixtureOf = new Map(mixtures.flatMap((mixture) => mixture.cells.map((cell) => [cell, mixture.key])));
    const naming = nameSeries(all, cellTraits, (cell) => canonicalJson(mixtureOf.get(cell)!));
    const looks = looksOf(naming.families);
    const ticks = [...new Set(all.flatMap((cell) => cell.lrs))].sort((a, b) => a - b);
    const panels = mixtures.map(
      (mixture, i): Panel => ({
        title: mixture.title,
        x: { label: 'Learning rate', scale: 'log10', unit: 'number', ...(ticks.length <= 6 ? { ticks } : {}) },
        y: accuracyAxis('Validation accuracy'),
        series: naming.families.flatMap(({ variants }) =>
          variants.map((name): Series => {
            const own = drawn[i].filter((cell) => naming.nameOf(cell) === name);
            const at = own.flatMap((cell) => rates(cell).map((alone) => ({ cell, alone })));
            return {
              name,
              look: looks.get(name)!,
              marks: at.flatMap(({ cell, alone }) => (alone.state === 'done' ? markOf(cell, alone) : [])),
              failed: at.flatMap(({ alone }) => (alone.state === 'failed' ? [{ x: alone.lrs[0], why: whyFailed(alone), facts: { ...sizesOf(alone), lr: alone.lrs[0] }, runs: failedRuns(alone) }] : [])),
            };
          }),
        ),
      }),
    );
    return {
      name: 'lr-sensitivity',
      title: options.title ?? 'Sensitivity to the learning rate',
      panels,
      caption: [`Validation accuracy on ${describeMixtures(mixtures)}, where learning rates are chosen.`, ...crowdSentence(mixtures.map((mixture) => mixture.cells)), ...Object.values(captionOf(all))],
      notes: notesOf(cells, nameIn(mixtures)),
    };
  },
};

function markOf(cell: Cell, alone: DoneCell): Mark[] {
  const estimate = validationOf(alone);
  if (estimate === undefined) return [];
  const { mean, low, high, accuracies } = estimate;
  const chosen = cell.state === 'done' && cell.lr === alone.lr;
  return [{
    x: alone.lr,
    y: mean,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    ...(chosen ? { ringed: true } : {}),
    facts: { ...sizesOf(alone), seeds: alone.seeds.length, accuracies: accuracies.join(' '), test: alone.mean, chosen: chosen ? 'yes' : 'no' },
    runs: runsOf(alone),
  }];
}
