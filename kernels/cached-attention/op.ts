/**
 * Attention of one new token over a cache of keys and values, as decoding runs it: y = Σ_{j≤t} softmax_j(q·k_j/√K) v_j (Vaswani et al. 2017,
 * eq. 1), with t the place of the token. A long context is split over several tasks whose softmaxes are put together at the end
 * (flash-decoding: Dao et al. 2023, crfm.stanford.edu/2023/10/12/flashdecoding.html).
 *
 *     B batch   H heads   K width of a head   C capacity of the cache in tokens
 */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp } from '#engine/fused-op.ts';
import { float, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import * as portable from './portable.ts';
import { cachedAttentionWebgpu } from './webgpu.ts';
import { cachedAttentionWork } from './work.ts';

type NoAttrs = Record<string, never>;

/** rows that are scored at a time, as in wasm.as.ts */
const BLOCK = 64;
/** rows that are worth a task, as in wasm.as.ts */
const LEAST = 128;
/** tasks that keep the threads busy: with fewer heads, contexts are split */
const TASKS = 32;

/** E_SHAPE unless q, k and v are [B,H,K], the caches [B,H,C,K] and places int32 [B]. */
function check([q, k, v, keys, values, places]: readonly TensorSpec[]): void {
  const told = Object.entries({ q, k, v, keys, values, places }).map(([name, t]) => `${name} ${t.dtype} [${t.shape}]`);
  const fail = (why: string) => new RecallbenchError('E_SHAPE', `cached attention wants q, k and v [B,H,K], keys and values [B,H,C,K], and places int32 [B]: ${why} (${told.join(', ')})`);
  if (keys.shape.length !== 4) throw fail(`keys has ${keys.shape.length} axes`);
  if (keys.shape.some((n) => n < 1)) throw fail('the cache is empty');
  if (keys.shape.join() !== values.shape.join()) throw fail('keys and values differ');
  const [B, H, , K] = keys.shape;
  for (const [name, t] of Object.entries({ q, k, v })) if (t.shape.join() !== [B, H, K].join()) throw fail(`${name} is not [${B},${H},${K}]`);
  if (places.dtype !== 'int32' || places.shape.join() !== String(B)) throw fail(`places is not int32 [${B}]`);
}

/** q, k, v, keys, values, places → y [B,H,K] and both caches, where they lie if nobody needs the old ones. */
export const CachedAttention: FusedOp<NoAttrs> = {
  name: 'CachedAttention',
  outputs: (inputs) => {
    check(inputs);
    const [q, , , keys, values] = inputs;
    return [float(...q.shape), float(...keys.shape), float(...values.shape)];
  },
  portable: (inputs) => portable.cachedAttention(inputs),
  work: cachedAttentionWork,
  wasm: (lowering) => {
    const [, , , keys, values, places] = lowering.inputs;
    const [y, nextKeys, nextValues] = lowering.outputs;
    const [B, H, C, K] = keys.shape as [number, number, number, number];
    if (nextKeys.used) lowering.copy(keys, nextKeys);
    if (nextValues.used) lowering.copy(values, nextValues);
    // for the rows alone the same kernel will do
    const result = y.used ? y : lowering.buffer(B, H, K);
    const splits = Math.min(Math.ceil(C / LEAST), Math.ceil(TASKS / (B * H)));
    const c = { f32: Math.LOG2E / Math.sqrt(K) };
    const shares = splits === 1 ? result : lowering.buffer(B * H, splits, K);
    const softmaxes = splits === 1 ? 0 : lowering.buffer(B * H, splits, 2);
    lowering.dispatch('cached_attention', B * H * splits, [...lowering.inputs, nextKeys, nextValues, shares, softmaxes, H, C, K, splits, c], 4 * BLOCK + 16);
    if (splits > 1) lowering.dispatch('cached_attention_combine', B * H, [shares, softmaxes, places, result, H, C, K, splits, c]);
  },
  webgpu: cachedAttentionWebgpu,
  inPlace: [
    [1, 3],
    [2, 4],
  ],
};

/**
 * Attention of one new token of each sequence, and the caches with its key and value. q, k and v [B,H,K] are the token's; `keys` and `values`
 * [B,H,C,K] hold those of the tokens before it in rows 0 … t−1, t = `places`[b] (int32 [B]): the new ones are put into row t, and
 * y [B,H,K] attends over rows 0 … t. Later rows are not read, whatever they hold. A place outside 0 … C−1 is a mistake of the caller: y of that
 * sequence is 0 and its cache stays. No gradient. Throws E_SHAPE where the operands do not fit.
 */
export function cachedAttention(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, places: Tensor): { y: Tensor; keys: Tensor; values: Tensor } {
  const [y, nextKeys, nextValues] = callFused(CachedAttention, [q, k, v, keys, values, places], {});
  return { y, keys: nextKeys, values: nextValues };
}
