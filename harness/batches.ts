/** The batches of a training run, in order: made where they are used or, for engines that leave the processor idle, ahead of time on threads of their own. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { RecallbenchError, type ErrorCode } from '#core/errors.ts';
import { packageRoot } from '#core/package-info.ts';
import { rng } from '#core/random.ts';
import type { Point } from '#results/point.ts';
import { batcher, type Batch } from './batch.ts';
import type { OpenPoint } from './open-point.ts';

/** One batch of a run: the index-th of a segment in an epoch. */
export interface BatchName {
  readonly epoch: number;
  readonly segment: number;
  readonly index: number;
}

/** What a thread answers: the batch's arrays, or what went wrong. An error of ours comes as a plain one, so its code goes along. */
export type Answer = { readonly batch: Batch } | { readonly error: Error; readonly code?: ErrorCode };

/** Batches under way on each thread: one in the making, one waiting to be fetched. */
const UNDER_WAY = 2;

/** What a thread runs. */
const ENTRY = join(packageRoot, 'dist', 'harness', 'batch-worker.js');

/** Threads that keep up with an engine: none for those that want the processor for themselves, and none where `entry` is missing, as beside a bundle of one file. */
export function batchThreads(engine: string, entry = ENTRY): number {
  return (engine === 'webgpu' || engine === 'tensorflow-gpu') && existsSync(entry) ? Math.min(4, Math.max(1, availableParallelism() - 1)) : 0;
}

/** Makes any batch of a point's training data. Its arrays are overwritten by the next of the same segment. */
export function batchMaker({ point, train }: Pick<OpenPoint, 'point' | 'train'>): (name: BatchName) => Batch {
  const examples = rng(point.seed).fork('data').fork('train');
  const fills = train.map((s) => batcher(s.task, s.batch));
  return ({ epoch, segment, index }) => {
    const own = examples.fork(point.data === 'fresh' ? epoch : 0).fork(segment);
    const first = index * train[segment].batch;
    return fills[segment]((i) => own.fork(first + i));
  };
}

/** The names of all batches of a run, epoch by epoch. */
export function* batchNames({ point, train }: Pick<OpenPoint, 'point' | 'train'>): Generator<BatchName> {
  const order = rng(point.seed).fork('data').fork('order');
  for (let epoch = 0; epoch < point.epochs; epoch++) {
    const names = train.flatMap((s, segment) => Array.from({ length: s.batches }, (_, index) => ({ epoch, segment, index })));
    if (point.order === 'interleaved') {
      const stream = order.fork(epoch);
      for (let i = names.length - 1; i > 0; i--) {
        const j = stream.below(i + 1);
        [names[i], names[j]] = [names[j], names[i]];
      }
    }
    yield* names;
  }
}

/** The batches of these names in their order, whatever the number of threads; with none they are made when they are asked for. Ending the loop ends the threads. */
export async function* batches(open: OpenPoint, names: Iterable<BatchName>, threads: number): AsyncGenerator<{ readonly name: BatchName; readonly batch: Batch }> {
  if (threads === 0) {
    const make = batchMaker(open);
    for (const name of names) yield { name, batch: make(name) };
    return;
  }
  const workers = Array.from({ length: threads }, () => new BatchWorker(open.point));
  try {
    const queue: { name: BatchName; batch: Promise<Batch> }[] = [];
    const iterator = names[Symbol.iterator]();
    for (let asked = 0; ; asked++) {
      const { value: name, done } = iterator.next();
      if (done !== true) queue.push({ name, batch: workers[asked % threads].make(name) });
      else if (queue.length === 0) return;
      if (done !== true && queue.length <= UNDER_WAY * threads) continue;
      const first = queue.shift()!;
      yield { name: first.name, batch: await first.batch };
    }
  } finally {
    await Promise.all(workers.map((w) => w.end()));
  }
}

/** The error as the thread threw it. */
function thrown({ error, code }: Extract<Answer, { error: Error }>): Error {
  return code === undefined ? error : new RecallbenchError(code, error.message.slice(`${code}: `.length), { cause: error });
}

/** A thread that makes batches, in the order in which it is asked. */
class BatchWorker {
  readonly #worker: Worker;
  readonly #waiting: { resolve: (batch: Batch) => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  constructor(point: Point) {
    this.#worker = new Worker(ENTRY, { workerData: point, execArgv: [] });
    this.#worker.on('message', (answer: Answer) => {
      const waiting = this.#waiting.shift()!;
      if ('batch' in answer) waiting.resolve(answer.batch);
      else waiting.reject(thrown(answer));
    });
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('a thread that makes batches has ended')));
  }

  make(name: BatchName): Promise<Batch> {
    const batch = new Promise<Batch>((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(name);
    });
    // whoever takes it hears of a failure
    batch.catch(() => {});
    return batch;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
