/**
 * Questions to measurements, as pure functions. The unit of an answer is the cost: all repetitions of one measure on one device.
 */
import { canonicalJson } from '#core/content-id.ts';
import { groupBy } from '#core/groups.ts';
import { greatest, least, median } from '#core/statistics.ts';
import type { Measure, Measurement } from './measurement.ts';
import { compareAppearance } from './query.ts';
import type { Appearance, Device, OutcomeState } from './record.ts';

/** A measure without which repetition it is. */
export type CostMeasure = Omit<Measure, 'repetition'>;

interface CostBase {
  /** canonical content of measure and device: equal for equal costs */
  readonly key: string;
  readonly measure: CostMeasure;
  readonly appearance: Appearance;
  readonly device: Device;
  readonly tokens: number;
  readonly stateBytes: number | null;
  readonly peakBytes: number;
  readonly work: Measurement['work'];
  readonly kernels: Measurement['kernels'];
  readonly clock: Measurement['clock'];
  /** as stored, by repetition */
  readonly measurements: readonly Measurement[];
}

export interface DoneCost extends CostBase {
  readonly state: 'done';
  /** milliseconds of a call: the median of the repetitions' medians */
  readonly ms: number;
  /** the lowest and the highest of the repetitions' medians */
  readonly low: number;
  readonly high: number;
  readonly repetitions: number;
  readonly samples: number;
  /** medians over repetitions, as for `ms` */
  readonly firstMs: number | null;
  readonly latencyMs: number | null;
}

/** A cost of which no repetition was done. */
export interface FailedCost extends CostBase {
  readonly state: Exclude<OutcomeState, 'done'>;
  readonly reason: string | undefined;
}

export type Cost = DoneCost | FailedCost;

const medianOf = (xs: readonly (number | null)[]): number | null => {
  const known = xs.filter((x) => x !== null);
  return known.length === 0 ? null : median(known);
};

/** The costs of a list of measurements, by place in the legend and label, then in the order given. */
export function costsOf(measurements: readonly Measurement[]): Cost[] {
  const groups = groupBy(measurements, ({ measure, device }) => {
    const { repetition: _, ...rest } = measure;
    return canonicalJson([rest, device.adapter]);
  });
  return [...groups].map(([key, group]) => costOf(key, group)).sort((a, b) => compareAppearance(a.appearance, b.appearance));
}

function costOf(key: string, group: readonly Measurement[]): Cost {
  const measurements = group.toSorted((a, b) => a.measure.repetition - b.measure.repetition);
  const done = measurements.filter((m) => m.outcome.state === 'done' && m.samples.length > 0);
  const shown = done.at(-1) ?? measurements.at(-1)!;
  const { repetition: _, ...measure } = shown.measure;
  const { appearance, device, tokens, stateBytes, work, kernels, clock } = shown;
  const base = { key, measure, appearance, device, tokens, stateBytes, work, kernels, clock, peakBytes: greatest(measurements.map((m) => m.peakBytes)), measurements };
  if (done.length === 0) {
    const { state, reason } = shown.outcome;
    return { ...base, state: state === 'done' ? 'crashed' : state, reason };
  }
  const medians = done.map((m) => median(m.samples));
  return {
    ...base,
    state: 'done',
    ms: median(medians),
    low: least(medians),
    high: greatest(medians),
    repetitions: done.length,
    samples: done.reduce((n, m) => n + m.samples.length, 0),
    firstMs: medianOf(done.map((m) => m.firstMs)),
    latencyMs: medianOf(done.map((m) => m.latencyMs)),
  };
}

/** What the machine can do at the most, measured beside the rest: by the fastest sample, for a roof is what nothing exceeds. Absent where it was not measured. */
export interface Roofs {
  /** floating-point operations a second, in a matrix product */
  readonly flops?: number;
  /** bytes read and written a second, in a copy */
  readonly bytes?: number;
  /** milliseconds of a call that does nearly nothing */
  readonly launchMs?: number;
}

/** Where a cost was measured: roofs and times of the same place may be compared. */
export function placeOf({ measure: { engine, threads, precision }, device }: { readonly measure: CostMeasure; readonly device: Device }): string {
  return canonicalJson([engine, threads ?? null, precision, device.adapter]);
}

/** The roofs of each place (`placeOf`). */
export function roofsOf(costs: readonly Cost[]): Map<string, Roofs> {
  const roofs = new Map<string, Roofs>();
  for (const cost of costs) {
    if (cost.state !== 'done') continue;
    const { work, measure: { workload } } = cost;
    if (workload !== 'gemm' && workload !== 'copy' && workload !== 'launch') continue;
    const ms = least(cost.measurements.flatMap((m) => m.samples));
    const at = placeOf(cost);
    const found: Roofs =
      workload === 'launch' ? { launchMs: ms }
      : work === null ? {}
      : workload === 'gemm' ? { flops: (1000 * work.flops) / ms }
      : { bytes: (1000 * work.bytes) / ms };
    roofs.set(at, { ...roofs.get(at), ...found });
  }
  return roofs;
}

/** Rates of a cost, and how near they come to the roof that is nearest. */
export interface Rates {
  readonly tokensPerSecond: number | null;
  readonly flopsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  /** the larger of the shares of the two roofs; null without roofs */
  readonly roofShare: number | null;
  readonly boundBy: 'arithmetic' | 'memory' | null;
}

export function ratesOf({ ms, tokens, work }: DoneCost, roofs: Roofs = {}): Rates {
  const perSecond = (n: number) => (1000 * n) / ms;
  const flopsPerSecond = work === null ? null : perSecond(work.flops);
  const bytesPerSecond = work === null ? null : perSecond(work.bytes);
  const arithmetic = flopsPerSecond === null || roofs.flops === undefined ? null : flopsPerSecond / roofs.flops;
  const memory = bytesPerSecond === null || roofs.bytes === undefined ? null : bytesPerSecond / roofs.bytes;
  const roofShare = arithmetic === null || memory === null ? null : Math.max(arithmetic, memory);
  return { tokensPerSecond: tokens === 0 ? null : perSecond(tokens), flopsPerSecond, bytesPerSecond, roofShare, boundBy: roofShare === null ? null : roofShare === memory ? 'memory' : 'arithmetic' };
}

/** Costs that differ in one numeric option only, by that option, ascending. */
export interface Line {
  readonly along: string;
  readonly appearance: Appearance;
  readonly costs: readonly Cost[];
}

/** The lines along a numeric option such as "seqLen": at least two costs each. */
export function linesAlong(option: string, costs: readonly Cost[]): Line[] {
  const groups = groupBy(costs.filter((cost) => typeof cost.measure.options[option] === 'number'), (cost) => {
    const { [option]: _, ...rest } = cost.measure.options;
    return canonicalJson([{ ...cost.measure, options: rest }, cost.device.adapter]);
  });
  const value = (cost: Cost) => cost.measure.options[option] as number;
  return [...groups.values()].filter((g) => g.length > 1).map((g) => ({ along: option, appearance: g[0].appearance, costs: g.toSorted((a, b) => value(a) - value(b)) }));
}

/** The exponent p of y ∝ x^p: the slope of the least-squares line through the logarithms of two points or more. */
export function exponentThrough(points: readonly { readonly x: number; readonly y: number }[]): number {
  const logs = points.map(({ x, y }) => [Math.log(x), Math.log(y)] as const);
  const [mx, my] = [0, 1].map((i) => logs.reduce((sum, p) => sum + p[i]!, 0) / logs.length) as [number, number];
  return logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** The same over the longer half of the points (three at least), where what every call costs weighs least. Undefined with fewer than three. */
export function exponent(points: readonly { readonly x: number; readonly y: number }[]): number | undefined {
  return points.length < 3 ? undefined : exponentThrough(points.slice(-Math.max(3, Math.ceil(points.length / 2))));
}

/** The exponent of time along a line. */
export function exponentOf({ along, costs }: Line): number | undefined {
  return exponent(costs.flatMap((c) => (c.state === 'done' ? [{ x: c.measure.options[along] as number, y: c.ms }] : [])));
}
