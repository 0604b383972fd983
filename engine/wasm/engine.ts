/** The embedded CPU engine: captured programs replayed by AssemblyScript kernels on shared-memory threads. */
import { cpus } from 'node:os';
import { RecallbenchError } from '#core/errors.ts';
import { packageVersion } from '#core/package-info.ts';
import { capture } from '../capture/capture.ts';
import type { Engine, EngineDescription, EngineEntry, EngineOptions, Executable, HostTensors, Program, Results } from '../engine.ts';
import { planMemory } from '../graph/memory-plan.ts';
import { optimise } from '../graph/passes.ts';
import { print, results, root, type Graph, type Value } from '../graph/graph.ts';
import { sizeOf, specOf, type DType, type TensorSpec } from '../tensor-spec.ts';
import { lower, WasmOperand, type Lowered, type Place } from './lower.ts';
import { ARENA_BASE, defaultThreads, hasRelaxedSimd, Runtime } from './runtime.ts';

export interface WasmOptions extends EngineOptions {
  /** false keeps to plain SIMD */
  readonly relaxed?: boolean;
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
}

interface Copy {
  readonly from: number;
  readonly to: number;
  readonly elements: number;
}

/** Puts every place at an address. Returns the arena's size. */
function assign(graph: Graph, lowered: Lowered, runtime: Runtime, state: Map<string, Resident>): { address: Map<Place, number>; arenaBytes: number; copies: Copy[] } {
  const address = new Map<Place, number>();
  const { places, dispatches } = lowered;
  for (const [name, v] of graph.state) address.set(places.get(root(v))!, state.get(name)!.address);
  for (const v of [...graph.inputs.values(), ...graph.constants.keys()]) address.set(places.get(v)!, runtime.reserve(4 * sizeOf(v.shape)));

  const end = graph.nodes.length;
  const life = new Map<Place, { first: number; last: number }>();
  const touch = (p: Place, node: number) => {
    const l = life.get(p);
    if (l === undefined) life.set(p, { first: node, last: node });
    else l.last = Math.max(l.last, node);
  };
  for (const d of dispatches) for (const p of d.touches) touch(p, d.node);
  for (const v of results(graph)) {
    const p = places.get(root(v))!;
    touch(p, end);
  }
  // a state tensor is read by nobody after the call unless it is itself a result
  const outputs = new Set([...graph.outputs.values()].map((v) => places.get(root(v))!));

  // places that share: the later one is an alias of the earlier
  const alias = new Map<Place, Place>();
  const final = (p: Place): Place => {
    let at = p;
    for (let next = alias.get(at); next !== undefined; next = alias.get(at)) at = next;
    return at;
  };
  const inputCount = (node: number, p: Place) => graph.nodes[node].inputs.filter((v) => final(places.get(root(v))!) === p).length;
  const mayOverwrite = (input: Place, output: Place, node: number): boolean =>
    input.bytes === output.bytes && life.get(input)?.last === node && life.get(output)?.first === node && inputCount(node, input) === 1;

  // a next state takes its state tensor's place when nobody reads the old value later
  const moves: { from: Place; to: Place }[] = [];
  for (const [name, v] of graph.nextState) {
    const next = places.get(root(v))!;
    const old = places.get(root(graph.state.get(name)!))!;
    if (next === old) continue;
    const pair = lowered.inPlace.find((p) => p.output === next && p.input === old);
    const free = !address.has(next) && !alias.has(next) && !outputs.has(old);
    if (free && ((pair !== undefined && mayOverwrite(old, next, pair.node)) || (life.get(old)?.last ?? -1) < (life.get(next)?.first ?? 0))) {
      alias.set(next, old);
      life.set(old, { first: 0, last: end });
    } else {
      moves.push({ from: next, to: old });
    }
  }
  // all moves read before any writes: a state tensor that becomes another's next value goes through a buffer
  const staged = moves.map((m) => (address.has(m.from) ? { bytes: m.from.bytes } : m.from));
  for (const p of staged) if (!life.has(p)) life.set(p, { first: end, last: end });
  for (const { output, input, node } of lowered.inPlace) {
    const target = final(input);
    if (alias.has(output) || address.has(output) || address.has(target) || target === final(output)) continue;
    if (!mayOverwrite(target, output, node)) continue;
    alias.set(output, target);
    life.get(target)!.last = life.get(output)!.last;
  }

  const arena = [...life.keys()].filter((p) => !alias.has(p) && !address.has(p));
  const plan = planMemory(arena.map((p) => ({ bytes: p.bytes, ...life.get(p)! })));
  arena.forEach((p, i) => address.set(p, ARENA_BASE + plan.offsets[i]));
  for (const p of alias.keys()) address.set(p, address.get(final(p))!);
  const copy = (from: Place, to: Place): Copy => ({ from: address.get(from)!, to: address.get(to)!, elements: to.bytes / 4 });
  const copies = [...moves.flatMap((m, i) => (staged[i] === m.from ? [] : [copy(m.from, staged[i])])), ...moves.map((m, i) => copy(staged[i], m.to))];
  return { address, arenaBytes: plan.bytes, copies };
}

class WasmExecutable implements Executable {
  readonly #runtime: Runtime;
  readonly #program: Program;
  readonly #options: WasmOptions;
  readonly #state = new Map<string, Resident>();
  readonly #compiled = new Map<string, Compiled>();
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
    const lowered = lower(graph);
    const { address, arenaBytes, copies } = assign(graph, lowered, this.#runtime, this.#state);
    const place = (v: Value): Resident => ({ address: address.get(lowered.places.get(root(v))!)!, shape: v.shape, dtype: v.dtype });
    for (const [v, data] of graph.constants) this.#view(place(v)).set(data);

    const launches = lowered.dispatches.map((d) => ({ ...d, words: d.args.map((a) => (a instanceof WasmOperand ? { i32: a.used ? address.get(a.place)! + a.offset : 0 } : typeof a === 'number' ? { i32: a } : (a as { f32: number }))) }));
    for (const { from, to, elements } of copies) {
      const words = [from, to, 1, elements, 1, 1, 1, 0].map((i32) => ({ i32 }));
      launches.push({ kernel: 'copy_box', tasks: 1, scratchBytes: 0, node: 0, args: [], touches: [], words });
    }
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
    const milliseconds = this.#options.profile === undefined ? undefined : new Float64Array(kernels.length);
    if (milliseconds !== undefined) this.#options.profile?.({ name, graph: print(graph), kernels, milliseconds, arenaBytes });
    const run = this.#runtime.load({ kernels, args, tasks: Int32Array.from(launches, (l) => l.tasks), scratch: ARENA_BASE + arenaBytes, scratchStride }, milliseconds);
    return {
      run,
      inputs: new Map([...graph.inputs].map(([k, v]) => [k, place(v)])),
      outputs: new Map([...graph.outputs].map(([k, v]) => [k, place(v)])),
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
    compiled.run();
    const outputs: HostTensors = {};
    for (const [k, r] of compiled.outputs) outputs[k] = { shape: r.shape, data: this.#view(r).slice() };
    return { read: () => Promise.resolve(outputs) };
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

  dispose(): void {
    this.#compiled.clear();
  }
}

/** Opens the engine. Every executable has a memory and threads of its own, freed by `dispose`. */
export function openWasm(options: WasmOptions = {}): Promise<Engine> {
  const threads = options.threads ?? defaultThreads();
  if (!Number.isInteger(threads) || threads < 1 || threads > 64) throw new RecallbenchError('E_CONFIG', `threads must be a whole number from 1 to 64, not ${threads}`);
  const relaxed = (options.relaxed ?? true) && hasRelaxedSimd();
  const runtimes = new Set<Runtime>();
  const describe = (): EngineDescription => ({
    engine: 'wasm',
    adapter: cpus()[0]?.model ?? 'unknown CPU',
    threads,
    precision: 'fp32',
    features: ['simd128', ...(relaxed ? ['relaxed-simd'] : []), ...(threads > 1 ? ['threads'] : [])],
    versions: { recallbench: packageVersion, node: process.versions.node, v8: process.versions.v8 },
  });
  return Promise.resolve({
    name: 'wasm',
    describe,
    compile: (program: Program) => {
      const runtime = new Runtime({ threads, relaxed });
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
  available: () => Promise.resolve({ ok: true, detail: `${defaultThreads()} threads, ${hasRelaxedSimd() ? 'relaxed SIMD' : 'plain SIMD'}` }),
  open: openWasm,
};
