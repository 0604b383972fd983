import { describe, expect, test } from 'vitest';
import { parsePoint } from '#results/point.ts';
import { batches, batchNames } from './batches.ts';
import { openPoint, type OpenPoint } from './open-point.ts';

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

  test('threads end with the loop, and a failing one fails it', async () => {
    for await (const { batch } of batches(open, batchNames(open), 2)) {
      expect(batch.ids.data).toHaveLength(64);
      break;
    }
    const wrong = { ...open, point: { ...open.point, task: 'nothing' } };
    await expect(all(wrong, 1)).rejects.toThrow(/nothing/);
  });
});
