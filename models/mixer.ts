/** The mixer contract: a causal map [B, L, D] → [B, L, D], as data and pure functions in plain tfjs. */
import { describeOptions, parseConfig, type OptionDoc, type z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import type { Tensor } from '#engine/tf.ts';

/** A parameter before training: its values and whether weight decay leaves it alone. */
export interface Parameter {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly noDecay?: boolean;
}
export type Parameters = Record<string, Parameter>;
export type Tensors = Record<string, Tensor>;

/** Sizes that the language model gives to each of its mixers. */
export interface MixerSizes {
  readonly dModel: number;
  /** number of layers in the model, for the rescaling of output projections */
  readonly layers: number;
  /** the longest sequence that the model is meant for, where that is known */
  readonly maxLength?: number;
}

/** How a mixer is drawn. */
export interface Appearance {
  readonly label: string;
  readonly order: number;
  readonly color: string;
  readonly marker: string;
}

/** A mixer with its sizes fixed. Parameter names follow the public reference implementation. */
export interface OpenMixer {
  init(stream: Stream): Parameters;
  /** x: [B, L, D] → [B, L, D] */
  apply(params: Tensors, x: Tensor): Tensor;
  /** Bytes that decoding carries for one sequence of up to seqLen tokens: exactly the bytes of a state with that capacity. */
  stateBytes(seqLen: number): number;
  /** The state before the first token, for B sequences of up to `capacity` tokens; every tensor's first axis is B. */
  initialState(batch: number, capacity: number): Tensors;
  /**
   * One token: x_t [B, D] and how many tokens each sequence has had before it, `places` int32 [B] → [next state, y_t [B, D]]. Over a sequence it equals
   * `apply`. Shapes never change, so that a captured step can be replayed.
   */
  step(params: Tensors, state: Tensors, x: Tensor, places: Tensor): [Tensors, Tensor];
  /** how many tokens back the furthest input lies that an output may depend on, where that is bounded; no number means that it remembers without end */
  readonly reach?: number;
  /** what a reader of the results should know, such as a head dim chosen for a small width */
  readonly notes: readonly string[];
}

export interface Mixer<N extends string = string> {
  readonly name: N;
  readonly summary: string;
  readonly appearance: Appearance;
  readonly options: OptionDoc[];
  /** With these raw options it knows order by causality at most, and a language model of nothing else wants positions. Throws E_CONFIG. */
  orderless(raw: unknown): boolean;
  /** Checks raw options (E_CONFIG, E_SIZE) and fixes the sizes. */
  open(raw: unknown, sizes: MixerSizes): OpenMixer;
  /** The options with defaults filled in: what a record keeps. */
  resolve(raw: unknown): Record<string, unknown>;
}

/** Seals a mixer: raw options are checked against the strict schema before `open` sees them. */
export function defineMixer<N extends string, S extends z.ZodObject>(mixer: {
  name: N;
  summary: string;
  appearance: Appearance;
  /** see Mixer; left out where the mixer always knows order */
  orderless?(config: z.output<S>): boolean;
  config: S;
  open(config: z.output<S>, sizes: MixerSizes): OpenMixer;
}): Mixer<N> {
  const parse = (raw: unknown) => parseConfig(mixer.config, raw, `model ${mixer.name}`);
  const defined: Mixer<N> = {
    name: mixer.name,
    summary: mixer.summary,
    appearance: mixer.appearance,
    options: describeOptions(mixer.config),
    orderless: (raw) => mixer.orderless?.(parse(raw)) ?? false,
    open: (raw, sizes) => mixer.open(parse(raw), sizes),
    resolve: (raw) => parse(raw),
  };
  made.add(defined);
  return defined;
}

/** what defineMixer made */
const made = new WeakSet<object>();

/** Whether something is a mixer of this copy of the package. */
export function isMixer(thing: unknown): thing is Mixer {
  return typeof thing === 'object' && thing !== null && made.has(thing);
}
