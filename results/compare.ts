/**
 * Compares what two stores hold: the same points and measures, made by two versions of the code. Runs are matched by point and costs by
 * measure; exact metrics are judged by `judge-runs`, times by `judge-times`. A pure function of the records.
 */
import { canonicalJson, contentId } from '#core/content-id.ts';
import { RecallbenchError } from '#core/errors.ts';
import { gravity, rowOf, type Comparison, type Drift, type Judged, type Row, type Rules, type Side, type Verdict } from './comparison.ts';
import { costsOf, type Cost } from './costs.ts';
import { deviceKey, differences, fingerprintOf, isUnknown, placeName, remarks } from './device-match.ts';
import { exact, judgeOutcomes, judgePeak, judgeRuns } from './judge-runs.ts';
import { judgeTimes, repetitionsNeeded, type JudgedTime } from './judge-times.ts';
import type { Measurement } from './measurement.ts';
import { costTraits, fullName, namesOf, pointTraits, type Traits } from './names.ts';
import type { Device, RunRecord } from './record.ts';
import { speedCells, timeCells, type Timed } from './timed-cells.ts';

/** What a store holds, with the records of every device (`readStores` with `perDevice`). */
export interface Held {
  readonly records: readonly RunRecord[];
  readonly measurements: readonly Measurement[];
}

/** `fresh` are ids of candidate's measurements that were taken to confirm others. Throws E_COMPARE where the devices differ and that was not allowed, and where nothing is on both sides. */
export function compareStores(before: Held, candidate: Held, rules: Rules, fresh: ReadonlySet<string> = new Set()): Comparison {
  const baseline = sameDevices(before, candidate, rules.allowDifferentDevice);
  const runs = match(runGroups(baseline.records), runGroups(candidate.records));
  const costs = match(costGroups(baseline.measurements, rules), costGroups(candidate.measurements, rules));
  if (![...runs, ...costs].some(({ baseline, candidate }) => baseline !== undefined && candidate !== undefined)) {
    throw new RecallbenchError('E_COMPARE', `the baseline (${count(baseline)}) and the candidate (${count(candidate)}) have no point in common. Make both with the same sweep or throughput file; a changed option is another point.`);
  }

  const speeds = speedCells(runs);
  const times = timeCells(costs, fresh);
  const timed = [...speeds.timed, ...times.timed];
  const judged = judgeTimes(timed.map((t) => t.cell), rules);
  const noisy = new Map(timed.map((t, i): [string, Judged] => [t.key, judgedTime(t, judged[i])]));
  const metricOf = (key: string): Judged[] => [noisy.get(key)].filter((m) => m !== undefined);

  const runNames = naming(runs.map(({ baseline, candidate }) => runTraits((candidate ?? baseline)![0])));
  const costNames = naming(costs.map(({ baseline, candidate }) => costTraits((candidate ?? baseline)!.measure, (candidate ?? baseline)!.appearance)));
  const speedNames = naming(speeds.cells.map((c) => withoutLr(runTraits(c.run))));
  const rows = [
    ...runs.map(({ key, baseline, candidate }, i) => rowOf({ key: contentId(['run', key]), kind: 'run', ...runNames[i], metrics: runMetrics(baseline, candidate, rules), ids: idsOf(candidate ?? baseline!) }, rules)),
    ...speeds.cells.map(({ key, ids }, i) => rowOf({ key: contentId(['speed', key]), kind: 'speed', name: `${speedNames[i].name}, training`, fullName: `${speedNames[i].fullName} training speed`, metrics: metricOf(key), ids }, rules)),
    ...costs.map(({ key, baseline, candidate }, i) => rowOf({ key: contentId(['cost', key]), kind: 'cost', ...costNames[i], metrics: [...costMetrics(baseline, candidate), ...metricOf(key)], ids: idsOf((candidate ?? baseline!).measurements) }, rules)),
    ...times.machines.map(({ key, place }) => rowOf({ key: contentId(['machine', key]), kind: 'machine', name: `all cells of ${place}`, fullName: `all cells of ${place}`, metrics: metricOf(key), ids: [] }, rules)),
  ] satisfies Row[];
  return {
    rows,
    counts: Object.fromEntries(gravity.map((v) => [v, rows.filter((r) => r.verdict === v).length])) as Record<Verdict, number>,
    findings: rows.filter((r) => r.finding).length,
    suspicious: rows.filter((r) => r.metrics.some((m) => m.noisy?.suspicious)).length,
    rules,
    baseline: sideOf(baseline),
    candidate: sideOf(candidate),
    drifts: [...speeds.drifts, ...times.drifts],
    notes: [...deviceNotes(baseline, candidate), ...[...speeds.drifts, ...times.drifts].flatMap(driftNotes), ...sampleNotes(timed, rules)],
  };
}

interface Match<T> {
  readonly key: string;
  readonly baseline: T | undefined;
  readonly candidate: T | undefined;
}

/** Things by key, those of the candidate first, in its order. */
function match<T>(baseline: ReadonlyMap<string, T>, candidate: ReadonlyMap<string, T>): Match<T>[] {
  return [...new Set([...candidate.keys(), ...baseline.keys()])].map((key) => ({ key, baseline: baseline.get(key), candidate: candidate.get(key) }));
}

/** Runs that differ in nothing but the seed. */
function runGroups(records: readonly RunRecord[]): Map<string, RunRecord[]> {
  const groups = new Map<string, RunRecord[]>();
  for (const record of records) {
    const { seed: _, ...point } = record.point;
    const key = canonicalJson(point);
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return groups;
}

function costGroups(measurements: readonly Measurement[], { allowDifferentDevice }: Rules): Map<string, Cost> {
  return new Map(costsOf(withKnownDevice(measurements)).map((cost) => [allowDifferentDevice ? canonicalJson(cost.measure) : canonicalJson([cost.measure, fingerprintOf(cost.device)]), cost]));
}

/** A measurement whose process died does not know its device; where there is one only, it is that. */
function withKnownDevice(measurements: readonly Measurement[]): Measurement[] {
  const known = new Map(measurements.flatMap((m) => (isUnknown(m.device) ? [] : [[placeKey(m), m.device] as const])));
  return measurements.map((m) => (isUnknown(m.device) ? { ...m, device: known.get(placeKey(m)) ?? [...known.values()][0] ?? m.device } : m));
}

const placeKey = ({ measure: { engine, threads, precision } }: Measurement) => canonicalJson([engine, threads ?? null, precision]);

/** The baseline's records that were made on devices of the candidate, or all of them where that does not matter. */
function sameDevices(baseline: Held, candidate: Held, allowed: boolean): Held {
  if (allowed) return baseline;
  const of = ({ records, measurements }: Held) => new Map([...records, ...measurements].flatMap(({ device }) => (isUnknown(device) ? [] : [[deviceKey(device), device] as const])));
  const [there, here] = [of(baseline), of(candidate)];
  for (const [key, device] of here) {
    if (there.size > 0 && !there.has(key)) throw new RecallbenchError('E_COMPARE', `baseline and candidate were not made on the same device: ${nearestDevice(device, [...there.values()])}. Make the baseline on this device, or compare all the same with --allow-different-device.`);
  }
  const known = <T extends { device: Device }>(all: readonly T[]) => all.filter(({ device }) => isUnknown(device) || here.size === 0 || here.has(deviceKey(device)));
  return { records: known(baseline.records), measurements: known(baseline.measurements) };
}

/** In what a device differs from the one that is most like it. */
function nearestDevice(device: Device, others: readonly Device[]): string {
  return others.map((other) => differences(other, device)).sort((a, b) => a.length - b.length)[0].join(', ');
}

function runMetrics(baseline: readonly RunRecord[] | undefined, candidate: readonly RunRecord[] | undefined, rules: Rules): Judged[] {
  if (baseline === undefined || candidate === undefined) return [onOneSide(baseline === undefined)];
  const pairs = baseline.flatMap((b) => candidate.filter((c) => c.id === b.id).map((c) => ({ baseline: b, candidate: c })));
  const lost = baseline.filter((b) => !candidate.some((c) => c.id === b.id)).map((b) => b.point.seed);
  const missing: Judged[] = lost.length === 0 ? [] : [{ metric: 'outcome', verdict: 'missing', baseline: baseline.length, candidate: baseline.length - lost.length, why: `seed ${lost.join(', ')} was not run` }];
  return pairs.length === 0 ? missing : [...judgeRuns(pairs, rules), ...missing];
}

function costMetrics(baseline: Cost | undefined, candidate: Cost | undefined): Judged[] {
  if (baseline === undefined || candidate === undefined) return [onOneSide(baseline === undefined)];
  // a repetition that crashed among others that did not is a crash all the same
  const ending = (cost: Cost) => cost.measurements.map((m) => m.outcome).find((o) => o.state === 'crashed') ?? (cost.state === 'done' ? { state: cost.state } : { state: cost.state, reason: cost.reason });
  const outcome = judgeOutcomes([{ baseline: ending(baseline), candidate: ending(candidate) }]);
  if (baseline.state !== 'done' || candidate.state !== 'done') return [outcome];
  const state = baseline.stateBytes === null || candidate.stateBytes === null ? [] : exact('stateBytes', [[baseline.stateBytes, candidate.stateBytes]]);
  return [outcome, ...state, judgePeak([[baseline.peakBytes, candidate.peakBytes]])];
}

const onOneSide = (isNew: boolean): Judged => ({ metric: 'outcome', verdict: isNew ? 'new' : 'missing', baseline: null, candidate: null, why: isNew ? 'the baseline does not have it' : 'the candidate does not have it' });

function judgedTime({ metric, baseline, candidate, range, why }: Timed, { verdict, noisy, told = why }: JudgedTime): Judged {
  return { metric, verdict, baseline, candidate, ...(range === undefined ? {} : { range }), noisy, ...(told === undefined ? {} : { why: told }) };
}

function idsOf(all: readonly { readonly id: string }[]): string[] {
  return all.map((r) => r.id);
}

function runTraits({ point }: RunRecord): Map<string, string> {
  return new Map([...pointTraits(point, point.test.map((s) => s.options)), ['lr', `${point.lr}`]]);
}

function withoutLr(traits: Map<string, string>): Map<string, string> {
  traits.delete('lr');
  return traits;
}

/** Short names, and those that stay. */
function naming(traits: readonly Traits[]): { name: string; fullName: string }[] {
  return namesOf(traits).map((name, i) => ({ name, fullName: fullName(traits[i]) }));
}

const count = ({ records, measurements }: Held) => `${records.length} runs, ${measurements.length} measurements`;

function sideOf({ records, measurements }: Held): Side {
  const all = [...records, ...measurements];
  return {
    devices: [...new Set(all.flatMap(({ device }) => (isUnknown(device) ? [] : [placeName(device)])))],
    code: [...new Set(all.map(({ code }) => (code.commit === undefined ? code.version : `${code.version} (${code.commit})`)))],
    runs: records.length,
    measurements: measurements.length,
  };
}

/** What differs between the devices beyond or below the fingerprint. */
function deviceNotes(baseline: Held, candidate: Held): string[] {
  const first = ({ records, measurements }: Held) => [...records, ...measurements].find(({ device }) => !isUnknown(device))?.device;
  const [a, b] = [first(baseline), first(candidate)];
  if (a === undefined || b === undefined) return [];
  const grave = differences(a, b);
  const light = remarks(a, b);
  return [
    ...(grave.length === 0 ? [] : [`The devices differ (baseline and candidate): ${grave.join(', ')}. Times say more about the devices than about the code.`]),
    ...(light.length === 0 ? [] : [`Baseline and candidate differ in: ${light.join(', ')}.`]),
  ];
}

const percentOf = (ratio: number) => `${(100 * Math.abs(ratio - 1)).toFixed(0)} % ${ratio >= 1 ? 'slower' : 'faster'}`;

/** Shifts of the whole machine worth telling. */
function driftNotes({ place, machine, cells, removed }: Drift): string[] {
  const notes: string[] = [];
  if (machine !== null && Math.abs(Math.log(machine)) > 0.05) notes.push(`The machine itself (${place}) was ${percentOf(machine)} when the candidate was measured, by a fixed loop that no code of recallbench is part of; ratios are without it.`);
  if (removed && Math.abs(Math.log(cells)) > 0.05) notes.push(`All of ${place} together was ${percentOf(cells)}; nothing measured beside it tells the machine from the code, so each cell is judged against the others. A rerun (--confirm) on a quiet machine tells.`);
  return notes;
}

/** Cells for which there are too few repetitions to find anything. */
function sampleNotes(timed: readonly Timed[], { alpha }: Rules): string[] {
  const least = repetitionsNeeded(timed.length, alpha);
  const few = timed.filter(({ cell }) => Math.min(cell.baseline.length, cell.candidate.length) < least);
  if (few.length === 0) return [];
  return [`${few.length} of ${timed.length} times have too few samples for any verdict: ${least} of each side are needed for so many cells (recallbench throughput … --repetitions ${least}; of training speed, runs that differ in seed or learning rate).`];
}
