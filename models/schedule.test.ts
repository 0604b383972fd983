import { expect, test } from 'vitest';
import { learningRate, type Schedule } from './schedule.ts';

const rates = (schedule: Schedule['schedule'], total: number, perEpoch: number, warmup = 0) =>
  Array.from({ length: total }, (_, step) => learningRate({ schedule, lr: 8, warmup }, step, total, perEpoch));
const rounded = (values: number[]) => values.map((v) => Math.round(v * 1e6) / 1e6);

test('constant, linear and cosine', () => {
  expect(rates('constant', 3, 1)).toEqual([8, 8, 8]);
  expect(rates('linear', 4, 2)).toEqual([8, 6, 4, 2]);
  expect(rounded(rates('cosine', 4, 2))).toEqual([8, 6.828427, 4, 1.171573]);
});

test('once per epoch: eighths in 8 epochs, as in the Mamba-2 paper', () => {
  expect(rates('linear-per-epoch', 16, 2)).toEqual([8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]);
  expect(rounded(rates('cosine-per-epoch', 8, 2))).toEqual([8, 8, 6.828427, 6.828427, 4, 4, 1.171573, 1.171573]);
});

test('warm-up goes up to the full rate; the smooth schedules go down over the rest', () => {
  expect(rates('constant', 8, 8, 0.5)).toEqual([2, 4, 6, 8, 8, 8, 8, 8]);
  expect(rates('linear', 8, 8, 0.5)).toEqual([2, 4, 6, 8, 8, 6, 4, 2]);
  expect(rates('linear-per-epoch', 8, 4, 0.25)).toEqual([4, 8, 8, 8, 4, 4, 4, 4]);
  expect(rates('constant', 2, 2, 1)).toEqual([4, 8]);
});
