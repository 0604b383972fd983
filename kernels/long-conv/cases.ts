/** The data on which every form of the long convolution is judged. */
import { gaussian, type Case } from '../judge.ts';
import { longConv } from './op.ts';
import { longConvGradientOracle, longConvOracle } from './oracle.ts';

function conv(B: number, L: number, C: number): Case {
  return {
    name: `B${B} L${L} C${C}`,
    inputs: [gaussian(1, B, L, C), gaussian(2, L, C)],
    call: ([u, h]) => [longConv(u, h)],
    oracle: ([u, h]) => [longConvOracle(u, h)],
    oracleGradient: ([u, h], dy) => longConvGradientOracle(u, h, dy),
  };
}

export const cases: readonly Case[] = [
  // every number of steps within the first few transform lengths, and both sides of a power of two
  ...[1, 2, 3, 4, 5, 8, 9].map((L) => conv(2, L, 3)),
  conv(3, 17, 5),
  conv(1, 64, 8),
  conv(2, 100, 7),
  conv(1, 128, 33),
  conv(3, 257, 5),
  // several blocks of channels
  conv(2, 20, 70),
  conv(1, 20, 300),
  // many sequences of few channels
  conv(9, 33, 1),
  conv(40, 6, 9),
  // longer than what workgroup memory or a first-level cache hold, of both parities of log N
  conv(1, 513, 2),
  conv(1, 1024, 5),
  conv(2, 1025, 3),
  conv(1, 2500, 2),
  conv(1, 4099, 1),
];
