import { describe, expect, test } from 'vitest';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { nBack } from './n-back.ts';

taskLaws(nBack, {
  sizes: [{ n: 1, seqLen: 256 }, { n: 8, answer: 'token', matchRate: 0.05 }, { n: 23, seqLen: 24, vocabSize: 4 }],
  drawn: { vocabSize: 7, seqLen: 16 },
  solve(tokens, t, { n, answer }) {
    if (String(answer) === 'token') return tokens[t - n];
    return tokens[t] === tokens[t - n] ? 1 : 0;
  },
  refused: [
    [{ n: 64 }, 'E_SIZE: task n-back: n must be below seqLen, but n is 64 and seqLen is 64: use n ≤ 63 or seqLen ≥ 65.'],
    [{ matchRate: 1.5 }, 'E_CONFIG: task n-back: "matchRate":'],
    [{ vocabSize: 3 }, 'E_CONFIG: task n-back: "vocabSize":'],
  ],
});

test('every position from n on is scored, and tokens are letters', () => {
  for (const { tokens, targets } of examples(nBack, { n: 3, seqLen: 20 }, 200, 1)) {
    expect([...targets.keys()].filter((t) => targets[t] === -1)).toEqual([0, 1, 2]);
    expect(tokens.every((x) => x >= 2)).toBe(true);
  }
});

test.each([0, 1])('matchRate %f', (matchRate) => {
  for (const { targets } of examples(nBack, { matchRate }, 50, 2)) expect(targets.slice(2).every((y) => y === matchRate)).toBe(true);
});

describe('distribution', () => {
  const options = { vocabSize: 6, seqLen: 12, matchRate: 0.3 }; // letters 2…5

  test('matches come at their rate, independently', () => {
    const law = (i: number) => [0.49, 0.21, 0.21, 0.09][i];
    expect(chiSquareScore(count(nBack, options, 20_000, 3, 4, ({ targets }) => 2 * targets[7] + targets[9]), law)).toBeLessThan(4);
  });

  test('every letter is uniform, and a letter that does not match is uniform among the others', () => {
    expect(chiSquareScore(count(nBack, options, 20_000, 4, 4, ({ tokens }) => tokens[11] - 2))).toBeLessThan(4);
    const law = (i: number) => (i % 5 === 0 ? 0.3 : 0.7 / 3) / 4;
    expect(chiSquareScore(count(nBack, options, 20_000, 5, 16, ({ tokens }) => 4 * (tokens[6] - 2) + tokens[8] - 2), law)).toBeLessThan(4);
  });

  test('with matchRate 1/(V − 2) letters n apart are independent', () => {
    const pairs = count(nBack, { ...options, matchRate: 1 / 4, answer: 'token' }, 20_000, 6, 16, ({ tokens, targets }) => 4 * (tokens[8] - 2) + targets[8] - 2);
    expect(chiSquareScore(pairs)).toBeLessThan(4);
  });
});
