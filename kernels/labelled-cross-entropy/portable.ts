/** Cross-entropy at labelled rows in tfjs ops. It holds all [R,V] logits; the other forms do not. */
import { tf, type Tensor } from '#engine/tf.ts';

/** [loss, losses, predictions, dHidden, dTable], the gradients for dy = 1 */
export function labelledCrossEntropy(hidden: Tensor, table: Tensor, rows: Tensor, targets: Tensor): Tensor[] {
  const [T, D] = hidden.shape as [number, number];
  const V = table.shape[0];
  const within = (x: Tensor, n: number) => tf.logicalAnd(tf.greaterEqual(x, tf.scalar(0, 'int32')), tf.less(x, tf.scalar(n, 'int32')));
  const counted = tf.logicalAnd(within(targets, V), within(rows, T));
  const weight = counted.toFloat();
  const inverseCount = tf.div(1, tf.maximum(tf.sum(weight), 1));
  const position = tf.mul(rows, within(rows, T).toInt());
  const h = tf.mul(tf.gather(hidden, position as tf.Tensor1D), within(rows, T).toFloat().expandDims(-1));
  const logits = tf.matMul(h, table, false, true);
  const oneHot = tf.equal(targets.expandDims(-1), tf.range(0, V, 1, 'int32').expandDims(0)).toFloat();
  const shifted = tf.sub(logits, tf.max(logits, -1, true));
  const logSum = tf.log(tf.sum(tf.exp(shifted), -1, true));
  const losses = tf.mul(tf.sub(logSum.squeeze([-1]), tf.sum(tf.mul(shifted, oneHot), -1)), weight);
  const p = tf.exp(tf.sub(shifted, logSum));
  const dLogits = tf.mul(tf.sub(p, oneHot), tf.mul(weight, inverseCount).expandDims(-1)) as tf.Tensor2D;
  const dHidden = tf.scatterND(position.expandDims(-1), tf.matMul(dLogits, table as tf.Tensor2D), [T, D]);
  return [tf.mul(tf.sum(losses), inverseCount), losses, tf.argMax(logits, -1), dHidden, tf.matMul(dLogits, h, true)];
}
