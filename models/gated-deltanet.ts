/**
 * Gated DeltaNet (Yang et al. 2024, arXiv 2412.06464): the decay of Mamba-2, then the update of DeltaNet.
 *
 *     B batch   L length   D model width   H heads   K width of a key   V = expandV·K width of a value   W = convSize
 *
 *     q, k, v = SiLU(conv(x·W_q)), SiLU(conv(x·W_k)), SiLU(conv(x·W_v))
 *     q, κ    = q/‖q‖/√K, k/‖k‖                                   per head
 *     β       = σ(x·W_β)                                          per head; twice that with negative eigenvalues (Grazzi et al. 2024, arXiv 2411.12537)
 *     g       = −e^{A_log}·softplus(x·W_a + dt_bias)              per head
 *     S_t     = (I − β_t κ_t κ_tᵀ) e^{g_t} S_{t−1} + β_t κ_t v_tᵀ  S [K, V]
 *     out     = (RMSNorm(S_tᵀ q_t) ⊙ w ⊙ SiLU(x·W_g))·W_o         the norm per head, the gate after it
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { deltaRule } from '#kernels/delta-rule/op.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { constant, linear, stepSizeBias, undecayed, uniform } from './initializers.ts';
import { deltaRuleStep, l2Normalized } from './matrix-state.ts';
import { defineMixer, type Parameter, type Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { shortConvolutions, shortConvolutionsStep, silu } from './short-convolution.ts';

/** A_log [H] = ln A with A ~ U(0, 16). */
function decayRates(stream: Stream, H: number): Parameter {
  return { shape: [H], data: Float32Array.from({ length: H }, () => Math.log(16 * (1 - stream.uniform()))) };
}

const names = ['q', 'k', 'v'] as const;

export const gatedDeltanet = defineMixer({
  name: 'gated-deltanet',
  summary: 'Gated DeltaNet: one decay per head, then the delta rule',
  appearance: { label: 'Gated DeltaNet', order: 36, color: '#44AA99', marker: 'rectRounded' },
  config: z.strictObject({
    heads: z.int().positive().default(2).describe('number of heads'),
    headDim: z
      .union([z.literal('auto'), z.int().positive()])
      .default('auto')
      .describe('width of a key: a number, or auto for three quarters of dModel shared by the heads'),
    expandV: z.int().positive().default(2).describe('width of a value as a multiple of that of a key'),
    convSize: z.int().positive().default(4).describe('width of the short convolutions'),
    allowNegativeEigenvalues: z.boolean().default(false).describe('twice the step size β, which may then turn a key around'),
  }),
  open({ heads: H, headDim, expandV, convSize: W, allowNegativeEigenvalues }, { dModel: D, layers }) {
    const K = headDim === 'auto' ? Math.max(1, Math.round((0.75 * D) / H)) : headDim;
    const V = expandV * K;
    const widths = { q: H * K, k: H * K, v: H * V };
    /** of rows [T, D]: β, g [T, H], the gate, and q, k, v before convolutions */
    const projected = (params: Tensors, x: Tensor) => {
      const to = (name: string, width: number) => project(x, params[`${name}.weight`], [width])[0];
      const beta = tf.sigmoid(to('b_proj', H));
      return {
        before: { q: to('q_proj', widths.q), k: to('k_proj', widths.k), v: to('v_proj', widths.v) },
        beta: allowNegativeEigenvalues ? tf.mul(beta, 2) : beta,
        g: tf.mul(tf.softplus(tf.add(to('a_proj', H), params['dt_bias'])), tf.neg(tf.exp(params['A_log']))),
        gate: to('g_proj', H * V),
      };
    };
    /** q, the key that reads and the key that writes, from what the convolutions gave [..., H, K], and beta and decay [..., H] */
    const keys = (q: Tensor, k: Tensor, beta: Tensor, decay: Tensor) => {
      const unit = l2Normalized(k);
      return { q: l2Normalized(q, { length: 1 / Math.sqrt(K) }), a: tf.mul(unit, tf.expandDims(decay, -1)), k: tf.mul(unit, tf.expandDims(beta, -1)) };
    };
    /** y [T, H, V], gate [T, H·V] → [T, D] */
    const output = (params: Tensors, y: Tensor, gate: Tensor) => {
      const normed = tf.reshape(rmsNorm(y, params['o_norm.weight'], { epsilon: 1e-5 }), [-1, H * V]);
      return project(tf.mul(normed, silu(gate)), params['o_proj.weight'], [D])[0];
    };
    return {
      notes: [],
      init: (stream) => ({
        ...Object.fromEntries(names.map((name) => [`${name}_proj.weight`, linear(stream.fork(`${name}_proj.weight`), widths[name], D)])),
        'a_proj.weight': linear(stream.fork('a_proj.weight'), H, D),
        'b_proj.weight': linear(stream.fork('b_proj.weight'), H, D),
        A_log: undecayed(decayRates(stream.fork('A_log'), H)),
        dt_bias: undecayed(stepSizeBias(stream.fork('dt_bias'), H)),
        ...Object.fromEntries(names.map((name) => [`${name}_conv1d.weight`, uniform(stream.fork(`${name}_conv1d.weight`), 1 / Math.sqrt(W), widths[name], 1, W)])),
        'g_proj.weight': linear(stream.fork('g_proj.weight'), H * V, D),
        'o_norm.weight': constant(1, V),
        'o_proj.weight': linear(stream.fork('o_proj.weight'), D, H * V, layers),
      }),
      apply(params, x) {
        const [B, L] = x.shape;
        const { before, beta, g, gate } = projected(params, tf.reshape(x, [B * L, D]));
        const sequence = (t: Tensor) => tf.reshape(t, [B, L, -1]);
        const { q, k, v } = shortConvolutions(params, { q: sequence(before.q), k: sequence(before.k), v: sequence(before.v) });
        const heads = (t: Tensor) => tf.reshape(t, [B, L, H, -1]);
        const perHead = tf.reshape(g, [B, L, H]);
        const all = keys(heads(q), heads(k), tf.reshape(beta, [B, L, H]), tf.exp(perHead));
        const { y } = deltaRule(all.q, all.k, heads(v), { a: all.a, g: perHead });
        return tf.reshape(output(params, tf.reshape(y, [B * L, H, V]), gate), [B, L, D]);
      },
      stateBytes: () => 4 * (H * K * V + (2 * H * K + H * V) * (W - 1)),
      initialState: (B) => ({
        ...Object.fromEntries(names.map((name) => [`conv.${name}`, tf.zeros([B, W - 1, widths[name]])])),
        recurrent: tf.zeros([B, H, K, V]),
      }),
      step(params, state, x) {
        const [B] = x.shape;
        const { before, beta, g, gate } = projected(params, x);
        const [next, { q, k, v }] = shortConvolutionsStep(params, state, before);
        const heads = (t: Tensor) => tf.reshape(t, [B, H, -1]);
        const decay = tf.exp(g);
        const [recurrent, y] = deltaRuleStep(state['recurrent'], { ...keys(heads(q), heads(k), beta, decay), v: heads(v), decay: tf.expandDims(decay, -1) });
        return [{ ...next, recurrent }, output(params, y, gate)];
      },
    };
  },
});
