/**
 * A published claim as data: what was said and where, the rule that decides it from what stores hold, and the command that
 * provides what is lacking. A refuted claim is a result like any other.
 */
import type { Cost } from '#results/costs.ts';
import type { Cell } from '#results/query.ts';
import { formatNumber } from '../ticks.ts';

/** Where something was measured. Nothing of one place is ever compared with anything of another. */
export interface Place {
  readonly engine: string;
  readonly adapter: string;
  readonly precision: string;
  /** of a CPU engine, where times are what is measured: accuracies do not depend on it */
  readonly threads?: number;
}

/** What was measured at one place. */
export interface Evidence {
  readonly place: Place;
  readonly cells: readonly Cell[];
  /** of this suite's own ops and models; those of peers decide nothing */
  readonly costs: readonly Cost[];
}

/** A number, and between which ends it lies. */
export interface Measured {
  readonly value: number;
  /** what the number counts: "times", "(exponent)" */
  readonly unit: string;
  /** absent where there was nothing to take it from, such as a single seed */
  readonly interval?: { readonly low: number; readonly high: number; readonly of: string };
}

/** A cell or a cost that a verdict rests on. */
export interface Used {
  readonly name: string;
  /** of its records in the store */
  readonly ids: readonly string[];
}

interface VerdictBase {
  /** a sentence or two with the numbers */
  readonly evidence: string;
  readonly cells: readonly Used[];
}

export interface Decided extends VerdictBase {
  readonly state: 'confirmed' | 'refuted';
  readonly measured: Measured;
}

export interface Undecided extends VerdictBase {
  readonly state: 'not-enough-data';
  /** as far as it goes */
  readonly measured?: Measured;
}

export type Verdict = Decided | Undecided;

/** One entry of the table of claims. */
export interface Claim<N extends string = string> {
  readonly name: N;
  /** what was published, in one sentence */
  readonly statement: string;
  readonly source: string;
  /** when it counts as confirmed and when as refuted, in words */
  readonly criterion: string;
  readonly of: 'runs' | 'costs';
  /** the command that measures what it takes */
  readonly needs: string;
  decide(at: Evidence): Verdict;
}

/** Nothing at all to decide from. */
export const nothing = (evidence: string): Undecided => ({ state: 'not-enough-data', evidence, cells: [] });

/** "nvidia-h200 (webgpu, fp32)" */
export function placeName({ adapter, engine, precision, threads }: Place): string {
  return `${adapter} (${[engine, precision, ...(threads === undefined ? [] : [`${threads} ${threads === 1 ? 'thread' : 'threads'}`])].join(', ')})`;
}

export const verdictNames: Readonly<Record<Verdict['state'], string>> = { confirmed: 'confirmed', refuted: 'refuted', 'not-enough-data': 'not enough data' };

/** "3.2 times (3.08 to 3.4, range of repetitions)" */
export function measuredText({ value, unit, interval }: Measured): string {
  return `${formatNumber(value)} ${unit}${interval === undefined ? '' : ` (${formatNumber(interval.low)} to ${formatNumber(interval.high)}, ${interval.of})`}`;
}
