/** The table of runs. */
import type { Appearance } from '#results/record.ts';
import { formatBytes } from '../../ticks.ts';
import { colorOn } from '../../theme.ts';
import { valueAt, type Columns } from '../columns.ts';
import { theme } from './colors.ts';
import type { TableColumn, TableContents } from './table.ts';
import { count, duration, loss, number, percent, rate } from './words.ts';

/** A column of numbers under a path of the record. */
function numeric(runs: Columns, key: string, label: string, path: string, words: (x: number | null | undefined) => string, title?: string): TableColumn {
  const value = (row: number) => valueAt<number | null>(runs, path, row);
  return { key, label, ...(title === undefined ? {} : { title }), numeric: true, silent: true, value, text: (row) => words(value(row)) };
}

function words(runs: Columns, key: string, label: string, path: string, more: Partial<TableColumn> = {}): TableColumn {
  return { key, label, text: (row) => valueAt<string>(runs, path, row) ?? '', ...more };
}

const varies = (column: TableColumn, rows: number) => {
  for (let row = 1; row < rows; row++) if (column.text(row) !== column.text(0)) return true;
  return false;
};

export function runsTable(runs: Columns, open: (row: number) => void): TableContents {
  const appearance = (row: number) => valueAt<Appearance>(runs, 'appearance', row)!;
  const idOf = (row: number) => valueAt<string>(runs, 'id', row)!;
  const plain = (value: number | null | undefined) => (value === null || value === undefined ? '' : String(value));
  const test = words(runs, 'test', 'Test', 'told.test', { title: 'Test mixture' });
  const engine: TableColumn = { key: 'device', label: 'Device', choose: true, text: (row) => deviceWords(runs, row) };
  const columns: TableColumn[] = [
    { key: 'model', label: 'Model', choose: true, text: (row) => appearance(row).label },
    words(runs, 'options', 'Options', 'told.options', { title: 'Options that tell runs of a model apart' }),
    words(runs, 'task', 'Task', 'point.task', { choose: true }),
    ...(varies(test, runs.rows) ? [test] : []),
    numeric(runs, 'dModel', 'Width', 'point.dModel', plain, 'Width of the model (dModel)'),
    numeric(runs, 'layers', 'Layers', 'point.layers', plain),
    numeric(runs, 'lr', 'lr', 'point.lr', rate, 'Learning rate'),
    numeric(runs, 'seed', 'Seed', 'point.seed', plain),
    words(runs, 'outcome', 'Outcome', 'outcome.state', { choose: true }),
    numeric(runs, 'accuracy', 'Test %', 'test.accuracy', percent, 'Test accuracy in percent'),
    numeric(runs, 'validation', 'Valid. %', 'validation.accuracy', percent, 'Validation accuracy in percent'),
    numeric(runs, 'loss', 'Loss', 'test.loss', loss, 'Test loss in nats'),
    numeric(runs, 'state', 'State', 'stateBytes', (x) => (x === null || x === undefined ? '' : formatBytes(x)), 'Decoding state of one sequence'),
    numeric(runs, 'parameters', 'Params', 'parameters', count, 'Parameters'),
    numeric(runs, 'speed', 'Tokens/s', 'tokensPerSecond', count, 'Tokens a second in training'),
    numeric(runs, 'steps', 'Steps', 'steps.run', number, 'Steps run'),
    numeric(runs, 'time', 'Time', 'totalSeconds', duration, 'Time in all'),
    words(runs, 'sweep', 'Sweep', 'sweep', { choose: true }),
    ...(varies(engine, runs.rows) ? [engine] : []),
  ];
  return {
    name: 'runs',
    noun: 'runs',
    rows: runs.rows,
    columns,
    idOf,
    colorOf: (row) => colorOn(theme(), appearance(row).color),
    hrefOf: (row) => `#run=${idOf(row)}`,
    classOf: (row) => (valueAt<string>(runs, 'outcome.state', row) === 'done' ? '' : 'failed'),
    open,
  };
}

function deviceWords(runs: Columns, row: number): string {
  const { engine, adapter, precision } = valueAt<{ engine: string; adapter: string; precision: string }>(runs, 'device', row)!;
  return [engine, adapter, ...(precision === 'fp32' ? [] : [precision])].join(', ');
}
