/**
 * Based's linear attention (Arora et al. 2024, §4.1): φ(q)·φ(k) = 1 + u + u²/2 with u = q·k/√f, the exponential function's series to second order.
 *
 *     B batch   L length   D model width   H heads   f feature dim of a head's q and k   P = D/H width of a head's values
 *
 *     q, k, v = u·W_q, u·W_k, u·W_v                            q, k [H, f], v [H, P]
 *     φ(x)    = [1, x/f^¼, x_i²/√(2f), x_i x_j/√f for i < j]   N = 1 + f + f(f + 1)/2 entries
 *     S_t     = S_{t−1} + v_t φ(k_t)ᵀ                          S [P, N]
 *     z_t     = z_{t−1} + φ(k_t)                               kept as one more row of S
 *     y_t     = S_t φ(q_t) / (z_t·φ(q_t) + 10⁻¹²)
 *     out     = y·W_o
 *
 * The reference's [1, x/f^¼, vec(xxᵀ)/√(2f)] holds every product of two different entries twice, in 1 + f + f² entries; this reduced form has the same
 * inner products, and the size that zoology counts as state. Names of parameters are zoology's, and so is their start, N(0, 0.02²).
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { normalisedAttention, normalisedAttentionStep } from './decayed-attention.ts';
import { normal } from './initializers.ts';
import { defineMixer, type Tensors } from './mixer.ts';
import { project } from './projection.ts';

const EPSILON = 1e-12;

/** x [T, f] → φ(x) [T, N]: every entry is a product of two, each picked out of x, scaled, or 1. */
export function taylorFeatures(x: Tensor, f: number): Tensor {
  const factors: [number, number, number, number][] = [[-1, 1, -1, 1]]; // of which entry (−1 is none) and how much, of which other and how much
  for (let i = 0; i < f; i++) factors.push([i, f ** -0.25, -1, 1]);
  for (let i = 0; i < f; i++) for (let j = i; j < f; j++) factors.push([i, (i === j ? 2 * f : f) ** -0.5, j, 1]);
  const N = factors.length;
  const picked = (which: 0 | 2): Tensor => {
    const pick = new Float32Array(f * N);
    const plus = new Float32Array(N);
    factors.forEach((factor, n) => {
      const [entry, scale] = [factor[which], factor[which + 1]];
      if (entry < 0) plus[n] = scale;
      else pick[entry * N + n] = scale;
    });
    return tf.add(tf.matMul(x, tf.tensor2d(pick, [f, N])), tf.tensor1d(plus));
  };
  return tf.mul(picked(0), picked(2));
}

export const based = defineMixer({
  name: 'based',
  summary: 'Based: linear attention with the second-order Taylor features of the exponential function',
  appearance: { label: 'Based', order: 5, color: '#AA4499', marker: 'rectRot' },
  orderless: () => true,
  config: z.strictObject({
    heads: z.int().positive().default(1).describe('number of heads; divides dModel'),
    featureDim: z.int().positive().default(16).describe('width f of a head\'s queries and keys'),
    chunk: z.int().positive().default(64).describe('chunk length of the chunked form'),
  }),
  open({ heads: H, featureDim: f, chunk }, { dModel: D }) {
    if (D % H !== 0) throw new RecallbenchError('E_SIZE', `model based: ${H} heads do not divide dModel ${D}. Choose a divisor of ${D}.`);
    const P = D / H;
    const N = 1 + f + (f * (f + 1)) / 2;
    /** u [T, D] → φ(q), φ(k) [...shape, H, N] and v [...shape, H, P] */
    const projected = (params: Tensors, u: Tensor, shape: readonly number[]): [Tensor, Tensor, Tensor] => {
      const features = (name: string) => tf.reshape(taylorFeatures(tf.reshape(project(u, params[name], [H * f])[0], [-1, f]), f), [...shape, H, N]);
      return [features('proj_q.weight'), features('proj_k.weight'), tf.reshape(project(u, params['proj_v.weight'], [D])[0], [...shape, H, P])];
    };
    const output = (params: Tensors, y: Tensor): Tensor => project(tf.reshape(y, [-1, D]), params['proj_o.weight'], [D])[0];
    return {
      notes: [],
      init: (stream) => ({
        'proj_q.weight': normal(stream.fork('proj_q.weight'), 0.02, H * f, D),
        'proj_k.weight': normal(stream.fork('proj_k.weight'), 0.02, H * f, D),
        'proj_v.weight': normal(stream.fork('proj_v.weight'), 0.02, D, D),
        'proj_o.weight': normal(stream.fork('proj_o.weight'), 0.02, D, D),
      }),
      apply(params, x) {
        const [B, L] = x.shape as [number, number, number];
        const [q, k, v] = projected(params, tf.reshape(x, [B * L, D]), [B, L]);
        return tf.reshape(output(params, normalisedAttention(q, k, v, EPSILON, chunk)), [B, L, D]);
      },
      stateBytes: () => 4 * H * (P + 1) * N,
      initialState: (B) => ({ S: tf.zeros([B, H, P + 1, N]) }),
      step(params, state, u) {
        const [q, k, v] = projected(params, u, [u.shape[0]]);
        const [S, y] = normalisedAttentionStep(state['S'], q, k, v, EPSILON);
        return [{ S }, output(params, y)];
      },
    };
  },
});
