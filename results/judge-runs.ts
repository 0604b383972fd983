/**
 * Judges exact metrics: those that the same code gives again to the last bit. Whatever differs is the code's doing; the question is
 * only whether it is more than another rounding of the same arithmetic does, for which the seeds are the measure.
 */
import { mean, standardDeviation } from '#core/statistics.ts';
import type { Judged, MetricName, Rules, Verdict } from './comparison.ts';
import type { OutcomeState, RunRecord } from './record.ts';

/** Two runs of one point. */
export interface Pair {
  readonly baseline: RunRecord;
  readonly candidate: RunRecord;
}

/** standard errors beyond which a difference is none of the seeds' */
const ERRORS = 3;
/** nats by which a final loss may move at any size */
const LOSS_FLOOR = 0.05;
/** share by which planned memory may grow: alignment and order of allocation */
const PEAK_TOLERANCE = 0.01;

/** How bad an ending is: a limit that is met is better than a crash. */
const badness: Record<OutcomeState, number> = { done: 0, diverged: 1, unsupported: 1, 'out-of-memory': 1, crashed: 2, interrupted: 2 };

/** Compares how things ended. */
export function judgeOutcomes(pairs: readonly { readonly baseline: { state: OutcomeState; reason?: string | undefined }; readonly candidate: { state: OutcomeState; reason?: string | undefined } }[]): Judged {
  const worse = pairs.filter(({ baseline, candidate }) => badness[candidate.state] > badness[baseline.state]);
  const better = pairs.filter(({ baseline, candidate }) => badness[candidate.state] < badness[baseline.state]);
  const share = (side: 'baseline' | 'candidate') => pairs.filter((p) => p[side].state === 'done').length / pairs.length;
  const told = worse[0] ?? better[0];
  const among = pairs.length === 1 ? '' : `${worse.length > 0 ? worse.length : better.length} of ${pairs.length}: `;
  return {
    metric: 'outcome',
    verdict: worse.length > 0 ? 'failed' : better.length > 0 ? 'better' : 'same',
    baseline: share('baseline'),
    candidate: share('candidate'),
    ...(told === undefined ? {} : { why: `${among}${told.baseline.state}, now ${told.candidate.state}${told.candidate.reason === undefined ? '' : `: ${told.candidate.reason}`}` }),
  };
}

/** Everything that is exact in runs of one point at several seeds. */
export function judgeRuns(pairs: readonly Pair[], rules: Rules): Judged[] {
  const outcome = judgeOutcomes(pairs.map(({ baseline, candidate }) => ({ baseline: baseline.outcome, candidate: candidate.outcome })));
  const sizes = exact('parameters', pairs.map((p) => [p.baseline.parameters, p.candidate.parameters])).concat(exact('stateBytes', pairs.map((p) => [p.baseline.stateBytes, p.candidate.stateBytes])));
  const done = pairs.filter(({ baseline, candidate }) => isDone(baseline) && isDone(candidate));
  if (done.length === 0) return [outcome, ...sizes];
  return [outcome, judgeAccuracy(done, rules), judgeLoss(done, rules), ...sizes, judgePeak(done.map((p) => [p.baseline.peakBytes, p.candidate.peakBytes]))];
}

const isDone = ({ outcome, test }: RunRecord) => outcome.state === 'done' && test !== undefined;

/**
 * Test accuracy, by its mean over seeds. A change counts when it is larger than the tolerance and than three standard errors of
 * the difference of two such means. The variance of one seed is the spread over seeds, pooled over both sides, and never less than that
 * of as many coins as there were scored positions, which is all there is to go by with a single seed.
 */
function judgeAccuracy(pairs: readonly Pair[], { accuracyTolerance }: Rules): Judged {
  const of = (side: keyof Pair) => pairs.map((p) => p[side].test!.accuracy);
  const [before, after] = [of('baseline'), of('candidate')];
  const p = mean([...before, ...after]);
  const scored = mean(pairs.map(({ baseline }) => baseline.test!.slices.reduce((sum, s) => sum + s.scored, 0)));
  const coins = scored === 0 ? 0 : (p * (1 - p)) / scored;
  return spreadJudged('accuracy', before, after, { tolerance: accuracyTolerance, floor: Math.sqrt(Math.max(0, coins)), sign: -1 });
}

/** Final loss, that of the test split at the end of training: relative, with a floor in nats, and by the spread over seeds as accuracy is. */
function judgeLoss(pairs: readonly Pair[], { lossTolerance }: Rules): Judged {
  const of = (side: keyof Pair) => pairs.map((p) => p[side].test!.loss);
  const before = of('baseline');
  return spreadJudged('loss', before, of('candidate'), { tolerance: Math.max(LOSS_FLOOR, lossTolerance * mean(before)), floor: 0, sign: 1 });
}

/** `sign` is that of a change for the worse; `floor` the least standard deviation of one seed. */
function spreadJudged(metric: MetricName, before: readonly number[], after: readonly number[], { tolerance, floor, sign }: { tolerance: number; floor: number; sign: 1 | -1 }): Judged {
  const [b, c] = [mean(before), mean(after)];
  const n = before.length;
  const spread = Math.max(floor, Math.sqrt((standardDeviation(before) ** 2 + standardDeviation(after) ** 2) / 2));
  const allowed = Math.max(tolerance, ERRORS * spread * Math.sqrt(2 / n));
  const worse = sign * (c - b);
  const verdict: Verdict = worse > allowed ? 'worse' : worse < -allowed ? 'better' : 'same';
  return { metric, verdict, baseline: b, candidate: c, ...(b === c ? {} : { why: `${n === 1 ? 'one seed' : `${n} seeds`}, ± ${Number(allowed.toPrecision(2))} is allowed` }) };
}

/** A quantity that has to be equal. */
export function exact(metric: MetricName, pairs: readonly (readonly [number, number])[]): Judged[] {
  const differing = pairs.find(([b, c]) => b !== c) ?? pairs[0];
  return [{ metric, verdict: differing[0] === differing[1] ? 'same' : 'changed', baseline: differing[0], candidate: differing[1] }];
}

/** Memory that was planned, the largest of each side. */
export function judgePeak(pairs: readonly (readonly [number, number])[]): Judged {
  const [b, c] = [Math.max(...pairs.map((p) => p[0])), Math.max(...pairs.map((p) => p[1]))];
  return { metric: 'peakBytes', verdict: c > b * (1 + PEAK_TOLERANCE) ? 'worse' : c < b * (1 - PEAK_TOLERANCE) ? 'better' : 'same', baseline: b, candidate: c };
}
