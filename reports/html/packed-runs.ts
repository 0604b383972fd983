/** Runs and measurements in little room: as columns, measured numbers with six digits, learning curves elsewhere. */
import type { Measurement } from '#results/measurement.ts';
import type { Evaluation, RunRecord } from '#results/record.ts';
import { packColumns, rowAt, type Columns } from './columns.ts';

/** What is said of a run beside its record. */
export interface Told {
  /** the options in which runs of its label differ: "N=64" */
  options: string;
  /** what tells its test from those of the others: "length 256, 64 pairs" */
  test: string;
}

/** A run without its curve. */
export type Run = Omit<RunRecord, 'curve'> & { told: Told };

/** The names of slices, which runs share, and the numbers, which they do not. */
interface SlimEvaluation extends Omit<Evaluation, 'slices'> {
  slices: readonly Pick<Evaluation['slices'][number], 'slice' | 'examples' | 'scored'>[];
  numbers: readonly (readonly [accuracy: number, loss: number, sequenceAccuracy?: number])[];
}

/** A run as it is packed. */
export type SlimRun = Omit<Run, 'test' | 'validation'> & { test?: SlimEvaluation; validation?: SlimEvaluation };

const opened = ['point', 'outcome', 'test', 'validation', 'steps', 'told'] as const;

export function packRuns(runs: readonly RunRecord[], told: (run: RunRecord) => Told): Columns<SlimRun> {
  const rows = runs.map((run): SlimRun => {
    const { curve: _, test, validation, ...rest } = run;
    return {
      ...rest,
      ...(test === undefined ? {} : { test: slim(test) }),
      ...(validation === undefined ? {} : { validation: slim(validation) }),
      tokensPerSecond: run.tokensPerSecond === null ? null : digits(run.tokensPerSecond),
      trainSeconds: digits(run.trainSeconds),
      totalSeconds: digits(run.totalSeconds),
      told: told(run),
    };
  });
  return packColumns(rows, opened);
}

/** A run as an object. */
export function runAt(packed: Columns<SlimRun>, row: number): Run {
  const { test, validation, ...rest } = rowAt(packed, row);
  return { ...rest, ...(test === undefined ? {} : { test: whole(test) }), ...(validation === undefined ? {} : { validation: whole(validation) }) };
}

export function packMeasurements(measurements: readonly Measurement[]): Columns<Measurement> {
  return packColumns(measurements.map((m) => ({ ...m, samples: m.samples.map(digits) })), ['measure', 'outcome']);
}

function slim({ slices, accuracy, loss, sequenceAccuracy }: Evaluation): SlimEvaluation {
  return {
    accuracy: digits(accuracy),
    loss: digits(loss),
    ...(sequenceAccuracy === undefined ? {} : { sequenceAccuracy: digits(sequenceAccuracy) }),
    slices: slices.map(({ slice, examples, scored }) => ({ slice, examples, scored })),
    numbers: slices.map((s) => [digits(s.accuracy), digits(s.loss), ...(s.sequenceAccuracy === undefined ? [] : [digits(s.sequenceAccuracy)])] as unknown as SlimEvaluation['numbers'][number]),
  };
}

function whole({ numbers, slices, ...rest }: SlimEvaluation): Evaluation {
  return {
    ...rest,
    slices: slices.map((slice, i) => {
      const [accuracy, loss, sequenceAccuracy] = numbers[i];
      return { ...slice, accuracy, loss, ...(sequenceAccuracy === undefined ? {} : { sequenceAccuracy }) };
    }),
  };
}

function digits(value: number): number {
  return Number(value.toPrecision(6));
}
