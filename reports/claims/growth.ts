/** How a time grows along an option, as an exponent: lines at one place, each by itself. */
import { greatest, least, mean } from '#core/statistics.ts';
import { exponentThrough, linesAlong, type DoneCost } from '#results/costs.ts';
import { option } from '../cost-figure.ts';
import { formatNumber } from '../ticks.ts';
import type { Measured, Verdict } from './claim.ts';
import { endsOf, isDone } from './ratio.ts';

/** Costs along an option, ascending, two at least, and how their time grows. */
export interface Growth {
  readonly along: string;
  readonly costs: readonly DoneCost[];
  /** of time against the option, by least squares through the logarithms */
  readonly exponent: number;
  /** the ends that the ranges of the times allow */
  readonly low: number;
  readonly high: number;
}

/** The value of the option that a growth is along. */
export const at = ({ along }: Growth, cost: DoneCost): number => option(cost, along);

/** The growth along an option through costs in ascending order. */
export function growthOf(along: string, costs: readonly DoneCost[]): Growth {
  const through = (y: (cost: DoneCost, i: number) => number) => exponentThrough(costs.map((cost, i) => ({ x: option(cost, along), y: y(cost, i) })));
  // the ranges' ends taken one way and the other turn the line as far as they allow
  const turned = (up: boolean) => through((cost, i) => endsOf(cost)[i < costs.length / 2 === up ? 0 : 1]);
  return { along, costs, exponent: through(({ ms }) => ms), low: turned(false), high: turned(true) };
}

/** The lines along an option of what was done, of two points or more. */
export function doneLines(along: string, costs: readonly DoneCost[]): DoneCost[][] {
  const lines = linesAlong(along, costs).map((line) => line.costs.filter(isDone));
  const last = (line: readonly DoneCost[]) => option(line.at(-1)!, along);
  return lines.sort((a, b) => last(a) - last(b) || (a[0].key < b[0].key ? -1 : 1));
}

/** Confirmed where every exponent is within, at both of its ends; refuted where one is without at both. */
export function judgeGrowth(growths: readonly Growth[], within: (exponent: number) => boolean): Verdict['state'] {
  if (growths.length === 0) return 'not-enough-data';
  const ends = growths.map(({ low, high, exponent }) => [within(low), within(high), within(exponent)]);
  if (ends.some((of) => !of.includes(true))) return 'refuted';
  return ends.every((of) => !of.includes(false)) ? 'confirmed' : 'not-enough-data';
}

/** Their mean exponent, between the least and the greatest. */
export function measuredGrowth(growths: readonly Growth[], unit: string): Measured {
  const [low, high] = [least(growths.map((g) => g.low)), greatest(growths.map((g) => g.high))];
  return { value: mean(growths.map((g) => g.exponent)), unit, ...(low === high ? {} : { interval: { low, high, of: 'over lines and ranges' } }) };
}

export const exponentText = (x: number): string => formatNumber(Number(x.toFixed(2)));
