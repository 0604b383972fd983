/** `train`: one model on one task, in this process. */
import type { Command } from 'commander';
import { RecallbenchError } from '#core/errors.ts';
import type { Listener } from '#harness/events.ts';
import type { Point } from '#results/point.ts';
import type { Evaluation, RunRecord } from '#results/record.ts';
import { INTERRUPTED, onInterrupt } from '../interrupt.ts';
import { pairs, print, printJson, remark, table } from '../output.ts';
import { bytes, count, duration, percent, significant, sliceName } from '../quantities.ts';
import { engineOptions, GPU_VALIDATE, PRECISION, PRECISIONS } from '../engine-flags.ts';
import { assignments, nested, real, reals, scalars, whole, word } from '../values.ts';

interface Flags {
  task?: string;
  model?: string;
  taskOption?: Record<string, string>;
  modelOption?: Record<string, string>;
  dModel: number;
  layers: number;
  mlp: number;
  glu?: NonNullable<Point['glu']>;
  positions?: boolean;
  batch: number;
  steps: number;
  lr: number[];
  weightDecay: number;
  schedule: Point['schedule'];
  warmup: number;
  evalEvery?: number;
  earlyStop?: number;
  testExamples: number;
  seed: number;
  engine: string;
  threads?: number;
  precision: Point['precision'];
  gpuValidate?: true;
  out?: string;
  json?: true;
}

/** What the flags ask for, one point a learning rate, checked and with every default filled in. */
async function pointsOf(flags: Flags): Promise<Point[]> {
  for (const needed of ['task', 'model'] as const) {
    if (flags[needed] === undefined) throw new RecallbenchError('E_CONFIG', `--${needed} is missing. See what there is with: recallbench list ${needed}s.`);
  }
  const [{ checkPoint }, { parsePoint }, { openStack }] = await Promise.all([import('#harness/open-point.ts'), import('#results/point.ts'), import('#models/stack.ts')]);
  const options = scalars(flags.taskOption);
  const { task, model, dModel, layers, mlp, batch, weightDecay, schedule, warmup, seed, steps, precision } = flags;
  const modelOptions = nested(scalars(flags.modelOption));
  const positions = flags.positions ?? openStack(model!, modelOptions, layers).orderless;
  return flags.lr.map((lr) =>
    checkPoint(
      parsePoint({
        task,
        model,
        dModel,
        layers,
        mlp,
        batch,
        lr,
        weightDecay,
        schedule,
        warmup,
        seed,
        precision,
        train: [{ options, examples: steps * batch }],
        test: [{ options, examples: flags.testExamples }],
        modelOptions,
        positions,
        evalEvery: flags.evalEvery ?? Math.ceil(steps / 10),
        ...(flags.glu === undefined ? {} : { glu: flags.glu }),
        ...(flags.earlyStop === undefined ? {} : { earlyStop: flags.earlyStop }),
      }),
    ),
  );
}

/** The best of several by validation accuracy; the first when none was evaluated. */
function bestOf(records: readonly RunRecord[]): RunRecord {
  return records.reduce((best, r) => ((r.validation?.accuracy ?? -1) > (best.validation?.accuracy ?? -1) ? r : best));
}

/** "98.4 %, whole sequences 91.0 %": of scored positions, and of examples. */
function accuracies({ accuracy, sequenceAccuracy }: Pick<Evaluation, 'accuracy' | 'sequenceAccuracy'>): string {
  return sequenceAccuracy === undefined ? percent(accuracy) : `${percent(accuracy)}, whole sequences ${percent(sequenceAccuracy)}`;
}

function showRecord(record: RunRecord): string {
  const { point, outcome, test, notes, device } = record;
  const lastLoss = record.curve.findLast((row) => row.loss !== null)?.loss;
  return pairs([
    ['model', `${record.appearance.label}, width ${point.dModel}, ${point.layers} layers`],
    ['outcome', outcome.reason === undefined ? outcome.state : `${outcome.state}: ${outcome.reason}`],
    ...(test?.slices ?? []).map((slice): [string, string] => [`test accuracy (${sliceName(slice.slice)})`, accuracies(slice)]),
    ...(test !== undefined && test.slices.length > 1 ? [['test accuracy (all)', accuracies(test)] as [string, string]] : []),
    ['test loss', significant(test?.loss)],
    ['training loss', significant(lastLoss)],
    ['learning rate', significant(point.lr)],
    ['steps', `${record.steps.run} of ${record.steps.planned}`],
    ['parameters', count(record.parameters)],
    ['state', bytes(record.stateBytes)],
    ['speed', `${count(record.tokensPerSecond)} tokens/s`],
    ['time', `${duration(record.trainSeconds)} training, ${duration(record.totalSeconds)} in all`],
    ['engine', [device.engine, device.adapter, ...(device.precision === 'fp32' ? [] : [device.precision]), ...(device.threads === undefined ? [] : [`${device.threads} thread${device.threads === 1 ? '' : 's'}`])].join(', ')],
    ...notes.map((note): [string, string] => ['note', note]),
  ]);
}

function showRates(records: readonly RunRecord[], best: RunRecord): string {
  const rows = records.map((r) => [significant(r.point.lr), percent(r.validation?.accuracy), percent(r.test?.accuracy), r.outcome.state, r === best ? '← best by validation' : '']);
  return table(['learning rate', 'validation', 'test', 'outcome', ''], rows);
}

async function train(flags: Flags): Promise<void> {
  const points = await pointsOf(flags);
  const [{ openEngine }, { trainPoint }, { checkWritable, describeProblem, openStore }, { Bars, trainingBar }] = await Promise.all([
    import('#engine/index.ts'),
    import('#harness/train.ts'),
    import('#results/store.ts'),
    import('../progress.ts'),
  ]);
  const engine = await openEngine(flags.engine, engineOptions(flags, flags.precision));
  if (flags.out !== undefined) checkWritable(flags.out);
  const store = flags.out === undefined ? undefined : openStore(flags.out);
  for (const problem of store?.problems ?? []) remark(`Warning: ${describeProblem(problem)}`);

  const interrupt = onInterrupt();
  const records: RunRecord[] = [];
  const bars = new Bars();
  try {
    for (const point of points) {
      if (interrupt.signal.aborted) break;
      const listener: Listener = trainingBar(bars, points.length === 1 ? point.model : `${point.model} lr ${significant(point.lr)}`);
      const record = await trainPoint(point, { engine, listener, signal: interrupt.signal });
      store?.append(record);
      records.push(record);
    }
  } finally {
    bars.stop();
    interrupt.done();
    await engine.close();
  }

  const best = bestOf(records);
  if (flags.json) printJson(points.length === 1 ? best : { best, runs: records });
  else {
    if (points.length > 1) print(showRates(records, best));
    print(showRecord(best));
    if (flags.out !== undefined) print(`Stored in ${flags.out}`);
  }
  if (interrupt.signal.aborted) {
    const last = records.at(-1)!;
    const kept = flags.out === undefined ? 'nothing is kept (name a store with --out)' : `what was measured is kept in ${flags.out}`;
    remark(`Stopped at step ${last.steps.run} of ${last.steps.planned}${points.length === 1 ? '' : `, learning rate ${records.length} of ${points.length}`}: ${kept}.`);
    process.exitCode = INTERRUPTED;
  } else process.exitCode = best.outcome.state === 'done' ? 0 : 1;
}

/** As in results/point.ts, which takes longer to load than --help may. */
const GLUS: readonly NonNullable<Point['glu']>[] = ['glu', 'geglu', 'swiglu'];
const SCHEDULES: readonly Point['schedule'][] = ['constant', 'linear', 'cosine', 'linear-per-epoch', 'cosine-per-epoch'];

export function configure(command: Command): void {
  const positive = (option: string) => whole(option, { min: 1 });
  command
    .option('--task <name>', 'a task, see: recallbench list tasks')
    .option('--model <name>', 'a model, see: recallbench list models; or a pattern of several, repeated to --layers')
    .option('-t, --task-option <key=value>', 'a task option; may be given again', assignments('-t'))
    .option('-m, --model-option <key=value>', 'a model option, of a pattern mixer.key=value; may be given again', assignments('-m'))
    .option('--d-model <n>', 'model width', positive('--d-model'), 64)
    .option('--layers <n>', 'number of layers', positive('--layers'), 2)
    .option('--mlp <factor>', 'hidden width of the MLP after each mixer, as a multiple of the width; 0 is no MLP', real('--mlp', { min: 0 }), 0)
    .option('--glu <name>', `a gated linear unit of that hidden width in the MLP's place: ${GLUS.join(', ')}`, word('--glu', GLUS))
    .option('--positions', 'learned absolute positions (default: for models that know no order)')
    .option('--no-positions', 'no positions, for such models either')
    .option('--batch <n>', 'sequences per step', positive('--batch'), 64)
    .option('--steps <n>', 'training steps', positive('--steps'), 1000)
    .option('--lr <rate,…>', 'peak learning rate; of several the best by validation accuracy is reported', reals('--lr', { above: 0 }), [1e-3])
    .option('--weight-decay <x>', 'weight decay of AdamW', real('--weight-decay', { min: 0 }), 0.1)
    .option('--schedule <name>', `how the rate goes down: ${SCHEDULES.join(', ')}`, word('--schedule', SCHEDULES), 'constant' as const)
    .option('--warmup <share>', 'share of the steps spent in linear warm-up', real('--warmup', { min: 0, max: 1 }), 0)
    .option('--eval-every <n>', 'steps between looks at the validation accuracy; 0 is never (default: a tenth of the steps)', whole('--eval-every', { min: 0 }))
    .option('--early-stop <accuracy>', 'stop once validation accuracy exceeds this share', real('--early-stop', { min: 0, max: 1 }))
    .option('--test-examples <n>', 'examples of the test and the validation', positive('--test-examples'), 512)
    .option('--seed <s>', 'seed of parameters and data', whole('--seed', { min: 0 }), 0)
    .option('--engine <name>', 'an engine, see: recallbench list engines', 'auto')
    .option('--threads <n>', 'threads of a CPU engine (default: all cores)', positive('--threads'))
    .option('--precision <name>', PRECISION, word('--precision', PRECISIONS), 'fp32' as const)
    .option('--gpu-validate', GPU_VALIDATE)
    .option('--out <store.jsonl>', 'store to append the record to')
    .action(train)
    .addHelpText(
      'after',
      `
Models of nothing but attention, windowed or linear, know no order by themselves, so they get learned positions unless --no-positions is given.
With --json prints the record; with several learning rates {"best": record, "runs": [record, …]}.
Ctrl-C stops after the current step; the record of an interrupted run is kept when --out is given.

Example:
  $ recallbench train --task mqar --model mamba2 -t seqLen=64 -t pairs=4 -t vocabSize=128 -m dState=16 --lr 3e-3,1e-2 --steps 500
  $ recallbench train --task mqar --model "mamba2*5,attention" --layers 6 -t vocabSize=128 -m mamba2.dState=16`,
    );
}
