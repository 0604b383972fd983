/** The records that a figure is about. */
import { RecallbenchError } from '#core/errors.ts';
import { namesIn } from '#core/names.ts';
import { accuracyAt } from '#results/query.ts';
import type { RunRecord } from '#results/record.ts';
import { list } from './caption.ts';
import type { FigureOptions } from './figure.ts';

/** The records that the options leave. Throws E_STORE, with the remedy, when there are none, and E_CONFIG on a slice that none has. */
export function select(figure: string, records: readonly RunRecord[], options: FigureOptions): RunRecord[] {
  const make = 'Make some with: recallbench sweep <preset> --out results.jsonl (recallbench list sweeps shows the presets)';
  if (records.length === 0) throw new RecallbenchError('E_STORE', `${figure}: there are no records to draw. ${make}`);
  const { task, sweep } = options;
  // a model that is a pattern has commas itself
  const models = options.models && namesIn(options.models.join(','), [...new Set(records.map((r) => r.point.model))]);
  const selected = records.filter((r) => (task === undefined || r.point.task === task) && (sweep === undefined || r.sweep === sweep) && (models === undefined || models.includes(r.point.model)));
  if (selected.length === 0) {
    const has = (name: string, values: (string | undefined)[]) => `${name}: ${[...new Set(values.filter((v) => v !== undefined))].sort().join(', ') || 'none'}`;
    const there = [has('tasks', records.map((r) => r.point.task)), has('sweeps', records.map((r) => r.sweep)), has('models', records.map((r) => r.point.model))];
    throw new RecallbenchError('E_STORE', `${figure}: none of ${records.length} records is of ${describe(options)}. The store has ${there.join('; ')}. ${make}`);
  }
  if (!selected.some((r) => r.outcome.state === 'done' && r.test)) {
    const states = [...new Set(selected.map((r) => r.outcome.state))].sort().join(', ');
    throw new RecallbenchError('E_STORE', `${figure}: none of ${selected.length} runs finished (${states}), so there is nothing to draw. Run the sweep again: what is unfinished is run, what is done is kept`);
  }
  const { slice } = options;
  if (slice !== undefined && !selected.some((r) => r.test && accuracyAt(r.test, slice) !== undefined)) {
    const there = new Set(selected.flatMap((r) => (r.test?.slices ?? []).map((each) => JSON.stringify(each.slice))));
    throw new RecallbenchError('E_CONFIG', `${figure}: no record has a test slice with ${JSON.stringify(slice)}. Slices there: ${list([...there].sort())}`);
  }
  return selected;
}

function describe({ task, sweep, models }: FigureOptions): string {
  return [task && `task ${task}`, sweep && `sweep ${sweep}`, models && `models ${models.join(', ')}`].filter(Boolean).join(', ');
}
