/** Counted work of cross-entropy at labelled rows, with the gradients that it makes in the forward pass. */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';

/**
 * R rows of V logits from D channels, every row as if it counted.
 *   always                       logits: 2RVD; the largest of each row, whose place is the prediction: RV
 *   loss, losses or a gradient   e^(logit − max) and their sum: 2RV and RV exponentials
 *   loss or losses               max + ln sum − logit of the target: 2R and R logarithms
 *   loss                         the mean: R + 1
 *   a gradient                   p = e / sum, RV; p − 1 at the target, R; over the number of rows, RV
 *   each gradient                g·table or gᵀ·hidden: 2RVD
 * Of hidden, only the rows are read.
 */
export function labelledCrossEntropyWork([hidden, table, rows]: readonly TensorSpec[], [loss, losses, , dHidden, dTable]: readonly boolean[]): OpWork {
  const [V, D] = table.shape as [number, number];
  const R = rows.shape[0];
  const differentiated = dHidden || dTable;
  const scored = loss || losses;
  let flops = 2 * R * V * D + R * V;
  let exps = 0;
  if (scored || differentiated) {
    flops += 2 * R * V;
    exps += R * V;
  }
  if (scored) {
    flops += 2 * R;
    exps += R;
  }
  if (loss) flops += R + 1;
  if (differentiated) flops += 2 * R * V + R;
  flops += (Number(dHidden) + Number(dTable)) * 2 * R * V * D;
  return { flops, exps, reads: { 0: Math.min(R, hidden.shape[0]) * D, ...(scored || differentiated ? {} : { 3: 0 }) } };
}
