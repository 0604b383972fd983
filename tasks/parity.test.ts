import { describe, expect, test } from 'vitest';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { parity } from './parity.ts';

taskLaws(parity, {
  sizes: [{ seqLen: 257, minLength: 40 }, { seqLen: 64, minLength: 63 }, { seqLen: 2, minLength: 1 }],
  drawn: { seqLen: 16, minLength: 9 },
  solve: (tokens, t) => tokens.subarray(0, t).reduce((a, b) => a + b, 0) % 2,
  repeats: 'there are only eight strings of three bits',
  refused: [
    [{ seqLen: 3 }, 'E_SIZE: task parity: minLength must be below seqLen (the end marker takes one token), but minLength is 3 and seqLen is 3: use minLength ≤ 2 or seqLen ≥ 4.'],
    [{ minLength: 0 }, 'E_CONFIG: task parity: "minLength":'],
    [{ seqLen: 1 }, 'E_CONFIG: task parity: "seqLen":'],
  ],
});

test('bits, one marker, blanks; the answer at the marker', () => {
  for (const { tokens, targets } of examples(parity, { seqLen: 20, minLength: 5 }, 300, 1)) {
    const end = tokens.indexOf(2);
    expect(end).toBeGreaterThanOrEqual(5);
    expect(tokens.slice(0, end).every((x) => x < 2) && tokens.slice(end + 1).every((x) => x === 3)).toBe(true);
    expect(targets.findIndex((y) => y !== -1)).toBe(end);
    expect(targets.filter((y) => y !== -1)).toHaveLength(1);
  }
});

describe('distribution', () => {
  test('lengths are uniform on minLength … L − 1', () => {
    expect(chiSquareScore(count(parity, {}, 38_000, 2, 38, ({ tokens }) => tokens.indexOf(2) - 3))).toBeLessThan(4);
  });

  test('bits are uniform and independent', () => {
    const strings = count(parity, { seqLen: 9, minLength: 8 }, 40_000, 3, 256, ({ tokens }) => tokens.slice(0, 8).reduce((at, bit) => 2 * at + bit, 0));
    expect(chiSquareScore(strings)).toBeLessThan(4);
  });
});
