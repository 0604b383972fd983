import { describe, expect, test } from 'vitest';
import { compositionalMqar } from './compositional-mqar.ts';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';

taskLaws(compositionalMqar, {
  sizes: [
    { seqLen: 256, pairs: 36 },
    { seqLen: 64, pairs: 9, randomNonQueries: false, powerA: 1 },
    { vocabSize: 26, seqLen: 25, pairs: 4 },
    { vocabSize: 7, seqLen: 6, pairs: 1 },
  ],
  drawn: { vocabSize: 30, seqLen: 24, pairs: 4, randomNonQueries: false },
  // the value of the triplet that begins with the last two tokens
  solve(tokens, t, { pairs }) {
    for (let i = 0; i < 3 * pairs; i += 3) {
      if (tokens[i] === tokens[t - 1] && tokens[i + 1] === tokens[t]) return tokens[i + 2];
    }
    return -1;
  },
  refused: [
    [{ pairs: 8 }, 'E_SIZE: task compositional-mqar: pairs must be a square number (the keys form a square grid), but pairs is 8: use pairs ≤ 4 or pairs ≥ 9.'],
    [{ pairs: 16 }, 'E_SIZE: task compositional-mqar: pairs 16 needs seqLen ≥ 96 (3·pairs + 3·pairs ≤ seqLen), but seqLen is 64: use pairs ≤ 9 or seqLen ≥ 96.'],
    [{ vocabSize: 64 }, 'E_SIZE: task compositional-mqar: vocabSize must be above seqLen, but vocabSize is 64 and seqLen is 64: use seqLen ≤ 63 or vocabSize ≥ 65.'],
  ],
});

test('a full grid of keys with distinct values, each asked for once', () => {
  for (const { tokens, targets } of examples(compositionalMqar, { vocabSize: 90, seqLen: 70, pairs: 9, randomNonQueries: false }, 500, 1)) {
    const values = new Map(Array.from({ length: 9 }, (_, j) => [`${tokens[3 * j]} ${tokens[3 * j + 1]}`, tokens[3 * j + 2]]));
    const column = (i: number) => new Set(Array.from({ length: 9 }, (_, j) => tokens[3 * j + i]));
    expect([values.size, column(0).size, column(1).size, column(2).size]).toEqual([9, 3, 3, 9]);
    const inside = (i: number, low: number, high: number) => [...column(i)].every((x) => x >= low && x < high);
    expect(inside(0, 1, 30) && inside(1, 30, 60) && inside(2, 60, 90)).toBe(true);
    const asked = [...targets.keys()].filter((t) => targets[t] !== -1);
    expect(asked.every((t) => t % 3 === 1 && targets[t] === values.get(`${tokens[t - 1]} ${tokens[t]}`))).toBe(true);
    expect(new Set(asked.map((t) => targets[t])).size).toBe(9);
    expect(tokens.slice(27).filter((x) => x !== 0)).toHaveLength(18);
  }
});

describe('distribution', () => {
  const options = { vocabSize: 30, seqLen: 24, pairs: 4 }; // first tokens 1…9, second 10…19, values 20…29

  test('the first key and its value are uniform and independent', () => {
    const keys = count(compositionalMqar, options, 40_000, 2, 900, ({ tokens }) => 100 * (tokens[0] - 1) + 10 * (tokens[1] - 10) + tokens[2] - 20);
    expect(chiSquareScore(keys)).toBeLessThan(4);
  });

  test('triplets stand in a random order: the other triplet of the same first token is anywhere', () => {
    const places = count(compositionalMqar, options, 20_000, 3, 3, ({ tokens }) => [3, 6, 9].findIndex((t) => tokens[t] === tokens[0]));
    expect(chiSquareScore(places)).toBeLessThan(4);
  });

  test('the slot of a key follows the power law', () => {
    const slots = count(compositionalMqar, { ...options, seqLen: 28, powerA: 0 }, 20_000, 4, 5, ({ tokens, targets }) => (targets.indexOf(tokens[2]) - 13) / 3);
    const weights = [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5];
    expect(chiSquareScore(slots, (i) => weights[i] / weights.reduce((a, b) => a + b))).toBeLessThan(4);
  });
});
