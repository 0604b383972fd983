/** The records that a figure is about. */
import { RecallbenchError } from '#core/errors.ts';
import { namesIn } from '#core/names.ts';
import { accuracyAt } from '#results/query.ts';
import type { Measurement } from '#results/measurement.ts';
import type { RunRecord } from '#results/record.ts';
import { list } from './caption.ts';
import type { FigureOptions, Stored } from './figure.ts';

/** The records that the options leave. Throws E_STORE, with the remedy, when there are none, and E_CONFIG on a slice that none has. */
export function select(figure: string, records: readonly RunRecord[], options: FigureOptions): RunRecord[] {
  const make = 'Make some with: recallbench sweep <preset> --out results.jsonl (recallbench list sweeps shows the presets)';
  if (records.length === 0) throw new RecallbenchError('E_STORE', `${figure}: there are no records to draw. ${make}`);
  const selected = chosenRuns(records, options);
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

function chosenRuns(records: readonly RunRecord[], { task, sweep, models }: FigureOptions): RunRecord[] {
  const named = chooser(models, records.map((r) => r.point.model));
  return records.filter((r) => (task === undefined || r.point.task === task) && (sweep === undefined || r.sweep === sweep) && named(r.point.model));
}

/** What the options leave of what stores hold, be it nothing; roofs stay beside whatever costs there are. */
export function chosen({ records, measurements }: Stored, options: FigureOptions): Stored {
  const nameOf = ({ measure: { options: { model }, workload } }: Measurement) => (typeof model === 'string' ? model : workload);
  const named = chooser(options.models, measurements.map(nameOf));
  const { sweep } = options;
  return { records: chosenRuns(records, options), measurements: measurements.filter((m) => (sweep === undefined || m.sweep === sweep) && (named(nameOf(m)) || ['gemm', 'copy', 'launch'].includes(m.measure.workload))) };
}

/** Whether a name is one of those asked for; a model that is a pattern has commas itself. */
function chooser(asked: readonly string[] | undefined, known: readonly string[]): (name: string) => boolean {
  const names = asked && namesIn(asked.join(','), [...new Set(known)]);
  return (name) => names === undefined || names.includes(name);
}

function describe({ task, sweep, models }: FigureOptions): string {
  return [task && `task ${task}`, sweep && `sweep ${sweep}`, models && `models ${models.join(', ')}`].filter(Boolean).join(', ');
}
