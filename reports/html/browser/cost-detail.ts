/** One cost in full: its repetitions, what was launched, how to measure it again, its configuration and where it was measured. */
import { greatest, least, median } from '#core/statistics.ts';
import type { Measurement } from '#results/measurement.ts';
import { formatBytes, formatNumber } from '../../ticks.ts';
import { measureRecipe } from '../command.ts';
import type { CostRow } from '../payload.ts';
import { el, facts, plainTable } from './dom.ts';
import { configParts, environmentParts, outcomeNote, recipeParts } from './run-detail.ts';
import { count, milliseconds, percent } from './words.ts';

export function costTitle({ label, options }: CostRow): string {
  return options === '' ? label : `${label}, ${options}`;
}

export function costDetail(cost: CostRow, measurements: readonly Measurement[]): (Node | undefined)[] {
  const last = measurements.at(-1)!;
  const { repetition: _, ...measure } = last.measure;
  const { work, kernels } = last;
  return [
    outcomeNote({ state: cost.state, reason: cost.reason }),
    facts([
      ['Time of a call', cost.ms === undefined ? undefined : milliseconds(cost.ms)],
      ['Range of the repetitions', cost.low === undefined || cost.repetitions < 2 ? undefined : `${milliseconds(cost.low)} – ${milliseconds(cost.high)}`],
      ['First call', cost.firstMs === null || cost.firstMs === undefined ? undefined : milliseconds(cost.firstMs)],
      ['A call by itself', cost.latencyMs === null || cost.latencyMs === undefined ? undefined : milliseconds(cost.latencyMs)],
      ['Clock', last.clock === 'device' ? 'the device\'s own' : 'wall time'],
      ['Tokens/s', cost.tokensPerSecond == null ? undefined : count(cost.tokensPerSecond)],
      ['FLOP/s', cost.flopsPerSecond == null ? undefined : count(cost.flopsPerSecond)],
      ['Bytes/s', cost.bytesPerSecond == null ? undefined : count(cost.bytesPerSecond)],
      ['Of the roof', cost.roofShare == null ? undefined : `${percent(cost.roofShare)} % of ${cost.boundBy}`],
      ['Work of a call', work === null ? undefined : `${count(work.flops)} operations, ${count(work.exps)} exponentials, ${formatBytes(work.bytes)}`],
      ['Decoding state', cost.stateBytes === null ? undefined : formatBytes(cost.stateBytes)],
      ['Memory', formatBytes(cost.peakBytes)],
      ['Kernels', kernels.length === 0 ? undefined : kernels.map(({ name, launches }) => (launches === 1 ? name : `${name} ×${launches}`)).join(', ')],
      ['Sweep', cost.sweep],
    ]),
    ...last.notes.map((note) => el('p', { class: 'caption note' }, note)),
    el('h3', {}, 'Repetitions'),
    el('div', { class: 'wide' }, plainTable(['Repetition', 'Outcome', 'Samples', 'Median', 'Least', 'Most'], measurements.map(repetitionRow), (column) => column !== 1)),
    ...recipeParts(measureRecipe(measure, cost.repetitions, cost.id)),
    ...configParts('Configuration', measure),
    ...environmentParts(last.device, last.code, last.startedAt, last.finishedAt),
  ];
}

function repetitionRow({ measure, outcome, samples }: Measurement): string[] {
  const times = samples.length === 0 ? ['', '', ''] : [median(samples), least(samples), greatest(samples)].map(milliseconds);
  return [String(measure.repetition), outcome.state, formatNumber(samples.length), ...times];
}
