import { describe, expect, test } from 'vitest';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { selectiveCopying } from './selective-copying.ts';

taskLaws(selectiveCopying, {
  sizes: [
    { seqLen: 256, vocabSize: 128 },
    { seqLen: 64, toCopy: 32 },
  ],
  drawn: { vocabSize: 6, seqLen: 16, toCopy: 3 },
  // the i-th marker asks for the i-th token that is not noise
  solve(tokens, t, { seqLen, toCopy }) {
    return tokens.filter((x) => x !== 0)[t - (seqLen - toCopy)];
  },
  refused: [
    [{ toCopy: 33, seqLen: 64 }, 'E_SIZE: task selective-copying: toCopy 33 needs seqLen ≥ 66 (data and markers), but seqLen is 64: use toCopy ≤ 32 or seqLen ≥ 66.'],
    [{ toCopy: 0 }, 'E_CONFIG: task selective-copying: "toCopy":'],
    [{ vocabSize: 3 }, 'E_CONFIG: task selective-copying: "vocabSize":'],
  ],
});

describe('distribution', () => {
  const options = { vocabSize: 6, seqLen: 11, toCopy: 3 }; // 8 places, data 1…4

  test('exactly toCopy data tokens and toCopy markers, every set of places equally likely', () => {
    for (const { tokens } of examples(selectiveCopying, options, 200, 3)) expect(tokens.slice(8)).toEqual(Int32Array.of(5, 5, 5));
    const sets = count(selectiveCopying, options, 40_000, 1, 256, ({ tokens }) => {
      return tokens.slice(0, 8).reduce((mask, x, t) => mask | (x === 0 ? 0 : 1 << t), 0);
    }).filter((_, mask) => mask.toString(2).replaceAll('0', '').length === 3);
    expect(sets.reduce((a, b) => a + b)).toBe(40_000);
    expect(sets).toHaveLength(56);
    expect(chiSquareScore(sets)).toBeLessThan(4);
  });

  test('data tokens are uniform and independent', () => {
    const triples = count(selectiveCopying, options, 40_000, 2, 64, ({ targets }) => targets.slice(8).reduce((at, y) => 4 * at + y - 1, 0));
    expect(chiSquareScore(triples)).toBeLessThan(4);
  });
});
