import { expect, test } from 'vitest';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { madCompression } from './mad-compression.ts';

taskLaws(madCompression, {
  sizes: [{ vocabSize: 2, seqLen: 2 }, { vocabSize: 128, seqLen: 256 }],
  drawn: { vocabSize: 10, seqLen: 12 },
  // the token itself: the readout, not the answer, is what makes this hard
  solve: (tokens, t) => tokens[t],
  refused: [
    [{ seqLen: 1 }, 'E_CONFIG: task mad-compression: "seqLen":'],
    [{ vocabSize: 1 }, 'E_CONFIG: task mad-compression: "vocabSize":'],
  ],
});

test('every position is read from the last output', () => {
  expect(madCompression.open({})).toMatchObject({ vocabSize: 16, seqLen: 32, maxScored: 32, readout: 'last', slice: { vocabSize: 16, seqLen: 32 } });
});

test('tokens are uniform and independent, the compression token is last and nowhere else', () => {
  const [first, two] = [new Int32Array(9), new Int32Array(81)];
  for (const { tokens } of examples(madCompression, { vocabSize: 10, seqLen: 8 }, 40_000, 1)) {
    first[tokens[0]]++;
    two[tokens[5] * 9 + tokens[6]]++;
    expect(tokens.indexOf(9)).toBe(7);
  }
  expect(chiSquareScore(first)).toBeLessThan(4);
  expect(chiSquareScore(two)).toBeLessThan(4);
});
