/** Ratios of times measured at one place: how many times as long one thing takes as another. */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import type { Cost, DoneCost } from '#results/costs.ts';
import { greatest, least, mean } from '#core/statistics.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import type { Measured, Used, Verdict } from './claim.ts';

export interface Ratio {
  /** along which the ratios are told: a length, a state size */
  readonly at: number;
  /** what tells groups of ratios apart: "forward" */
  readonly group: string;
  readonly slow: DoneCost;
  readonly fast: DoneCost;
  readonly value: number;
  /** the ends that the ranges of both times allow, see `endsOf` */
  readonly low: number;
  readonly high: number;
}

/** Between what a time lies: the medians of its repetitions, or the samples where there is one repetition. */
export function endsOf({ repetitions, low, high, measurements }: DoneCost): [low: number, high: number] {
  if (repetitions > 1) return [low, high];
  const samples = measurements.flatMap((m) => m.samples);
  return [least(samples), greatest(samples)];
}

export const isDone = (cost: Cost): cost is DoneCost => cost.state === 'done';

export const directionOf = (cost: Cost): string => (cost.measure.options['direction'] === 'forward-backward' ? 'with gradients' : 'forward');

/** Channels of an op, over all heads. */
export const widthOf = (cost: Cost): number => (cost.measure.options['channels'] as number | undefined) ?? option(cost, 'heads') * option(cost, 'headDim');

/** Batch, width and direction of an op: what has to be the same for two to be compared. */
export const shapeOf = (cost: Cost): string => canonicalJson([option(cost, 'batch') ?? 1, widthOf(cost), directionOf(cost)]);

/** The costs of an op: SSD in chunks, the scan, attention. */
export function ops(costs: readonly Cost[], op: 'ssd' | 'selective-scan' | 'causal-attention'): DoneCost[] {
  return costs.filter((cost): cost is DoneCost => isDone(cost) && cost.measure.workload === op && (op !== 'ssd' || cost.measure.options['form'] === 'chunked'));
}

/** The least time among costs of equal shapes, such as several sizes of a chunk. */
export function fastest(costs: readonly DoneCost[]): DoneCost | undefined {
  return costs.toSorted((a, b) => a.ms - b.ms || (a.key < b.key ? -1 : 1))[0];
}

/** The ratios of `slow` to `fast` wherever both were measured at what `keyOf` calls the same; the fastest where several were. */
export function ratiosOf(slow: readonly DoneCost[], fast: readonly DoneCost[], keyOf: (cost: DoneCost) => string, told: (cost: DoneCost) => { at: number; group: string }): Ratio[] {
  const beside = groupBy(fast, keyOf);
  const ratios = [...groupBy(slow, keyOf)].flatMap(([key, own]): Ratio[] => {
    const [a, b] = [own, beside.get(key) ?? []].map(fastest);
    if (a === undefined || b === undefined) return [];
    const [slowEnds, fastEnds] = [endsOf(a), endsOf(b)];
    return [{ ...told(a), slow: a, fast: b, value: a.ms / b.ms, low: slowEnds[0] / fastEnds[1], high: slowEnds[1] / fastEnds[0] }];
  });
  return ratios.sort((a, b) => a.group.localeCompare(b.group) || a.at - b.at || a.value - b.value);
}

/** Confirmed where all ratios are at least `bound` over the whole of their ranges, refuted where one is below it over the whole of its range. */
export function judgeRatios(ratios: readonly Ratio[], bound: number): Verdict['state'] {
  if (ratios.length === 0) return 'not-enough-data';
  if (ratios.some(({ high }) => high < bound)) return 'refuted';
  return ratios.every(({ low }) => low >= bound) ? 'confirmed' : 'not-enough-data';
}

/** Their geometric mean, between the least and the greatest. */
export function measuredRatios(ratios: readonly Ratio[], of: string): Measured {
  const value = Math.exp(mean(ratios.map((r) => Math.log(r.value))));
  const [low, high] = [least(ratios.map((r) => r.low)), greatest(ratios.map((r) => r.high))];
  return { value, unit: 'times', ...(low === high ? {} : { interval: { low, high, of: `least and greatest ${of}` } }) };
}

/** "2.57 to 3.19 times as long forward (4,096 to 524,288), 3.83 to 4.38 times as long with gradients (4,096 to 65,536)" */
export function ratiosText(ratios: readonly Ratio[]): string {
  const groups = [...new Set(ratios.map(({ group }) => group))];
  return groups
    .map((group) => {
      const own = ratios.filter((r) => r.group === group);
      return `${span(own.map((r) => r.value))} times as long ${group} (${span(own.map((r) => r.at))})`;
    })
    .join(', ');
}

/** "512 to 4,096" */
export function span(values: readonly number[]): string {
  const [low, high] = [least(values), greatest(values)].map(formatNumber);
  return low === high ? low : `${low} to ${high}`;
}

/** Which ranges are not those of repetitions. */
export function repetitionWords(costs: readonly DoneCost[]): string[] {
  const lone = costs.filter((cost) => cost.repetitions === 1).length;
  return lone === 0 ? [] : [lone === costs.length ? 'One repetition each: ranges are those of its samples.' : `${lone} of ${costs.length} times are of one repetition: their ranges are those of its samples.`];
}

export function usedCosts(costs: readonly Cost[]): Used[] {
  return [...new Set(costs)].map((cost) => {
    const { model, modelOptions = {}, ...shapes } = cost.measure.options;
    const words = Object.entries({ ...shapes, ...(modelOptions as object) }).map(([key, value]) => `${key}=${typeof value === 'object' ? canonicalJson(value) : String(value)}`);
    return { name: [model === undefined ? cost.appearance.label : `${cost.appearance.label} ${cost.measure.workload}`, ...words].join(' '), ids: cost.measurements.map((m) => m.id) };
  });
}

export const usedRatios = (ratios: readonly Ratio[]): Used[] => usedCosts(ratios.flatMap(({ slow, fast }) => [slow, fast]));
