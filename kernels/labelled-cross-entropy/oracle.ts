/** Cross-entropy at labelled rows in float64, a row at a time. */
import { zeros, type NdArray } from '../nd-array.ts';

function logitsOf(hidden: NdArray, table: NdArray, position: number): number[] {
  const [V, D] = table.shape as [number, number];
  return Array.from({ length: V }, (_, v) => {
    let dot = 0;
    for (let d = 0; d < D; d++) dot += hidden.data[position * D + d] * table.data[v * D + d];
    return dot;
  });
}

function softmax(logits: readonly number[]): { p: number[]; logSumExp: number; most: number } {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, l) => sum + Math.exp(l - most), 0);
  return { p: logits.map((l) => Math.exp(l - most) / total), logSumExp: most + Math.log(total), most };
}

/** loss [], losses [R] and predictions [R]; a target of −1 is not counted, and without any counted row the loss is 0. */
export function labelledCrossEntropy(hidden: NdArray, table: NdArray, rows: NdArray, targets: NdArray): { loss: NdArray; losses: NdArray; predictions: NdArray } {
  const R = rows.shape[0];
  const [loss, losses, predictions] = [zeros(), zeros(R), zeros(R)];
  let count = 0;
  for (let r = 0; r < R; r++) {
    const logits = logitsOf(hidden, table, rows.data[r]);
    const { logSumExp, most } = softmax(logits);
    predictions.data[r] = logits.indexOf(most);
    if (targets.data[r] < 0) continue;
    losses.data[r] = logSumExp - logits[targets.data[r]];
    count++;
  }
  loss.data[0] = losses.data.reduce((a, b) => a + b, 0) / Math.max(count, 1);
  return { loss, losses, predictions };
}

/** Gradients of dy·loss for hidden and table. */
export function labelledCrossEntropyGradient(hidden: NdArray, table: NdArray, rows: NdArray, targets: NdArray, dy: number): { dHidden: NdArray; dTable: NdArray } {
  const [V, D] = table.shape as [number, number];
  const dHidden = zeros(...hidden.shape);
  const dTable = zeros(V, D);
  const count = targets.data.filter((t) => t >= 0).length;
  rows.data.forEach((position, r) => {
    if (targets.data[r] < 0) return;
    const { p } = softmax(logitsOf(hidden, table, position));
    for (let v = 0; v < V; v++) {
      const g = (dy * (p[v] - (v === targets.data[r] ? 1 : 0))) / count;
      for (let d = 0; d < D; d++) {
        dHidden.data[position * D + d] += g * table.data[v * D + d];
        dTable.data[v * D + d] += g * hidden.data[position * D + d];
      }
    }
  });
  return { dHidden, dTable };
}
