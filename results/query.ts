/**
 * Questions to a list of records, as pure functions. The unit of an answer is the cell: all runs that differ in nothing
 * but learning rate and seed. The order of the records never matters.
 */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { rng } from '#core/random.ts';
import { bootstrapInterval, mean } from '#core/statistics.ts';
import type { Point } from './point.ts';
import type { Appearance, Evaluation, OutcomeState, RunRecord } from './record.ts';

/** A point without what is chosen (the learning rate) and what is repeated (the seed). */
export type CellPoint = Omit<Point, 'lr' | 'seed'>;

/** A run that did not end as `done`. */
export interface FailedRun {
  id: string;
  lr: number;
  seed: number;
  state: Exclude<OutcomeState, 'done'>;
  reason?: string;
}

interface CellBase {
  /** canonical content of label and point: equal for equal cells */
  key: string;
  point: CellPoint;
  appearance: Appearance;
  /** of decoding one sequence of the longest test length, all layers */
  stateBytes: number;
  parameters: number;
  /** learning rates with at least one run, ascending */
  lrs: number[];
  /** learning rates that other cells of the same label and protocol have and this one lacks, ascending */
  missingLrs: number[];
  /** runs that did not finish, at any learning rate */
  failed: FailedRun[];
}

/** Test accuracies over seeds, and what they say. */
export interface Estimate {
  /** one a seed, in the order of the seeds */
  accuracies: number[];
  mean: number;
  /** 95 % bootstrap interval of the mean over seeds; absent with one seed */
  low?: number;
  high?: number;
}

export interface DoneCell extends CellBase, Estimate {
  state: 'done';
  /** chosen on the validation split, see `cellsOf` */
  lr: number;
  /** the seeds that finished at this learning rate, ascending */
  seeds: number[];
  /** their records, in the same order */
  runs: RunRecord[];
  /** seeds that other cells of the same label and protocol have and that were never run here at this learning rate */
  missingSeeds: number[];
}

/** A cell without a single finished run. */
export interface FailedCell extends CellBase {
  state: 'failed';
}

export type Cell = DoneCell | FailedCell;

/**
 * The cells of a list of records, by place in the legend, label, width, state size.
 *
 * The learning rate of a cell is the one with the highest mean VALIDATION accuracy over its seeds, ties to the lower
 * one, and what is reported is TEST accuracy at that learning rate. (The papers take the maximum over learning rates
 * on the test split itself, which flatters whoever tries more of them.) A diverged run counts as an accuracy of 0 in
 * the choice; runs that ended for another reason say nothing about a learning rate and do not count. Runs without a
 * validation split rank last.
 */
export function cellsOf(records: readonly RunRecord[]): Cell[] {
  const cells = [...groupBy(records, cellKey)].map(([key, runs]) => cellOf(key, runs));
  const protocols = groupBy(cells, (cell) => canonicalJson([cell.appearance.label, protocolOf(cell.point)]));
  for (const alike of protocols.values()) {
    const lrs = distinct(alike.flatMap((cell) => cell.lrs));
    const seeds = distinct(alike.flatMap((cell) => [...(cell.state === 'done' ? cell.seeds : []), ...cell.failed.map((run) => run.seed)]));
    for (const cell of alike) {
      cell.missingLrs = lrs.filter((lr) => !cell.lrs.includes(lr));
      if (cell.state === 'failed') continue;
      const { lr, failed } = cell;
      const tried = new Set([...cell.seeds, ...failed.filter((run) => run.lr === lr).map((run) => run.seed)]);
      cell.missingSeeds = seeds.filter((seed) => !tried.has(seed));
    }
  }
  return cells.sort((a, b) => compareAppearance(a.appearance, b.appearance) || a.point.dModel - b.point.dModel || a.stateBytes - b.stateBytes || compare(a.key, b.key));
}

/** Legend order, then label. */
export function compareAppearance(a: Appearance, b: Appearance): number {
  return a.order - b.order || compare(a.label, b.label);
}

/** What is asked of a model and how it is trained: the point without the model and its sizes. */
export function protocolOf(point: CellPoint): Omit<CellPoint, 'model' | 'modelOptions' | 'dModel' | 'layers' | 'mlp' | 'glu' | 'positions'> {
  const { model: _model, modelOptions: _options, dModel: _d, layers: _layers, mlp: _mlp, glu: _glu, positions: _positions, ...protocol } = point;
  return protocol;
}

/**
 * The test accuracy of a cell at one slice, such as `{ seqLen: 512 }`: over its seeds, the mean over the examples of
 * all slices that agree in every key given. Undefined where no slice agrees, or not for every seed. The learning rate
 * stays the one chosen on the whole validation split: a model has one.
 */
export function estimateAt(cell: DoneCell, where: Slice): Estimate | undefined {
  const accuracies = cell.runs.map((run) => accuracyAt(run.test!, where));
  return accuracies.includes(undefined) ? undefined : estimateOf(accuracies as number[], `${cell.key} ${canonicalJson(where)}`);
}

/** The same on the validation split, where learning rates are chosen; undefined where a run has none. */
export function validationOf({ runs, key }: DoneCell): Estimate | undefined {
  const accuracies = runs.map((run) => run.validation?.accuracy);
  return accuracies.includes(undefined) ? undefined : estimateOf(accuracies as number[], `${key} validation`);
}

/** What a cell of these records would be with each of its learning rates alone, in their order. */
export function atEachRate(records: readonly RunRecord[]): (cell: Cell) => Cell[] {
  const groups = groupBy(records, cellKey);
  return ({ key }) => [...groupBy(groups.get(key) ?? [], (run) => run.point.lr)].sort(([a], [b]) => a - b).map(([, runs]) => cellOf(key, runs));
}

/** Mean and interval of numbers, one a seed, as of accuracies: the name says of what, and chooses the stream of the bootstrap. */
export function overSeeds(values: readonly number[], name: string): Omit<Estimate, 'accuracies'> {
  const { mean, low, high } = estimateOf([...values], name);
  return { mean, ...(low === undefined || high === undefined ? {} : { low, high }) };
}

export type Slice = Evaluation['slices'][number]['slice'];

/** The accuracy over the examples of all slices that agree with `where`, or undefined if there is none. */
export function accuracyAt(evaluation: Evaluation, where: Slice): number | undefined {
  let [sum, examples] = [0, 0];
  for (const each of evaluation.slices) {
    if (!agrees(each.slice, where)) continue;
    sum += each.accuracy * each.examples;
    examples += each.examples;
  }
  return examples === 0 ? undefined : sum / examples;
}

function agrees(slice: Slice, where: Slice): boolean {
  return Object.entries(where).every(([key, value]) => slice[key] === value);
}

/** Every value that a key of the test slices takes, ascending: numbers before words. */
export function sliceValues(records: readonly RunRecord[], key: string): (number | string)[] {
  const values = new Set<number | string>();
  for (const record of records) for (const each of record.test?.slices ?? []) if (each.slice[key] !== undefined) values.add(each.slice[key]);
  return [...values].sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : typeof a === 'number' ? -1 : typeof b === 'number' ? 1 : compare(a, b)));
}

/** every figure asks for the cells of the same records */
const keyOf = new WeakMap<RunRecord, string>();
/** records of a store hold the same mixtures */
const mixtures = new WeakMap<object, string>();

function cellKey(record: RunRecord): string {
  const known = keyOf.get(record);
  if (known !== undefined) return known;
  const { lr: _lr, seed: _seed, ...point } = record.point;
  const key = canonicalJson([record.appearance.label, point], mixtures);
  keyOf.set(record, key);
  return key;
}

function cellOf(key: string, records: readonly RunRecord[]): Cell {
  const runs = records.toSorted((a, b) => a.point.lr - b.point.lr || a.point.seed - b.point.seed || compare(a.id, b.id));
  const { lr: _lr, seed: _seed, ...point } = runs[0].point;
  const { appearance, stateBytes, parameters } = latest(runs);
  const base: CellBase = {
    key,
    point,
    appearance,
    stateBytes,
    parameters,
    lrs: distinct(runs.map((run) => run.point.lr)),
    missingLrs: [],
    failed: runs.flatMap((run) => (run.outcome.state === 'done' && run.test ? [] : [failedRun(run)])),
  };
  const done = runs.filter((run) => run.outcome.state === 'done' && run.test);
  if (done.length === 0) return { ...base, state: 'failed' };
  const lr = bestLr(runs);
  const chosen = done.filter((run) => run.point.lr === lr);
  return {
    ...base,
    state: 'done',
    lr,
    seeds: chosen.map((run) => run.point.seed),
    runs: chosen,
    missingSeeds: [],
    ...estimateOf(
      chosen.map((run) => run.test!.accuracy),
      key,
    ),
  };
}

function failedRun(run: RunRecord): FailedRun {
  const { state, reason = state === 'done' ? 'no test accuracy in the record' : undefined } = run.outcome;
  return { id: run.id, lr: run.point.lr, seed: run.point.seed, state: state === 'done' ? 'crashed' : state, ...(reason === undefined ? {} : { reason }) };
}

function bestLr(runs: readonly RunRecord[]): number {
  const ranked = [...groupBy(runs, (run) => run.point.lr)].flatMap(([lr, at]) => {
    const done = at.filter((run) => run.outcome.state === 'done' && run.test);
    if (done.length === 0) return [];
    const judged = at.flatMap((run) => (run.outcome.state === 'diverged' ? [0] : done.includes(run) && run.validation ? [run.validation.accuracy] : []));
    return [{ lr, accuracy: done.some((run) => run.validation) ? mean(judged) : -1 }];
  });
  return ranked.sort((a, b) => b.accuracy - a.accuracy || a.lr - b.lr)[0].lr;
}

function estimateOf(accuracies: number[], name: string): Estimate {
  const estimate = { accuracies, mean: mean(accuracies) };
  return accuracies.length < 2 ? estimate : { ...estimate, ...bootstrapInterval(accuracies, { stream: rng(0).fork('seeds').fork(name) }) };
}

function latest(runs: readonly RunRecord[]): RunRecord {
  return runs.reduce((a, b) => (Date.parse(b.finishedAt) > Date.parse(a.finishedAt) ? b : a));
}

function distinct(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
