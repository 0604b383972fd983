/**
 * Mamba-1 (Gu & Dao 2023, §3.2-3.4 and algorithm 2): a selective diagonal SSM behind a short convolution, gated.
 *
 *     B batch   L length   D model width   E = expand·D inner width   N state size   R rank of Δ   W = dConv
 *
 *     x, z    = u·W_in                                 the input and its gate
 *     x       ← SiLU(conv(x))
 *     δ, B, C = x·W_x                                  B_t, C_t are shared by all channels
 *     Δ       = softplus(δ·W_Δ + b_Δ)                  per channel
 *     h_t     = exp(Δ_t A) ⊙ h_{t−1} + Δ_t x_t B_t     A = −exp(A_log) [E, N]; h [E, N]
 *     y_t     = h_t C_t + D ⊙ x_t
 *     out     = (y ⊙ SiLU(z))·W_out
 */
import { z } from '#core/config.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { selectiveScan } from '#kernels/selective-scan/op.ts';
import { constant, linear, stepSizeBias, undecayed, uniform } from './initializers.ts';
import { defineMixer, type Parameter, type Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { shortConvolution, shortConvolutionStep, silu } from './short-convolution.ts';

/** A_log [E, N] with A_log[e, n] = ln(n + 1), n from 0: "S4D-real" (§3.6). */
function s4dReal(E: number, N: number): Parameter {
  return { shape: [E, N], data: Float32Array.from({ length: E * N }, (_, i) => Math.log((i % N) + 1)) };
}

/** x [T, E] → Δ [T, E] and B, C [T, N]. */
function selection(params: Tensors, x: Tensor, N: number): Tensor[] {
  const R = params['dt_proj.weight'].shape[1]!;
  const [low, b, c] = project(x, params['x_proj.weight'], [R, N, N]);
  const [delta] = project(low, params['dt_proj.weight'], [x.shape[1]!], params['dt_proj.bias']);
  return [tf.softplus(delta), b, c];
}

export const mamba1 = defineMixer({
  name: 'mamba1',
  summary: 'Mamba-1: selective scan with a diagonal state matrix',
  appearance: { label: 'Mamba-1', order: 10, color: '#D55E00', marker: 'triangle' },
  config: z.strictObject({
    dState: z.int().positive().default(16).describe('state size N of each channel'),
    dConv: z.int().positive().default(4).describe('width of the short convolution'),
    expand: z.int().positive().default(2).describe('inner width as a multiple of dModel'),
    dtRank: z
      .union([z.literal('auto'), z.int().positive()])
      .default('auto')
      .describe('rank of the projection to the step size: a number, or auto for ceil(dModel / 16)'),
  }),
  open({ dState: N, dConv: W, expand, dtRank }, { dModel: D, layers }) {
    const E = expand * D;
    const R = dtRank === 'auto' ? Math.ceil(D / 16) : dtRank;
    return {
      notes: [],
      init: (stream) => ({
        'in_proj.weight': linear(stream.fork('in_proj.weight'), 2 * E, D), // rows x, z
        'conv1d.weight': uniform(stream.fork('conv1d.weight'), 1 / Math.sqrt(W), E, 1, W),
        'conv1d.bias': uniform(stream.fork('conv1d.bias'), 1 / Math.sqrt(W), E),
        'x_proj.weight': linear(stream.fork('x_proj.weight'), R + 2 * N, E), // rows δ, B, C
        'dt_proj.weight': linear(stream.fork('dt_proj.weight'), E, R),
        'dt_proj.bias': stepSizeBias(stream.fork('dt_proj.bias'), E),
        A_log: undecayed(s4dReal(E, N)),
        D: undecayed(constant(1, E)),
        'out_proj.weight': linear(stream.fork('out_proj.weight'), D, E, layers),
      }),
      apply(params, u) {
        const [B, L] = u.shape;
        const [x0, gate] = project(tf.reshape(u, [B * L, D]), params['in_proj.weight'], [E, E]);
        const [x] = shortConvolution([tf.reshape(x0, [B, L, E])], params['conv1d.weight'], params['conv1d.bias']);
        const [delta, b, c] = selection(params, tf.reshape(x, [B * L, E]), N).map((part) => tf.reshape(part, [B, L, -1]));
        const { y } = selectiveScan(x, delta, tf.neg(tf.exp(params['A_log'])), b, c, params['D']);
        const [out] = project(tf.mul(tf.reshape(y, [B * L, E]), silu(gate)), params['out_proj.weight'], [D]);
        return tf.reshape(out, [B, L, D]);
      },
      stateBytes: () => 4 * (E * N + E * (W - 1)),
      initialState: (B) => ({ conv: tf.zeros([B, W - 1, E]), ssm: tf.zeros([B, E, N]) }),
      step(params, state, u) {
        const [B] = u.shape;
        const [x0, gate] = project(u, params['in_proj.weight'], [E, E]);
        const [[conv], [x]] = shortConvolutionStep([state['conv']], [x0], params['conv1d.weight'], params['conv1d.bias']);
        const [delta, b, c] = selection(params, x, N);
        const decay = tf.exp(tf.mul(tf.reshape(delta, [B, E, 1]), tf.neg(tf.exp(params['A_log'])))); // [B, E, N]
        const input = tf.mul(tf.reshape(tf.mul(delta, x), [B, E, 1]), tf.reshape(b, [B, 1, N]));
        const ssm = tf.add(tf.mul(decay, state['ssm']), input);
        const y = tf.add(tf.sum(tf.mul(ssm, tf.reshape(c, [B, 1, N])), 2), tf.mul(x, params['D']));
        const [out] = project(tf.mul(y, silu(gate)), params['out_proj.weight'], [D]);
        return [{ conv, ssm }, out];
      },
    };
  },
});
