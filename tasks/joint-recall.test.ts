import { describe, expect, test } from 'vitest';
import { chiSquareScore, count, examples } from './frequencies.ts';
import { jointRecall } from './joint-recall.ts';
import { taskLaws } from './laws.ts';

taskLaws(jointRecall, {
  sizes: [{ seqLen: 400, contexts: 6, keys: 12 }, { seqLen: 128, contexts: 1, keys: 30 }, { vocabSize: 7, seqLen: 12, contexts: 1, keys: 2 }],
  drawn: { vocabSize: 30, seqLen: 20, contexts: 2, keys: 2 },
  // the value after the key in the block of the context
  solve(tokens, t, { contexts, keys }) {
    for (let block = 0; block < contexts * (1 + 2 * keys); block += 1 + 2 * keys) {
      if (tokens[block] === tokens[t - 1]) return tokens[tokens.indexOf(tokens[t], block) + 1];
    }
    return -1;
  },
  refused: [
    [
      { contexts: 5 },
      'E_SIZE: task joint-recall: contexts 5 with keys 4 needs seqLen ≥ 85 (contexts·(1 + 2·keys) + 2·contexts·keys ≤ seqLen), but seqLen is 68: use contexts ≤ 4 or keys ≤ 3 or seqLen ≥ 85.',
    ],
    [{ vocabSize: 12 }, 'E_SIZE: task joint-recall: contexts must be below ⌊vocabSize/3⌋ (distinct contexts), but contexts is 4 and vocabSize is 12: use contexts ≤ 3 or vocabSize ≥ 15.'],
    [{ vocabSize: 9, contexts: 1 }, 'E_SIZE: task joint-recall: keys must not be above ⌊vocabSize/3⌋ (distinct keys), but keys is 4 and vocabSize is 9: use keys ≤ 3 or vocabSize ≥ 12.'],
    [{ vocabSize: 6 }, 'E_CONFIG: task joint-recall: "vocabSize":'],
  ],
});

test('one block a context with the same keys, every combination asked for once, blanks after', () => {
  for (const { tokens, targets } of examples(jointRecall, { vocabSize: 30, seqLen: 50, contexts: 3, keys: 3 }, 300, 1)) {
    const names = [0, 7, 14].map((t) => tokens[t]);
    const sets = [0, 7, 14].map((t) => [1, 3, 5].map((i) => tokens[t + i]).sort((a, b) => a - b));
    expect(new Set(names).size).toBe(3);
    expect(new Set(sets[0]).size).toBe(3);
    expect(sets[1]).toEqual(sets[0]);
    expect(sets[2]).toEqual(sets[0]);
    expect(names.every((c) => c >= 1 && c < 10) && sets[0].every((k) => k >= 10 && k < 20)).toBe(true);
    const asked = [...targets.keys()].filter((t) => targets[t] !== -1);
    expect(asked).toEqual([22, 24, 26, 28, 30, 32, 34, 36, 38]);
    expect(new Set(asked.map((t) => `${tokens[t - 1]} ${tokens[t]}`)).size).toBe(9);
    expect(asked.every((t) => names.includes(tokens[t - 1]) && sets[0].includes(tokens[t]))).toBe(true);
    expect(tokens.slice(39).every((x) => x === 0)).toBe(true);
  }
});

describe('distribution', () => {
  const options = { vocabSize: 30, seqLen: 20, contexts: 2, keys: 2 };

  test('values are uniform, and of one key independent in two contexts', () => {
    const values = count(jointRecall, options, 40_000, 2, 100, ({ tokens }) => 10 * (tokens[2] - 20) + tokens[tokens.indexOf(tokens[1], 5) + 1] - 20);
    expect(chiSquareScore(values)).toBeLessThan(4);
  });

  test('contexts and keys are uniform and independent', () => {
    expect(chiSquareScore(count(jointRecall, options, 40_000, 3, 90, ({ tokens }) => 10 * (tokens[0] - 1) + tokens[1] - 10))).toBeLessThan(4);
  });

  test('the order of keys differs from block to block, and queries come in any order', () => {
    const same = count(jointRecall, options, 20_000, 4, 2, ({ tokens }) => (tokens[1] === tokens[6] ? 1 : 0));
    expect(chiSquareScore(same)).toBeLessThan(4);
    const firstAsked = count(jointRecall, options, 20_000, 5, 4, ({ tokens }) => (tokens[10] === tokens[0] ? 0 : 2) + (tokens[11] === tokens[1] ? 0 : 1));
    expect(chiSquareScore(firstAsked)).toBeLessThan(4);
  });
});
