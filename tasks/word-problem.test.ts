import { describe, expect, test } from 'vitest';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { alternating, cyclic, directProduct, symmetric } from './groups.ts';
import { taskLaws } from './laws.ts';
import { wordProblem } from './word-problem.ts';

const groups: Record<string, ReturnType<typeof cyclic>> = { A5: alternating(5), S5: symmetric(5), Z60: cyclic(60), A4xZ5: directProduct(alternating(4), cyclic(5)) };

taskLaws(wordProblem, {
  sizes: [{ group: 'S5' }, { group: 'A4xZ5', seqLen: 100 }, { group: 'Z60', seqLen: 5 }],
  drawn: { group: 'Z60', seqLen: 16 },
  solve(tokens, t, { group }) {
    const { order, table } = groups[String(group)];
    return tokens.subarray(0, t + 1).reduce((product, x) => table[order * product + x], 0);
  },
  refused: [
    [{ group: 'A6' }, 'E_CONFIG: task word-problem: "group":'],
    [{ seqLen: 0 }, 'E_CONFIG: task word-problem: "seqLen":'],
  ],
});

test('Z60 is addition mod 60', () => {
  for (const { tokens, targets } of examples(wordProblem, { group: 'Z60' }, 100, 1)) {
    expect(targets[19]).toBe(tokens.reduce((a, b) => a + b) % 60);
  }
});

test.each([['A5', 60], ['S5', 120], ['Z60', 60], ['A4xZ5', 60]])('%s has %i tokens', (group, order) => {
  expect(wordProblem.open({ group }).vocabSize).toBe(order);
});

describe('distribution', () => {
  test('elements are uniform and independent', () => {
    const pairs = count(wordProblem, { seqLen: 2 }, 40_000, 2, 3600, ({ tokens }) => 60 * tokens[0] + tokens[1]);
    expect(chiSquareScore(pairs)).toBeLessThan(4);
  });

  test.each(['A5', 'S5'])('%s: the product is uniform, and independent of the last element', (group) => {
    const { vocabSize } = wordProblem.open({ group });
    const pairs = count(wordProblem, { group, seqLen: 3 }, 100_000, 3, vocabSize ** 2, ({ tokens, targets }) => vocabSize * targets[2] + tokens[2]);
    expect(chiSquareScore(pairs)).toBeLessThan(4);
  });
});
