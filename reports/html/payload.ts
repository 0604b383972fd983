/** What the page carries for its own code: everything that it shows on demand. */
import { costsOf, placeOf, ratesOf, roofsOf, type Cost, type Rates } from '#results/costs.ts';
import { flatOptions } from '#results/flat-options.ts';
import { cellsOf, type Cell } from '#results/query.ts';
import { canonicalJson } from '#core/content-id.ts';
import type { Measurement } from '#results/measurement.ts';
import type { RunRecord } from '#results/record.ts';
import { whyFailed } from '../caption.ts';
import type { Figure, Stored } from '../figure.ts';
import { mixturesOf, nameIn } from '../mixture.ts';
import { withOptions } from '../naming.ts';
import { formatNumber } from '../ticks.ts';
import { packColumns, type Columns } from './columns.ts';
import { packCurves, type PackedCurves } from './curves.ts';
import { packFigures, type PackedFigures } from './packed-figures.ts';
import { packMeasurements, packRuns, type SlimRun, type Told } from './packed-runs.ts';

export interface Payload {
  readonly runs: Columns<SlimRun>;
  readonly measurements: Columns<Measurement>;
  readonly costs: Columns<CostRow>;
  readonly missing: Columns<MissingRow>;
  readonly figures: PackedFigures;
}

/** All repetitions of one measure on one device. */
export interface CostRow extends Partial<Rates> {
  /** of its first measurement */
  id: string;
  label: string;
  color: string;
  workload: string;
  /** "seqLen=4096, dState=64" */
  options: string;
  engine: string;
  threads?: number;
  precision: string;
  adapter: string;
  sweep?: string;
  state: string;
  reason?: string;
  /** milliseconds of a call; the range of the repetitions */
  ms?: number;
  low?: number;
  high?: number;
  repetitions: number;
  firstMs?: number | null;
  latencyMs?: number | null;
  stateBytes: number | null;
  peakBytes: number;
  /** rows of `Payload.measurements` */
  rows: readonly number[];
}

/** A cell of which something failed or was never run. */
export interface MissingRow {
  id: string;
  name: string;
  what: 'runs' | 'measurements';
  task: string;
  /** how many of its runs finished */
  finished: 'none' | 'some' | 'all that ran';
  /** "2 diverged" */
  failed: string;
  /** why the first of them did */
  reason: string;
  /** learning rates and seeds that were never run */
  missing: string;
  /** the failed ones */
  ids: readonly string[];
}

/** The curves stand apart, since nobody needs them before opening a run. */
export function payloadOf({ records, measurements }: Stored, figures: readonly Figure[]): { payload: Payload; curves: PackedCurves } {
  const cells = cellsOf(records);
  const costs = costsOf(measurements);
  return {
    payload: {
      runs: packRuns(records, toldOf(records, cells)),
      measurements: packMeasurements(measurements),
      costs: packColumns(costRows(costs, new Map(measurements.map((m, i) => [m, i])))),
      missing: packColumns([...missingRuns(cells), ...failedCosts(costs)]),
      figures: packFigures(figures),
    },
    curves: packCurves(records.map((r) => r.curve)),
  };
}

/** The options in which runs of a label differ, and the state size; and which test it is of. */
function toldOf(records: readonly RunRecord[], cells: readonly Cell[]): (run: RunRecord) => Told {
  const tests = new Map(mixturesOf(cells).map((m) => [m.key, m.title]));
  const keys = new Map<object, string>();
  const optionsIn = differing(records.map(({ appearance, point }) => ({ label: appearance.label, options: flatOptions(point.modelOptions) })));
  return ({ appearance, point }) => {
    // records of a store share their test, so its key is made once
    const test = keys.get(point.test) ?? canonicalJson([point.task, point.test]);
    keys.set(point.test, test);
    return { options: optionsIn(appearance.label, flatOptions(point.modelOptions)), test: tests.get(test)!.replace(`${point.task}, `, '') };
  };
}

/** Says the options in which things of a label differ, and the state size. */
function differing(all: readonly { label: string; options: Record<string, unknown> }[]): (label: string, options: Record<string, unknown>) => string {
  const values = new Map<string, Map<string, Set<unknown>>>();
  for (const { label, options } of all) {
    const of = values.get(label) ?? new Map<string, Set<unknown>>();
    values.set(label, of);
    for (const [key, value] of Object.entries(options)) of.set(key, (of.get(key) ?? new Set()).add(value));
  }
  return (label, options) => inWords(Object.fromEntries(Object.entries(options).filter(([key]) => /(^|\.)dState$/.test(key) || values.get(label)!.get(key)!.size > 1)));
}

/** The options of a cost, shapes and those of its model side by side. */
function optionsOf({ measure }: Cost): Record<string, unknown> {
  const { model: _, modelOptions = {}, ...shapes } = measure.options;
  return { ...shapes, ...flatOptions(modelOptions as object) };
}

const inWords = (options: Record<string, unknown>) => withOptions('', options).trim().slice(1, -1);

function costRows(costs: readonly Cost[], rowOf: ReadonlyMap<unknown, number>): CostRow[] {
  const roofs = roofsOf(costs);
  const optionsIn = differing(costs.map((cost) => ({ label: cost.appearance.label, options: optionsOf(cost) })));
  return costs.map((cost) => {
    const { measure: { workload, engine, threads, precision }, appearance, device, measurements } = cost;
    const { sweep } = measurements.at(-1)!;
    return {
      id: measurements[0].id,
      label: appearance.label,
      color: appearance.color,
      workload,
      options: optionsIn(appearance.label, optionsOf(cost)),
      engine,
      ...(threads === undefined ? {} : { threads }),
      precision,
      adapter: device.adapter,
      ...(sweep === undefined ? {} : { sweep }),
      state: cost.state,
      ...(cost.state === 'done'
        ? { ms: cost.ms, low: cost.low, high: cost.high, firstMs: cost.firstMs, latencyMs: cost.latencyMs, ...ratesOf(cost, roofs.get(placeOf(cost))) }
        : cost.reason === undefined ? {} : { reason: cost.reason }),
      repetitions: measurements.length,
      stateBytes: cost.stateBytes,
      peakBytes: cost.peakBytes,
      rows: measurements.map((m) => rowOf.get(m)!),
    };
  });
}

function missingRuns(cells: readonly Cell[]): MissingRow[] {
  const name = nameIn(mixturesOf(cells));
  return cells.flatMap((cell): MissingRow[] => {
    const seeds = cell.state === 'done' ? cell.missingSeeds : [];
    if (cell.state === 'done' && cell.failed.length + cell.missingLrs.length + seeds.length === 0) return [];
    const missing = [
      ...(cell.missingLrs.length === 0 ? [] : [`learning rate ${cell.missingLrs.map(formatNumber).join(', ')}`]),
      ...(seeds.length === 0 ? [] : [`seed ${seeds.join(', ')}`]),
    ];
    return [{
      id: cell.key,
      name: name(cell),
      what: 'runs',
      task: cell.point.task,
      finished: cell.state === 'failed' ? 'none' : cell.failed.length > 0 ? 'some' : 'all that ran',
      failed: cell.failed.length === 0 ? '' : `${cell.failed.length === 1 ? '' : `${cell.failed.length}: `}${whyFailed(cell)}`,
      reason: cell.failed.find((run) => run.reason !== undefined)?.reason ?? '',
      missing: missing.join('; '),
      ids: cell.failed.map((run) => run.id),
    }];
  });
}

function failedCosts(costs: readonly Cost[]): MissingRow[] {
  const optionsIn = differing(costs.map((cost) => ({ label: cost.appearance.label, options: optionsOf(cost) })));
  return costs.flatMap((cost): MissingRow[] => {
    if (cost.state === 'done') return [];
    return [{
      id: cost.measurements[0].id,
      name: [cost.appearance.label, optionsIn(cost.appearance.label, optionsOf(cost))].filter((words) => words !== '').join(', '),
      what: 'measurements',
      task: cost.measure.workload,
      finished: 'none',
      failed: cost.state,
      reason: cost.reason ?? '',
      missing: '',
      ids: cost.measurements.map((m) => m.id),
    }];
  });
}
