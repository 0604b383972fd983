/** Cases for the judge of labelled cross-entropy. */
import { rng } from '#core/random.ts';
import { callFused, type FusedOp } from '#engine/fused-op.ts';
import { gaussian, type Case } from '../judge.ts';
import { LabelledCrossEntropy, labelledCrossEntropy } from './op.ts';
import * as oracle from './oracle.ts';
import { labelledCrossEntropyWebgpu } from './webgpu.ts';

export const ints = (...values: number[]) => ({ shape: [values.length], data: Int32Array.from(values) });

/** R distinct positions below T in a shuffled order, and targets of which about a tenth are −1. */
export function labels(seed: number, T: number, R: number, V: number) {
  const stream = rng(seed);
  const positions = Array.from({ length: T }, (_, i) => i);
  for (let i = 0; i < R; i++) {
    const j = i + stream.below(T - i);
    [positions[i], positions[j]] = [positions[j], positions[i]];
  }
  return {
    rows: ints(...positions.slice(0, R)),
    targets: ints(...Array.from({ length: R }, () => (stream.below(10) === 0 ? -1 : stream.below(V)))),
  };
}

/** T, D, V, R */
const sizes: [number, number, number, number][] = [
  [1, 1, 1, 1],
  [5, 3, 2, 2],
  [130, 7, 65, 63],
  [70, 16, 33, 65],
  [140, 12, 600, 130],
  [300, 64, 300, 260],
  [20, 9, 2100, 18],
  [150, 70, 130, 129],
];

const call: Case['call'] = ([hidden, table, rows, targets]) => Object.values(labelledCrossEntropy(hidden, table, rows, targets));
/** the same op with room for so few logits that there are several blocks of rows on a GPU */
const InBlocks: FusedOp<Record<string, never>> = { ...LabelledCrossEntropy, name: 'LabelledCrossEntropyInBlocks', webgpu: (lowering, attrs) => labelledCrossEntropyWebgpu(lowering, attrs, 2 ** 14) };

const rules: Pick<Case, 'call' | 'oracle' | 'oracleGradient'> = {
  call,
  oracle: ([hidden, table, rows, targets]) => {
    const { loss, losses, predictions } = oracle.labelledCrossEntropy(hidden, table, rows, targets);
    return [loss, losses, predictions];
  },
  oracleGradient: ([hidden, table, rows, targets], dy) => {
    const { dHidden, dTable } = oracle.labelledCrossEntropyGradient(hidden, table, rows, targets, dy.data[0]);
    return [dHidden, dTable, null, null];
  },
};

export const cases: readonly Case[] = [
  ...sizes.map(([T, D, V, R], i) => {
    const { rows, targets } = labels(i, T, R, V);
    return { name: `T=${T} D=${D} V=${V} R=${R}`, inputs: [gaussian(1, T, D), gaussian(2, V, D), rows, targets], ...rules };
  }),
  { name: 'in blocks', inputs: [gaussian(1, 400, 24), gaussian(2, 100, 24), ...Object.values(labels(5, 400, 390, 100))], ...rules, call: (inputs) => callFused(InBlocks, inputs, {}).slice(0, 3) },
  { name: 'no row counts', inputs: [gaussian(1, 6, 5), gaussian(2, 40, 5), ints(3, 1), ints(-1, -1)], ...rules },
  { name: 'one row counts', inputs: [gaussian(1, 6, 5), gaussian(2, 40, 5), ints(3, 1), ints(-1, 39)], ...rules },
];
