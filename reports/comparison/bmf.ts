/** The candidate in Bencher Metric Format (bencher.dev): { benchmark: { measure: { value, lower_value, upper_value } } }. */
import type { Comparison } from '#results/comparison.ts';
import { candidateValues, type Value } from './series.ts';

export interface BencherMetric {
  readonly value: number;
  readonly lower_value?: number;
  readonly upper_value?: number;
}

/** Slugs of measures: `latency` and `throughput` are Bencher's own, in nanoseconds and in operations (here tokens) a second. */
const measures: Record<Value['metric'], { readonly slug: string; readonly scale: number }> = {
  time: { slug: 'latency', scale: 1e6 },
  speed: { slug: 'throughput', scale: 1 },
  accuracy: { slug: 'accuracy', scale: 1 },
  loss: { slug: 'loss', scale: 1 },
  parameters: { slug: 'parameters', scale: 1 },
  stateBytes: { slug: 'state-bytes', scale: 1 },
  peakBytes: { slug: 'peak-bytes', scale: 1 },
};

/** the longest name of a benchmark, in characters */
const LONGEST = 1024;

export function comparisonBmf(comparison: Comparison): Record<string, Record<string, BencherMetric>> {
  const benchmarks: Record<string, Record<string, BencherMetric>> = {};
  for (const { name, metric, value, range } of candidateValues(comparison)) {
    const { slug, scale } = measures[metric];
    (benchmarks[name.slice(0, LONGEST)] ??= {})[slug] = { value: scale * value, ...(range === undefined ? {} : { lower_value: scale * range.low, upper_value: scale * range.high }) };
  }
  return benchmarks;
}
