/** The WASM machine: one shared memory, one module, and a team of threads that run plans in step. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { RecallbenchError } from '#core/errors.ts';
import { packageRoot } from '#core/package-info.ts';
import { awaitAtLeast, COMMAND, CONTROL, runPlan } from './thread.js';
import type { ThreadPlan } from './thread.js';

const PAGE = 65536;
/** Below: constants, state, inputs, arguments. Above: the arena. Untouched pages take no memory. */
export const ARENA_BASE = 2 ** 30;
const MEMORY_END = 2 ** 32 - PAGE;
const CONTROL_OFFSET = PAGE;
const CONTROL_WORDS = 2 ** 15;

/**
 * Vector instructions of the compiled kernels, each kind with those before it: plain SIMD; relaxed SIMD, which has a fused multiply-add; wide,
 * where V8 joins pairs of vectors to 256 bits.
 */
export const simdKinds = ['plain', 'relaxed', 'wide'] as const;
export type Simd = (typeof simdKinds)[number];

export interface RuntimeOptions {
  readonly threads: number;
  /** one that this machine has: see `simdOf` */
  readonly simd: Simd;
}

/** The smallest module with a relaxed-SIMD instruction: (func (result v128) i32x4.relaxed_trunc_f32x4_s (v128.const 0)). */
const relaxedProbe = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11]);

const nodeMajor = Number(process.versions.node.split('.')[0]);

/** Whether this Node compiles relaxed SIMD; Node 20 needs a flag, which is set here before any module is compiled. */
function hasRelaxedSimd(): boolean {
  if (WebAssembly.validate(relaxedProbe)) return true;
  if (nodeMajor > 20) return false;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(relaxedProbe);
}

/**
 * Whether V8 can join pairs of vectors, by a flag: on x64 processors with AVX2 from Node 24 on. Earlier versions have the flag and join next to
 * nothing. Only Linux tells what its processor has.
 */
function hasWideSimd(): boolean {
  return nodeMajor >= 24 && process.arch === 'x64' && process.platform === 'linux' && /^flags\b.* avx2\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
}

let best: Simd | undefined;

/** What kernels use here: the best of `wanted`, of RECALLBENCH_SIMD and of what this Node has, whichever is least. Throws E_CONFIG. */
export function simdOf(wanted: Simd = 'wide'): Simd {
  const limit = (process.env['RECALLBENCH_SIMD'] ?? 'wide') as Simd;
  if (!simdKinds.includes(limit)) throw new RecallbenchError('E_CONFIG', `RECALLBENCH_SIMD is "${limit}". Remedy: one of ${simdKinds.join(', ')}.`);
  best ??= !hasRelaxedSimd() ? 'plain' : hasWideSimd() ? 'wide' : 'relaxed';
  return simdKinds[Math.min(...[wanted, limit, best].map((kind) => simdKinds.indexOf(kind)))];
}

/** Number of threads when none is asked for. */
export function defaultThreads(): number {
  return Math.min(availableParallelism(), 16);
}

export class Runtime {
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  readonly #instance: WebAssembly.Instance;
  readonly #control: Int32Array;
  readonly #workers: Worker[] = [];
  #generation = 0;
  #plans = 0;
  #persistent = CONTROL_OFFSET + 4 * CONTROL_WORDS;
  #arenaBytes = 0;

  constructor(options: RuntimeOptions) {
    this.threads = options.threads;
    const file = join(packageRoot, 'dist', 'wasm', options.simd === 'plain' ? 'simd.wasm' : 'relaxed.wasm');
    let bytes: Buffer;
    try {
      bytes = readFileSync(file);
    } catch (error) {
      throw new RecallbenchError('E_ENGINE', `the compiled kernels are missing (${file}). Remedy: npm run build.`, { cause: error });
    }
    if (options.simd === 'wide') setFlagsFromString('--experimental-wasm-revectorize');
    const module = new WebAssembly.Module(bytes);
    this.memory = new WebAssembly.Memory({ initial: ARENA_BASE / PAGE, maximum: 65536, shared: true });
    const env = { memory: this.memory, wide: Number(options.simd === 'wide') };
    this.#instance = new WebAssembly.Instance(module, { env });
    this.#control = new Int32Array(this.memory.buffer, CONTROL_OFFSET, CONTROL_WORDS);
    const code = new URL('./thread.js', import.meta.url);
    // a thread that never begins would be waited for without end
    if (this.threads > 1 && !existsSync(code)) throw new RecallbenchError('E_ENGINE', `the code of worker threads is missing (${fileURLToPath(code)}). Remedy: npm run build, or --threads 1.`);
    for (let thread = 1; thread < this.threads; thread++) {
      const worker = new Worker(code, {
        workerData: { recallbenchThread: true, module, env, controlOffset: CONTROL_OFFSET, controlWords: CONTROL_WORDS, thread, threads: this.threads },
      });
      worker.unref();
      this.#workers.push(worker);
    }
  }

  /** Where address 0 stands for no operand: what the module was compiled with, and nothing that is ever written. */
  belowControl(): Int32Array {
    return new Int32Array(this.memory.buffer, 0, CONTROL_OFFSET / 4);
  }

  hasKernel(name: string): boolean {
    return typeof this.#instance.exports[name] === 'function';
  }

  /** Reserves bytes that stay: state, constants, inputs, arguments. */
  reserve(bytes: number): number {
    const at = this.#persistent;
    this.#persistent += Math.ceil(Math.max(bytes, 4) / 64) * 64;
    if (this.#persistent > ARENA_BASE) throw new RecallbenchError('E_MEMORY', `state and constants need more than ${ARENA_BASE / 2 ** 20} MiB. Remedy: a smaller model or vocabulary.`);
    return at;
  }

  /** Makes the arena at least this large. */
  growArena(bytes: number): void {
    if (ARENA_BASE + bytes > MEMORY_END) {
      throw new RecallbenchError('E_MEMORY', `the step needs an arena of ${Math.ceil(bytes / 2 ** 20)} MiB and WebAssembly has ${Math.floor((MEMORY_END - ARENA_BASE) / 2 ** 20)} MiB. Remedy: a smaller batch.`);
    }
    const missing = ARENA_BASE + bytes - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    this.#arenaBytes = Math.max(this.#arenaBytes, bytes);
  }

  /** Bytes in use: what stays, and the largest arena. */
  peakBytes(): number {
    return this.#persistent + this.#arenaBytes;
  }

  #command(command: number, plan = 0): number {
    const control = this.#control;
    const base = Atomics.load(control, CONTROL.arrived);
    Atomics.store(control, CONTROL.base, base);
    Atomics.store(control, CONTROL.command, command);
    Atomics.store(control, CONTROL.plan, plan);
    Atomics.store(control, CONTROL.generation, ++this.#generation);
    Atomics.notify(control, CONTROL.generation);
    return base;
  }

  /** Gives a plan to every thread; the result runs it, adding each launch's time to `milliseconds`. Throws E_RUN when a kernel traps. */
  load(plan: ThreadPlan, milliseconds?: Float64Array): () => void {
    if (plan.kernels.length > CONTROL_WORDS - CONTROL.counters) throw new RecallbenchError('E_OP', `the program has ${plan.kernels.length} launches, more than ${CONTROL_WORDS - CONTROL.counters}`);
    const id = this.#plans++;
    const functions = plan.kernels.map((k) => this.#instance.exports[k] as CallableFunction);
    if (this.threads > 1) {
      for (const worker of this.#workers) worker.postMessage(plan);
      const base = this.#command(COMMAND.load);
      awaitAtLeast(this.#control, CONTROL.arrived, (base + this.threads - 1) | 0);
    }
    return () => {
      const control = this.#control;
      try {
        if (this.threads > 1) {
          control.fill(0, CONTROL.counters, CONTROL.counters + plan.kernels.length);
          this.#command(COMMAND.run, id);
        }
        runPlan(control, functions, plan, 0, this.threads, milliseconds);
      } catch (error) {
        throw new RecallbenchError('E_RUN', `a kernel failed: ${(error as Error).message}`, { cause: error });
      }
      const failed = Atomics.load(control, CONTROL.failed);
      if (failed !== 0) {
        Atomics.store(control, CONTROL.failed, 0);
        throw new RecallbenchError('E_RUN', `kernel ${plan.kernels[failed - 1]} failed on a thread`);
      }
    };
  }

  async close(): Promise<void> {
    if (this.#workers.length > 0) this.#command(COMMAND.exit);
    await Promise.all(this.#workers.map((w) => w.terminate()));
    this.#workers.length = 0;
  }
}
