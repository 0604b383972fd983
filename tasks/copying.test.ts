import { describe, expect, test } from 'vitest';
import { copying } from './copying.ts';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';

taskLaws(copying, {
  sizes: [{ packed: false }, { minLength: 1, maxLength: 1, seqLen: 5 }, { minLength: 6, duplicate: 3 }, { minLength: 10, maxLength: 21, seqLen: 120 }],
  drawn: { vocabSize: 9, seqLen: 22, minLength: 2, maxLength: 4 },
  // as far after the $ as t is after the |
  solve(tokens, t, { vocabSize }) {
    const [dollar, bar] = [vocabSize - 4, vocabSize - 3].map((x) => tokens.lastIndexOf(x, t));
    const next = tokens[dollar + 1 + t - bar];
    return next === vocabSize - 3 ? vocabSize - 2 : next;
  },
  refused: [
    [{ seqLen: 42 }, 'E_SIZE: task copying: seqLen must be at least 2·maxLength + 3 (the longest problem), but they are 42 and 20: use seqLen ≥ 43 or maxLength ≤ 19.'],
    [{ minLength: 21 }, 'E_SIZE: task copying: maxLength must be at least minLength, but they are 20 and 21: use minLength ≤ 20 or maxLength ≥ 21.'],
    [{ duplicate: 3 }, 'E_SIZE: task copying: minLength must be at least 2·duplicate, but they are 5 and 3: use minLength ≥ 6 or duplicate ≤ 2.'],
    [{ vocabSize: 4 }, 'E_CONFIG: task copying: "vocabSize":'],
  ],
});

const text = (tokens: Int32Array) => Array.from(tokens, (x) => 'abcdefghijklmnopqrstuvwxyz$|.*'[x]).join('');
const n = 20_000;

describe('structure', () => {
  test('problems fill the context, one after the other', () => {
    for (const { tokens, targets } of examples(copying, {}, 100, 1)) {
      expect(text(tokens)).toMatch(/^(\$([a-z]{5,20})\|\2\.){3,}\**$/);
      expect(tokens.at(-44)).not.toBe(29); // the longest problem has 43 tokens
      let inAnswer = false;
      tokens.forEach((x, t) => {
        if (x === 27 || x === 28) inAnswer = x === 27;
        expect(targets[t]).toBe(inAnswer ? tokens[t + 1] : -1);
      });
    }
  });

  test('not packed, there is one', () => {
    for (const { tokens } of examples(copying, { packed: false }, 100, 2)) expect(text(tokens)).toMatch(/^\$([a-z]+)\|\1\.\*+$/);
    expect(copying.open({ packed: false })).toMatchObject({ maxScored: 21, slice: { seqLen: 220, minLength: 5, maxLength: 20 } });
  });

  test('a duplicate is an n-gram that occurs twice, everywhere where there is room', () => {
    const places = new Int32Array(9);
    const options = { vocabSize: 2 ** 16, packed: false, minLength: 8, maxLength: 8, duplicate: 3 };
    for (const { tokens } of examples(copying, options, n, 3)) {
      const s = tokens.slice(1, 9);
      const again = [...s.keys()].filter((i) => s.indexOf(s[i]) < i);
      if (again.length !== 3) continue; // letters that are the same by chance
      expect(again).toEqual([0, 1, 2].map((i) => again[0] + i));
      expect(s.slice(again[0], again[0] + 3)).toEqual(s.slice(s.indexOf(s[again[0]]), s.indexOf(s[again[0]]) + 3));
      places[s.indexOf(s[again[0]]) * 3 + again[0] - 3]++;
    }
    // two uniform draws from 0 … 2 in order
    const cells = [0, 1, 2, 4, 5, 8];
    expect(chiSquareScore(Int32Array.from(cells, (c) => places[c]), (i) => (cells[i] % 4 === 0 ? 1 : 2) / 9)).toBeLessThan(4);
    expect(places.reduce((a, b) => a + b)).toBeGreaterThan(0.99 * n);
  });
});

test('lengths are uniform, letters uniform and independent', () => {
  const [lengths, two] = [new Int32Array(4), new Int32Array(25)];
  for (const { tokens } of examples(copying, { vocabSize: 9, seqLen: 22, minLength: 2, maxLength: 5 }, n, 4)) {
    lengths[tokens.indexOf(6) - 3]++;
    two[tokens[1] * 5 + tokens[2]]++;
  }
  expect(chiSquareScore(lengths)).toBeLessThan(4);
  expect(chiSquareScore(two)).toBeLessThan(4);
});
