import { describe, expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { ngramLookup } from './ngram-lookup.ts';

taskLaws(ngramLookup, {
  sizes: [
    { side: 'prefix' },
    { side: 'prefix', packed: false, minLength: 8, answerLength: 3, occurrences: 2 },
    { minLength: 6, occurrences: 2 },
    { vocabSize: 6, n: 1, minLength: 2, answerLength: 1 },
    { n: 4, minLength: 5, maxLength: 5, seqLen: 13 },
  ],
  drawn: { vocabSize: 9, seqLen: 24, side: 'prefix', n: 2, minLength: 4, maxLength: 6 },
  // find the n-gram in the string, go on as far as the answer has come; a full stop at the string's end
  solve(tokens, t, { side, n, vocabSize, answerLength }) {
    const problem = tokens.slice(tokens.lastIndexOf(vocabSize - 4, t) + 1, t + 1);
    const [one, two, ...answer] = split(problem, vocabSize - 3);
    const [ngram, string] = String(side) === 'prefix' ? [one, two] : [two.splice(0, n), one];
    const told = String(side) === 'prefix' ? answer[0].length : two.length;
    const first = string.findIndex((_, i) => ngram.every((x, j) => string[i + j] === x));
    if (answerLength > 0 && told === answerLength) return vocabSize - 2;
    return string[first + n + told] ?? vocabSize - 2;
  },
  refused: [
    [{ n: 5 }, 'E_SIZE: task ngram-lookup: minLength must be at least 6 (the n-gram and what follows it), but it is 5: use minLength ≥ 6 or n ≤ 4.'],
    [
      { occurrences: 2 },
      'E_SIZE: task ngram-lookup: minLength must be at least 6 (the n-gram and what follows it), but it is 5: use minLength ≥ 6 or n ≤ 2 or occurrences ≤ 1.',
    ],
    [{ seqLen: 42, side: 'prefix' }, 'E_SIZE: task ngram-lookup: seqLen must be at least 44 (the longest problem), but it is 42: use seqLen ≥ 44 or maxLength ≤ 19 or answerLength ≥ 1.'],
    [{ side: 'left' }, 'E_CONFIG: task ngram-lookup: "side":'],
  ],
});

/** The parts between separators. */
function split(tokens: Int32Array, separator: number): number[][] {
  const parts: number[][] = [[]];
  for (const x of tokens) {
    if (x === separator) parts.push([]);
    else parts.at(-1)!.push(x);
  }
  return parts;
}

const text = (tokens: Int32Array) => Array.from(tokens, (x) => 'abcdefghijklmnopqrstuvwxyz$|.*'[x]).join('');
const n = 30_000;

describe('structure', () => {
  test.each([
    [{ side: 'prefix' }, /^(\$([a-z]{3})\|[a-z]*?\2([a-z]+)\|\3\.){2,}\**$/],
    [{ side: 'suffix' }, /^(\$[a-z]*?([a-z]{3})([a-z]+)\|\2\3\.){2,}\**$/],
    [{ side: 'suffix', packed: false, answerLength: 2 }, /^\$[a-z]*?([a-z]{3})([a-z]{2})[a-z]*\|\1\2\.\**$/],
    [{ side: 'prefix', packed: false, minLength: 6, occurrences: 2 }, /^\$([a-z]{3})\|[a-z]*?\1([a-z]*\1[a-z]*)\|\2\.\**$/],
  ])('%j', (options, pattern) => {
    for (const { tokens, targets } of examples(ngramLookup, options, 100, 1)) {
      expect(text(tokens)).toMatch(pattern);
      const bars = options.side === 'prefix' ? 2 : 1;
      let [bar, since] = [0, 0];
      tokens.forEach((x, t) => {
        if (x === 26 || x === 28) bar = 0;
        if (x === 27) [bar, since] = [bar + 1, t];
        const answers = bar === bars && (options.side === 'prefix' || t >= since + 3);
        expect(targets[t]).toBe(answers ? tokens[t + 1] : -1);
      });
    }
  });

  test('slice and number of answers', () => {
    expect(ngramLookup.open({ packed: false })).toMatchObject({ maxScored: 18, slice: { seqLen: 220, minLength: 5, maxLength: 20, side: 'suffix', n: 3 } });
  });
});

describe('distribution', () => {
  test('letters are uniform and independent, the n-gram stands at a uniform place', () => {
    const [two, places] = [new Int32Array(25), new Int32Array(4)];
    for (const { tokens } of examples(ngramLookup, { vocabSize: 9, seqLen: 40, packed: false, minLength: 8, maxLength: 8, answerLength: 2 }, n, 2)) {
      two[tokens[3] * 5 + tokens[4]]++;
    }
    for (const { tokens } of examples(ngramLookup, { vocabSize: 2 ** 16, packed: false, minLength: 8, maxLength: 8, answerLength: 2 }, n, 3)) {
      places[tokens.indexOf(tokens[10]) - 1]++;
    }
    expect(chiSquareScore(two)).toBeLessThan(4);
    expect(chiSquareScore(places)).toBeLessThan(4);
  });

  test('the duplicate stands at a uniform place after the first', () => {
    const places = new Int32Array(9);
    for (const { tokens } of examples(ngramLookup, { vocabSize: 2 ** 16, packed: false, minLength: 8, maxLength: 8, occurrences: 2 }, n, 4)) {
      const [first, second] = [tokens.indexOf(tokens[10]), tokens.indexOf(tokens[10], tokens.indexOf(tokens[10]) + 1)];
      places[(first - 1) * 3 + second - 4]++;
    }
    const cells = [0, 1, 2, 4, 5, 8]; // first place uniform on 0 … 2, then uniform on the rest
    expect(chiSquareScore(Int32Array.from(cells, (c) => places[c]), (i) => [1 / 9, 1 / 9, 1 / 9, 1 / 6, 1 / 6, 1 / 3][i])).toBeLessThan(4);
  });
});
