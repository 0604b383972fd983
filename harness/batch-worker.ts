/** A thread that makes the batches of one point: takes names, answers with arrays. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Point } from '#results/point.ts';
import { batchMaker, type Answer, type BatchName } from './batches.ts';
import { openPoint } from './open-point.ts';

const make = batchMaker(openPoint(workerData as Point));
parentPort!.on('message', (name: BatchName) => {
  let answer: Answer;
  try {
    // copies: the maker's own arrays are used again
    const batch = Object.fromEntries(Object.entries(make(name)).map(([k, t]) => [k, { shape: t.shape, data: t.data.slice() }])) as ReturnType<typeof make>;
    answer = { batch };
  } catch (error) {
    answer = { error: (error as Error).message };
  }
  parentPort!.postMessage(answer, 'batch' in answer ? Object.values(answer.batch).map((t) => t.data.buffer as ArrayBuffer) : []);
});
