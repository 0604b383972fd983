/** The data on which every form of the selective scan is judged. */
import { callFused, type FusedOp } from '#engine/fused-op.ts';
import { gaussian, type Case } from '../judge.ts';
import { selectiveScan, selectiveScanGradientOp, selectiveScanOp, type ScanAttrs } from './op.ts';
import { selectiveScanGradientOracle, selectiveScanOracle } from './oracle.ts';
import { selectiveScanGradientWebgpu, selectiveScanWebgpu } from './webgpu.ts';

export type Data = { shape: number[]; data: Float64Array };
export const mapped = (t: Data, f: (v: number) => number): Data => ({ shape: t.shape, data: t.data.map((v) => Math.fround(f(v))) });

/** Decays from slow to fast: Δ about 0.02 … 2, a = −0.1 … −20. */
export function operands(B: number, L: number, E: number, N: number): [Data, Data, Data, Data, Data, Data] {
  return [
    gaussian(1, B, L, E),
    mapped(gaussian(2, B, L, E), (v) => 0.2 * Math.exp(v)),
    mapped(gaussian(3, E, N), (v) => -Math.exp(1.2 * v)),
    gaussian(4, B, L, N),
    gaussian(5, B, L, N),
    gaussian(6, E),
  ];
}

export function scanCase(name: string, inputs: Data[], chunk?: number): Case {
  return {
    name,
    inputs,
    call: ([x, delta, a, b, c, d]) => {
      const { y, finalState } = selectiveScan(x, delta, a, b, c, d, chunk === undefined ? {} : { chunk });
      return [y, finalState];
    },
    oracle: (t) => {
      const { y, finalState } = selectiveScanOracle(t);
      return [y, finalState];
    },
    oracleGradient: selectiveScanGradientOracle,
  };
}

const sized = (B: number, L: number, E: number, N: number, chunk?: number): Case =>
  scanCase(`B${B} L${L} E${E} N${N}${chunk === undefined ? '' : ` chunk ${chunk}`}`, operands(B, L, E, N), chunk);

export const cases: readonly Case[] = [
  sized(1, 1, 1, 1),
  sized(2, 2, 3, 2),
  sized(3, 63, 5, 3),
  sized(1, 65, 18, 16),
  sized(2, 130, 7, 5, 7),
  sized(1, 33, 6, 4, 1),
  sized(1, 40, 4, 9, 500),
  sized(3, 32, 35, 4, 32),
  sized(33, 5, 6, 4),
  sized(33, 3, 66, 2),
];

/** The gradients on a GPU as where there is no room for many states: chunks are walked through. */
const walkedGradientOp: FusedOp<ScanAttrs> = { ...selectiveScanGradientOp, name: 'SelectiveScanWalkedGradient', webgpu: (lowering, attrs) => selectiveScanGradientWebgpu(lowering, attrs, 0) };
const walkedOp: FusedOp<ScanAttrs> = {
  ...selectiveScanOp,
  name: 'SelectiveScanWalked',
  webgpu: (lowering, attrs) => selectiveScanWebgpu(lowering, attrs, 0),
  gradient: (dy, inputs, outputs, attrs) => callFused(walkedGradientOp, [dy, ...inputs, outputs[2]], attrs).map((g) => () => g),
};
const walked = (B: number, L: number, E: number, N: number, chunk: number): Case => ({ ...sized(B, L, E, N, chunk), name: `B${B} L${L} E${E} N${N} chunk ${chunk}, walked`, call: (inputs) => callFused(walkedOp, inputs, { chunk }).slice(0, 2) });

/** More, too long for the portable form: several workgroups of a GPU along sequences, time and channels, and several tiles in each. */
export const tiledCases: readonly Case[] = [
  sized(2, 140, 132, 16),
  sized(1, 200, 67, 16),
  sized(2, 90, 40, 20),
  // chunks longer than the GPU's own
  sized(1, 150, 12, 8, 70),
  sized(2, 45, 20, 64, 40),
  walked(2, 140, 132, 16, 32),
  walked(1, 150, 12, 8, 70),
  walked(2, 45, 20, 64, 40),
  // more states than channels
  sized(1, 37, 3, 130),
  sized(1, 17, 5, 258),
  // several slices of states: with several segments, with states that the op keeps or that only the longer slices find far enough apart
  sized(2, 21, 6, 33),
  sized(1, 150, 7, 80),
  sized(2, 23, 9, 40, 3),
  walked(1, 133, 12, 80, 70),
  walked(1, 70, 260, 33, 32),
];
