/** `data`: examples of a task as JSONL, the very ones that `train` uses, and the first of them drawn. */
import { rename, rm, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { lookUp } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { rng } from '#core/random.ts';
import { tasks } from '#tasks/known-tasks.ts';
import { drawExample } from '#tasks/draw.ts';
import type { Example, OpenTask, Task } from '#tasks/task.ts';
import { INTERRUPTED, onInterrupt } from '../interrupt.ts';
import { print, printJson, remark } from '../output.ts';
import { Bars } from '../progress.ts';
import { count } from '../quantities.ts';
import { assignments, scalars, whole } from '../values.ts';

/** Examples written at once. */
const CHUNK = 1024;

interface Flags {
  taskOption?: Record<string, string>;
  examples: number;
  seed: number;
  out?: string;
  json?: true;
}

/** Draws example i of the stream of the first training epoch's first segment. */
function reader(task: OpenTask, seed: number): (i: number) => Example {
  const stream = rng(seed).fork('data').fork('train').fork(0).fork(0);
  const out = { tokens: new Int32Array(task.seqLen), targets: new Int32Array(task.seqLen) };
  return (i) => {
    task.example(stream.fork(i), out);
    return out;
  };
}

const arrays = ({ tokens, targets }: Example) => ({ tokens: [...tokens], targets: [...targets] });

/** Writes beside `path` and renames at the end, so that a file of that name is always whole. Returns false when stopped. */
async function write(path: string, examples: number, read: (i: number) => Example, signal: AbortSignal): Promise<boolean> {
  const refuse = (error: unknown) =>
    new RecallbenchError('E_OUTPUT', `cannot write ${path}: ${(error as Error).message}. Check that the folder exists, its permissions and the space left, or write elsewhere with --out.`, { cause: error });
  if ((await stat(path).catch(() => undefined))?.isDirectory() === true) throw refuse(new Error('it is a folder'));
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  const file = await open(beside, 'w').catch((error: unknown) => {
    throw refuse(error);
  });
  const bars = new Bars();
  const bar = bars.add(examples, 'examples');
  try {
    for (let start = 0; start < examples && !signal.aborted; start += CHUNK) {
      const end = Math.min(start + CHUNK, examples);
      let lines = '';
      for (let i = start; i < end; i++) lines += `${JSON.stringify(arrays(read(i)))}\n`;
      await file.write(lines);
      bar.update(end, `${count(end)} of ${count(examples)}`);
    }
    await file.sync();
    await file.close();
    if (!signal.aborted) await rename(beside, path);
  } catch (error) {
    await file.close().catch(() => {});
    throw refuse(error);
  } finally {
    bars.stop();
    await rm(beside, { force: true }).catch(() => {});
  }
  return !signal.aborted;
}

async function data(name: string, flags: Flags): Promise<void> {
  const task: Task = lookUp(tasks, 'task', name);
  const options = task.resolve(scalars(flags.taskOption));
  const { examples, seed, out } = flags;
  const read = reader(task.open(options), seed);
  if (out !== undefined) {
    const interrupt = onInterrupt();
    const whole = await write(out, examples, read, interrupt.signal);
    interrupt.done();
    if (!whole) {
      remark(`stopped: ${out} was not written.`);
      process.exitCode = INTERRUPTED;
      return;
    }
  }
  const first = read(0);
  if (flags.json) return printJson({ task: task.name, options, examples: out === undefined ? 0 : examples, seed, out: out ?? null, first: arrays(first) });
  print(drawExample(first).trimEnd());
  if (out === undefined) remark('Nothing was written: name a file with --out to export examples.');
  else print(`\n${examples} examples in ${out}`);
}

export function configure(command: Command): void {
  command
    .argument('<task>', 'a task, see: recallbench list tasks')
    .option('-t, --task-option <key=value>', 'a task option; may be given again', assignments('-t'))
    .option('-n, --examples <n>', 'how many examples to write', whole('--examples', { min: 1 }), 1000)
    .option('-s, --seed <s>', 'seed of the examples', whole('--seed', { min: 0 }), 0)
    .option('-o, --out <file>', 'where to write them, one {"tokens":[…],"targets":[…]} a line; target −1 is not scored')
    .action(data)
    .addHelpText(
      'after',
      `
The examples are those that "train" with the same options and seed sees first.

Example:
  $ recallbench data mqar -t seqLen=32 -t pairs=4 -t vocabSize=64 --examples 1000 --out mqar.jsonl`,
    );
}
