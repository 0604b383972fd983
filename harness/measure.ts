/**
 * Takes one measurement: one repetition of one workload on an open engine. Three things are told apart: the first call, which
 * compiles and touches memory for the first time; the latency of a call that somebody waits for; and samples of calls one after
 * the other, each sample long enough for the clock, taken by tinybench.
 */
import { Bench } from 'tinybench';
import { lookUp } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { mean, median } from '#core/statistics.ts';
import type { Engine, EngineDescription, Executable, Results, StateTensor } from '#engine/engine.ts';
import { workOf } from '#engine/program-work.ts';
import { specOf, type TensorSpec } from '#engine/tensor-spec.ts';
import { tf } from '#engine/tf.ts';
import { measureId, type Measure, type Measurement } from '#results/measurement.ts';
import { SCHEMA_VERSION } from '#results/record.ts';
import { ending } from './ending.ts';
import type { MeasureEvent } from './events.ts';
import { codeVersion, fingerprint } from './fingerprint.ts';
import { referenceMs } from './machine-speed.ts';
import { workloads } from './workloads/index.ts';
import { wave, type OpenWorkload, type Workload } from './workloads/workload.ts';

export interface MeasureOptions {
  readonly engine: Engine;
  readonly sweep?: string;
  /** of sampling */
  readonly seconds: number;
  readonly listener?: (event: MeasureEvent) => void;
}

/** samples, however long they take */
const FEWEST = 5;
/** calls in one sample at the most */
const MOST_CALLS = 256;
/** calls that a GPU is given at once */
const BATCH = 8;
/** rows and columns of the matrices that keep a GPU at work */
const FILLER = 2048;
/**
 * Milliseconds of one sample, and of work before the first: a GPU raises its clock only under steady load, and lowers it when it has nothing to
 * do for a moment; a processor needs no more than what its clock can resolve.
 */
const pace = { device: { sample: 20, warm: 300 }, host: { sample: 2, warm: 50 } };

/** The workload of a measure, opened. Errors: E_NAME, E_CONFIG, E_SIZE. */
export function openMeasure({ workload, options, precision }: Measure): OpenWorkload {
  return (lookUp(workloads, 'workload', workload) as Workload).open(options, { precision: precision === 'mixed' ? 'mixed' : 'fp32' });
}

/** Fills in the defaults of the workload's options, so that a measure and its id say all. Errors: E_NAME, E_CONFIG, E_SIZE. */
export function checkMeasure(measure: Measure): Measure {
  const workload: Workload = lookUp(workloads, 'workload', measure.workload);
  const checked = { ...measure, options: workload.resolve(measure.options) };
  openMeasure(checked);
  return checked;
}

/** What is known of a measurement before it is taken, and of one whose process died. */
export function withoutSamples(measure: Measure, about: { sweep?: string; outcome: Measurement['outcome']; startedAt: Date; device?: EngineDescription }): Measurement {
  const { appearance, tokens, stateBytes, notes } = openMeasure(measure);
  return {
    schema: SCHEMA_VERSION,
    id: measureId(measure),
    measure,
    ...(about.sweep === undefined ? {} : { sweep: about.sweep }),
    outcome: about.outcome,
    appearance,
    samples: [],
    clock: 'host',
    firstMs: null,
    latencyMs: null,
    kernels: [],
    work: null,
    tokens,
    stateBytes,
    peakBytes: 0,
    notes: [...notes],
    device: fingerprint(about.device ?? { engine: measure.engine, adapter: 'unknown', precision: measure.precision, features: [], versions: {} }),
    code: codeVersion(),
    startedAt: about.startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
  };
}

/** Measures; whatever goes wrong is an outcome. The measure is one that `checkMeasure` gave. */
export async function measure(asked: Measure, { engine, sweep, seconds, listener }: MeasureOptions): Promise<Measurement> {
  const startedAt = new Date();
  const id = measureId(asked);
  listener?.({ type: 'start', id });
  let executable: Executable | undefined;
  let record: Measurement;
  const about = { ...(sweep === undefined ? {} : { sweep }), startedAt, device: engine.describe() };
  try {
    const open = openMeasure(asked);
    const program = open.program();
    executable = engine.compile(program);
    const clock = about.device.features.includes('timestamps') ? ('device' as const) : ('host' as const);
    const taken = await sample(engine, executable, open, clock, seconds);
    const differences = open.compares === true ? { differences: await differencesIn(executable.run(open.call, open.inputs(0))) } : {};
    record = { ...withoutSamples(asked, { ...about, outcome: { state: 'done' } }), ...taken, ...differences, clock, work: workOf(open.counted ?? program.functions[open.call], specsOf(open.inputs(0)), specsOf(program.state)), kernels: countNames(executable.kernels(open.call)), peakBytes: executable.peakBytes() };
  } catch (error) {
    record = { ...withoutSamples(asked, { ...about, outcome: ending(error) }), peakBytes: executable?.peakBytes() ?? 0 };
  }
  executable?.dispose();
  listener?.({ type: 'finish', id, record });
  return record;
}

/** The scalars of a call by name. Throws E_RUN on one that is no number: a comparison that came to nothing is no agreement. */
async function differencesIn(results: Results): Promise<NonNullable<Measurement['differences']>> {
  return Object.entries(await results.read()).map(([of, { data }]) => {
    const rms = data[0];
    if (!Number.isFinite(rms)) throw new RecallbenchError('E_RUN', `${of}: the difference is ${rms}`);
    return { of, rms };
  });
}

function specsOf(tensors: Readonly<Record<string, StateTensor>>): Record<string, TensorSpec> {
  return Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, { shape: t.shape, dtype: t.dtype ?? specOf(t).dtype }]));
}

/**
 * Keeps a GPU at work while the host prepares calls that are shorter than their preparation: without, its clock goes up and down between them.
 * Returns a function that submits some milliseconds of matrix products; nobody times them.
 */
async function filler(engine: Engine): Promise<{ give: (ms: number) => void; dispose: () => void }> {
  const a = wave([FILLER, FILLER]);
  const executable = engine.compile({ state: { a, y: a }, functions: { call: (_, { a }) => ({ outputs: { some: tf.sum(tf.slice(tf.matMul(a, a), [0, 0], [1, 1])) } }) } });
  const once = async () => {
    const call = executable.run('call', {});
    await call.read();
    return (await call.milliseconds?.()) ?? Infinity;
  };
  await once();
  const ms = Math.min(await once(), await once());
  return {
    give: (wanted) => {
      let last: Results | undefined;
      for (let i = 0; i < Math.ceil(wanted / ms); i++) last = executable.run('call', {});
      // asking for results submits what is recorded
      void last?.read();
    },
    dispose: () => executable.dispose(),
  };
}

async function sample(engine: Engine, executable: Executable, { call, inputs }: OpenWorkload, clock: Measurement['clock'], seconds: number): Promise<Pick<Measurement, 'samples' | 'reference' | 'firstMs' | 'latencyMs'>> {
  let calls = 0;
  /** some calls close together, each after `fill` milliseconds of other work for a GPU: wall milliseconds, and those of the call alone where the engine tells them, of each */
  const run = async (together: number, fill?: () => void): Promise<{ wall: number; own: number }> => {
    const began = performance.now();
    const results: Results[] = [];
    while (results.length < together) {
      fill?.();
      for (let i = 0; i < Math.min(BATCH, together); i++) results.push(executable.run(call, inputs(calls++)));
    }
    for (const r of results) await r.read();
    const wall = (performance.now() - began) / results.length;
    const times = await Promise.all(results.flatMap((r) => r.milliseconds?.() ?? []));
    return { wall, own: times.length === results.length ? mean(times) : wall };
  };
  const first = await run(1);
  const alone = [];
  for (const end = performance.now() + 50; alone.length < 3 || (performance.now() < end && alone.length < 100); ) alone.push((await run(1)).wall);
  const latencyMs = median(alone);
  const enough = (ms: number) => Math.max(1, Math.min(MOST_CALLS, Math.floor(pace[clock].sample / ms)));
  let together = enough(latencyMs);

  const fillers = clock === 'device' && !engine.describe().features.includes('software') ? await filler(engine) : undefined;
  try {
    let fill: (() => void) | undefined;
    for (const end = performance.now() + pace[clock].warm; performance.now() < end; ) {
      const { wall, own } = await run(together, fill);
      together = enough(fillers === undefined ? wall : own);
      // what a batch of calls takes the host longer to prepare than the GPU to do
      if (fillers !== undefined) fill = () => fillers.give(Math.min(20, Math.max(0, latencyMs - own) * Math.min(BATCH, together)));
    }
    const bench = new Bench({ time: 1000 * seconds, iterations: FEWEST, warmup: false, throws: true });
    const samples: number[] = [];
    // of the processor that computes; a GPU has its own clock and steady load
    const reference: number[] = clock === 'host' ? [referenceMs()] : [];
    bench.add(call, async () => {
      const began = performance.now();
      const { own } = await run(together, fill);
      samples.push(own);
      if (clock === 'host') reference.push(referenceMs());
      return { overriddenDuration: own, overriddenIterationCost: performance.now() - began };
    });
    const [task] = await bench.run();
    const { result } = task;
    if (result.state !== 'completed') throw new Error(`the benchmark ended as ${result.state}`);
    // in the order they were taken, which tinybench does not keep
    return { samples: samples.filter((ms) => ms > 0), ...(reference.length === 0 ? {} : { reference: reference.map((ms) => Number(ms.toPrecision(4))) }), firstMs: first.wall, latencyMs };
  } finally {
    fillers?.dispose();
  }
}

/** Names with how often each occurs, in the order of their first. */
function countNames(names: readonly string[]): Measurement['kernels'] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, launches]) => ({ name, launches }));
}
