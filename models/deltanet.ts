/**
 * DeltaNet (Schlag et al. 2021, arXiv 2102.11174; Yang et al. 2024, arXiv 2406.06484): a token replaces what the state recalls for its key.
 *
 *     B batch   L length   D model width   H heads   K = V = D/H width of a key and a value   W = convSize
 *
 *     q, k, v = SiLU(conv(x·W_q)), SiLU(conv(x·W_k)), SiLU(conv(x·W_v))
 *     q, κ    = q/‖q‖/√K, k/‖k‖                            per head
 *     β       = σ(x·W_β)                                   per head; twice that with negative eigenvalues (Grazzi et al. 2024, arXiv 2411.12537)
 *     S_t     = S_{t−1} + β_t κ_t (v_t − S_{t−1}ᵀ κ_t)ᵀ    S [K, V]
 *     out     = (RMSNorm(S_tᵀ q_t) ⊙ w)·W_o                the norm per head
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { deltaRule } from '#kernels/delta-rule/op.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { constant, linear, uniform } from './initializers.ts';
import { deltaRuleStep, l2Normalized } from './matrix-state.ts';
import { defineMixer, type Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { shortConvolutions, shortConvolutionsStep } from './short-convolution.ts';

const names = ['q', 'k', 'v'] as const;

export const deltanet = defineMixer({
  name: 'deltanet',
  summary: 'DeltaNet: a linear recurrence that replaces what a key recalls',
  appearance: { label: 'DeltaNet', order: 34, color: '#332288', marker: 'rectRot' },
  config: z.strictObject({
    heads: z.int().positive().default(2).describe('number of heads; divides dModel'),
    convSize: z.int().positive().default(4).describe('width of the short convolutions'),
    allowNegativeEigenvalues: z.boolean().default(false).describe('twice the step size β, which may then turn a key around'),
  }),
  open({ heads: H, convSize: W, allowNegativeEigenvalues }, { dModel: D, layers }) {
    if (D % H !== 0) throw new RecallbenchError('E_SIZE', `model deltanet: ${H} heads do not divide dModel ${D}. Choose a divisor of ${D}.`);
    const K = D / H;
    /** β and, before convolutions, q, k, v of rows [T, D] */
    const projected = (params: Tensors, x: Tensor) => {
      const to = (name: string, width: number) => project(x, params[`${name}_proj.weight`], [width])[0];
      const beta = tf.sigmoid(to('b', H));
      return { beta: allowNegativeEigenvalues ? tf.mul(beta, 2) : beta, q: to('q', D), k: to('k', D), v: to('v', D) };
    };
    /** q, the key that reads and the key that writes, from what the convolutions gave [..., H, K], beta [..., H] */
    const keys = (q: Tensor, k: Tensor, beta: Tensor) => {
      const a = l2Normalized(k);
      return { q: l2Normalized(q, { length: 1 / Math.sqrt(K) }), a, k: tf.mul(a, tf.expandDims(beta, -1)) };
    };
    /** y [T, H, K] → [T, D] */
    const output = (params: Tensors, y: Tensor) => project(tf.reshape(rmsNorm(y, params['o_norm.weight'], { epsilon: 1e-5 }), [-1, D]), params['o_proj.weight'], [D])[0];
    return {
      notes: [],
      init: (stream) => ({
        ...Object.fromEntries(names.map((name) => [`${name}_proj.weight`, linear(stream.fork(`${name}_proj.weight`), D, D)])),
        'b_proj.weight': linear(stream.fork('b_proj.weight'), H, D),
        ...Object.fromEntries(names.map((name) => [`${name}_conv1d.weight`, uniform(stream.fork(`${name}_conv1d.weight`), 1 / Math.sqrt(W), D, 1, W)])),
        'o_norm.weight': constant(1, K),
        'o_proj.weight': linear(stream.fork('o_proj.weight'), D, D, layers),
      }),
      apply(params, x) {
        const [B, L] = x.shape;
        const { beta, ...before } = projected(params, tf.reshape(x, [B * L, D]));
        const sequence = (t: Tensor) => tf.reshape(t, [B, L, D]);
        const { q, k, v } = shortConvolutions(params, { q: sequence(before.q), k: sequence(before.k), v: sequence(before.v) });
        const heads = (t: Tensor) => tf.reshape(t, [B, L, H, K]);
        const all = keys(heads(q), heads(k), tf.reshape(beta, [B, L, H]));
        const { y } = deltaRule(all.q, all.k, heads(v), { a: all.a });
        return tf.reshape(output(params, tf.reshape(y, [B * L, H, K])), [B, L, D]);
      },
      stateBytes: () => 4 * (D * K + 3 * D * (W - 1)),
      initialState: (B) => ({
        ...Object.fromEntries(names.map((name) => [`conv.${name}`, tf.zeros([B, W - 1, D])])),
        recurrent: tf.zeros([B, H, K, K]),
      }),
      step(params, state, x) {
        const [B] = x.shape;
        const { beta, ...before } = projected(params, x);
        const [next, { q, k, v }] = shortConvolutionsStep(params, state, before);
        const heads = (t: Tensor) => tf.reshape(t, [B, H, K]);
        const [recurrent, y] = deltaRuleStep(state['recurrent'], { ...keys(heads(q), heads(k), beta), v: heads(v) });
        return [{ ...next, recurrent }, output(params, y)];
      },
    };
  },
});
