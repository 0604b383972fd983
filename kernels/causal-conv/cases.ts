/** The data on which every form of the convolution is judged. */
import { gaussian, type Case } from '../judge.ts';
import { causalConv } from './op.ts';
import { causalConvGradientOracle, causalConvOracle } from './oracle.ts';

function conv(B: number, L: number, C: number, W: number, activation: 'none' | 'silu'): Case {
  return {
    name: `B${B} L${L} C${C} W${W} ${activation}`,
    inputs: [gaussian(1, B, L, C), gaussian(2, C, W), gaussian(3, C)],
    call: ([x, w, b]) => [causalConv(x, w, b, { activation })],
    oracle: ([x, w, b]) => [causalConvOracle(x, w, b, activation)],
    oracleGradient: ([x, w, b], dy) => causalConvGradientOracle(x, w, b, dy, activation),
  };
}

export const cases: readonly Case[] = [
  conv(1, 1, 1, 4, 'silu'),
  conv(2, 2, 5, 4, 'silu'),
  conv(3, 63, 8, 4, 'silu'),
  conv(1, 65, 12, 4, 'silu'),
  conv(2, 130, 7, 4, 'silu'),
  conv(9, 18, 16, 4, 'silu'),
  conv(40, 6, 9, 4, 'silu'),
  conv(2, 131, 66, 4, 'silu'),
  conv(1, 300, 64, 4, 'silu'),
  ...[1, 2, 3, 5, 8].map((W) => conv(2, 35, 6, W, 'silu')),
  conv(2, 3, 4, 8, 'silu'),
  // several workgroups on a GPU, in every direction
  conv(3, 77, 132, 4, 'silu'),
  // without the activation everything else is the same
  conv(1, 1, 1, 4, 'none'),
  conv(3, 63, 8, 4, 'none'),
  conv(2, 131, 66, 4, 'none'),
  ...[1, 3, 8].map((W) => conv(2, 35, 6, W, 'none')),
];
