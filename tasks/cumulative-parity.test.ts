import { expect, test } from 'vitest';
import { cumulativeParity } from './cumulative-parity.ts';
import { chiSquareScore, count } from './frequencies.ts';
import { taskLaws } from './laws.ts';

taskLaws(cumulativeParity, {
  sizes: [{ seqLen: 1 }, { seqLen: 500 }],
  drawn: { seqLen: 16 },
  solve: (tokens, t) => tokens.subarray(0, t + 1).reduce((a, b) => a + b) % 2,
  refused: [[{ seqLen: 0 }, 'E_CONFIG: task cumulative-parity: "seqLen":']],
});

test('bits are uniform and independent', () => {
  const strings = count(cumulativeParity, { seqLen: 8 }, 40_000, 1, 256, ({ tokens }) => tokens.reduce((at, bit) => 2 * at + bit, 0));
  expect(chiSquareScore(strings)).toBeLessThan(4);
});
