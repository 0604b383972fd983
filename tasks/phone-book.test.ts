import { describe, expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { phoneBook } from './phone-book.ts';

taskLaws(phoneBook, {
  sizes: [{ shots: 0 }, { entries: 100, digits: 7, nameParts: 1 }, { vocabSize: 14, nameParts: 3, entries: 4, shots: 3, digits: 1 }],
  drawn: { vocabSize: 20, entries: 2, shots: 1, nameParts: 1, digits: 2 },
  // find the name asked for in the book, go on as far as the number has come
  solve(tokens, t, { entries, nameParts, digits }) {
    const name = tokens.lastIndexOf(11) + 1;
    for (let line = 0; line < entries * (nameParts + digits + 2); line += nameParts + digits + 2) {
      if (tokens.slice(line, line + nameParts).every((x, i) => x === tokens[name + i])) return tokens[line + t - name + 1];
    }
    return -1;
  },
  refused: [
    [{ shots: 20 }, 'E_SIZE: task phone-book: entries must be above shots (one more is asked for), but they are 20 and 20: use entries ≥ 21 or shots ≤ 19.'],
    [
      { entries: 300, nameParts: 1 },
      'E_SIZE: task phone-book: entries must be at most half of the (vocabSize − 12)^nameParts names, but there are 300 entries and 500 names: use vocabSize ≥ 612 or entries ≤ 250.',
    ],
    [{ vocabSize: 14, entries: 3, nameParts: 1 }, 'E_SIZE: task phone-book: entries must be at most half of the (vocabSize − 12)^nameParts names, but there are 3 entries and 2 names: use vocabSize ≥ 18.'],
    [{ nameParts: 4 }, 'E_CONFIG: task phone-book: "nameParts":'],
    [{ seqLen: 4 }, 'E_CONFIG: task phone-book: unknown key "seqLen"'],
  ],
});

const n = 20_000;
const text = (tokens: Int32Array) => Array.from(tokens, (x) => (x < 10 ? `${x}` : (({ 10: ':', 11: '\n' })[x] ?? `<${x}>`))).join('');

describe('structure', () => {
  test('a book, lines of it again, and another name of it', () => {
    for (const { tokens, targets } of examples(phoneBook, {}, 200, 1)) {
      const [book, shots, question] = text(tokens).split('\n\n').map((part) => part.split('\n'));
      const answer = targets.slice(-10).join('');
      expect(book).toHaveLength(20);
      for (const line of book) expect(line).toMatch(/^(<\d+>){2}:[6-9]\d{9}$/);
      expect(new Set(book.map((line) => line.split(':')[0])).size).toBe(20);
      expect(new Set([...shots, ...question.map((line) => line.slice(0, -9) + answer)]).size).toBe(3);
      for (const line of shots) expect(book).toContain(line);
      expect(question).toHaveLength(1);
      expect(question[0].split(':')[1]).toBe(answer.slice(0, -1));
      expect(book).toContain(question[0] + answer.at(-1));
      expect(targets.slice(0, -10).every((y) => y === -1)).toBe(true);
    }
  });

  test('sizes follow from the options', () => {
    expect(phoneBook.open({})).toMatchObject({ vocabSize: 512, seqLen: 22 * 14 + 2 + 12, maxScored: 10, slice: { entries: 20, shots: 2, nameParts: 2, digits: 10 } });
    for (const { tokens } of examples(phoneBook, { shots: 0, entries: 2 }, 1, 2)) expect(text(tokens)).toMatch(/^(.+\n){2}\n\n.+:\d{9}$/);
  });
});

describe('distribution', () => {
  test('name tokens and digits are uniform and independent, the first digit is 6 … 9', () => {
    const [names, digits, firsts] = [new Int32Array(64), new Int32Array(100), new Int32Array(4)];
    for (const { tokens } of examples(phoneBook, { vocabSize: 20, entries: 3 }, n, 3)) {
      names[(tokens[0] - 12) * 8 + tokens[1] - 12]++;
      firsts[tokens[3] - 6]++;
      digits[tokens[4] * 10 + tokens[12]]++;
    }
    for (const counts of [names, digits, firsts]) expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test('names of one book are a uniform ordered choice without repeats', () => {
    const counts = new Int32Array(30);
    for (const { tokens } of examples(phoneBook, { vocabSize: 18, nameParts: 1, entries: 3 }, n, 4)) {
      const [a, b] = [tokens[0] - 12, tokens[13] - 12];
      counts[a * 5 + (b < a ? b : b - 1)]++;
    }
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test('repeated lines and the question are a uniform ordered choice of entries', () => {
    const counts = new Int32Array(24);
    const orders = [0, 1, 2, 3].flatMap((a) => [0, 1, 2, 3].flatMap((b) => [0, 1, 2, 3].filter((c) => a !== b && a !== c && b !== c).map((c) => `${a}${b}${c}`)));
    for (const { tokens } of examples(phoneBook, { nameParts: 1, entries: 4 }, n, 5)) {
      const entry = (t: number) => tokens.indexOf(tokens[t]) / 13;
      counts[orders.indexOf(`${entry(53)}${entry(66)}${entry(80)}`)]++;
    }
    expect(counts.reduce((a, b) => a + b)).toBe(n);
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });
});
