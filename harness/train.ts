/** Trains one point from first to last step and measures it. */
import { rng } from '#core/random.ts';
import type { Engine, Executable, Results } from '#engine/engine.ts';
import { adamWHyper, trainingProgram } from '#models/optimizer.ts';
import { learningRate } from '#models/schedule.ts';
import { pointId, type Point } from '#results/point.ts';
import { SCHEMA_VERSION, type Evaluation, type RunRecord } from '#results/record.ts';
import { batches, batchNames, batchThreads } from './batches.ts';
import { evaluate } from './evaluate.ts';
import type { Listener } from './events.ts';
import { codeVersion, fingerprint } from './fingerprint.ts';
import { Diverged, ending } from './ending.ts';
import { lossScaleOf, openPoint } from './open-point.ts';

export interface TrainOptions {
  readonly engine: Engine;
  readonly listener?: Listener;
  readonly signal?: AbortSignal;
  readonly sweep?: string;
}

/** Losses are fetched together every so many steps, those of the newest so many later: a GPU then never waits for its next work. */
const READ_EVERY = 8;
/** Examples of each segment that an evaluation during training looks at; the last one looks at all. */
const QUICK_LOOK = 256;
/** Training loss beyond this many times that of a uniform guess is divergence. */
const DIVERGED = 4;

/**
 * Trains and measures a point (checked by `checkPoint`). Never throws for what the run itself does: divergence, lack of
 * memory and crashes are outcomes. Aborting through the signal gives the outcome `interrupted`.
 */
export async function trainPoint(point: Point, options: TrainOptions): Promise<RunRecord> {
  const startedAt = new Date();
  const open = openPoint(point);
  const { model } = open;
  const id = pointId(point);
  const emit = options.listener ?? (() => {});
  const curve: RunRecord['curve'] = [];
  const streams = { model: rng(point.seed).fork('model'), data: rng(point.seed).fork('data') };
  let outcome: RunRecord['outcome'] = { state: 'done' };
  let [test, validation]: (Evaluation | undefined)[] = [];
  let executable: Executable | undefined;
  let [step, tokens, trainSeconds, measuredSeconds, measuredTokens] = [0, 0, 0, 0, 0];
  let stepsTo99: number | null = null;
  let accuracy: number | null = null;
  let loss = NaN;
  let window = { sum: 0, n: 0 };
  const pending: Results[] = [];

  emit({ type: 'start', id, point, steps: open.steps, parameters: model.parameterCount, notes: model.notes });

  const readLosses = async (later = 0): Promise<void> => {
    for (const results of pending.splice(0, pending.length - later)) {
      loss = (await results.read())['loss'].data[0]!;
      if (!Number.isFinite(loss) || loss > DIVERGED * Math.log(open.vocabSize)) throw new Diverged(step, loss);
      window = { sum: window.sum + loss, n: window.n + 1 };
    }
  };
  const look = async (split: 'validation' | 'test', limit?: number): Promise<Evaluation> => {
    const found = await evaluate(executable!, open.test, streams.data.fork(split), { ...(limit === undefined ? {} : { limit }), ...(options.signal === undefined ? {} : { signal: options.signal }) });
    if (!Number.isFinite(found.loss)) throw new Diverged(step, found.loss);
    return found;
  };
  const addRow = (lr: number, value: number | null): void => {
    curve.push({ step, tokens, loss: window.n === 0 ? null : window.sum / window.n, accuracy: value, lr, seconds: trainSeconds });
    window = { sum: 0, n: 0 };
  };

  try {
    const program = trainingProgram(model, model.parameters(streams.model), { weightDecay: point.weightDecay, lossScale: lossScaleOf(open, options.engine.describe()) });
    executable = options.engine.compile(program);
    const compiledShapes = new Set<number>();
    const evalEvery = point.evalEvery === 0 ? open.stepsPerEpoch : point.evalEvery;
    const rowEvery = Math.max(1, Math.min(evalEvery, Math.ceil(open.steps / 200)));
    let began = performance.now();
    for await (const { name: { segment }, batch } of batches(open, batchNames(open), batchThreads(options.engine.name))) {
      const { batch: size, task } = open.train[segment];
      const lr = learningRate(point, step, open.steps, open.stepsPerEpoch);
      pending.push(executable.run('train', { ...batch, hyper: adamWHyper(lr, step + 1) }));
      step++;
      tokens += size * task.seqLen;
      if (step === open.steps) await readLosses();
      else if (pending.length >= 2 * READ_EVERY) await readLosses(READ_EVERY);
      const seconds = (performance.now() - began) / 1000;
      trainSeconds += seconds;
      // the first step of a shape compiles it
      if (compiledShapes.has(segment)) {
        measuredSeconds += seconds;
        measuredTokens += size * task.seqLen;
      }
      compiledShapes.add(segment);

      if (step % evalEvery === 0 && step < open.steps) {
        await readLosses();
        accuracy = (await look('validation', QUICK_LOOK)).accuracy;
        if (accuracy >= 0.99) stepsTo99 ??= step;
        addRow(lr, accuracy);
        if (point.earlyStop !== undefined && accuracy > point.earlyStop) break;
      } else if (step % rowEvery === 0 && step < open.steps) {
        await readLosses();
        addRow(lr, null);
      }
      emit({ type: 'progress', id, step, steps: open.steps, loss, accuracy, tokensPerSecond: measuredTokens / measuredSeconds });
      // lets signals and messages in
      await new Promise((resolve) => setImmediate(resolve));
      options.signal?.throwIfAborted();
      began = performance.now();
    }
    validation = await look('validation');
    test = await look('test');
    if (validation.accuracy >= 0.99) stepsTo99 ??= step;
    addRow(learningRate(point, step - 1, open.steps, open.stepsPerEpoch), validation.accuracy);
  } catch (error) {
    outcome = ending(error);
  }
  const peakBytes = executable?.peakBytes() ?? 0;
  executable?.dispose();

  const record: RunRecord = {
    schema: SCHEMA_VERSION,
    id,
    point,
    ...(options.sweep === undefined ? {} : { sweep: options.sweep }),
    outcome,
    appearance: open.appearance,
    ...(test === undefined ? {} : { test }),
    ...(validation === undefined ? {} : { validation }),
    curve: curve.filter((row) => Number.isFinite(row.loss ?? 0)),
    steps: { run: step, planned: open.steps },
    stepsTo99,
    parameters: model.parameterCount,
    stateBytes: model.stateBytes(open.testLength),
    tokensPerSecond: measuredSeconds > 0 ? measuredTokens / measuredSeconds : null,
    trainSeconds,
    totalSeconds: (Date.now() - startedAt.getTime()) / 1000,
    peakBytes,
    notes: [...model.notes],
    device: fingerprint(options.engine.describe()),
    code: codeVersion(),
    startedAt: startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
  };
  emit({ type: 'finish', id, record });
  return record;
}
