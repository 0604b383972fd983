/** Learning curves of many runs in little room: at most so many rows each, four digits, and step numbers that runs share stand once. */
import type { RunRecord } from '#results/record.ts';

type Row = RunRecord['curve'][number];

/** The curves of runs, in their order. */
export interface PackedCurves {
  /** lists of step numbers */
  readonly steps: readonly (readonly number[])[];
  /** for each run: rows of its record; which list and the training losses at it; which list and the validation accuracies at it */
  readonly runs: readonly (readonly [rows: number, lossSteps: number, losses: readonly number[], accuracySteps: number, accuracies: readonly number[]])[];
}

export interface CurvePoint {
  readonly step: number;
  readonly value: number;
}

/** A curve as it is drawn. */
export interface Curve {
  /** rows of the record; when there are fewer points of loss, each is the mean over the rows that it stands for */
  readonly rows: number;
  readonly loss: readonly CurvePoint[];
  readonly accuracy: readonly CurvePoint[];
}

/** Rows of all curves of a report together; a run has at least LEAST, and at most MOST of them. */
const ALL = 600_000;
const LEAST = 60;
const MOST = 1000;

/** How many rows each of `runs` curves keeps. */
export function rowsKept(runs: number): number {
  return Math.max(LEAST, Math.min(MOST, Math.floor(ALL / Math.max(1, runs))));
}

export function packCurves(curves: readonly (readonly Row[])[]): PackedCurves {
  const most = rowsKept(curves.length);
  const steps: number[][] = [];
  const places = new Map<string, number>();
  const place = (points: readonly CurvePoint[]): number => {
    const own = points.map((p) => p.step);
    const key = own.join();
    if (!places.has(key)) places.set(key, steps.push(own) - 1);
    return places.get(key)!;
  };
  const runs = curves.map((rows) => {
    const loss = thinLoss(rows, most);
    const accuracy = thinAccuracy(rows, most);
    return [rows.length, place(loss), loss.map((p) => digits(p.value)), place(accuracy), accuracy.map((p) => digits(p.value))] as const;
  });
  return { steps, runs };
}

export function curveAt({ steps, runs }: PackedCurves, run: number): Curve {
  const [rows, lossSteps, losses, accuracySteps, accuracies] = runs[run];
  const points = (at: number, values: readonly number[]) => values.map((value, i): CurvePoint => ({ step: steps[at][i], value }));
  return { rows, loss: points(lossSteps, losses), accuracy: points(accuracySteps, accuracies) };
}

/** The loss of a row is the mean since the row before, and so is that of rows taken together: weighted by their steps. */
export function thinLoss(rows: readonly Row[], most: number): CurvePoint[] {
  const known = rows.flatMap(({ step, loss }, i) => (loss === null ? [] : [{ step, value: loss, weight: Math.max(1, step - (i === 0 ? 0 : rows[i - 1].step)) }]));
  if (known.length <= most) return known.map(({ step, value }) => ({ step, value }));
  return Array.from({ length: most }, (_, i) => {
    const group = known.slice(Math.floor((i * known.length) / most), Math.floor(((i + 1) * known.length) / most));
    const weight = group.reduce((sum, row) => sum + row.weight, 0);
    return { step: group.at(-1)!.step, value: group.reduce((sum, row) => sum + row.value * row.weight, 0) / weight };
  });
}

/** Every nth evaluation, and the last. */
export function thinAccuracy(rows: readonly Row[], most: number): CurvePoint[] {
  const known = rows.flatMap(({ step, accuracy }) => (accuracy === null ? [] : [{ step, value: accuracy }]));
  const stride = Math.ceil(known.length / most);
  return known.filter((_, i) => (known.length - 1 - i) % Math.max(1, stride) === 0);
}

function digits(value: number): number {
  return Number(value.toPrecision(4));
}
