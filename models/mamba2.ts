/**
 * Mamba-2 (Dao & Gu 2024, §7): state space duality, with one scalar decay per head and a normalised gate.
 *
 *     B batch   L length   D model width   E = expand·D inner width   H = E/P heads   P head dim
 *     N state size   G groups of heads that share B and C   W = dConv
 *
 *     z, x, B, C, Δ₀ = u·W_in                                  all in parallel, unlike Mamba-1
 *     x, B, C        ← SiLU(conv(x, B, C))
 *     Δ              = softplus(Δ₀ + dt_bias)                  per head
 *     S_t            = exp(Δ_t A) S_{t−1} + Δ_t x_t B_tᵀ       A = −exp(A_log), a scalar per head; S [P, N]
 *     y_t            = S_t C_t + D x_t
 *     out            = (RMSNorm(y ⊙ SiLU(z)) ⊙ w)·W_out        the gate first, then the norm, by groups
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { gatedRmsNorm } from '#kernels/rms-norm/op.ts';
import { ssd } from '#kernels/ssd/op.ts';
import { headDimOf, headDimOption } from './head-dim.ts';
import { constant, linear, stepSizeBias, undecayed, uniform } from './initializers.ts';
import { defineMixer, type Parameter } from './mixer.ts';
import { project } from './projection.ts';
import { shortConvolution, shortConvolutionStep } from './short-convolution.ts';

/** A_log [H] = ln A with A ~ U(1, 16). */
function decayRates(stream: Stream, H: number): Parameter {
  return { shape: [H], data: Float32Array.from({ length: H }, () => Math.log(1 + 15 * stream.uniform())) };
}

export const mamba2 = defineMixer({
  name: 'mamba2',
  summary: 'Mamba-2: state space duality (SSD), one scalar decay per head',
  appearance: { label: 'Mamba-2', order: 20, color: '#009E73', marker: 'rect' },
  config: z.strictObject({
    dState: z.int().positive().default(128).describe('state size N of each channel'),
    headDim: headDimOption,
    nGroups: z.int().positive().default(1).describe('groups of heads that share B and C'),
    dConv: z.int().positive().default(4).describe('width of the short convolution'),
    expand: z.int().positive().default(2).describe('inner width as a multiple of dModel'),
    chunk: z.int().positive().default(64).describe('chunk length of the chunked form'),
    form: z.enum(['chunked', 'linear', 'quadratic']).default('chunked').describe('which form of SSD trains; all compute the same'),
  }),
  open({ dState: N, headDim, nGroups: G, dConv: W, expand, chunk, form }, { dModel: D, layers }) {
    const E = expand * D;
    const { headDim: P, notes } = headDimOf('mamba2', headDim, E, G);
    const H = E / P;
    const channels = E + 2 * G * N; // x, B, C
    const parts = [E, E, G * N, G * N, H]; // z, x, B, C, Δ₀
    const norm = { epsilon: 1e-5, groups: G };
    /** B_t or C_t [B, G·N] as every head sees it, against [B, H, P, N] */
    const perHead = (t: Tensor, B: number) => {
      const groups = tf.reshape(t, [B, G, 1, N]);
      return G === 1 ? groups : tf.reshape(tf.tile(groups, [1, 1, H / G, 1]), [B, H, 1, N]);
    };
    return {
      notes,
      init: (stream) => ({
        'in_proj.weight': linear(stream.fork('in_proj.weight'), E + channels + H, D), // rows z, x, B, C, Δ₀
        'conv1d.weight': uniform(stream.fork('conv1d.weight'), 1 / Math.sqrt(W), channels, 1, W), // channels x, B, C
        'conv1d.bias': uniform(stream.fork('conv1d.bias'), 1 / Math.sqrt(W), channels),
        dt_bias: undecayed(stepSizeBias(stream.fork('dt_bias'), H)),
        A_log: undecayed(decayRates(stream.fork('A_log'), H)),
        D: undecayed(constant(1, H)),
        'norm.weight': constant(1, E),
        'out_proj.weight': linear(stream.fork('out_proj.weight'), D, E, layers),
      }),
      apply(params, u) {
        const [B, L] = u.shape;
        const projected = project(tf.reshape(u, [B * L, D]), params['in_proj.weight'], parts);
        const [gate, x0, b0, c0, dt0] = projected.map((part) => tf.reshape(part, [B, L, -1]));
        const [x, b, c] = shortConvolution([x0, b0, c0], params['conv1d.weight'], params['conv1d.bias']);
        const { y } = ssd(
          tf.reshape(x, [B, L, H, P]),
          tf.softplus(tf.add(dt0, params['dt_bias'])), // [B, L, H]
          tf.neg(tf.exp(params['A_log'])),
          tf.reshape(b, [B, L, G, N]),
          tf.reshape(c, [B, L, G, N]),
          params['D'],
          { chunk, form },
        );
        const normed = gatedRmsNorm(tf.reshape(y, [B, L, E]), gate, params['norm.weight'], norm);
        const [out] = project(tf.reshape(normed, [B * L, E]), params['out_proj.weight'], [D]);
        return tf.reshape(out, [B, L, D]);
      },
      stateBytes: () => 4 * (E * N + channels * (W - 1)),
      initialState: (B) => ({
        'conv.x': tf.zeros([B, W - 1, E]),
        'conv.B': tf.zeros([B, W - 1, G * N]),
        'conv.C': tf.zeros([B, W - 1, G * N]),
        ssm: tf.zeros([B, H, P, N]),
      }),
      step(params, state, u) {
        const [B] = u.shape;
        const [gate, x0, b0, c0, dt0] = project(u, params['in_proj.weight'], parts);
        const buffers = [state['conv.x'], state['conv.B'], state['conv.C']];
        const [next, [x1, b1, c1]] = shortConvolutionStep(buffers, [x0, b0, c0], params['conv1d.weight'], params['conv1d.bias']);
        const dt = tf.softplus(tf.add(dt0, params['dt_bias'])); // [B, H]
        const decay = tf.exp(tf.mul(dt, tf.neg(tf.exp(params['A_log']))));
        const x = tf.reshape(x1, [B, H, P, 1]);
        const input = tf.mul(tf.mul(tf.reshape(dt, [B, H, 1, 1]), x), perHead(b1, B)); // [B, H, P, N]
        const ssm = tf.add(tf.mul(tf.reshape(decay, [B, H, 1, 1]), state['ssm']), input);
        const skip = tf.mul(tf.reshape(params['D'], [H, 1]), tf.reshape(x1, [B, H, P]));
        const y = tf.add(tf.sum(tf.mul(ssm, perHead(c1, B)), 3), skip); // [B, H, P]
        const [out] = project(gatedRmsNorm(tf.reshape(y, [B, E]), gate, params['norm.weight'], norm), params['out_proj.weight'], [D]);
        return [{ 'conv.x': next[0], 'conv.B': next[1], 'conv.C': next[2], ssm }, out];
      },
    };
  },
});
