/** The candidate as github-action-benchmark's `customSmallerIsBetter`: a list of values of which a smaller one is better. */
import type { Comparison } from '#results/comparison.ts';
import { candidateValues, type Value } from './series.ts';

export interface ActionBenchmark {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** half the spread: "± 0.02" */
  readonly range?: string;
  readonly extra?: string;
}

/** Accuracy is given as the share of errors and speed as the time of a token: then smaller is better in all of them. */
const smaller: Record<Value['metric'], { readonly what: string; readonly unit: string; readonly of: (x: number) => number }> = {
  time: { what: 'time', unit: 'ms', of: (x) => x },
  speed: { what: 'training time', unit: 'µs/token', of: (x) => 1e6 / x },
  accuracy: { what: 'test errors', unit: '%', of: (x) => 100 * (1 - x) },
  loss: { what: 'final loss', unit: 'nats', of: (x) => x },
  parameters: { what: 'parameters', unit: 'parameters', of: (x) => x },
  stateBytes: { what: 'state', unit: 'bytes', of: (x) => x },
  peakBytes: { what: 'memory', unit: 'bytes', of: (x) => x },
};

export function comparisonAction(comparison: Comparison): ActionBenchmark[] {
  const extra = `recallbench ${comparison.candidate.code.join(', ')} on ${comparison.candidate.devices.join('; ')}`;
  return candidateValues(comparison).map(({ name, metric, value, range }) => {
    const { what, unit, of } = smaller[metric];
    const spread = range === undefined ? {} : { range: `± ${Number((Math.abs(of(range.high) - of(range.low)) / 2).toPrecision(3))}` };
    return { name: `${name}: ${what}`, unit, value: of(value), ...spread, extra };
  });
}
