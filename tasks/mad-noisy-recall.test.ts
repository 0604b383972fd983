import { expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { madNoisyRecall } from './mad-noisy-recall.ts';
import { UNSCORED } from './task.ts';

taskLaws(madNoisyRecall, {
  sizes: [{ seqLen: 4, noise: 0.9 }, { noise: 0.8, seqLen: 256 }, { vocabSize: 144, noise: 0 }],
  drawn: { vocabSize: 12, noiseTokens: 4, seqLen: 16, noise: 0.4 },
  // the value that followed the key the first time
  solve: (tokens, t) => tokens[tokens.indexOf(tokens[t]) + 1],
  refused: [
    [{ seqLen: 7 }, 'E_SIZE: task mad-noisy-recall: seqLen must be even (pairs are two tokens wide), but seqLen is 7: use seqLen ≤ 6 or seqLen ≥ 8.'],
    [
      { vocabSize: 16 },
      'E_SIZE: task mad-noisy-recall: vocabSize must be at least noiseTokens + 2 (one key, one value), but vocabSize is 16 and noiseTokens is 16: use vocabSize ≥ 18 or noiseTokens ≤ 14.',
    ],
    [{ noise: 1 }, 'E_CONFIG: task mad-noisy-recall: "noise":'],
  ],
});

const n = 30_000;

test('a pair is noise with probability `noise`, except one of the first P − 1 and the last; noise is uniform', () => {
  const [noisy, two, keys] = [new Int32Array(6), new Int32Array(256), new Int32Array(8)];
  for (const { tokens, targets } of examples(madNoisyRecall, { noise: 0.6, seqLen: 12 }, n, 1)) {
    for (let t = 0; t < 12; t += 2) {
      if (tokens[t] < 16) continue;
      expect(tokens[t + 1]).toBeGreaterThanOrEqual(16);
      expect(targets[t]).toBe(UNSCORED);
      noisy[t / 2]++;
    }
    if (tokens[4] >= 16) two[(tokens[4] - 16) * 16 + tokens[5] - 16]++;
    else keys[tokens[4]]++;
    expect(noisy[5]).toBe(0);
  }
  const p = 0.6 * (4 / 5);
  for (let i = 0; i < 5; i++) expect(Math.abs(noisy[i] / n - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
  expect(chiSquareScore(two)).toBeLessThan(4);
  expect(chiSquareScore(keys)).toBeLessThan(4);
});

test('"all" scores every next token, noise included; the slice names the noise', () => {
  for (const { tokens, targets } of examples(madNoisyRecall, { scored: 'all' }, 20, 2)) expect([...targets]).toEqual([...tokens.slice(1), UNSCORED]);
  expect(madNoisyRecall.open({ scored: 'all' }).slice).toEqual({ vocabSize: 32, seqLen: 128, noise: 0.2, scored: 'all' });
});
