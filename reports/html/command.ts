/** The commands that make a run or a measurement again, as people paste them into a shell. */
import type { Measure } from '#results/measurement.ts';
import { flatOptions } from '#results/flat-options.ts';
import type { Point } from '#results/point.ts';
import type { Device } from '#results/record.ts';

/** How a run is made again. */
export interface Recipe {
  /** one line, where `recallbench train` can say all of the point */
  train?: string;
  /** a file and what to call it */
  file: { name: string; text: string };
  /** the command that takes the file */
  command: string;
}

/** A word of a POSIX shell, in quotes where it needs them. */
export function shellWord(text: string): string {
  return /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The sweep of one point and, where there are flags for everything in the point, one line of `recallbench train`. The id stays the same. */
export function recipeOf(id: string, point: Point, device: Pick<Device, 'engine' | 'threads'>): Recipe {
  const where = placeFlags(device);
  const name = `run-${id}`;
  const train = trainCommand(point);
  return {
    ...(train === undefined ? {} : { train: [train, ...where].join(' ') }),
    file: { name: `${name}.json`, text: `${JSON.stringify({ name, base: point }, null, 2)}\n` },
    command: ['recallbench sweep', `${name}.json`, ...where].join(' '),
  };
}

/** A throughput sweep of one measure; undefined for what another program measured. */
export function measureRecipe({ workload, options, engine, threads, precision }: Omit<Measure, 'repetition'>, repetitions: number, id: string): Recipe | undefined {
  if (precision === 'bf16' || !['wasm', 'webgpu', 'tfjs', 'tensorflow', 'tensorflow-gpu'].includes(engine)) return undefined;
  const name = `measure-${id}`;
  return {
    file: { name: `${name}.json`, text: `${JSON.stringify({ name, repetitions, roofs: false, grids: [{ base: { workload, options, precision } }] }, null, 2)}\n` },
    command: ['recallbench throughput', `${name}.json`, ...placeFlags({ engine, threads })].join(' '),
  };
}

function placeFlags({ engine, threads }: { engine: string; threads?: number | undefined }): string[] {
  return [`--engine ${shellWord(engine)}`, ...(threads === undefined || engine === 'webgpu' ? [] : [`--threads ${threads}`])];
}

/** `recallbench train` knows one kind of example, fresh, for training and test alike, and options that are plain values. */
function trainCommand(point: Point): string | undefined {
  const { task, train, test, epochs, data, order, batch, batchTokens, model, modelOptions, dModel, layers, mlp, glu, positions, lr, weightDecay, schedule, warmup, evalEvery, earlyStop, seed, precision, ...rest } = point;
  const [segment] = train;
  const plain = (options: object) => Object.values(flatOptions(options)).every((v) => typeof v === 'number' || typeof v === 'boolean' || (typeof v === 'string' && !looksLikeOther(v)));
  const sayable =
    Object.keys(rest).length === 0 && train.length === 1 && test.length === 1 && epochs === 1 && data === 'fresh' && order === 'sequential' && batch !== undefined && batchTokens === undefined &&
    segment.examples % batch === 0 && JSON.stringify(segment.options) === JSON.stringify(test[0].options) && plain(segment.options) && plain(modelOptions);
  if (!sayable) return undefined;
  const pairs = (flag: string, options: object) => Object.entries(flatOptions(options)).map(([key, value]) => `${flag} ${shellWord(`${key}=${String(value)}`)}`);
  return [
    'recallbench train',
    `--task ${shellWord(task)}`,
    `--model ${shellWord(model)}`,
    ...pairs('-t', segment.options),
    ...pairs('-m', modelOptions),
    `--d-model ${dModel}`,
    `--layers ${layers}`,
    ...(mlp === 0 ? [] : [`--mlp ${mlp}`]),
    ...(glu === undefined ? [] : [`--glu ${glu}`]),
    positions ? '--positions' : '--no-positions',
    `--batch ${batch}`,
    `--steps ${segment.examples / batch}`,
    `--lr ${lr}`,
    `--weight-decay ${weightDecay}`,
    `--schedule ${schedule}`,
    ...(warmup === 0 ? [] : [`--warmup ${warmup}`]),
    `--eval-every ${evalEvery}`,
    ...(earlyStop === undefined ? [] : [`--early-stop ${earlyStop}`]),
    `--test-examples ${test[0].examples}`,
    `--seed ${seed}`,
    ...(precision === 'fp32' ? [] : [`--precision ${precision}`]),
  ].join(' ');
}

/** A text that the command line would take for a number or a boolean. */
function looksLikeOther(text: string): boolean {
  return text === 'true' || text === 'false' || text.trim() !== text || /^[+-]?[\d.]/.test(text);
}
