/**
 * Linear attention (Katharopoulos et al. 2020, §3.2-3.3): attention whose weights are φ(q_t)·φ(k_s), so that all keys and values fit into one matrix.
 *
 *     B batch   L length   D model width   H heads   K = D/H width of a head
 *
 *     q, k, v = u·W_q, u·W_k, u·W_v
 *     S_t     = S_{t−1} + v_t φ(k_t)ᵀ                          S [K, K] per head
 *     z_t     = z_{t−1} + φ(k_t)                               z [K] per head, kept as one more row of S
 *     y_t     = S_t φ(q_t) / (z_t·φ(q_t) + ε)
 *     out     = y·W_o
 *
 * Without z, y_t = S_t φ(q_t)/√K, as it is or with an RMSNorm of each head. Names of parameters and their start (N(0, 0.02²)) are those of the layer
 * in flash-linear-attention. It knows order by causality alone: give the language model positions, or a convolution in front.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { decayedAttention, decayedAttentionStep, normalisedAttention, normalisedAttentionStep } from './decayed-attention.ts';
import { constant, normal } from './initializers.ts';
import { defineMixer, type Tensors } from './mixer.ts';
import { project } from './projection.ts';

const EPSILON = 1e-6;

const featureMaps = {
  elu: (x: Tensor) => tf.add(tf.elu(x), 1),
  relu: (x: Tensor) => tf.relu(x),
  identity: (x: Tensor) => x,
};

export const linearAttention = defineMixer({
  name: 'linear-attention',
  summary: 'linear attention: one matrix of keys and values per head, without decay',
  appearance: { label: 'Linear attention', order: 4, color: '#CC79A7', marker: 'circle' },
  orderless: () => true,
  config: z.strictObject({
    heads: z.int().positive().default(1).describe('number of heads; divides dModel'),
    featureMap: z.enum(['elu', 'relu', 'identity']).default('elu').describe('φ of queries and keys: elu(x) + 1, relu(x) or x'),
    normaliser: z.enum(['sum', 'rms', 'none']).default('sum').describe('what y is divided by: the sum of its weights, its root mean square per head, or nothing'),
    chunk: z.int().positive().default(64).describe('chunk length of the chunked form'),
  }),
  open({ heads: H, featureMap, normaliser, chunk }, { dModel: D }) {
    if (D % H !== 0) throw new RecallbenchError('E_SIZE', `model linear-attention: ${H} heads do not divide dModel ${D}. Choose a divisor of ${D}.`);
    const K = D / H;
    const rows = normaliser === 'sum' ? K + 1 : K;
    const decays = new Array<number>(H).fill(1);
    const features = featureMaps[featureMap];
    /** u [T, D] → φ(q), φ(k) and v, each [...shape, H, K] */
    const projected = (params: Tensors, u: Tensor, shape: readonly number[]): [Tensor, Tensor, Tensor] => {
      const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => tf.reshape(project(u, params[`${name}.weight`], [D])[0], [...shape, H, K])) as [Tensor, Tensor, Tensor];
      return [normaliser === 'sum' ? features(q) : tf.mul(features(q), 1 / Math.sqrt(K)), features(k), v];
    };
    /** y [..., H, K] → [T, D] */
    const output = (params: Tensors, y: Tensor): Tensor => {
      const normed = normaliser === 'rms' ? rmsNorm(y, params['norm.weight'], { epsilon: 1e-5 }) : y;
      return project(tf.reshape(normed, [-1, D]), params['o_proj.weight'], [D])[0];
    };
    return {
      notes: [],
      init: (stream) => ({
        ...Object.fromEntries(['q_proj.weight', 'k_proj.weight', 'v_proj.weight'].map((name) => [name, normal(stream.fork(name), 0.02, D, D)])),
        ...(normaliser === 'rms' ? { 'norm.weight': constant(1, K) } : {}),
        'o_proj.weight': normal(stream.fork('o_proj.weight'), 0.02, D, D),
      }),
      apply(params, u) {
        const [B, L] = u.shape as [number, number, number];
        const [q, k, v] = projected(params, tf.reshape(u, [B * L, D]), [B, L]);
        const y = normaliser === 'sum' ? normalisedAttention(q, k, v, EPSILON, chunk) : decayedAttention(q, k, v, decays, chunk);
        return tf.reshape(output(params, y), [B, L, D]);
      },
      stateBytes: () => 4 * H * rows * K,
      initialState: (B) => ({ S: tf.zeros([B, H, rows, K]) }),
      step(params, state, u) {
        const [q, k, v] = projected(params, u, [u.shape[0]]);
        const [S, y] = normaliser === 'sum' ? normalisedAttentionStep(state['S'], q, k, v, EPSILON) : decayedAttentionStep(state['S'], q, k, v, decays);
        return [{ S }, output(params, y)];
      },
    };
  },
});
