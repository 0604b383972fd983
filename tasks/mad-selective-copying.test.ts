import { expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { madSelectiveCopying } from './mad-selective-copying.ts';

taskLaws(madSelectiveCopying, {
  sizes: [{ toCopy: 1, seqLen: 4 }, { toCopy: 96, seqLen: 256 }, { vocabSize: 3, toCopy: 5 }, { vocabSize: 128, seqLen: 1024 }],
  drawn: { vocabSize: 10, seqLen: 16, toCopy: 4 },
  // the data token whose turn it is
  solve: (tokens, t, { seqLen, toCopy, vocabSize }) => tokens.filter((x) => x < vocabSize - 2)[t - (seqLen - toCopy)],
  refused: [
    [
      { toCopy: 128 },
      'E_SIZE: task mad-selective-copying: seqLen must be at least 2·toCopy + 2 (one blank among the data), but seqLen is 256 and toCopy is 128: use seqLen ≥ 258 or toCopy ≤ 127.',
    ],
    [{ toCopy: 2, seqLen: 3 }, 'E_SIZE: task mad-selective-copying: seqLen must be at least 2·toCopy + 2 (one blank among the data), but seqLen is 3 and toCopy is 2: use seqLen ≥ 6.'],
    [{ vocabSize: 2 }, 'E_CONFIG: task mad-selective-copying: "vocabSize":'],
  ],
});

test('data, marker and answers stand where they should', () => {
  for (const { tokens, targets } of examples(madSelectiveCopying, {}, 200, 1)) {
    expect(tokens.slice(0, 239).filter((x) => x < 14)).toEqual(targets.slice(240));
    expect(tokens[238]).toBeLessThan(14);
    expect(tokens[239]).toBe(15);
    expect(tokens.slice(240).every((x) => x === 14)).toBe(true);
    expect(targets.slice(0, 240).every((y) => y === -1)).toBe(true);
  }
});

const n = 40_000;

test('data tokens are uniform and independent', () => {
  const two = new Int32Array(64);
  for (const { targets } of examples(madSelectiveCopying, { vocabSize: 10, toCopy: 3, seqLen: 12 }, n, 2)) two[targets[9] * 8 + targets[11]]++;
  expect(chiSquareScore(two)).toBeLessThan(4);
});

test('blanks before the data tokens are multinomial: C(7; a, b, c) / 3⁷', () => {
  const options = { vocabSize: 10, toCopy: 3, seqLen: 14 };
  const counts = new Int32Array(64);
  for (const { tokens } of examples(madSelectiveCopying, options, n, 3)) {
    const [i, j] = [...tokens.keys()].filter((t) => tokens[t] < 8);
    counts[i * 8 + (j - i - 1)]++;
  }
  const factorial = (k: number): number => (k < 2 ? 1 : k * factorial(k - 1));
  const cells = [...counts.keys()].filter((c) => (c >> 3) + (c & 7) <= 7);
  const law = cells.map((c) => factorial(7) / factorial(c >> 3) / factorial(c & 7) / factorial(7 - (c >> 3) - (c & 7)) / 3 ** 7);
  expect(cells.reduce((sum, c) => sum + counts[c], 0)).toBe(n);
  expect(chiSquareScore(Int32Array.from(cells, (c) => counts[c]), (i) => law[i])).toBeLessThan(4);
});
