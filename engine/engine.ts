/** The engine contract: what turns a program (tfjs code over named tensors) into something that runs, and says where it ran. */
import type { Tensor } from './tf.ts';
import type { DType, HostTensor } from './tensor-spec.ts';

/** A tensor that lives inside the engine between calls: a parameter, a moment of the optimizer. */
export interface StateTensor extends HostTensor {
  readonly dtype?: DType;
}

export type Tensors = Record<string, Tensor>;
export type HostTensors = Record<string, HostTensor>;

/**
 * One function of a program, as plain tfjs code. It must be pure: what it computes may depend on the shapes of its
 * operands but never on their values. `state` in the result replaces the named state tensors; the others stay.
 */
export type ProgramFunction = (inputs: Tensors, state: Tensors) => { outputs: Tensors; state?: Tensors };

/** Functions over one common state, such as a training step and an evaluation. */
export interface Program {
  readonly state: Record<string, StateTensor>;
  readonly functions: Record<string, ProgramFunction>;
}

/** Results of one call, fetched when wanted: on a GPU, reading them is what waits. */
export interface Results {
  read(): Promise<HostTensors>;
  /**
   * Milliseconds that the call took where it ran, its inputs already there and its results not yet fetched: by the GPU's own
   * clock if the engine was opened `timed`, by the host's around the replay on a CPU. Absent where the engine cannot tell.
   */
  readonly milliseconds?: () => Promise<number>;
}

export interface Executable {
  /** Runs a function; it is compiled at the first call with these input shapes. Advances the state. */
  run(name: string, inputs: HostTensors): Results;
  /** A copy of the state. */
  readState(): Promise<HostTensors>;
  /** Overwrites state tensors (a checkpoint), shapes unchanged. */
  writeState(state: HostTensors): void;
  /** Device bytes planned so far: state, inputs, constants and the largest arena. */
  peakBytes(): number;
  /** Kernels that a call of a function launches, in order; of the shapes compiled last, none before that, none where nothing is compiled. */
  kernels(name: string): readonly string[];
  dispose(): void;
}

/** Where and with what an engine computes. */
export interface EngineDescription {
  readonly engine: string;
  readonly adapter: string;
  readonly driver?: string;
  readonly threads?: number;
  readonly precision: string;
  readonly features: string[];
  readonly versions: Record<string, string>;
}

export interface Engine {
  readonly name: string;
  describe(): EngineDescription;
  compile(program: Program): Executable;
  /** Ends worker threads and frees memory. */
  close(): Promise<void>;
}

/** What an engine is opened with; engines pass over what does not concern them. */
export interface EngineOptions {
  /** of a CPU engine: worker threads, the calling one included; default: the number of cores */
  readonly threads?: number;
  /** of a GPU engine: mixed takes the operands of matrix products in float16; default fp32 */
  readonly precision?: 'fp32' | 'mixed';
  /** of a GPU engine: validation and bounds checks on, for development; they cost time at every launch */
  readonly validate?: boolean;
  /** of a GPU engine: results tell how long the GPU worked for them; a few microseconds a call */
  readonly timed?: boolean;
}

/** An entry of the table of engines. */
export interface EngineEntry<N extends string = string> {
  readonly name: N;
  readonly summary: string;
  /** Whether it can run here; otherwise why not, and the remedy. `slow`: it runs, but nobody would choose it. */
  available(): Promise<{ ok: true; detail: string; slow?: true } | { ok: false; reason: string; remedy: string }>;
  /** Everything about its devices, for `doctor --json`. */
  inspect?(): Promise<Record<string, unknown>>;
  open(options?: EngineOptions): Promise<Engine>;
}
