/** Token embedding: y[…] = table[ids[…]]. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp } from '#engine/fused-op.ts';
import { float, sizeOf, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import * as portable from './portable.ts';
import { embeddingGradientWebgpu, embeddingWebgpu } from './webgpu.ts';
import { embeddingGradientWork, embeddingWork } from './work.ts';

type NoAttrs = Record<string, never>;

/** floats that a task moves */
const GRAIN = 16384;

function checkIds(ids: TensorSpec): void {
  if (ids.dtype !== 'int32') throw new RecallbenchError('E_SHAPE', `embedding wants int32 ids, not ${ids.dtype} [${ids.shape}]`);
}

/** table [V,D], ids int32 [...] → y [..., D]. */
export const Embedding: FusedOp<NoAttrs> = {
  name: 'Embedding',
  outputs: ([table, ids]) => {
    if (table.shape.length !== 2 || sizeOf(table.shape) === 0) throw new RecallbenchError('E_SHAPE', `embedding wants a table [V,D], not [${table.shape}]`);
    checkIds(ids);
    return [float(...ids.shape, table.shape[1])];
  },
  portable: ([table, ids]) => [portable.embedding(table, ids)],
  gradient: (dy, [table, ids]) => [() => callFused(EmbeddingGradient, [ids, dy], { vocab: table.shape[0] })[0], null],
  work: embeddingWork,
  wasm: (lowering) => {
    const [table, ids] = lowering.inputs;
    const [V, D] = table.shape as [number, number];
    const count = sizeOf(ids.shape);
    const grain = Math.max(1, Math.floor(GRAIN / D));
    lowering.dispatch('embedding_forward', Math.ceil(count / grain), [table, ids, lowering.outputs[0], count, V, D, grain]);
  },
  webgpu: embeddingWebgpu,
};

/** ids int32 [...], dy [..., D] → the table's gradient [V,D]; attribute `vocab` is V. */
export const EmbeddingGradient: FusedOp<{ vocab: number }> = {
  name: 'EmbeddingGradient',
  outputs: ([ids, dy], { vocab }) => {
    checkIds(ids);
    if (dy.shape.slice(0, -1).join() !== ids.shape.join() || dy.shape.length !== ids.shape.length + 1) {
      throw new RecallbenchError('E_SHAPE', `the gradient of an embedding of ids [${ids.shape}] cannot be [${dy.shape}]`);
    }
    return [float(vocab, dy.shape.at(-1)!)];
  },
  portable: ([ids, dy], { vocab }) => [portable.embeddingGradient(ids, dy, vocab)],
  work: embeddingGradientWork,
  wasm: (lowering, { vocab }) => {
    const [ids, dy] = lowering.inputs;
    const D = dy.shape.at(-1)!;
    const count = sizeOf(ids.shape);
    // every task reads all ids, so tasks are few
    const tasks = Math.min(vocab, 32, Math.ceil(((vocab + count) * D) / (2 * GRAIN)));
    const grain = Math.ceil(vocab / tasks);
    lowering.dispatch('embedding_gradient', Math.ceil(vocab / grain), [ids, dy, lowering.outputs[0], count, vocab, D, grain]);
  },
  webgpu: embeddingGradientWebgpu,
};

/**
 * Rows of `table` [V,D] by `ids` (int32 [...]) → [..., D], differentiable in the table. An id outside 0 … V−1 is a
 * mistake of the caller: its row, and its gradient, are zero. Throws E_SHAPE where the operands do not fit.
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  return callFused(Embedding, [table, ids], {})[0];
}
