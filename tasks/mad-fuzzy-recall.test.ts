import { describe, expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { madFuzzyRecall } from './mad-fuzzy-recall.ts';
import { UNSCORED } from './task.ts';

/** The tokens as runs of key tokens and runs of value tokens, blanks apart: [start, end) of each. */
function runs(tokens: Int32Array, vocabSize: number): [start: number, end: number][] {
  const kind = (x: number) => (x === vocabSize - 1 ? 2 : x < Math.floor((vocabSize - 1) / 2) ? 0 : 1);
  const starts = [...tokens.keys()].filter((t) => t === 0 || kind(tokens[t]) !== kind(tokens[t - 1]));
  return starts.map((start, i) => [start, starts[i + 1] ?? tokens.length] as [number, number]).filter(([start]) => kind(tokens[start]) !== 2);
}

taskLaws(madFuzzyRecall, {
  sizes: [{ keyLengths: 'any' }, { seqLen: 11 }, { vocabSize: 128, seqLen: 512 }, { vocabSize: 3, seqLen: 33, keyMotif: 1, valueMotif: 1 }],
  drawn: { vocabSize: 10, seqLen: 20, keyMotif: 1, valueMotif: 2 },
  // the value that followed the same key the first time, as far as it was told again up to t
  solve(tokens, t, { vocabSize }) {
    const all = runs(tokens.slice(0, t + 1), vocabSize);
    const text = (i: number) => tokens.slice(...all[i]).join();
    const key = all.length % 2 === 1 ? all.length - 1 : all.length - 2;
    const first = all.findIndex((_, i) => text(i) === text(key));
    return tokens[all[first + 1][0] + t + 1 - all[key][1]];
  },
  refused: [
    [
      { vocabSize: 6 },
      'E_SIZE: task mad-fuzzy-recall: vocabSize must be at least 2·keyMotif + 1 and 2·valueMotif (distinct tokens), but they are 6, 3 and 3: use vocabSize ≥ 7 or keyMotif ≤ 2.',
    ],
    [
      { seqLen: 10 },
      'E_SIZE: task mad-fuzzy-recall: seqLen must be at least 2·(keyMotif + valueMotif) − 1 (two pairs), but they are 10, 3 and 3: use seqLen ≥ 11 or keyMotif ≤ 2 or valueMotif ≤ 2.',
    ],
    [{ keyMotif: 4 }, 'E_CONFIG: task mad-fuzzy-recall: "keyMotif":'],
  ],
});

describe('structure', () => {
  test.each([{}, { keyLengths: 'any' }, { vocabSize: 32, seqLen: 64, keyMotif: 2, valueMotif: 5 }])('%j', (options) => {
    const task = madFuzzyRecall.open(options);
    const { keyMotif, valueMotif } = madFuzzyRecall.resolve(options) as { keyMotif: number; valueMotif: number };
    for (const { tokens, targets } of examples(madFuzzyRecall, options, 100, 1)) {
      const text = Int32Array.of(...tokens, targets[task.seqLen - 1]);
      const all = runs(text, task.vocabSize);
      expect(all.length % 2).toBe(0);
      expect(all[0][0]).toBeLessThan(2 * (keyMotif + valueMotif));
      const map = new Map<string, string>();
      for (let i = 0; i < all.length; i += 2) {
        const [[start, middle], [, end]] = [all[i], all[i + 1]];
        const [key, value] = [text.slice(start, middle), text.slice(middle, end)];
        expect(key.length <= keyMotif && value.length <= valueMotif).toBe(true);
        if (!('keyLengths' in options)) expect(key).toHaveLength(keyMotif);
        expect(new Set([...key, ...value]).size).toBe(key.length + value.length);
        const known = map.get(key.join());
        expect(known ?? value.join()).toBe(value.join());
        for (let t = start; t < end; t++) if (t > 0) expect(targets[t - 1]).toBe(known === undefined || t < middle ? UNSCORED : text[t]);
        map.set(key.join(), value.join());
      }
      expect(map.size).toBeLessThan(all.length / 2);
    }
  });

  test('"all" scores every next token but blanks', () => {
    for (const { tokens, targets } of examples(madFuzzyRecall, { scored: 'all' }, 50, 2)) {
      expect(targets.slice(0, -1)).toEqual(tokens.slice(1).map((x) => (x === 15 ? UNSCORED : x)));
      expect(targets[127]).not.toBe(UNSCORED);
    }
    expect(madFuzzyRecall.open({ scored: 'all' }).slice).toEqual({ vocabSize: 16, seqLen: 128, scored: 'all' });
  });
});

describe('distribution', () => {
  const n = 30_000;

  test('motifs are uniform among the tuples of distinct tokens; lengths are uniform', () => {
    const [keys, keyLengths, valueLengths, values] = [new Int32Array(20), new Int32Array(2), new Int32Array(3), new Int32Array(210)];
    const options = { vocabSize: 11, seqLen: 40, keyMotif: 2, valueMotif: 3, keyLengths: 'any' }; // keys 0…4, values 5…9
    for (const { tokens } of examples(madFuzzyRecall, options, n, 3)) {
      const [[a, b], [, c]] = runs(tokens, 11);
      keyLengths[b - a - 1]++;
      valueLengths[c - b - 1]++;
      if (b - a === 2) keys[tokens[a] * 4 + tokens[a + 1] - (tokens[a + 1] > tokens[a] ? 1 : 0)]++;
      if (c - b === 2) values[(tokens[b] - 5) * 4 + tokens[b + 1] - 5 - (tokens[b + 1] > tokens[b] ? 1 : 0)]++;
    }
    for (const counts of [keys, keyLengths, valueLengths, values.slice(0, 20)]) expect(chiSquareScore(counts)).toBeLessThan(4);
    expect(values.slice(20).every((x) => x === 0)).toBe(true);
  });

  test('the last key is uniform among the distinct keys before it', () => {
    const counts = new Int32Array(4);
    for (const { tokens } of examples(madFuzzyRecall, { seqLen: 30 }, n, 4)) {
      const keys = runs(tokens, 16).filter((_, i) => i % 2 === 0).map((run) => tokens.slice(...run).join());
      const known = [...new Set(keys.slice(0, -1))];
      if (known.length === 4) counts[known.indexOf(keys.at(-1)!)]++;
    }
    expect(counts.reduce((a, b) => a + b)).toBeGreaterThan(500);
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });
});
