import { describe, expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { madRecall } from './mad-recall.ts';
import { UNSCORED } from './task.ts';

taskLaws(madRecall, {
  sizes: [{ seqLen: 4 }, { vocabSize: 2, seqLen: 64 }, { vocabSize: 65, seqLen: 256 }],
  drawn: { vocabSize: 8, seqLen: 16 },
  // the value that followed the key the first time
  solve: (tokens, t) => tokens[tokens.indexOf(tokens[t]) + 1],
  refused: [
    [{ seqLen: 127 }, 'E_SIZE: task mad-recall: seqLen must be even (pairs are two tokens wide), but seqLen is 127: use seqLen ≤ 126 or seqLen ≥ 128.'],
    [{ seqLen: 2 }, 'E_CONFIG: task mad-recall: "seqLen":'],
    [{ vocabSize: 1 }, 'E_CONFIG: task mad-recall: "vocabSize":'],
    [{ scored: 'some' }, 'E_CONFIG: task mad-recall: "scored":'],
  ],
});

describe('structure', () => {
  test.each([{}, { vocabSize: 7, seqLen: 40 }, { vocabSize: 128, seqLen: 1024 }])('%j', (options) => {
    const task = madRecall.open(options);
    const firstValue = Math.floor(task.vocabSize / 2);
    for (const { tokens, targets } of examples(madRecall, options, 200, 1)) {
      const map = new Map<number, number>();
      for (let t = 0; t < task.seqLen; t += 2) {
        const [key, value] = [tokens[t], tokens[t + 1]];
        expect(key < firstValue && value >= firstValue).toBe(true);
        expect(targets[t]).toBe(map.get(key) ?? UNSCORED);
        expect(targets[t + 1]).toBe(UNSCORED);
        expect(map.get(key) ?? value).toBe(value);
        map.set(key, value);
      }
      expect(targets[task.seqLen - 2]).toBe(tokens[task.seqLen - 1]);
    }
  });

  test('"all" scores every next token of the same example', () => {
    const texts = (options: object) => Array.from(examples(madRecall, options, 20, 2), ({ tokens }) => tokens.join());
    expect(texts({ scored: 'all' })).toEqual(texts({}));
    for (const { tokens, targets } of examples(madRecall, { scored: 'all' }, 20, 2)) expect([...targets]).toEqual([...tokens.slice(1), UNSCORED]);
    expect(madRecall.open({ scored: 'all' })).toMatchObject({ maxScored: 127, slice: { vocabSize: 16, seqLen: 128, scored: 'all' } });
    expect(madRecall.open({})).toMatchObject({ maxScored: 63, slice: { vocabSize: 16, seqLen: 128 } });
    expect(madRecall.open({}).slice).not.toHaveProperty('scored');
  });
});

describe('distribution', () => {
  const n = 30_000;

  test('keys and new values are uniform and independent, also of the pair before', () => {
    const [two, first, together] = [new Int32Array(64), new Int32Array(8), new Int32Array(64)];
    for (const { tokens } of examples(madRecall, { seqLen: 12 }, n, 3)) {
      two[tokens[4] * 8 + tokens[6]]++;
      first[tokens[1] - 8]++;
      if (tokens[0] !== tokens[2]) together[(tokens[1] - 8) * 8 + tokens[3] - 8]++;
    }
    for (const counts of [two, first, together]) expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test('a pair is scored with probability 1 − (1 − 1/K)^(pairs before it), the last always', () => {
    const scored = new Int32Array(12);
    for (const { targets } of examples(madRecall, { seqLen: 24 }, n, 4)) {
      for (let p = 0; p < 12; p++) if (targets[2 * p] !== UNSCORED) scored[p]++;
    }
    for (let p = 0; p < 11; p++) {
      const law = 1 - (7 / 8) ** p;
      expect(Math.abs(scored[p] / n - law)).toBeLessThanOrEqual(4 * Math.sqrt((law * (1 - law)) / n));
    }
    expect(scored[11]).toBe(n);
  });

  test('the last key is uniform among the distinct keys before it', () => {
    const counts = new Int32Array(3);
    for (const { tokens } of examples(madRecall, { seqLen: 12 }, n, 5)) {
      const keys = [...new Set([0, 2, 4, 6, 8].map((t) => tokens[t]))];
      if (keys.length === 3) counts[keys.indexOf(tokens[10])]++;
    }
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });
});
