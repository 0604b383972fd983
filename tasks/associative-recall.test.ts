import { describe, expect, test } from 'vitest';
import { associativeRecall } from './associative-recall.ts';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';

taskLaws(associativeRecall, {
  sizes: [{ answers: 'all' }, { seqLen: 22, vocabSize: 10 }, { seqLen: 4, vocabSize: 4 }, { seqLen: 1024, vocabSize: 8192, answers: 'all' }],
  drawn: { vocabSize: 10, seqLen: 16 },
  // the token after the first showing of the key
  solve: (tokens, t) => tokens[tokens.indexOf(tokens[t]) + 1],
  refused: [
    [{ seqLen: 41 }, 'E_SIZE: task associative-recall: seqLen must be even (pairs, announcement and query), but seqLen is 41: use seqLen ≤ 40 or seqLen ≥ 42.'],
    [{ answers: 'first' }, 'E_CONFIG: task associative-recall: "answers":'],
    [{ vocabSize: 3 }, 'E_CONFIG: task associative-recall: "vocabSize":'],
  ],
});

describe('distribution', () => {
  const options = { vocabSize: 10, seqLen: 10 }; // keys 2…5, values 6…9, 4 pairs

  test('keys are drawn with replacement', () => {
    const keys = count(associativeRecall, options, 40_000, 1, 256, ({ tokens }) => [0, 2, 4, 6].reduce((at, t) => 4 * at + tokens[t] - 2, 0));
    expect(chiSquareScore(keys)).toBeLessThan(4);
  });

  test('values are uniform, and those of two keys independent', () => {
    const values = new Int32Array(16);
    for (const { tokens } of examples(associativeRecall, options, 20_000, 2)) {
      if (tokens[0] !== tokens[2]) values[4 * (tokens[1] - 6) + tokens[3] - 6]++;
    }
    expect(chiSquareScore(values)).toBeLessThan(4);
  });

  test('the query is uniform among the different keys shown, however often', () => {
    const asked = new Int32Array(2); // the rarer, the more frequent of two keys shown 1 and 3 times
    for (const { tokens } of examples(associativeRecall, options, 60_000, 3)) {
      const keys = [0, 2, 4, 6].map((t) => tokens[t]);
      const times = keys.filter((k) => k === tokens[9]).length;
      if (new Set(keys).size === 2 && times !== 2) asked[times === 1 ? 0 : 1]++;
    }
    expect(asked[0]).toBeGreaterThan(1000);
    expect(chiSquareScore(asked)).toBeLessThan(4);
  });

  test('answers "all" scores every repeated key beside the query, and changes no token', () => {
    const last = examples(associativeRecall, options, 200, 4);
    for (const { tokens, targets } of examples(associativeRecall, { ...options, answers: 'all' }, 200, 4)) {
      expect(tokens).toEqual(last.next().value?.tokens);
      targets.slice(0, 8).forEach((y, t) => expect(y !== -1).toBe(t % 2 === 0 && tokens.indexOf(tokens[t]) < t));
      expect(targets[8]).toBe(-1);
    }
  });
});
