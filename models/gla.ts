/**
 * Gated linear attention (Yang et al. 2023, arXiv 2312.06635): a matrix state whose rows decay each by its own gate.
 *
 *     B batch   L length   D model width   H heads   K = expandK·D/H width of a key   V = expandV·D/H width of a value   R = gateRank   W = convSize
 *
 *     q, k, v = x·W_q/√K, x·W_k, x·W_v                      with W > 0 SiLU(conv(·)) of each before q is scaled
 *     g       = ln σ((x·W_1)·W_2 + b) / gateNormalizer      for each entry of a key
 *     S_t     = diag(e^{g_t}) S_{t−1} + k_t v_tᵀ            S [K, V]
 *     out     = (RMSNorm(S_tᵀ q_t) ⊙ w ⊙ SiLU(x·W_g))·W_o   the norm per head, the gate after it
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { deltaRule } from '#kernels/delta-rule/op.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { constant, linear, uniform } from './initializers.ts';
import { deltaRuleStep } from './matrix-state.ts';
import { defineMixer, type Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { shortConvolutions, shortConvolutionsStep, silu } from './short-convolution.ts';

const names = ['q', 'k', 'v'] as const;

export const gla = defineMixer({
  name: 'gla',
  summary: 'GLA: gated linear attention, one decay for each key entry',
  appearance: { label: 'GLA', order: 32, color: '#882255', marker: 'triangle' },
  config: z.strictObject({
    heads: z.int().positive().default(2).describe('number of heads; divides the widths of keys and values'),
    expandK: z.number().positive().default(0.5).describe('width of all keys as a multiple of dModel'),
    expandV: z.number().positive().default(1).describe('width of all values as a multiple of dModel'),
    gateRank: z.int().positive().default(16).describe('rank of the projection to the decays'),
    gateNormalizer: z.number().positive().default(16).describe('what the logarithm of a decay is divided by: the larger, the longer the memory'),
    convSize: z.int().nonnegative().default(0).describe('width of short convolutions with SiLU on queries, keys and values; 0 is none'),
  }),
  open({ heads: H, expandK, expandV, gateRank: R, gateNormalizer, convSize: W }, { dModel: D, layers }) {
    const [K, V] = [(expandK * D) / H, (expandV * D) / H];
    if (!Number.isInteger(K) || !Number.isInteger(V)) {
      throw new RecallbenchError('E_SIZE', `model gla: ${H} heads do not divide keys of width ${expandK * D} (expandK · dModel) and values of width ${expandV * D} (expandV · dModel).`);
    }
    const widths = { q: H * K, k: H * K, v: H * V };
    /** of rows [T, D], q, k and v before convolutions */
    const terms = (params: Tensors, x: Tensor) => {
      const to = (name: string, width: number) => project(x, params[`${name}.weight`], [width])[0];
      const [low] = project(x, params['gk_proj.0.weight'], [R]);
      const [decay] = project(low, params['gk_proj.1.weight'], [H * K], params['gk_proj.1.bias']);
      const g = tf.mul(tf.softplus(tf.neg(decay)), -1 / gateNormalizer);
      return { before: { q: to('q_proj', widths.q), k: to('k_proj', widths.k), v: to('v_proj', widths.v) }, g, gate: to('g_proj', H * V) };
    };
    /** y [T, H, V], gate [T, H·V] → [T, D] */
    const output = (params: Tensors, y: Tensor, gate: Tensor) => {
      const normed = tf.reshape(rmsNorm(y, params['g_norm_swish_gate.weight'], { epsilon: 1e-5 }), [-1, H * V]);
      return project(tf.mul(normed, silu(gate)), params['o_proj.weight'], [D])[0];
    };
    return {
      notes: [],
      init: (stream) => ({
        'q_proj.weight': linear(stream.fork('q_proj.weight'), H * K, D),
        'k_proj.weight': linear(stream.fork('k_proj.weight'), H * K, D),
        'v_proj.weight': linear(stream.fork('v_proj.weight'), H * V, D),
        ...Object.fromEntries(W === 0 ? [] : names.map((name) => [`${name}_conv1d.weight`, uniform(stream.fork(`${name}_conv1d.weight`), 1 / Math.sqrt(W), widths[name], 1, W)])),
        'g_proj.weight': linear(stream.fork('g_proj.weight'), H * V, D),
        'gk_proj.0.weight': linear(stream.fork('gk_proj.0.weight'), R, D),
        'gk_proj.1.weight': linear(stream.fork('gk_proj.1.weight'), H * K, R),
        'gk_proj.1.bias': uniform(stream.fork('gk_proj.1.bias'), 1 / Math.sqrt(R), H * K),
        'g_norm_swish_gate.weight': constant(1, V),
        'o_proj.weight': linear(stream.fork('o_proj.weight'), D, H * V, layers),
      }),
      apply(params, x) {
        const [B, L] = x.shape;
        const { before, g, gate } = terms(params, tf.reshape(x, [B * L, D]));
        const sequence = (t: Tensor) => tf.reshape(t, [B, L, -1]);
        const { q, k, v } = W === 0 ? before : shortConvolutions(params, { q: sequence(before.q), k: sequence(before.k), v: sequence(before.v) });
        const heads = (t: Tensor) => tf.reshape(t, [B, L, H, -1]);
        const { y } = deltaRule(tf.mul(heads(q), 1 / Math.sqrt(K)), heads(k), heads(v), { g: heads(g) });
        return tf.reshape(output(params, tf.reshape(y, [B * L, H, V]), gate), [B, L, D]);
      },
      stateBytes: () => 4 * (H * K * V + (2 * H * K + H * V) * Math.max(0, W - 1)),
      initialState: (B) => ({
        ...Object.fromEntries(W === 0 ? [] : names.map((name) => [`conv.${name}`, tf.zeros([B, W - 1, widths[name]])])),
        recurrent: tf.zeros([B, H, K, V]),
      }),
      step(params, state, x) {
        const [B] = x.shape;
        const { before, g, gate } = terms(params, x);
        const [next, { q, k, v }] = W === 0 ? [{}, before] : shortConvolutionsStep(params, state, before);
        const heads = (t: Tensor) => tf.reshape(t, [B, H, -1]);
        const [recurrent, y] = deltaRuleStep(state['recurrent'], { q: tf.mul(heads(q), 1 / Math.sqrt(K)), k: heads(k), v: heads(v), decay: tf.exp(heads(g)) });
        return [{ ...next, recurrent }, output(params, y, gate)];
      },
    };
  },
});
