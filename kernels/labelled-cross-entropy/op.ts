/**
 * Cross-entropy at labelled rows, with a tied embedding table as the output layer: logits = hidden[rows]·tableᵀ,
 *   loss_r = ln Σ_v e^logit_rv − logit_r,target;   loss = mean of loss_r over the rows that count.
 * Logits exist only for a block of rows at a time, and the gradients are made in the forward pass, while they are at hand:
 *   dlogit_rv = (softmax_rv − [v = target_r]) / count.
 */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand } from '#engine/fused-op.ts';
import { float, int, type TensorSpec } from '#engine/tensor-spec.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import * as portable from './portable.ts';
import { labelledCrossEntropyWebgpu } from './webgpu.ts';
import { labelledCrossEntropyWork } from './work.ts';

type NoAttrs = Record<string, never>;

/** rows whose logits exist at once, at most */
const ROWS = 128;
/** words of a tile, at most */
const WORDS = 256;
/** rows of one task of the gathering and combining kernels: as in wasm.as.ts */
const GATHERED = 32;
/** rows of one task of the scattering kernel */
const SCATTERED = 8;
/** bytes that gemmSweep wants beside its operands */
const SPARE = 192;

const upTo = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

/** E_SHAPE unless hidden is [T,D], table [V,D], rows and targets int32 [R]. */
function check([hidden, table, rows, targets]: readonly TensorSpec[]): void {
  const told = `hidden [${hidden.shape}], table [${table.shape}], rows [${rows.shape}], targets [${targets.shape}]`;
  const fail = (why: string) => new RecallbenchError('E_SHAPE', `labelled cross-entropy wants hidden [T,D], table [V,D], rows and targets [R]: ${why} (${told})`);
  for (const [name, t] of Object.entries({ hidden, table })) if (t.shape.length !== 2 || t.shape.some((n) => n < 1)) throw fail(`${name} is no matrix`);
  if (hidden.shape[1] !== table.shape[1]) throw fail(`widths ${hidden.shape[1]} and ${table.shape[1]} differ`);
  for (const [name, t] of Object.entries({ rows, targets })) {
    if (t.dtype !== 'int32') throw fail(`${name} is ${t.dtype}, not int32`);
    if (t.shape.length !== 1 || t.shape[0] < 1) throw fail(`${name} is no list`);
  }
  if (rows.shape[0] !== targets.shape[0]) throw fail('rows and targets have different lengths');
}

/** hidden, table, rows, targets → loss [], losses [R], predictions [R], and for dy = 1 the gradients dHidden [T,D], dTable [V,D]. */
export const LabelledCrossEntropy: FusedOp<NoAttrs> = {
  name: 'LabelledCrossEntropy',
  outputs: (inputs) => {
    check(inputs);
    const [hidden, table, rows] = inputs;
    const R = rows.shape[0];
    return [float(), float(R), int(R), float(...hidden.shape), float(...table.shape)];
  },
  portable: ([hidden, table, rows, targets]) => portable.labelledCrossEntropy(hidden, table, rows, targets),
  gradient: (dy, _inputs, [, , , dHidden, dTable]) => [() => tf.mul(dHidden, dy), () => tf.mul(dTable, dy), null, null],
  work: (inputs, _, used) => labelledCrossEntropyWork(inputs, used),
  wasm: (lowering) => {
    const [hidden, table, rows, targets] = lowering.inputs as [Operand, Operand, Operand, Operand];
    const [loss, losses, predictions, dHidden, dTable] = lowering.outputs as [Operand, Operand, Operand, Operand, Operand];
    const [T, D] = hidden.shape as [number, number];
    const V = table.shape[0];
    const R = rows.shape[0];
    const rowBlock = upTo(Math.ceil(R / Math.ceil(R / ROWS)), 16);
    const rowBlocks = Math.ceil(R / rowBlock);
    // a small vocabulary is cut smaller, so that there are tasks for several threads
    const wordBlock = Math.min(WORDS, Math.max(32, upTo(Math.ceil(V / 8), 16)));
    const W = Math.ceil(V / wordBlock);
    // an odd number of cache lines from one word's logits to the next spreads columns over the sets of the cache
    const stride = rowBlock % 32 === 0 ? rowBlock + 16 : rowBlock;

    const gatherTasks = Math.ceil((rowBlocks * rowBlock) / GATHERED);
    const packed = lowering.buffer(gatherTasks * GATHERED * D);
    const inverseCount = lowering.buffer(1);
    lowering.dispatch('labelled_cross_entropy_gather', gatherTasks, [hidden, rows, targets, packed, inverseCount, dHidden, T, D, V, R, Math.ceil(T / gatherTasks)], 32 * D);

    const differentiated = dHidden.used || dTable.used;
    // row blocks one after the other where their tiles are needed again, otherwise all at once
    const together = differentiated ? 1 : rowBlocks;
    const statistics = together * W * rowBlock;
    const [most, sums] = [lowering.buffer(statistics), lowering.buffer(statistics)];
    const best = predictions.used ? lowering.buffer(statistics) : 0;
    const tiles = differentiated ? lowering.buffer(W, wordBlock, stride) : 0;
    const targetLogits = lowering.buffer(R);
    const rowLosses = losses.used ? losses : lowering.buffer(R);
    const partial = dHidden.used ? lowering.buffer(W, rowBlock, D) : 0;
    for (let block = 0; block < rowBlocks; block += together) {
      const tileBytes = differentiated ? 0 : 4 * wordBlock * stride;
      lowering.dispatch('labelled_cross_entropy_logits', together * W, [table, packed, targets, tiles, most, sums, best, targetLogits, D, V, R, rowBlock, wordBlock, stride, block], SPARE + tileBytes);
      lowering.dispatch('labelled_cross_entropy_combine', together * Math.ceil(rowBlock / GATHERED), [rows, targets, most, sums, best, targetLogits, inverseCount, rowLosses, predictions, T, V, R, rowBlock, W, block, Number(differentiated)]);
      if (!differentiated) continue;
      lowering.dispatch('labelled_cross_entropy_gradient', W, [hidden, table, rows, targets, tiles, most, inverseCount, dTable, partial, T, D, V, R, rowBlock, wordBlock, stride, block], SPARE + 4 * upTo(D, 8) * Math.max(rowBlock, wordBlock));
      if (dHidden.used) lowering.dispatch('labelled_cross_entropy_scatter', Math.ceil(rowBlock / SCATTERED), [table, rows, targets, most, inverseCount, partial, dHidden, T, D, V, R, rowBlock, W, block]);
    }
    if (loss.used) lowering.dispatch('labelled_cross_entropy_mean', 1, [rowLosses, inverseCount, loss, R]);
  },
  webgpu: labelledCrossEntropyWebgpu,
};

export interface LabelledLoss {
  /** [] : the mean over the rows that count; 0 when there are none */
  readonly loss: Tensor;
  /** [R] : each row's own loss, 0 for rows that do not count; not differentiable */
  readonly losses: Tensor;
  /** [R] int32 : the word with the largest logit, the first of equals */
  readonly predictions: Tensor;
}

/**
 * Cross-entropy of the rows `rows` (int32 [R], distinct positions 0 … T−1) of `hidden` [T,D] against `table` [V,D], with the words
 * `targets` (int32 [R]; a row with target −1 does not count). The loss is differentiable in hidden and table.
 * Throws E_SHAPE where the operands do not fit.
 */
export function labelledCrossEntropy(hidden: Tensor, table: Tensor, rows: Tensor, targets: Tensor): LabelledLoss {
  const [loss, losses, predictions] = callFused(LabelledCrossEntropy, [hidden, table, rows, targets], {});
  return { loss: loss, losses: losses, predictions: predictions };
}
