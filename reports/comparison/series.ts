/** The numbers of the candidate, for services that keep a series of them and draw their own conclusions. */
import type { Interval } from '#core/statistics.ts';
import type { Comparison, MetricName } from '#results/comparison.ts';

export interface Value {
  /** the row's full name */
  readonly name: string;
  readonly metric: Exclude<MetricName, 'outcome'>;
  readonly value: number;
  /** of the repetitions, or of the runs */
  readonly range?: Interval;
}

/** Every number that the candidate has. */
export function candidateValues({ rows }: Comparison): Value[] {
  return rows.flatMap(({ fullName, metrics }) =>
    metrics.flatMap(({ metric, candidate, range }): Value[] => (metric === 'outcome' || candidate === null || !Number.isFinite(candidate) ? [] : [{ name: fullName, metric, value: candidate, ...(range === undefined ? {} : { range }) }])),
  );
}
