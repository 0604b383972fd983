/** What the figures of accuracy share: the axis, and a cell as a mark on it. */
import { flatOptions } from '#results/point.ts';
import { estimateAt, type Cell, type DoneCell, type Slice } from '#results/query.ts';
import type { Axis, Facts, Mark } from './figure.ts';

/** 0 to 1, with room for markers at both ends. */
export function accuracyAxis(label: string): Axis {
  return { label, scale: 'linear', unit: 'number', min: -0.04, max: 1.04, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
}

/** "Test accuracy", or "Test accuracy at seqLen 512". */
export function accuracyLabel(slice: Slice | undefined): string {
  const words = Object.entries(slice ?? {}).map(([key, value]) => `${key} ${value}`);
  return words.length === 0 ? 'Test accuracy' : `Test accuracy at ${words.join(', ')}`;
}

/** Mean and interval of a cell, over the whole test or at a slice of it; undefined where the cell has no such slice. */
export function markOf(cell: DoneCell, x: number, slice: Slice | undefined): Mark | undefined {
  const estimate = slice === undefined || Object.keys(slice).length === 0 ? cell : estimateAt(cell, slice);
  if (estimate === undefined) return undefined;
  const { mean, low, high, accuracies } = estimate;
  return {
    x,
    y: mean,
    ...(low === undefined || high === undefined ? {} : { low, high }),
    facts: { ...sizesOf(cell), lr: cell.lr, seeds: cell.seeds.length, accuracies: accuracies.join(' ') },
    runs: runsOf(cell),
  };
}

/** The ids of the runs that a cell shows. */
export function runsOf({ runs }: DoneCell): string[] {
  return runs.map((run) => run.id);
}

/** The ids of those that did not finish. */
export function failedRuns({ failed }: Cell): string[] {
  return failed.map((run) => run.id);
}

/** The sizes of a cell, for the CSV. */
export function sizesOf(cell: { point: DoneCell['point']; stateBytes: number; parameters: number }): Facts {
  const { model, dModel, layers, modelOptions } = cell.point;
  const scalar = Object.entries(flatOptions(modelOptions)).filter((entry): entry is [string, string | number] => typeof entry[1] === 'string' || typeof entry[1] === 'number');
  return { model, dModel, layers, ...Object.fromEntries(scalar), stateBytes: cell.stateBytes, parameters: cell.parameters };
}
