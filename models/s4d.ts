/**
 * S4D (Gu et al. 2022, arXiv 2206.11893): a diagonal state space that is the same for every token, the control to the selective ones.
 *
 *     B batch   L length   D model width   H channels   N = dState real numbers that a channel carries   W = dConv
 *
 *     y_t = (K * x)_t + D ⊙ x_t      K: diagonal-ssm.ts, with B = 1 and C learned
 *
 *     block s4, as in the reference:   out = a ⊙ σ(b),  a, b = GELU(y)·W + bias        x = u, H = D
 *     block mamba:                     x, z = u·W_in;  x ← SiLU(conv(x));  out = (y ⊙ SiLU(z))·W_out        H = expand·D
 *
 * The second is "S4 in Mamba" of Mamba's table of selective copying (Gu & Dao 2023, §4.1): all of Mamba-1 but the selection. The reference trains Δ
 * and A at a learning rate of at most 0.001; here all parameters have one learning rate.
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { longConv } from '#kernels/long-conv/op.ts';
import { complex, complexNormal, initialModes, kernelOf, modesOf, recurrence, type Modes } from './diagonal-ssm.ts';
import { linear, normal, uniform } from './initializers.ts';
import { defineMixer, type MixerSizes, type OpenMixer, type Parameters, type Tensors } from './mixer.ts';
import { gelu } from './mlp.ts';
import { project } from './projection.ts';
import { shortConvolution, shortConvolutionStep, silu } from './short-convolution.ts';

const spaceInit = (stream: Stream, H: number, N: number): Parameters => {
  const { logStep, logDecay, frequency } = initialModes(stream.fork('kernel.log_dt'), H, N / 2);
  return {
    'kernel.log_dt': logStep,
    'kernel.C': complexNormal(stream.fork('kernel.C'), H, N / 2), // real, imaginary
    'kernel.log_A_real': logDecay,
    'kernel.A_imag': frequency,
    D: normal(stream.fork('D'), 1, H),
  };
};

const modes = (params: Tensors): Modes =>
  modesOf(params['kernel.log_dt'], params['kernel.log_A_real'], params['kernel.A_imag'], complex(params['kernel.C']));

/** x [B, L, H] → y [B·L, H] */
function space(params: Tensors, x: Tensor): Tensor {
  const [B, L, H] = x.shape as [number, number, number];
  return tf.reshape(tf.add(longConv(x, kernelOf(modes(params), L)), tf.mul(x, params['D'])), [B * L, H]);
}

const spaceState = (B: number, H: number, N: number): Tensors => ({ 'ssm.re': tf.zeros([B, H, N / 2]), 'ssm.im': tf.zeros([B, H, N / 2]) });

/** One token of it: x [B, H] → [next state, y [B, H]] */
function spaceStep(params: Tensors, state: Tensors, x: Tensor): [Tensors, Tensor] {
  const [{ re, im }, y] = recurrence(modes(params), { re: state['ssm.re'], im: state['ssm.im'] }, x);
  return [{ 'ssm.re': re, 'ssm.im': im }, tf.add(y, tf.mul(x, params['D']))];
}

function s4Block(N: number, D: number): OpenMixer {
  /** y [T, D] → [T, D] */
  const out = (params: Tensors, y: Tensor): Tensor => {
    const [value, gate] = project(gelu(y), tf.reshape(params['output_linear.0.weight'], [2 * D, D]), [D, D], params['output_linear.0.bias']);
    return tf.mul(value, tf.sigmoid(gate));
  };
  return {
    notes: [],
    init: (stream) => ({
      ...spaceInit(stream, D, N),
      'output_linear.0.weight': uniform(stream.fork('output_linear.0.weight'), 1 / Math.sqrt(D), 2 * D, D, 1), // rows value, gate
      'output_linear.0.bias': uniform(stream.fork('output_linear.0.bias'), 1 / Math.sqrt(D), 2 * D),
    }),
    apply: (params, u) => tf.reshape(out(params, space(params, u)), u.shape),
    stateBytes: () => 4 * D * N,
    initialState: (B) => spaceState(B, D, N),
    step(params, state, u) {
      const [next, y] = spaceStep(params, state, u);
      return [next, out(params, y)];
    },
  };
}

function mambaBlock(N: number, W: number, expand: number, { dModel: D, layers }: MixerSizes): OpenMixer {
  const E = expand * D;
  return {
    notes: [],
    init: (stream) => ({
      'in_proj.weight': linear(stream.fork('in_proj.weight'), 2 * E, D), // rows x, z
      'conv1d.weight': uniform(stream.fork('conv1d.weight'), 1 / Math.sqrt(W), E, 1, W),
      'conv1d.bias': uniform(stream.fork('conv1d.bias'), 1 / Math.sqrt(W), E),
      ...spaceInit(stream, E, N),
      'out_proj.weight': linear(stream.fork('out_proj.weight'), D, E, layers),
    }),
    apply(params, u) {
      const [B, L] = u.shape;
      const [x0, gate] = project(tf.reshape(u, [B * L, D]), params['in_proj.weight'], [E, E]);
      const [x] = shortConvolution([tf.reshape(x0, [B, L, E])], params['conv1d.weight'], params['conv1d.bias']);
      const [out] = project(tf.mul(space(params, x), silu(gate)), params['out_proj.weight'], [D]);
      return tf.reshape(out, [B, L, D]);
    },
    stateBytes: () => 4 * (E * N + E * (W - 1)),
    initialState: (B) => ({ conv: tf.zeros([B, W - 1, E]), ...spaceState(B, E, N) }),
    step(params, state, u) {
      const [x0, gate] = project(u, params['in_proj.weight'], [E, E]);
      const [[conv], [x]] = shortConvolutionStep([state['conv']], [x0], params['conv1d.weight'], params['conv1d.bias']);
      const [next, y] = spaceStep(params, state, x);
      const [out] = project(tf.mul(y, silu(gate)), params['out_proj.weight'], [D]);
      return [{ conv, ...next }, out];
    },
  };
}

export const s4d = defineMixer({
  name: 's4d',
  summary: 'S4D: a diagonal state space that is the same for every token',
  appearance: { label: 'S4D', order: 12, color: '#8C6D31', marker: 'cross' },
  config: z.strictObject({
    dState: z.int().positive().multipleOf(2).default(64).describe('state size N of each channel, in real numbers: half as many complex ones'),
    block: z.enum(['s4', 'mamba']).default('s4').describe('what is around the state space: s4, GELU and a gated linear layer; mamba, all of Mamba-1 but the selection'),
    dConv: z.int().positive().default(4).describe('block mamba: width of the short convolution'),
    expand: z.int().positive().default(2).describe('block mamba: inner width as a multiple of dModel'),
  }),
  open: ({ dState, block, dConv, expand }, sizes) => (block === 's4' ? s4Block(dState, sizes.dModel) : mambaBlock(dState, dConv, expand, sizes)),
});
