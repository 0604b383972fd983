/** The task contract: what a task is, and the one way to define one. Tasks make typed arrays and know no engine. */
import { parseConfig, describeOptions, type OptionDoc, type z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';

/** A target that is not scored. */
export const UNSCORED = -1;

/** Where one example is written: views of seqLen integers each. Both are fully overwritten. */
export interface Example {
  /** input token at each position, 0 … vocabSize−1 */
  readonly tokens: Int32Array;
  /** the answer that belongs to the input at the same position (never fed back), or −1 where nothing is scored */
  readonly targets: Int32Array;
}

/** The name a result is filed under: what distinguishes this segment from its relatives, such as { seqLen: 64, pairs: 8 }. */
export type Slice = Readonly<Record<string, number | string>>;

/** A task with its sizes fixed. */
export interface OpenTask {
  readonly vocabSize: number;
  readonly seqLen: number;
  /** how many positions of one example are scored, at most */
  readonly maxScored: number;
  readonly slice: Slice;
  /**
   * Where answers are read from: each position's own output when left out; `last` is an auto-encoder, whose answer at every scored position is
   * read from the output at the last position together with an encoding of the position asked for.
   */
  readonly readout?: 'last';
  /** Draws one example from one random stream. */
  example(stream: Stream, out: Example): void;
}

export interface Task<N extends string = string> {
  readonly name: N;
  /** one line for `list` */
  readonly summary: string;
  readonly options: OptionDoc[];
  /** Checks raw options (E_CONFIG, E_SIZE) and fixes the sizes. */
  open(raw: unknown): OpenTask;
  /** The options with defaults filled in: what a record keeps. Throws as `open`. */
  resolve(raw: unknown): Record<string, unknown>;
}

/** Seals a task: raw options are checked against the strict schema before `open` sees them. */
export function defineTask<N extends string, S extends z.ZodObject>(task: {
  name: N;
  summary: string;
  config: S;
  open(config: z.output<S>): OpenTask;
}): Task<N> {
  const parse = (raw: unknown) => parseConfig(task.config, raw, `task ${task.name}`);
  const defined: Task<N> = {
    name: task.name,
    summary: task.summary,
    options: describeOptions(task.config),
    open: (raw) => task.open(parse(raw)),
    resolve: (raw) => {
      const config = parse(raw);
      task.open(config);
      return config;
    },
  };
  made.add(defined);
  return defined;
}

/** what defineTask made */
const made = new WeakSet<object>();

/** Whether something is a task of this copy of the package. */
export function isTask(thing: unknown): thing is Task {
  return typeof thing === 'object' && thing !== null && made.has(thing);
}
