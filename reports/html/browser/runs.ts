/** The table of runs. */
import { formatBytes } from '../../ticks.ts';
import { colorOn } from '../../theme.ts';
import { valueAt, type Columns, type Value } from '../columns.ts';
import type { SlimRun } from '../packed-runs.ts';
import { theme } from './colors.ts';
import type { TableColumn, TableContents } from './table.ts';
import { count, duration, loss, number, percent, rate } from './words.ts';

type Maybe = number | null | undefined;

/** A column of numbers. */
function numeric(key: string, label: string, value: (row: number) => Maybe, words: (x: Maybe) => string, title?: string): TableColumn {
  return { key, label, ...(title === undefined ? {} : { title }), numeric: true, silent: true, value, text: (row) => words(value(row)) };
}

function words(key: string, label: string, value: (row: number) => string | undefined, more: Partial<TableColumn> = {}): TableColumn {
  return { key, label, text: (row) => value(row) ?? '', ...more };
}

const varies = (column: TableColumn, rows: number) => {
  for (let row = 1; row < rows; row++) if (column.text(row) !== column.text(0)) return true;
  return false;
};

export function runsTable(runs: Columns<SlimRun>, open: (row: number) => void): TableContents {
  const at = <Path extends string>(path: Path) => (row: number): Value<SlimRun, Path> | undefined => valueAt(runs, path, row);
  const appearance = (row: number) => valueAt(runs, 'appearance', row)!;
  const idOf = (row: number) => valueAt(runs, 'id', row)!;
  const plain = (value: Maybe) => (value === null || value === undefined ? '' : String(value));
  const test = words('test', 'Test', at('told.test'), { title: 'Test mixture' });
  const device: TableColumn = { key: 'device', label: 'Device', choose: true, text: (row) => deviceWords(runs, row) };
  const columns: TableColumn[] = [
    { key: 'model', label: 'Model', choose: true, text: (row) => appearance(row).label },
    words('options', 'Options', at('told.options'), { title: 'Options that tell runs of a model apart' }),
    words('task', 'Task', at('point.task'), { choose: true }),
    ...(varies(test, runs.rows) ? [test] : []),
    numeric('dModel', 'Width', at('point.dModel'), plain, 'Width of the model (dModel)'),
    numeric('layers', 'Layers', at('point.layers'), plain),
    numeric('lr', 'lr', at('point.lr'), rate, 'Learning rate'),
    numeric('seed', 'Seed', at('point.seed'), plain),
    words('outcome', 'Outcome', at('outcome.state'), { choose: true }),
    numeric('accuracy', 'Test %', at('test.accuracy'), percent, 'Test accuracy in percent'),
    numeric('validation', 'Valid. %', at('validation.accuracy'), percent, 'Validation accuracy in percent'),
    numeric('loss', 'Loss', at('test.loss'), loss, 'Test loss in nats'),
    numeric('state', 'State', at('stateBytes'), (x: Maybe) => (x === null || x === undefined ? '' : formatBytes(x)), 'Decoding state of one sequence'),
    numeric('parameters', 'Params', at('parameters'), count, 'Parameters'),
    numeric('speed', 'Tokens/s', at('tokensPerSecond'), count, 'Tokens a second in training'),
    numeric('steps', 'Steps', at('steps.run'), number, 'Steps run'),
    numeric('time', 'Time', at('totalSeconds'), duration, 'Time in all'),
    words('sweep', 'Sweep', at('sweep'), { choose: true }),
    ...(varies(device, runs.rows) ? [device] : []),
  ];
  return {
    name: 'runs',
    noun: 'runs',
    rows: runs.rows,
    columns,
    idOf,
    colorOf: (row) => colorOn(theme(), appearance(row).color),
    hrefOf: (row) => `#run=${idOf(row)}`,
    classOf: (row) => (valueAt(runs, 'outcome.state', row) === 'done' ? '' : 'failed'),
    open,
  };
}

function deviceWords(runs: Columns<SlimRun>, row: number): string {
  const { engine, adapter, precision } = valueAt(runs, 'device', row)!;
  return [engine, adapter, ...(precision === 'fp32' ? [] : [precision])].join(', ');
}
