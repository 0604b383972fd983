/**
 * A figure as plain data: what is drawn, in numbers and words, and nothing of how. A report is a pure function from what
 * stores hold to a Figure; `draw.ts` and `csv.ts` turn a figure into files.
 */
import type { Measurement } from '#results/measurement.ts';
import type { RunRecord } from '#results/record.ts';
import type { Slice } from '#results/query.ts';

export interface Figure {
  /** the file name, without an ending */
  name: string;
  title: string;
  /** drawn in rows from left to right */
  panels: Panel[];
  /** panels side by side at the most; without it 3, 2 of four. Fewer where the page is narrow */
  columns?: number;
  /** sentences: what was measured, on which device, at which precision, over how many seeds, with which budget */
  caption: string[];
  /** sentences: what is missing, failed or was left out */
  notes: string[];
}

export interface Panel {
  title: string;
  /** stands under the panel before it, and under its title */
  under?: boolean;
  x: Axis;
  y: Axis;
  series: Series[];
}

export interface Axis {
  label: string;
  scale: 'linear' | 'log2' | 'log10';
  /** how numbers are written: 4096 as "4 KiB", as "4,096", or as "4k" */
  unit: 'bytes' | 'number' | 'count';
  /** fixed ends; without them the axis spans what is drawn in all panels with the same axis */
  min?: number;
  max?: number;
  /** fixed ticks; without them round numbers */
  ticks?: number[];
  /** what 0, 1, 2 … are called, where they are no numbers */
  names?: string[];
}

/** Numbers and names that belong to a mark and go into the CSV beside it. */
export type Facts = Record<string, string | number>;

export interface Series {
  /** its name in the legend; series of one name share an entry, and should share a look */
  name: string;
  look: Look;
  /** joined by a line in this order, unless they are scattered */
  marks: Mark[];
  scattered?: boolean;
  /** the line goes across, and then up or down */
  stepped?: boolean;
  /** what belongs on the line and has no value */
  failed: FailedMark[];
}

/** How a series looks. Marker, filling and dash tell series apart without colour. */
export interface Look {
  /** #rrggbb */
  color: string;
  /** a point style of Chart.js, "triangleDown", "triangleLeft" or "triangleRight"; "none" for a bare line */
  marker: string;
  filled: boolean;
  /** lengths of dashes and gaps in pixels; empty is a solid line */
  dash: number[];
}

export interface Mark {
  x: number;
  y: number;
  /** ends of the whisker */
  low?: number;
  high?: number;
  /** written beside the mark where there is room */
  label?: string;
  /** drawn small and hollow, beside the line */
  aside?: boolean;
  /** in a circle: the one that was chosen */
  ringed?: boolean;
  facts: Facts;
  /** ids of the runs or measurements behind it */
  runs?: readonly string[];
}

/** Drawn as a crossed circle on the x axis, or as an arrow at the upper edge. */
export interface FailedMark {
  x: number;
  /** "diverged" */
  why: string;
  /** it would be farther up than the axis shows: "not reached" */
  above?: boolean;
  facts: Facts;
  runs?: readonly string[];
}

/** What a reader may choose of a figure. */
export interface FigureOptions {
  /** only this task */
  task?: string;
  /** only what this sweep asked for */
  sweep?: string;
  /** only these models; ops go by the name of the workload */
  models?: readonly string[];
  /** accuracy at these slices of the test, not over all of them: `{ seqLen: 512 }` */
  slice?: Slice;
  /** accuracy against this key of the slices, not against all that vary */
  by?: string;
  /** the validation accuracy that counts as learnt; 0.99 unless given */
  reach?: number;
  /** published numbers beside the measured ones, named as such */
  anchors?: boolean;
  /** instead of the figure's own title */
  title?: string;
}

/** What stores hold. */
export interface Stored {
  readonly records: readonly RunRecord[];
  readonly measurements: readonly Measurement[];
}

/** One entry of the table of figures. */
export interface FigureKind<N extends string = string> {
  name: N;
  /** one line for `recallbench list figures` */
  summary: string;
  /** what it shows: trained models, or what things cost */
  of: 'runs' | 'costs';
  /** Throws E_STORE, with the command that makes it, when there is nothing to draw. */
  build(stored: Stored, options?: FigureOptions): Figure;
}
