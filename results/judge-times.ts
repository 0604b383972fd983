/**
 * Judges times: whether a cell takes longer than it did, beyond what times do by themselves.
 *
 * One sample is one repetition: repetitions lie minutes apart, with all other cells between them, while the samples inside one share
 * whatever the machine was doing. A finding needs an effect (the ratio of the times, by Hodges-Lehmann) above the threshold and a
 * Mann-Whitney p, corrected by Holm for the number of cells of the whole comparison, below alpha.
 *
 * On a processor a repetition is the faster half of its samples, as a mean of logarithms, less the same of the reference loop that
 * ran between them: neighbours can only add time, and what they take from the machine they take from both. (On a shared, busy machine the
 * logarithms of repetitions scatter by 0.24 as medians and by 0.05 so; bench/compare.js tells what that is worth.) Where there is no such
 * reference (a GPU's own clock, training runs, older stores) a repetition is its median, and what all cells have in common is removed
 * instead; that common shift is judged as a row of its own, against the roofs, so that a slowdown of everything is never lost.
 */
import { hodgesLehmann, holm, mannWhitney, smallestP } from '#core/hypothesis-tests.ts';
import { mean, median } from '#core/statistics.ts';
import type { Noisy, Rules, Verdict } from './comparison.ts';
import type { Measurement } from './measurement.ts';

/** Logarithms of a cell's times, one a repetition. */
export interface Sample {
  /** the median as it was measured */
  readonly raw: number;
  /** relative to the reference loop; absent where there was none */
  readonly relative?: number;
  /** taken to confirm what the others say */
  readonly fresh?: boolean;
}

/** A cell as both sides measured it. */
export interface TimedCell {
  readonly baseline: readonly Sample[];
  readonly candidate: readonly Sample[];
}

/** The sample that a repetition gives. */
export function sampleOf({ samples, reference }: Measurement): Sample {
  const raw = Math.log(median(samples));
  return reference === undefined || reference.length === 0 ? { raw } : { raw, relative: fasterHalf(samples) - fasterHalf(reference) };
}

/** The mean logarithm of the faster half of some times. */
export function fasterHalf(times: readonly number[]): number {
  return mean(times.toSorted((a, b) => a - b).slice(0, Math.ceil(times.length / 2)).map(Math.log));
}

/** The shift that cells have in common, as the logarithm of a ratio: the median of their own shifts. 0 for no cell. */
export function commonShift(cells: readonly TimedCell[]): number {
  const shifts = cells.map(({ baseline, candidate }) => median(candidate.map((s) => s.raw)) - median(baseline.map((s) => s.raw)));
  return shifts.length === 0 ? 0 : median(shifts);
}

/** A cell ready to be tested: its samples without what is not the cell's own. */
export interface Prepared {
  readonly raw: number;
  readonly baseline: readonly number[];
  readonly candidate: readonly number[];
  /** those of the candidate's that were taken to confirm the others */
  readonly fresh: readonly number[];
}

/** Takes the speed of the machine out of a cell: by the reference loop where both sides have it, else by the shift given. */
export function prepare({ baseline, candidate }: TimedCell, shift: number): Prepared {
  const raw = Math.exp(median(candidate.map((s) => s.raw)) - median(baseline.map((s) => s.raw)));
  const referenced = isReferenced({ baseline, candidate });
  const own = (s: Sample) => (referenced ? s.relative! : s.raw - shift);
  return { raw, baseline: baseline.map((s) => (referenced ? s.relative! : s.raw)), candidate: candidate.map(own), fresh: candidate.filter((s) => s.fresh).map(own) };
}

/** Whether the machine's speed was measured beside every sample of both sides. */
export function isReferenced({ baseline, candidate }: TimedCell): boolean {
  return [...baseline, ...candidate].every((s) => s.relative !== undefined);
}

export interface JudgedTime {
  readonly verdict: Verdict;
  readonly noisy: Noisy;
  readonly told?: string;
}

/** Tests all cells of a comparison together. A slowdown that was measured again has to show in the fresh samples by themselves too. */
export function judgeTimes(cells: readonly Prepared[], { threshold, alpha }: Rules): JudgedTime[] {
  const tests = cells.map(({ baseline, candidate }) => ({ ...mannWhitney(baseline, candidate), shift: hodgesLehmann(baseline, candidate) }));
  const corrected = holm(tests.map((t) => t.p));
  return tests.map(({ p, shift }, i) => {
    const { raw, baseline, candidate, fresh } = cells[i];
    const least = Math.log1p(threshold);
    const large = Math.abs(shift.estimate) > least;
    const gone = fresh.length > 0 && shift.estimate > 0 && hodgesLehmann(baseline, fresh).estimate <= least;
    const sure = corrected[i] < alpha;
    const verdict = !large || !sure || gone ? 'same' : shift.estimate > 0 ? 'worse' : 'better';
    // what few samples cannot show at all, or what by itself would be unlikely
    const undecidable = smallestP(baseline.length, candidate.length) * cells.length >= alpha;
    const suspicious = large && !sure && !gone && shift.estimate > 0 && (p < SUSPICION || undecidable);
    return { verdict, noisy: { raw, ratio: Math.exp(shift.estimate), interval: { low: Math.exp(shift.low), high: Math.exp(shift.high) }, p, corrected: corrected[i], samples: [baseline.length, candidate.length], suspicious }, ...(fresh.length === 0 ? {} : { told: `${fresh.length} fresh samples ${gone ? 'do not confirm it' : verdict === 'worse' ? 'confirm it' : 'were added'}` }) };
  });
}

/** an uncorrected p below which a slowdown is worth a second look */
const SUSPICION = 0.05;

/** The repetitions from which on so many cells can be decided, if both sides have as many. */
export function repetitionsNeeded(cells: number, alpha: number): number {
  let n = 2;
  while (smallestP(n, n) * cells >= alpha) n++;
  return n;
}
