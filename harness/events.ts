/** What a running harness tells whoever listens; only the command line prints. */
import type { Measurement } from '#results/measurement.ts';
import type { RunRecord } from '#results/record.ts';
import type { Point } from '#results/point.ts';

export type RunEvent =
  | { readonly type: 'start'; readonly id: string; readonly point: Point; readonly steps: number; readonly parameters: number; readonly notes: readonly string[] }
  | {
      readonly type: 'progress';
      readonly id: string;
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      readonly accuracy: number | null;
      readonly tokensPerSecond: number;
    }
  | { readonly type: 'finish'; readonly id: string; readonly record: RunRecord };

export type Listener = (event: RunEvent) => void;

export type MeasureEvent =
  | { readonly type: 'start'; readonly id: string }
  | { readonly type: 'finish'; readonly id: string; readonly record: Measurement };
