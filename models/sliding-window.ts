/**
 * Sliding-window attention (Beltagy et al. 2020, §3.1): softmax attention of each token over itself and the w tokens before it, so w + 1 in all, as zoology
 * has it. It sees an order only through what falls out of the window: give the language model positions, or a convolution in front.
 *
 *     B batch   L length   D model width   H heads   K = D/H width of a head   w window   n = ⌈L/w⌉ blocks of w tokens
 *
 *     y_t = Σ_{t−w≤s≤t} softmax_s(q_t·k_s/√K) v_s
 *
 * Over a sequence, the queries of a block look at the keys of their own block and the one before: column c of 2w is in the window of row r of w
 * where r ≤ c ≤ r + w. Cost O(L·w). One token at a time, keys and values lie in a ring of w + 1 rows, place t in row t mod (w + 1).
 * Names of parameters and their start are those of attention.ts.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { causalAttention } from '#kernels/causal-attention/op.ts';
import { constant, normal } from './initializers.ts';
import { defineMixer } from './mixer.ts';
import { project } from './projection.ts';

/** what a score outside the window is lowered by */
const OUTSIDE = -1e9;

/** q, k, v [B, L, H, K] → y [B, L, H, K]. */
function windowed(q: Tensor, k: Tensor, v: Tensor, w: number): Tensor {
  const [B, L, H, K] = q.shape as [number, number, number, number];
  if (w >= L - 1) return causalAttention(q, k, v);
  const n = Math.ceil(L / w);
  const blocks = (x: Tensor) => tf.reshape(tf.pad(tf.transpose(x, [0, 2, 1, 3]), [[0, 0], [0, 0], [0, n * w - L], [0, 0]]), [B * H, n, w, K]);
  /** each block behind the one before it: [B·H·n, 2w, K] */
  const both = (x: Tensor) => {
    const own = blocks(x);
    const before = tf.concat([tf.zeros([B * H, 1, w, K]), tf.slice(own, [0, 0, 0, 0], [B * H, n - 1, w, K])], 1);
    return tf.reshape(tf.concat([before, own], 2), [B * H * n, 2 * w, K]);
  };
  const lowered = (shape: number[], outside: (row: number, column: number) => boolean) =>
    tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (outside(Math.floor(i / (2 * w)), i % (2 * w)) ? OUTSIDE : 0)), shape);
  const scores = tf.matMul(tf.reshape(tf.mul(blocks(q), 1 / Math.sqrt(K)), [B * H * n, w, K]), both(k), false, true);
  const inWindow = tf.add(tf.reshape(scores, [B * H, n, w, 2 * w]), lowered([w, 2 * w], (r, c) => c < r || c > r + w));
  const weights = tf.softmax(tf.add(inWindow, lowered([n, 1, 2 * w], (block, c) => block === 0 && c < w))); // nothing is before the first block
  const y = tf.reshape(tf.matMul(tf.reshape(weights, [B * H * n, w, 2 * w]), both(v)), [B, H, n * w, K]);
  return tf.transpose(tf.slice(y, [0, 0, 0, 0], [B, H, L, K]), [0, 2, 1, 3]);
}

export const slidingWindow = defineMixer({
  name: 'sliding-window',
  summary: 'softmax attention over the last tokens alone',
  appearance: { label: 'Sliding window', order: 2, color: '#56B4E9', marker: 'rectRounded' },
  orderless: () => true,
  config: z.strictObject({
    window: z.int().positive().default(64).describe('tokens w that are seen before the present one'),
    heads: z.int().positive().default(1).describe('number of heads; divides dModel'),
  }),
  open({ window: w, heads: H }, { dModel: D, layers }) {
    if (D % H !== 0) throw new RecallbenchError('E_SIZE', `model sliding-window: ${H} heads do not divide dModel ${D}. Choose a divisor of ${D}.`);
    const K = D / H;
    /** rows of the ring: a shorter sequence never fills w + 1 */
    const ring = (capacity: number) => Math.min(w + 1, capacity);
    return {
      notes: [],
      reach: w,
      init: (stream) => ({
        'Wqkv.weight': normal(stream.fork('Wqkv.weight'), 0.02, 3 * D, D), // rows q, k, v
        'Wqkv.bias': constant(0, 3 * D),
        'out_proj.weight': normal(stream.fork('out_proj.weight'), 0.02 / Math.sqrt(2 * layers), D, D),
        'out_proj.bias': constant(0, D),
      }),
      apply(params, x) {
        const [B, L] = x.shape as [number, number, number];
        const qkv = project(tf.reshape(x, [B * L, D]), params['Wqkv.weight'], [D, D, D], params['Wqkv.bias']);
        const [q, k, v] = qkv.map((part) => tf.reshape(part, [B, L, H, K])) as [Tensor, Tensor, Tensor];
        const [out] = project(tf.reshape(windowed(q, k, v, w), [B * L, D]), params['out_proj.weight'], [D], params['out_proj.bias']);
        return tf.reshape(out, [B, L, D]);
      },
      stateBytes: (seqLen) => 4 * 2 * D * ring(seqLen),
      initialState: (B, C) => ({ keys: tf.zeros([B, H, ring(C), K]), values: tf.zeros([B, H, ring(C), K]) }),
      step(params, state, x, places) {
        const [B] = x.shape as [number, number];
        const R = state['keys'].shape[2]!;
        const qkv = project(x, params['Wqkv.weight'], [D, D, D], params['Wqkv.bias']);
        const [q, k, v] = qkv.map((part) => tf.reshape(part, [B, H, 1, K])) as [Tensor, Tensor, Tensor];
        const rows = tf.range(0, R, 1, 'int32');
        const place = tf.reshape(places, [B, 1]);
        const size = tf.scalar(R, 'int32');
        const row = tf.sub(place, tf.mul(tf.floorDiv(place, size), size));
        const here = tf.reshape(tf.cast(tf.equal(rows, row), 'float32'), [B, 1, R, 1]);
        const put = (ring: Tensor, entry: Tensor) => tf.add(tf.mul(ring, tf.sub(1, here)), tf.mul(entry, here));
        const [keys, values] = [put(state['keys'], k), put(state['values'], v)];
        const empty = tf.reshape(tf.cast(tf.greater(rows, place), 'float32'), [B, 1, 1, R]); // before the ring has gone round
        const scores = tf.add(tf.mul(tf.matMul(q, keys, false, true), 1 / Math.sqrt(K)), tf.mul(empty, OUTSIDE));
        const y = tf.matMul(tf.softmax(scores), values); // [B, H, 1, K]
        const [out] = project(tf.reshape(y, [B, D]), params['out_proj.weight'], [D], params['out_proj.bias']);
        return [{ keys, values }, out];
      },
    };
  },
});
