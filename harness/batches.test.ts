import type { Worker } from 'node:worker_threads';
import { describe, expect, test, vi } from 'vitest';
import { RecallbenchError } from '#core/errors.ts';
import { parsePoint } from '#results/point.ts';
import { batches, batchNames, batchThreads } from './batches.ts';
import { openPoint, type OpenPoint } from './open-point.ts';

/** all threads so far */
const threads: Worker[] = vi.hoisted(() => []);
vi.mock('node:worker_threads', async (original) => {
  const module = await original<typeof import('node:worker_threads')>();
  class Kept extends module.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      threads.push(this);
    }
  }
  return { ...module, Worker: Kept };
});

const open = openPoint(parsePoint({
  task: 'mqar',
  train: [{ options: { vocabSize: 64, seqLen: 16, pairs: 2 }, examples: 12 }, { options: { vocabSize: 64, seqLen: 32, pairs: 4 }, examples: 8 }],
  test: [{ options: { vocabSize: 64, seqLen: 16, pairs: 2 }, examples: 4 }],
  epochs: 2, batch: 4, model: 'attention', dModel: 8, lr: 1e-3, order: 'interleaved',
}));
const all = async (point: OpenPoint, threads: number) => {
  const found: string[] = [];
  for await (const { name, batch } of batches(point, batchNames(point), threads)) found.push(`${JSON.stringify(name)} ${batch.ids.shape} ${batch.ids.data} ${batch.rows.data} ${batch.targets.data}`);
  return found;
};

describe('batches', () => {
  test('are the same, in the same order, from any number of threads', async () => {
    const inline = await all(open, 0);
    expect(inline).toHaveLength(10);
    expect(new Set(inline).size).toBe(10);
    expect(await all(open, 1)).toEqual(inline);
    expect(await all(open, 3)).toEqual(inline);
  });

  test('threads end with the loop, and a failing one fails it with its own error', async () => {
    threads.length = 0;
    for await (const { batch } of batches(open, batchNames(open), 2)) {
      expect(batch.ids.data).toHaveLength(64);
      expect(threads.map((t) => t.threadId > 0)).toEqual([true, true]);
      break;
    }
    // a thread that has ended has no number
    expect(threads.map((t) => t.threadId)).toEqual([-1, -1]);
    const failure = (point: Partial<OpenPoint['point']>) => all({ ...open, point: { ...open.point, ...point } }, 1).catch((error: unknown) => error);
    const ours = await failure({ task: 'nothing' });
    expect(ours).toBeInstanceOf(RecallbenchError);
    expect(ours).toMatchObject({ code: 'E_NAME', message: expect.stringMatching(/^E_NAME: unknown task "nothing"/) });
    const large = 2 ** 34;
    expect(await failure({ batch: large, train: open.point.train.map((s) => ({ ...s, examples: large })) })).toBeInstanceOf(RangeError);
    expect(threads.map((t) => t.threadId)).toEqual([-1, -1, -1, -1]);
  });

  test('have threads beside a GPU, none where threads have no file to run', () => {
    expect(batchThreads('webgpu')).toBeGreaterThan(0);
    expect(batchThreads('webgpu', 'nowhere/batch-worker.js')).toBe(0);
    expect(batchThreads('wasm')).toBe(0);
  });
});
