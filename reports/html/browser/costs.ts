/** The tables of costs, and of what is missing. */
import { formatBytes } from '../../ticks.ts';
import { colorOn } from '../../theme.ts';
import { rowAt, valueAt, type Columns } from '../columns.ts';
import type { CostRow, MissingRow } from '../payload.ts';
import { theme } from './colors.ts';
import type { TableColumn, TableContents } from './table.ts';
import { count, milliseconds, percent } from './words.ts';

const bytes = (x: number | null | undefined) => (x === null || x === undefined ? '' : formatBytes(x));

/** `idsOf` gives the ids of a cost's measurements. */
export function costsTable(costs: Columns<CostRow>, idsOf: (row: number) => readonly string[], open: (row: number) => void): TableContents {
  const of = <K extends keyof CostRow>(key: K, row: number) => valueAt(costs, key, row) as CostRow[K] | undefined;
  const words = (key: keyof CostRow, label: string, more: Partial<TableColumn> = {}): TableColumn => ({ key, label, text: (row) => String(of(key, row) ?? ''), ...more });
  const numeric = (key: keyof CostRow, label: string, inWords: (x: number | null | undefined) => string, title?: string): TableColumn => {
    const value = (row: number) => of(key, row) as number | null | undefined;
    return { key, label, ...(title === undefined ? {} : { title }), numeric: true, silent: true, value, text: (row) => inWords(value(row)) };
  };
  const idOf = (row: number) => of('id', row)!;
  return {
    name: 'costs',
    noun: 'costs',
    rows: costs.rows,
    columns: [
      words('label', 'What', { title: 'Op or model', choose: true }),
      words('workload', 'Workload', { choose: true }),
      words('options', 'Options'),
      words('engine', 'Engine', { choose: true }),
      words('precision', 'Precision', { choose: true }),
      words('adapter', 'Device', { choose: true }),
      words('state', 'Outcome', { choose: true }),
      numeric('ms', 'Time', milliseconds, 'Time of a call: median of the repetitions'),
      { ...numeric('low', 'Range', milliseconds, 'Range of the repetitions'), text: (row) => (of('repetitions', row)! > 1 && of('low', row) !== undefined ? `${milliseconds(of('low', row))} – ${milliseconds(of('high', row))}` : '') },
      numeric('tokensPerSecond', 'Tokens/s', count),
      numeric('flopsPerSecond', 'FLOP/s', count),
      numeric('bytesPerSecond', 'Bytes/s', count),
      numeric('roofShare', 'Roof %', percent, 'Share of the roof that is nearest'),
      numeric('stateBytes', 'State', bytes),
      numeric('peakBytes', 'Memory', bytes),
      words('sweep', 'Sweep', { choose: true }),
    ],
    idOf,
    idsOf,
    colorOf: (row) => colorOn(theme(), of('color', row)!),
    hrefOf: (row) => `#cost=${idOf(row)}`,
    classOf: (row) => (of('state', row) === 'done' ? '' : 'failed'),
    open,
  };
}

/** A press on a row leads to the runs that failed, where some did. */
export function missingTable(missing: Columns<MissingRow>, open: (row: MissingRow) => void): TableContents {
  const words = (key: keyof MissingRow, label: string, more: Partial<TableColumn> = {}): TableColumn => ({ key, label, text: (row) => String(valueAt(missing, key, row)), ...more });
  return {
    name: 'missing',
    noun: 'cells',
    rows: missing.rows,
    columns: [
      words('name', 'Cell'),
      words('task', 'Task', { choose: true }),
      words('what', 'Of', { choose: true }),
      words('finished', 'Finished', { choose: true }),
      words('failed', 'Failed', { title: 'Runs that did not finish' }),
      words('missing', 'Never run', { title: 'Learning rates and seeds that others have' }),
      words('reason', 'Reason'),
    ],
    idOf: (row) => valueAt(missing, 'id', row)!,
    hrefOf: (row) => {
      const { what, ids } = rowAt(missing, row);
      return ids.length === 0 ? undefined : what === 'measurements' ? `#cost=${ids[0]}` : ids.length === 1 ? `#run=${ids[0]}` : `#ids=${ids.join(',')}`;
    },
    open: (row) => open(rowAt(missing, row)),
  };
}
