/** Embedding in tfjs ops. */
import { tf, type Tensor } from '#engine/tf.ts';

/** ids put into the table, and 1 for those that were in it, 0 for the others */
function inside(ids: Tensor, vocab: number): { row: Tensor; valid: Tensor } {
  const valid = tf.logicalAnd(tf.greaterEqual(ids, tf.scalar(0, 'int32')), tf.less(ids, tf.scalar(vocab, 'int32')));
  return { row: tf.mul(ids, valid.toInt()), valid: valid.toFloat().expandDims(-1) };
}

export function embedding(table: Tensor, ids: Tensor): Tensor {
  const { row, valid } = inside(ids, table.shape[0]);
  return tf.mul(tf.gather(table, row as tf.Tensor1D), valid);
}

export function embeddingGradient(ids: Tensor, dy: Tensor, vocab: number): Tensor {
  const { row, valid } = inside(ids, vocab);
  const D = dy.shape.at(-1)!;
  // repeated rows add up
  return tf.scatterND(row.reshape([-1, 1]), tf.mul(dy, valid).reshape([-1, D]), [vocab, D]);
}
