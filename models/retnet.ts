/**
 * RetNet's multi-scale retention (Sun et al. 2023, §2.1-2.2): linear attention whose heads forget at fixed rates, with rotary positions and a gate.
 *
 *     B batch   L length   D model width   H heads   K = D/H width of a head's keys   E = expandV·D   P = E/H width of a head's values
 *
 *     q, k, v, g = u·W_q, u·W_k, u·W_v, u·W_g
 *     q, k       ← turned by the place of the token (rotary.ts)
 *     S_t        = γ_h S_{t−1} + v_t k_tᵀ                      γ_h = 1 − 2^(−5−h), h = 0 … H−1; S [P, K]
 *     y_t        = S_t q_t / √K
 *     out        = (RMSNorm(y) ⊙ w ⊙ SiLU(g))·W_o              the norm head by head, w [P] shared by them; then the gate
 *
 * Names of parameters and their start (N(0, 0.02²)) are those of the layer in flash-linear-attention, whose group norm leaves the mean in.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { decayedAttention, decayedAttentionStep } from './decayed-attention.ts';
import { constant, normal } from './initializers.ts';
import { defineMixer, type Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { checkPlaces, checkRotary, rotary, rotaryStep } from './rotary.ts';
import { silu } from './short-convolution.ts';

export const retnet = defineMixer({
  name: 'retnet',
  summary: 'RetNet: linear attention whose heads forget at fixed rates, rotary and gated',
  appearance: { label: 'RetNet', order: 30, color: '#E69F00', marker: 'rect' },
  config: z.strictObject({
    heads: z.int().positive().default(4).describe('number of heads; divides dModel into even widths'),
    expandV: z.int().positive().default(2).describe('width of all values as a multiple of dModel'),
    chunk: z.int().positive().default(64).describe('chunk length of the chunked form'),
  }),
  open({ heads: H, expandV, chunk }, { dModel: D }) {
    if (D % H !== 0) throw new RecallbenchError('E_SIZE', `model retnet: ${H} heads do not divide dModel ${D}. Choose a divisor of ${D}.`);
    const E = expandV * D;
    const [K, P] = [D / H, E / H];
    checkRotary('retnet', K);
    const decays = Array.from({ length: H }, (_, h) => 1 - 2 ** (-5 - h));
    const scale = 1 / Math.sqrt(K);
    /** u [T, D] times a weight → [...shape, H, width / H] */
    const heads = (params: Tensors, name: string, u: Tensor, width: number, shape: readonly number[]): Tensor => tf.reshape(project(u, params[`${name}.weight`], [width])[0], [...shape, H, width / H]);
    /** y [..., H, P] and u [T, D] → [T, D] */
    const output = (params: Tensors, y: Tensor, u: Tensor): Tensor => {
      const normed = rmsNorm(tf.reshape(y, [-1, P]), params['g_norm_swish_gate.weight'], { epsilon: 1e-5 });
      const [gate] = project(u, params['g_proj.weight'], [E]);
      return project(tf.mul(tf.reshape(normed, gate.shape), silu(gate)), params['o_proj.weight'], [D])[0];
    };
    return {
      notes: [],
      init: (stream) => {
        const weight = (name: string, out: number, input: number) => ({ [`${name}.weight`]: normal(stream.fork(`${name}.weight`), 0.02, out, input) });
        return {
          ...weight('q_proj', D, D),
          ...weight('k_proj', D, D),
          ...weight('v_proj', E, D),
          ...weight('g_proj', E, D),
          'g_norm_swish_gate.weight': constant(1, P),
          ...weight('o_proj', D, E),
        };
      },
      apply(params, x) {
        const [B, L] = x.shape as [number, number, number];
        const u = tf.reshape(x, [B * L, D]);
        const [q, k] = rotary([heads(params, 'q_proj', u, D, [B, L]), heads(params, 'k_proj', u, D, [B, L])]);
        const y = decayedAttention(tf.mul(q, scale), k, heads(params, 'v_proj', u, E, [B, L]), decays, chunk);
        return tf.reshape(output(params, y, u), [B, L, D]);
      },
      stateBytes: () => 4 * H * P * K,
      initialState(B, capacity) {
        checkPlaces('retnet', capacity);
        return { S: tf.zeros([B, H, P, K]) };
      },
      step(params, state, u, places) {
        const [B] = u.shape as [number, number];
        const [q, k] = rotaryStep([heads(params, 'q_proj', u, D, [B]), heads(params, 'k_proj', u, D, [B])], places);
        const [S, y] = decayedAttentionStep(state['S'], tf.mul(q, scale), k, heads(params, 'v_proj', u, E, [B]), decays);
        return [{ S }, output(params, y, u)];
      },
    };
  },
});
