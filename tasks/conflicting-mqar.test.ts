import { describe, expect, test } from 'vitest';
import { conflictingMqar } from './conflicting-mqar.ts';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';

taskLaws(conflictingMqar, {
  sizes: [
    { seqLen: 256, pairs: 16, valuesPerKey: 4, order: 'rounds' },
    { answer: 'first', randomNonQueries: false },
    { answer: 'first', order: 'adjacent', vocabSize: 37, seqLen: 36, pairs: 6, powerA: 1 },
  ],
  drawn: { vocabSize: 20, seqLen: 16, pairs: 2, randomNonQueries: false },
  // the value after the first or the last showing of the key in the context
  solve(tokens, t, { pairs, valuesPerKey, answer }) {
    const context = tokens.subarray(0, 2 * pairs * valuesPerKey);
    const at = String(answer) === 'first' ? context.indexOf(tokens[t]) : context.lastIndexOf(tokens[t]);
    return context[at + 1];
  },
  refused: [
    [
      { pairs: 12 },
      'E_SIZE: task conflicting-mqar: pairs 12 with valuesPerKey 2 needs seqLen ≥ 72 (2·pairs·valuesPerKey + 2·pairs ≤ seqLen), but seqLen is 64: use pairs ≤ 10 or seqLen ≥ 72.',
    ],
    [{ seqLen: 63 }, 'E_SIZE: task conflicting-mqar: seqLen must be even (pairs and query slots are two tokens wide), but seqLen is 63: use seqLen ≤ 62 or seqLen ≥ 64.'],
    [{ vocabSize: 64 }, 'E_SIZE: task conflicting-mqar: vocabSize must be above seqLen, but vocabSize is 64 and seqLen is 64: use seqLen ≤ 62 or vocabSize ≥ 65.'],
    [{ valuesPerKey: 1 }, 'E_CONFIG: task conflicting-mqar: "valuesPerKey":'],
    [{ answer: 'any' }, 'E_CONFIG: task conflicting-mqar: "answer":'],
  ],
});

const orderOf = (tokens: Int32Array, stored: number) => Array.from({ length: stored }, (_, i) => tokens[2 * i]);

test.each(['shuffled', 'rounds', 'adjacent'] as const)('%s: every key R times, all values distinct, each key asked for once', (order) => {
  for (const { tokens, targets } of examples(conflictingMqar, { pairs: 5, valuesPerKey: 3, order, randomNonQueries: false }, 300, 1)) {
    const keys = orderOf(tokens, 15);
    const values = new Set(Array.from({ length: 15 }, (_, i) => tokens[2 * i + 1]));
    const different = [...new Set(keys)];
    expect(different.map((k) => keys.filter((x) => x === k).length)).toEqual([3, 3, 3, 3, 3]);
    expect(values.size).toBe(15);
    expect([...values].every((v) => v >= 4096) && different.every((k) => k < 4096)).toBe(true);
    if (order === 'rounds') for (let r = 0; r < 15; r += 5) expect(new Set(keys.slice(r, r + 5)).size).toBe(5);
    if (order === 'adjacent') for (let j = 0; j < 15; j += 3) expect(new Set(keys.slice(j, j + 3)).size).toBe(1);
    const asked = [...targets.keys()].filter((t) => targets[t] !== -1);
    expect(asked.map((t) => tokens[t]).sort((a, b) => a - b)).toEqual(different.sort((a, b) => a - b));
    expect(tokens.slice(30).filter((x) => x !== 0)).toHaveLength(5);
  }
});

describe('distribution', () => {
  const options = { pairs: 2, seqLen: 16, vocabSize: 20 };
  // the order of pairs as which of them hold the key of the first one
  const pattern = ({ tokens }: { tokens: Int32Array }) => [1, 2, 3].findIndex((i) => tokens[2 * i] === tokens[0]);

  test('shuffled: every order of the pairs is equally likely', () => {
    expect(chiSquareScore(count(conflictingMqar, options, 20_000, 2, 3, pattern))).toBeLessThan(4);
  });

  test('rounds: the two rounds are ordered independently', () => {
    const rounds = count(conflictingMqar, { ...options, order: 'rounds' }, 20_000, 3, 3, pattern);
    expect(rounds[0]).toBe(0);
    expect(chiSquareScore(rounds.slice(1))).toBeLessThan(4);
  });

  test('keys and values are uniform, in every place', () => {
    for (const t of [0, 6]) {
      expect(chiSquareScore(count(conflictingMqar, options, 20_000, 4, 90, ({ tokens }) => 10 * (tokens[t] - 1) + tokens[t + 1] - 10))).toBeLessThan(4);
    }
  });

  test('the rule changes the targets and nothing else', () => {
    const last = examples(conflictingMqar, options, 200, 5);
    for (const { tokens, targets } of examples(conflictingMqar, { ...options, answer: 'first' }, 200, 5)) {
      const other = last.next().value!;
      expect(tokens).toEqual(other.tokens);
      targets.forEach((y, t) => expect(y === other.targets[t]).toBe(y === -1));
    }
  });
});
