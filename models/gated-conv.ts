/**
 * BaseConv of the Zoology paper (Arora et al. 2023, §4.2): a short convolution times a linear gate, both of the input itself.
 *
 *     D model width   W = kernel
 *
 *     y_t = (conv(u)_t + b_c) ⊙ (u_t·Wᵀ + b) + u_t             conv causal and depthwise, with W taps
 *
 * Names of parameters are those of zoology's code, and so is the start: the gate is N(0, 0.02²) without bias, the convolution PyTorch's
 * U(±1/√W). Like that code it adds its input, which is the normalised one, before the model adds its residual.
 */
import { z } from '#core/config.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { causalConv } from '#kernels/causal-conv/op.ts';
import { constant, normal, uniform } from './initializers.ts';
import { defineMixer, type Tensors } from './mixer.ts';
import { project } from './projection.ts';

export const gatedConv = defineMixer({
  name: 'gated-conv',
  summary: 'gated convolution (BaseConv): a short convolution times a linear gate',
  appearance: { label: 'Gated convolution', order: 16, color: '#555555', marker: 'crossRot' },
  config: z.strictObject({
    kernel: z.int().positive().default(3).describe('width of the convolution'),
  }),
  open({ kernel: W }, { dModel: D }) {
    const gate = (params: Tensors, u: Tensor): Tensor => project(u, params['projection.weight'], [D], params['projection.bias'])[0];
    const taps = (params: Tensors): Tensor => tf.reshape(params['conv.conv.weight'], [D, W]);
    return {
      notes: [],
      reach: W - 1,
      init: (stream) => ({
        'projection.weight': normal(stream.fork('projection.weight'), 0.02, D, D),
        'projection.bias': constant(0, D),
        'conv.conv.weight': uniform(stream.fork('conv.conv.weight'), 1 / Math.sqrt(W), D, 1, W),
        'conv.conv.bias': uniform(stream.fork('conv.conv.bias'), 1 / Math.sqrt(W), D),
      }),
      apply(params, u) {
        const [B, L] = u.shape as [number, number, number];
        const convolved = causalConv(u, taps(params), params['conv.conv.bias'], { activation: 'none' });
        return tf.add(tf.mul(convolved, tf.reshape(gate(params, tf.reshape(u, [B * L, D])), [B, L, D])), u);
      },
      stateBytes: () => 4 * D * (W - 1),
      initialState: (B) => ({ conv: tf.zeros([B, W - 1, D]) }),
      step(params, state, u) {
        const [B] = u.shape as [number, number];
        const window = tf.concat([state['conv'], tf.reshape(u, [B, 1, D])], 1); // [B, W, D]
        const convolved = tf.add(tf.sum(tf.mul(window, tf.transpose(taps(params))), 1), params['conv.conv.bias']);
        return [{ conv: tf.slice(window, [0, 1, 0], [B, W - 1, D]) }, tf.add(tf.mul(convolved, gate(params, u)), u)];
      },
    };
  },
});
