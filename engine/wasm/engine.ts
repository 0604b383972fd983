/** The embedded CPU engine: captured programs replayed by AssemblyScript kernels on shared-memory threads. */
import { cpus } from 'node:os';
import { RecallbenchError } from '#core/errors.ts';
import { packageVersion } from '#core/package-info.ts';
import { capture } from '../capture/capture.ts';
import type { Engine, EngineDescription, EngineEntry, EngineOptions, Executable, HostTensors, Program, Results } from '../engine.ts';
import { PlacedOperand, type Place } from '../graph/lowering.ts';
import { keepForGradients, optimise } from '../graph/passes.ts';
import { assignPlaces } from '../graph/placement.ts';
import { print, root, type Value } from '../graph/graph.ts';
import { sizeOf, specOf, type DType, type TensorSpec } from '../tensor-spec.ts';
import { lower } from './lower.ts';
import { ARENA_BASE, defaultThreads, Runtime, simdKinds, simdOf, type Simd } from './runtime.ts';

export interface WasmOptions extends EngineOptions {
  /** no better than this */
  readonly simd?: Simd;
  /** fills the arena with NaN before every run, so that a kernel that reads what nobody wrote is found */
  readonly poison?: boolean;
  /** told of every compiled function: its graph as text, and its launches with times that grow as it runs */
  readonly profile?: (compiled: { name: string; graph: string; kernels: readonly string[]; milliseconds: Float64Array; arenaBytes: number }) => void;
}

/** A state tensor, placed once for all functions. */
interface Resident {
  readonly address: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

interface Compiled {
  readonly run: () => void;
  readonly inputs: Map<string, Resident>;
  readonly outputs: Map<string, Resident>;
  /** bytes to copy once the outputs are taken: one of them may be the old value of a state tensor */
  readonly moves: readonly { readonly from: number; readonly to: number; readonly bytes: number }[];
}

class WasmExecutable implements Executable {
  readonly #runtime: Runtime;
  readonly #program: Program;
  readonly #options: WasmOptions;
  readonly #state = new Map<string, Resident>();
  readonly #compiled = new Map<string, Compiled>();
  readonly #kernels = new Map<string, readonly string[]>();
  #arenaBytes = 0;

  constructor(runtime: Runtime, program: Program, options: WasmOptions) {
    this.#runtime = runtime;
    this.#program = program;
    this.#options = options;
    for (const [name, t] of Object.entries(program.state)) {
      this.#state.set(name, { address: runtime.reserve(4 * sizeOf(t.shape)), shape: t.shape, dtype: t.dtype ?? specOf(t).dtype });
    }
    this.writeState(program.state);
  }

  #view(r: Resident): Float32Array | Int32Array {
    const { buffer } = this.#runtime.memory;
    return r.dtype === 'int32' ? new Int32Array(buffer, r.address, sizeOf(r.shape)) : new Float32Array(buffer, r.address, sizeOf(r.shape));
  }

  #compile(name: string, inputs: Record<string, TensorSpec>): Compiled {
    const f = this.#program.functions[name];
    if (f === undefined) throw new RecallbenchError('E_NAME', `the program has no function "${name}". Known: ${Object.keys(this.#program.functions).join(', ')}.`);
    const graph = optimise(capture(f, inputs, Object.fromEntries(this.#state)));
    keepForGradients(graph);
    const lowered = lower(graph);
    const placeOf = (v: Value): Place => lowered.places.get(root(v))!;
    const fixed = new Map<Place, number>();
    for (const [k, v] of graph.state) fixed.set(placeOf(v), this.#state.get(k)!.address);
    for (const v of [...graph.inputs.values(), ...graph.constants.keys()]) fixed.set(placeOf(v), this.#runtime.reserve(4 * sizeOf(v.shape)));
    const { address, launches: needed, arenaBytes: [arenaBytes = 0], moves } = assignPlaces(graph, lowered, fixed, ({ offset }) => ARENA_BASE + offset, { alignment: 64 });
    const place = (v: Value): Resident => ({ address: address.get(placeOf(v))!, shape: v.shape, dtype: v.dtype });
    for (const [v, data] of graph.constants) this.#view(place(v)).set(data);

    const launches = needed.map((d) => ({ ...d, words: d.args.map((a) => (a instanceof PlacedOperand ? { i32: a.used ? address.get(a.place)! + a.offset : 0 } : typeof a === 'number' ? { i32: a } : (a as { f32: number }))) }));
    for (const l of launches) if (!this.#runtime.hasKernel(l.kernel)) throw new RecallbenchError('E_OP', `the compiled kernels have no "${l.kernel}". Remedy: npm run build.`);

    const wordCount = launches.reduce((n, l) => n + l.words.length, 0);
    const block = this.#runtime.reserve(4 * wordCount);
    const scratchStride = launches.reduce((m, l) => Math.max(m, Math.ceil(l.scratchBytes / 64) * 64), 0) + 64;
    const total = arenaBytes + scratchStride * this.#runtime.threads;
    this.#runtime.growArena(total);
    this.#arenaBytes = Math.max(this.#arenaBytes, total);
    const memory = new DataView(this.#runtime.memory.buffer);
    const args = new Int32Array(launches.length);
    let at = block;
    launches.forEach((l, i) => {
      args[i] = at;
      for (const w of l.words) {
        if ('f32' in w) memory.setFloat32(at, w.f32, true);
        else memory.setInt32(at, w.i32 | 0, true);
        at += 4;
      }
    });
    const kernels = launches.map((l) => l.kernel);
    this.#kernels.set(name, kernels);
    const milliseconds = this.#options.profile === undefined ? undefined : new Float64Array(kernels.length);
    if (milliseconds !== undefined) this.#options.profile?.({ name, graph: print(graph), kernels, milliseconds, arenaBytes });
    const run = this.#runtime.load({ kernels, args, tasks: Int32Array.from(launches, (l) => l.tasks), scratch: ARENA_BASE + arenaBytes, scratchStride }, milliseconds);
    return {
      run,
      inputs: new Map([...graph.inputs].map(([k, v]) => [k, place(v)])),
      outputs: new Map([...graph.outputs].map(([k, v]) => [k, place(v)])),
      moves: moves.map(({ from, to }) => ({ from: address.get(from)!, to: address.get(to)!, bytes: to.bytes })),
    };
  }

  run(name: string, inputs: HostTensors): Results {
    const key = `${name}|${Object.entries(inputs).map(([k, t]) => `${k}:${t.shape.join('x')}${specOf(t).dtype}`).join()}`;
    let compiled = this.#compiled.get(key);
    if (compiled === undefined) {
      compiled = this.#compile(name, Object.fromEntries(Object.entries(inputs).map(([k, t]) => [k, specOf(t)])));
      this.#compiled.set(key, compiled);
    }
    for (const [k, t] of Object.entries(inputs)) this.#view(compiled.inputs.get(k)!).set(t.data);
    if (this.#options.poison === true) new Float32Array(this.#runtime.memory.buffer, ARENA_BASE, this.#arenaBytes / 4).fill(NaN);
    const began = performance.now();
    const below = this.#options.poison === true ? this.#runtime.belowControl() : undefined;
    const before = below?.slice();
    compiled.run();
    if (below !== undefined && !below.every((word, i) => word === before![i])) throw new RecallbenchError('E_RUN', `a kernel of "${name}" wrote to address 0, where outputs that nobody reads are said to be`);
    const milliseconds = performance.now() - began;
    const outputs: HostTensors = {};
    for (const [k, r] of compiled.outputs) outputs[k] = { shape: r.shape, data: this.#view(r).slice() };
    for (const { from, to, bytes } of compiled.moves) new Uint8Array(this.#runtime.memory.buffer).copyWithin(to, from, from + bytes);
    return { read: () => Promise.resolve(outputs), milliseconds: () => Promise.resolve(milliseconds) };
  }

  readState(): Promise<HostTensors> {
    return Promise.resolve(Object.fromEntries([...this.#state].map(([k, r]) => [k, { shape: r.shape, data: this.#view(r).slice() }])));
  }

  writeState(state: HostTensors): void {
    for (const [name, t] of Object.entries(state)) {
      const r = this.#state.get(name);
      if (r === undefined) throw new RecallbenchError('E_NAME', `the program has no state "${name}"`);
      if (sizeOf(r.shape) !== t.data.length) throw new RecallbenchError('E_SHAPE', `state "${name}" is [${r.shape}], not [${t.shape}]`);
      this.#view(r).set(t.data);
    }
  }

  peakBytes(): number {
    return this.#runtime.peakBytes();
  }

  kernels(name: string): readonly string[] {
    return this.#kernels.get(name) ?? [];
  }

  dispose(): void {
    this.#compiled.clear();
  }
}

/** As features of the engine. */
const simdNames: Record<Simd, string> = { plain: 'simd128', relaxed: 'relaxed-simd', wide: 'simd256' };

/** Opens the engine. Every executable has a memory and threads of its own, freed by `dispose`. */
export function openWasm(options: WasmOptions = {}): Promise<Engine> {
  const threads = options.threads ?? defaultThreads();
  if (!Number.isInteger(threads) || threads < 1 || threads > 64) throw new RecallbenchError('E_CONFIG', `threads must be a whole number from 1 to 64, not ${threads}`);
  const simd = simdOf(options.simd);
  const runtimes = new Set<Runtime>();
  const describe = (): EngineDescription => ({
    engine: 'wasm',
    adapter: cpus()[0]?.model ?? 'unknown CPU',
    threads,
    precision: 'fp32',
    features: [...simdKinds.slice(0, simdKinds.indexOf(simd) + 1).map((kind) => simdNames[kind]), ...(threads > 1 ? ['threads'] : [])],
    versions: { recallbench: packageVersion, node: process.versions.node, v8: process.versions.v8 },
  });
  return Promise.resolve({
    name: 'wasm',
    describe,
    compile: (program: Program) => {
      const runtime = new Runtime({ threads, simd });
      runtimes.add(runtime);
      const executable = new WasmExecutable(runtime, program, options);
      const dispose = executable.dispose.bind(executable);
      executable.dispose = () => {
        dispose();
        runtimes.delete(runtime);
        void runtime.close();
      };
      return executable;
    },
    close: async () => {
      await Promise.all([...runtimes].map((r) => r.close()));
      runtimes.clear();
    },
  });
}

export const wasm: EngineEntry<'wasm'> = {
  name: 'wasm',
  summary: 'embedded CPU engine: captured graph on WebAssembly with SIMD and threads',
  available: () => Promise.resolve({ ok: true, detail: `${defaultThreads()} threads, ${simdOf()} SIMD` }),
  open: openWasm,
};
