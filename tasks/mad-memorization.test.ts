import { expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { madMemorization } from './mad-memorization.ts';

/** The map as other examples show it. */
function learn(options: Record<string, unknown>): Map<number, number> {
  const { vocabSize, seqLen } = madMemorization.open(options);
  const map = new Map<number, number>();
  for (const { tokens, targets } of examples(madMemorization, options, Math.ceil((20 * vocabSize) / seqLen), 99)) {
    for (let t = 0; t < seqLen; t += 2) {
      expect(map.get(tokens[t]) ?? targets[t + 1]).toBe(targets[t + 1]);
      map.set(tokens[t], targets[t + 1]);
    }
  }
  return map;
}
const maps = new Map<string, Map<number, number>>();

taskLaws(madMemorization, {
  sizes: [{ vocabSize: 3, seqLen: 2 }, { vocabSize: 1024, mapSeed: 0 }, { vocabSize: 9, seqLen: 64 }],
  drawn: { vocabSize: 12, seqLen: 12 },
  // what was learnt from other examples
  solve(tokens, t, options) {
    const name = JSON.stringify(options);
    if (!maps.has(name)) maps.set(name, learn(options));
    return maps.get(name)!.get(tokens[t - 1]) ?? -1;
  },
  refused: [
    [{ seqLen: 31 }, 'E_SIZE: task mad-memorization: seqLen must be even (a key and the ask token are two), but seqLen is 31: use seqLen ≤ 30 or seqLen ≥ 32.'],
    [{ vocabSize: 2 }, 'E_CONFIG: task mad-memorization: "vocabSize":'],
    [{ mapSeed: -1 }, 'E_CONFIG: task mad-memorization: "mapSeed":'],
  ],
});

test.each([{}, { vocabSize: 9 }, { vocabSize: 10 }])('%j: the map is one-to-one, from the first half to the second', (options) => {
  const map = learn(options);
  const { vocabSize } = madMemorization.open(options);
  const keys = Math.floor((vocabSize - 1) / 2);
  expect(map.size).toBe(keys);
  expect(new Set(map.values()).size).toBe(keys);
  expect([...map].every(([k, v]) => k < keys && v >= keys && v < vocabSize - 1)).toBe(true);
});

test('keys are uniform; over seeds the map is a uniform choice of values in order', () => {
  const [two, map] = [new Int32Array(81), new Int32Array(90)];
  for (const { tokens } of examples(madMemorization, { vocabSize: 20, seqLen: 8 }, 40_000, 1)) {
    two[tokens[2] * 9 + tokens[6]]++;
    expect(tokens[3]).toBe(19);
  }
  for (let mapSeed = 0; mapSeed < 20_000; mapSeed++) {
    let [a, b] = [-1, -1];
    // keys 0 … 8, values 9 … 18: the values of keys 0 and 8
    for (const { tokens, targets } of examples(madMemorization, { vocabSize: 20, seqLen: 512, mapSeed }, 1, 2)) {
      [a, b] = [0, 8].map((key) => targets[tokens.indexOf(key) + 1] - 9);
    }
    map[a * 9 + (b < a ? b : b - 1)]++;
  }
  expect(chiSquareScore(two)).toBeLessThan(4);
  expect(chiSquareScore(map)).toBeLessThan(4);
});
