/** What a comparison of two stores says: rows with a verdict for each metric, and the facts that it rests on. Plain data, for every output alike. */
import type { Interval } from '#core/statistics.ts';

/**
 * same: no difference that counts. better, worse: one that does. changed: an exact quantity is another one. missing, new: only the
 * baseline, only the candidate has it. failed: it was done and no longer is.
 */
export type Verdict = 'failed' | 'worse' | 'changed' | 'missing' | 'new' | 'better' | 'same';

/** Verdicts from the gravest to the lightest. */
export const gravity: readonly Verdict[] = ['failed', 'worse', 'changed', 'missing', 'new', 'better', 'same'];

export function gravest(verdicts: readonly Verdict[]): Verdict {
  return gravity.find((v) => verdicts.includes(v)) ?? 'same';
}

/** What is judged. Times are milliseconds of a call, speeds tokens a second; sizes are bytes. */
export type MetricName = 'outcome' | 'accuracy' | 'loss' | 'parameters' | 'stateBytes' | 'peakBytes' | 'time' | 'speed';

/** One metric of one row. */
export interface Judged {
  readonly metric: MetricName;
  readonly verdict: Verdict;
  /** null where there is no number */
  readonly baseline: number | null;
  readonly candidate: number | null;
  /** of the candidate's repetitions, or runs */
  readonly range?: Interval;
  /** of a noisy metric: what the verdict rests on */
  readonly noisy?: Noisy;
  /** one sentence, where there is more to say than the numbers */
  readonly why?: string;
}

export interface Noisy {
  /** time of the candidate over that of the baseline, as measured; above 1 is slower */
  readonly raw: number;
  /** the same without what all cells of the machine have in common (Hodges-Lehmann), and its 95 % interval: this is judged */
  readonly ratio: number;
  readonly interval: Interval;
  /** Mann-Whitney, two-sided, and corrected for the number of cells (Holm) */
  readonly p: number;
  readonly corrected: number;
  /** independent samples of the baseline and of the candidate */
  readonly samples: readonly [number, number];
  /** the effect is large enough and the evidence is not: worth a rerun (`--confirm`) */
  readonly suspicious: boolean;
}

export interface Row {
  /** equal for equal rows of later comparisons */
  readonly key: string;
  /** run: training runs that differ in the seed only. speed: of the runs of a cell. cost: a measurement. machine: all cells of one place together */
  readonly kind: 'run' | 'speed' | 'cost' | 'machine';
  /** as short as it can be beside its neighbours */
  readonly name: string;
  /** the same whatever stands beside it */
  readonly fullName: string;
  readonly verdict: Verdict;
  /** it makes the comparison fail */
  readonly finding: boolean;
  readonly metrics: readonly Judged[];
  /** ids of the candidate's records, or of the baseline's where the candidate has none */
  readonly ids: readonly string[];
}

/** How one place moved as a whole, as ratios of times: candidate over baseline. */
export interface Drift {
  /** "engine wasm, 2 threads, AMD EPYC" */
  readonly place: string;
  /** of the reference loop: the machine without any code of ours; null where it was not measured */
  readonly machine: number | null;
  /** the median over cells, as measured */
  readonly cells: number;
  readonly roofs: readonly { readonly name: string; readonly ratio: number }[];
  /** whether cells are judged without what they have in common, and nothing judges that */
  readonly removed: boolean;
}

export interface Comparison {
  readonly rows: readonly Row[];
  readonly counts: Readonly<Record<Verdict, number>>;
  /** how many rows are findings: not 0 is exit code 1 */
  readonly findings: number;
  /** noisy metrics that a rerun could decide */
  readonly suspicious: number;
  readonly rules: Rules;
  /** who was compared */
  readonly baseline: Side;
  readonly candidate: Side;
  readonly drifts: readonly Drift[];
  /** what a reader has to know: drift, other versions, too few samples */
  readonly notes: readonly string[];
}

export interface Side {
  /** "engine wasm, 2 threads, AMD EPYC" of each device */
  readonly devices: readonly string[];
  /** "0.1.0 (3c0cda351d92)" of each version of the code */
  readonly code: readonly string[];
  readonly runs: number;
  readonly measurements: number;
}

/** By what it is judged. */
export interface Rules {
  /** the smallest change of a time that counts, as a share of it */
  readonly threshold: number;
  /** the chance of even one false alarm about times in one comparison */
  readonly alpha: number;
  /** the smallest change of an accuracy that counts, as a difference */
  readonly accuracyTolerance: number;
  /** the smallest change of a final loss that counts, as a share of it */
  readonly lossTolerance: number;
  /** whether a row that only the baseline has is no finding */
  readonly allowMissing: boolean;
  readonly allowDifferentDevice: boolean;
}

export const defaultRules: Rules = { threshold: 0.08, alpha: 0.05, accuracyTolerance: 0.02, lossTolerance: 0.1, allowMissing: false, allowDifferentDevice: false };

/** The verdicts of a row's metrics as one, and whether it is a finding. */
export function rowOf(row: Omit<Row, 'verdict' | 'finding'>, rules: Rules): Row {
  const verdict = gravest(row.metrics.map((m) => m.verdict));
  return { ...row, verdict, finding: verdict === 'failed' || verdict === 'worse' || verdict === 'changed' || (verdict === 'missing' && !rules.allowMissing) };
}
