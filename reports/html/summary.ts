/** The head of the report: what the stores hold, in words. */
import type { Measurement } from '#results/measurement.ts';
import type { RunRecord } from '#results/record.ts';
import { list } from '../caption.ts';
import type { Stored } from '../figure.ts';
import { formatNumber } from '../ticks.ts';

/** Names and what belongs to them, in the order in which they are read. */
export function summaryOf({ records, measurements }: Stored): [name: string, words: string][] {
  const all = [...records, ...measurements];
  if (all.length === 0) return [];
  const devices = countedBy(all, ({ device: { adapter, engine, precision, threads, driver } }) => [adapter, engine, precision, ...(threads === undefined ? [] : [`${threads} thread${threads === 1 ? '' : 's'}`]), ...(driver === undefined ? [] : [driver])].join(', '));
  const hosts = countedBy(all, ({ device: { host } }) => `${host.cpu}, ${host.cores} core${host.cores === 1 ? '' : 's'}, ${host.os}`);
  const versions = new Map<string, Set<string>>();
  for (const { device } of all) for (const [name, version] of Object.entries(device.versions)) versions.set(name, (versions.get(name) ?? new Set()).add(version));
  const commits = [...new Set(all.flatMap(({ code }) => code.commit?.slice(0, 12) ?? []))].sort();
  const sweeps = countedBy(all, ({ sweep }) => sweep).map(({ value, n }) => `${value} (${formatNumber(n)})`);
  return [
    ...(records.length === 0 ? [] : [['Runs', outcomesOf(records)] as [string, string]]),
    ...(measurements.length === 0 ? [] : [['Measurements', outcomesOf(measurements)] as [string, string]]),
    ...(records.length === 0 ? [] : [['Tasks', list([...new Set(records.map((r) => r.point.task))].sort(), 12)] as [string, string], ['Models', list([...new Set(records.map((r) => r.appearance.label))].sort(), 12)] as [string, string]]),
    ...(sweeps.length === 0 ? [] : [['Sweeps', list(sweeps, 12)] as [string, string]]),
    [devices.length === 1 ? 'Device' : 'Devices', list(devices.map(({ value }) => value), 8, '; ')],
    [hosts.length === 1 ? 'Machine' : 'Machines', list(hosts.map(({ value }) => value), 8, '; ')],
    ['Versions', [...versions].sort(([a], [b]) => (a === 'recallbench' ? -1 : b === 'recallbench' ? 1 : a < b ? -1 : 1)).map(([name, known]) => `${name} ${[...known].sort().join('/')}`).join(', ')],
    ...(commits.length === 0 ? [] : [[commits.length === 1 ? 'Commit' : 'Commits', list(commits, 8)] as [string, string]]),
    ['When', period(all)],
  ];
}

/** "10,000: 9,950 done, 50 diverged", "8, all done" */
function outcomesOf(all: readonly (RunRecord | Measurement)[]): string {
  const counts = countedBy(all, ({ outcome }) => outcome.state);
  const words = counts.length === 1 ? `, ${all.length === 1 ? '' : 'all '}${counts[0].value}` : `: ${counts.map(({ value, n }) => `${formatNumber(n)} ${value}`).join(', ')}`;
  return `${formatNumber(all.length)}${words}`;
}

/** Values that are there and how often, the most frequent first. */
function countedBy<T>(items: readonly T[], of: (item: T) => string | undefined): { value: string; n: number }[] {
  const counts = new Map<string, number>();
  for (const item of items) {
    const value = of(item);
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].map(([value, n]) => ({ value, n })).sort((a, b) => b.n - a.n || (a.value < b.value ? -1 : 1));
}

/** "2026-11-23 18:09 – 18:24 UTC" */
function period(all: readonly (RunRecord | Measurement)[]): string {
  let [first, last] = [all[0].startedAt, all[0].finishedAt];
  for (const { startedAt, finishedAt } of all) {
    if (Date.parse(startedAt) < Date.parse(first)) first = startedAt;
    if (Date.parse(finishedAt) > Date.parse(last)) last = finishedAt;
  }
  const [[day, time], [lastDay, lastTime]] = [first, last].map((at) => [at.slice(0, 10), at.slice(11, 16)]) as [[string, string], [string, string]];
  return day === lastDay ? `${day}, ${time} – ${lastTime} UTC` : `${day} – ${lastDay}`;
}
