/** The floor under every time: what a call costs that does nearly nothing. */
import { greatest, least } from '#core/statistics.ts';
import type { Cost } from '#results/costs.ts';
import { bound, option } from './cost-figure.ts';
import type { Series } from './figure.ts';

/** A floor that is farther below the shortest time than this factor bounds nothing, and would only squeeze what is above it. */
const FAR = 20;

/** A line under costs along an option, at the time of a launch: the longest one where there are several places. */
export function launchFloor(all: readonly Cost[], costs: readonly Cost[], along: string): Series[] {
  const launches = all.flatMap((c) => (c.state === 'done' && c.measure.workload === 'launch' ? [c.ms] : []));
  const times = costs.flatMap((c) => (c.state === 'done' ? [c.ms] : []));
  const y = greatest(launches);
  if (launches.length === 0 || !times.some((ms) => ms < FAR * y)) return [];
  const xs = costs.map((cost) => option(cost, along));
  return [{ name: 'Launch floor', look: bound, marks: [least(xs), greatest(xs)].map((x) => ({ x, y, facts: { workload: 'launch' } })), failed: [] }];
}
