// @ts-check
/** What every thread does with a plan: claim tasks of one launch, wait for the others, go on to the next. Plain JavaScript, because worker threads load it. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';

/**
 * Words of the control block.
 * `generation` counts commands; `arrived` counts threads that finished a launch, since the beginning (it wraps); `base` is
 * its value when the run started; `counters` is where the task counter of launch 0 lies.
 */
export const CONTROL = { generation: 0, command: 1, plan: 2, base: 3, arrived: 16, failed: 32, sleepers: 48, counters: 64 };
export const COMMAND = { run: 1, load: 2, exit: 3 };

/**
 * @typedef {object} ThreadPlan
 * @property {string[]} kernels exported function of each launch
 * @property {Int32Array} args byte address of its arguments
 * @property {Int32Array} tasks number of its tasks
 * @property {number} scratch byte address of the first thread's scratch
 * @property {number} scratchStride bytes from one thread's scratch to the next
 */

const SPINS = 4000;

/**
 * Waits until control[word] is at least `target`: spins, then sleeps in short naps so that a preempted thread gets the core.
 * @param {Int32Array} control @param {number} word @param {number} target
 */
export function awaitAtLeast(control, word, target) {
  for (let i = 0; i < SPINS; i++) if (((Atomics.load(control, word) - target) | 0) >= 0) return;
  for (;;) {
    const seen = Atomics.load(control, word);
    if (((seen - target) | 0) >= 0) return;
    Atomics.add(control, CONTROL.sleepers, 1);
    Atomics.wait(control, word, seen, 1);
    Atomics.sub(control, CONTROL.sleepers, 1);
  }
}

/**
 * Runs every launch of a plan on this thread together with the others.
 * @param {Int32Array} control
 * @param {Function[]} functions one per launch
 * @param {ThreadPlan} plan @param {number} thread @param {number} threads
 * @param {Float64Array} [milliseconds] where to add up the time of each launch, as this thread sees it
 */
export function runPlan(control, functions, plan, thread, threads, milliseconds) {
  const scratch = plan.scratch + thread * plan.scratchStride;
  const { args, tasks } = plan;
  const base = Atomics.load(control, CONTROL.base);
  for (let i = 0; i < functions.length; i++) {
    const f = functions[i];
    const n = tasks[i];
    const at = args[i];
    const began = milliseconds === undefined ? 0 : performance.now();
    if (threads === 1) {
      for (let t = 0; t < n; t++) f(at, t, scratch);
      if (milliseconds !== undefined) milliseconds[i] += performance.now() - began;
      continue;
    }
    try {
      if (Atomics.load(control, CONTROL.failed) === 0) for (let t = Atomics.add(control, CONTROL.counters + i, 1); t < n; t = Atomics.add(control, CONTROL.counters + i, 1)) f(at, t, scratch);
    } catch {
      // the main thread reports it; the others must not wait for ever
      Atomics.store(control, CONTROL.failed, i + 1);
    }
    const target = (base + threads * (i + 1)) | 0;
    const arrived = (Atomics.add(control, CONTROL.arrived, 1) + 1) | 0;
    if (arrived === target) {
      if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.arrived);
    } else {
      awaitAtLeast(control, CONTROL.arrived, target);
    }
    if (milliseconds !== undefined) milliseconds[i] += performance.now() - began;
  }
}

/** The life of a worker thread. */
function work() {
  const { module, env, controlOffset, controlWords, thread, threads } = workerData;
  const control = new Int32Array(env.memory.buffer, controlOffset, controlWords);
  const { exports } = new WebAssembly.Instance(module, { env });
  /** @type {{ plan: ThreadPlan, functions: Function[] }[]} */
  const plans = [];
  for (let generation = 1; ; generation++) {
    for (let i = 0; i < 20000 && Atomics.load(control, CONTROL.generation) < generation; i++);
    while (Atomics.load(control, CONTROL.generation) < generation) Atomics.wait(control, CONTROL.generation, generation - 1);
    const command = Atomics.load(control, CONTROL.command);
    if (command === COMMAND.exit) break;
    if (command === COMMAND.load) {
      // V8 tells other threads late that a shared memory has grown, and until then memory.copy and memory.fill trap beyond the old size
      env.memory.grow(0);
      const plan = /** @type {ThreadPlan} */ (receiveMessageOnPort(/** @type {any} */ (parentPort))?.message);
      plans.push({ plan, functions: plan.kernels.map((k) => /** @type {Function} */ (exports[k])) });
      Atomics.add(control, CONTROL.arrived, 1);
      continue;
    }
    const { plan, functions } = (plans[Atomics.load(control, CONTROL.plan)]);
    runPlan(control, functions, plan, thread, threads);
  }
}

if (workerData?.recallbenchThread === true) work();
