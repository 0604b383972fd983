import { describe, expect, test } from 'vitest';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { inductionHeads } from './induction-heads.ts';
import { taskLaws } from './laws.ts';

taskLaws(inductionHeads, {
  sizes: [{ seqLen: 64 }, { seqLen: 1024, vocabSize: 3 }, { seqLen: 4 }],
  drawn: { vocabSize: 8, seqLen: 16 },
  // the token after the first trigger
  solve: (tokens) => tokens[tokens.indexOf(0) + 1],
  refused: [
    [{ seqLen: 3 }, 'E_CONFIG: task induction-heads: "seqLen":'],
    [{ vocabSize: 2 }, 'E_CONFIG: task induction-heads: "vocabSize":'],
  ],
});

describe('distribution', () => {
  test('the place of the trigger is uniform on 0 … L−4, and there are two triggers', () => {
    for (const { tokens } of examples(inductionHeads, { seqLen: 16 }, 500, 1)) expect(tokens.filter((x) => x === 0)).toHaveLength(2);
    const places = count(inductionHeads, { seqLen: 16 }, 20_000, 1, 13, ({ tokens }) => tokens.indexOf(0));
    expect(chiSquareScore(places)).toBeLessThan(4);
  });

  test('the answer and the other tokens are uniform and independent', () => {
    const pairs = count(inductionHeads, { seqLen: 16, vocabSize: 8 }, 20_000, 2, 49, ({ tokens, targets }) => 7 * (targets[15] - 1) + tokens[14] - 1);
    expect(chiSquareScore(pairs)).toBeLessThan(4);
  });
});

test('an example of 2²⁰ tokens', () => {
  for (const { tokens, targets } of examples(inductionHeads, { seqLen: 2 ** 20 }, 2, 3)) {
    expect(tokens.filter((x) => x === 0)).toHaveLength(2);
    expect(targets.findIndex((y) => y !== -1)).toBe(2 ** 20 - 1);
    expect(targets[2 ** 20 - 1]).toBe(tokens[tokens.indexOf(0) + 1]);
  }
});
