import { describe, expect, test } from 'vitest';
import { forgettingMqar } from './forgetting-mqar.ts';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';

taskLaws(forgettingMqar, {
  sizes: [
    { seqLen: 256, pairs: 36 },
    { seqLen: 64, pairs: 4, updates: 4, randomNonQueries: false },
    { vocabSize: 33, seqLen: 32, pairs: 5, updates: 5, powerA: 1 },
  ],
  drawn: { vocabSize: 20, seqLen: 16, pairs: 3, updates: 1, randomNonQueries: false },
  // the last value that followed the key at an even offset of the context
  solve(tokens, t, { pairs, updates }) {
    for (let i = 2 * (pairs + updates) - 2; i >= 0; i -= 2) {
      if (tokens[i] === tokens[t]) return tokens[i + 1];
    }
    return -1;
  },
  refused: [
    [{ pairs: 3 }, 'E_SIZE: task forgetting-mqar: updates must not be above pairs, but updates is 4 and pairs is 3: use pairs ≥ 4 or updates ≤ 3.'],
    [
      { pairs: 15 },
      'E_SIZE: task forgetting-mqar: pairs 15 with updates 4 needs seqLen ≥ 68 (2·(pairs + updates) + 2·pairs ≤ seqLen), but seqLen is 64: use pairs ≤ 14 or updates ≤ 2 or seqLen ≥ 68.',
    ],
    [{ seqLen: 65 }, 'E_SIZE: task forgetting-mqar: seqLen must be even (pairs and query slots are two tokens wide), but seqLen is 65: use seqLen ≤ 64 or seqLen ≥ 66.'],
    [{ vocabSize: 64 }, 'E_SIZE: task forgetting-mqar: vocabSize must be above seqLen, but vocabSize is 64 and seqLen is 64: use seqLen ≤ 62 or vocabSize ≥ 65.'],
    [{ updates: 0 }, 'E_CONFIG: task forgetting-mqar: "updates":'],
  ],
});

test('distinct pairs, then distinct keys of them with another value, then every key once', () => {
  for (const { tokens, targets } of examples(forgettingMqar, { vocabSize: 33, seqLen: 32, pairs: 5, updates: 3, randomNonQueries: false }, 500, 1)) {
    const at = (i: number) => [tokens[2 * i], tokens[2 * i + 1]] as const;
    const values = new Map([0, 1, 2, 3, 4].map(at));
    expect(values.size).toBe(5);
    expect(new Set(values.values()).size).toBe(5);
    const updates = new Map([5, 6, 7].map(at));
    expect(updates.size).toBe(3);
    for (const [key, value] of updates) {
      expect(values.has(key)).toBe(true);
      expect(value).not.toBe(values.get(key));
      expect(value).toBeGreaterThanOrEqual(16);
      values.set(key, value);
    }
    const asked = [...targets.keys()].filter((t) => targets[t] !== -1);
    expect(asked.every((t) => t >= 16 && t % 2 === 0 && targets[t] === values.get(tokens[t]))).toBe(true);
    expect(new Set(asked.map((t) => tokens[t])).size).toBe(5);
    expect(tokens.slice(16).filter((x) => x !== 0)).toHaveLength(5);
  }
});

describe('distribution', () => {
  const options = { vocabSize: 21, seqLen: 20, pairs: 4, updates: 2, powerA: 1 }; // values 10…20

  test('the keys to update are a uniform ordered choice', () => {
    const chosen = count(forgettingMqar, options, 40_000, 2, 16, ({ tokens }) => {
      const place = (t: number) => [0, 2, 4, 6].findIndex((i) => tokens[i] === tokens[t]);
      return 4 * place(8) + place(10);
    });
    expect(chosen.filter((c, i) => i % 5 === 0 && c > 0)).toHaveLength(0);
    expect(chiSquareScore(chosen.filter((_, i) => i % 5 !== 0))).toBeLessThan(4);
  });

  test('the new value is uniform among those that are not the old value of that key', () => {
    const pairs = count(forgettingMqar, options, 60_000, 3, 121, ({ tokens }) => {
      const old = tokens[[0, 2, 4, 6].find((i) => tokens[i] === tokens[8])! + 1];
      return 11 * (old - 10) + tokens[9] - 10;
    });
    expect(pairs.filter((c, i) => i % 12 === 0 && c > 0)).toHaveLength(0);
    expect(chiSquareScore(pairs.filter((_, i) => i % 12 !== 0))).toBeLessThan(4);
  });

  test('with powerA 1 the slots are uniform', () => {
    const slots = count(forgettingMqar, { ...options, seqLen: 32, vocabSize: 40 }, 20_000, 4, 10, ({ tokens, targets }) => {
      for (let t = 12; t < 32; t += 2) if (tokens[t] === tokens[0] && targets[t] !== -1) return (t - 12) / 2;
      return -1;
    });
    expect(chiSquareScore(slots)).toBeLessThan(4);
  });
});
