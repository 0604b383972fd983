/** The workload contract: something whose cost is measured, as a program and its inputs. */
import { describeOptions, parseConfig, type OptionDoc, type z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { HostTensors, Program, ProgramFunction } from '#engine/engine.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import type { Appearance } from '#results/record.ts';

/** A workload with its shapes fixed. */
export interface OpenWorkload {
  /** the line it belongs to in figures */
  readonly appearance: Appearance;
  /** tokens that one call takes in (or gives out, decoding); 0 for roofs */
  readonly tokens: number;
  /** what decoding carries for one sequence; null where nothing is decoded */
  readonly stateBytes: number | null;
  /** Made when it is about to run: it may take gigabytes. */
  program(): Program;
  /** which function of the program is timed */
  readonly call: string;
  /** inputs of the i-th call, from 0 */
  inputs(i: number): HostTensors;
  /** the results of the call are scalars, RMS ratios of differences by what was compared, and belong into the record */
  readonly compares?: true;
  /** what counts as the work of a call, where the timed function does something for the measurement's sake besides */
  readonly counted?: ProgramFunction;
  readonly notes: readonly string[];
}

/** What a workload is opened for. */
export interface Occasion {
  readonly precision: 'fp32' | 'mixed';
}

export interface Workload<N extends string = string> {
  readonly name: N;
  readonly summary: string;
  /** roof: a bound of the machine, measured beside the others; op: one operation; model: a whole model; check: values, not times, are what is asked for */
  readonly kind: 'roof' | 'op' | 'model' | 'check';
  readonly options: OptionDoc[];
  /** Checks raw options (E_CONFIG, E_SIZE) and fixes the shapes. */
  open(raw: unknown, occasion: Occasion): OpenWorkload;
  /** The options with defaults filled in: what a record keeps. */
  resolve(raw: unknown): Record<string, unknown>;
}

/** Seals a workload: raw options are checked against the strict schema before `open` sees them. */
export function defineWorkload<N extends string, S extends z.ZodObject>(workload: {
  name: N;
  summary: string;
  kind: Workload['kind'];
  config: S;
  open(config: z.output<S>, occasion: Occasion): OpenWorkload;
}): Workload<N> {
  const parse = (raw: unknown) => parseConfig(workload.config, raw, `workload ${workload.name}`);
  return {
    name: workload.name,
    summary: workload.summary,
    kind: workload.kind,
    options: describeOptions(workload.config),
    open: (raw, occasion) => workload.open(parse(raw), occasion),
    resolve: (raw) => parse(raw),
  };
}

/** A tensor of values between shift − scale and shift + scale; what they are does not matter to the time. Throws E_MEMORY where the host has no room for it. */
export function wave(shape: readonly number[], { scale = 1, shift = 0 }: { scale?: number; shift?: number } = {}): { shape: readonly number[]; data: Float32Array } {
  const size = sizeOf(shape);
  const room = process.availableMemory();
  if (4 * size > 0.9 * room) throw new RecallbenchError('E_MEMORY', `an operand [${shape.join(', ')}] takes ${((4 * size) / 2 ** 30).toFixed(1)} GiB, and the host has ${(room / 2 ** 30).toFixed(1)} GiB left. Remedy: a smaller batch, length or width.`);
  const data = new Float32Array(size);
  const period = Math.min(4093, data.length);
  for (let i = 0; i < period; i++) data[i] = shift + scale * Math.sin(1.7 * i);
  // one period again and again
  for (let n = period; n < data.length; n *= 2) data.copyWithin(n, 0, Math.min(n, data.length - n));
  return { shape, data };
}
