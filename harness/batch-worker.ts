/** A thread that makes the batches of one point: takes names, answers with arrays. */
import { parentPort, workerData } from 'node:worker_threads';
import { RecallbenchError } from '#core/errors.ts';
import type { Point } from '#results/point.ts';
import type { Batch } from './batch.ts';
import { batchMaker, type Answer, type BatchName } from './batches.ts';
import { openPoint } from './open-point.ts';
import { loadPlugins } from './plugins.ts';

await loadPlugins();

let make: ReturnType<typeof batchMaker> | undefined;
parentPort!.on('message', (name: BatchName) => {
  let answer: Answer;
  try {
    make ??= batchMaker(openPoint(workerData as Point));
    // copies: the maker's own arrays are used again
    const batch = Object.fromEntries(Object.entries(make(name)).map(([k, t]) => [k, { shape: t.shape, data: t.data.slice() }])) as Batch;
    answer = { batch };
  } catch (error) {
    answer = { error: error as Error, ...(error instanceof RecallbenchError && { code: error.code }) };
  }
  parentPort!.postMessage(answer, 'batch' in answer ? Object.values(answer.batch).map((t) => t.data.buffer as ArrayBuffer) : []);
});
