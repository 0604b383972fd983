/**
 * Hyena of order 2 (Poli et al. 2023, arXiv 2302.10866, §3): two gates around a convolution as long as the sequence, whose filter a small network
 * writes. Names, sizes and start follow zoology's implementation.
 *
 *     B batch   L length   D model width   W = dConv   F = filterOrder   C capacity
 *
 *     x₁, x₂, v = conv(u·W_in + bias)
 *     g         = x₁ ⊙ v
 *     y_t       = Σ_{l≤t} h_l ⊙ g_{t−l} + bias ⊙ g_t
 *     out       = (x₂ ⊙ y)·W_out + bias
 *
 *     h_l = exp(−τ_l |δ|) ⊙ MLP(z_l)           τ_l = l/(lMax − 1)
 *     MLP: three layers of width F with sin(freq ⊙ ·) after each, freq shared, and one to D without bias
 *     z_l = [τ_l, cos(f_j ω_l) …, −sin(f_j ω_l) …]      ω_l = 2πl/lMax;  f from 10⁻⁴ to (embDim − 3)/2 in equal steps
 *     |δ| = from ln 100/1.5 to ln 100/0.3 over the channels: the window falls to 1/100 at 1.5 and at 0.3 of lMax
 *
 * z and δ are fixed: the reference may train z, at a learning rate of its own. A step carries the whole past g, D·C numbers, and sums over all of it.
 */
import { z } from '#core/config.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { longConv } from '#kernels/long-conv/op.ts';
import { constant, linear, normal, undecayed, uniform } from './initializers.ts';
import { defineMixer, type Parameters, type Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { shortConvolution, shortConvolutionStep } from './short-convolution.ts';

/** n numbers from `first` to `last` in equal steps; one is `first`. */
const spaced = (first: number, last: number, n: number): number[] => Array.from({ length: n }, (_, i) => (n === 1 ? first : first + ((last - first) * i) / (n - 1)));

const LAYERS = [0, 2, 4] as const; // places of the network's layers with a bias; the sines are between them

export const hyena = defineMixer({
  name: 'hyena',
  summary: 'Hyena: a gated long convolution with an implicit filter; carries the whole past',
  appearance: { label: 'Hyena', order: 14, color: '#999933', marker: 'star' },
  config: z.strictObject({
    lMax: z
      .union([z.literal('auto'), z.int().positive()])
      .default('auto')
      .describe("length over which the filter's time runs from 0 to 1: a number, or auto for the model's longest sequence; longer ones go beyond 1"),
    filterOrder: z.int().positive().default(64).describe('width of the network that writes the filter'),
    embDim: z.int().min(3).default(3).refine((n) => n % 2 === 1, 'must be odd').describe('features of time: itself, and cosine and sine of (embDim − 1)/2 frequencies; odd'),
    dConv: z.int().positive().default(3).describe('width of the short convolution'),
  }),
  open({ lMax: asked, filterOrder: F, embDim, dConv: W }, { dModel: D, layers, maxLength }) {
    const lMax = asked === 'auto' ? (maxLength ?? 1024) : asked;
    const bands = (embDim - 1) / 2;
    const frequencies = spaced(1e-4, bands - 1, bands);
    const decays = spaced(Math.log(100) / 1.5, Math.log(100) / 0.3, D);
    const time = (l: number) => l / Math.max(1, lMax - 1);
    const features = (l: number): number[] => {
      const angles = frequencies.map((f) => (f * 2 * Math.PI * l) / lMax);
      return [time(l), ...angles.map(Math.cos), ...angles.map((a) => -Math.sin(a))];
    };

    /** h_0 … h_{L−1}, [L, D] */
    const filterOf = (params: Tensors, L: number): Tensor => {
      const steps = [...new Array(L).keys()];
      const layer = (i: number, x: Tensor): Tensor => project(x, params[`filter_fn.implicit_filter.${i}.weight`], [F], params[`filter_fn.implicit_filter.${i}.bias`])[0];
      const sine = (x: Tensor): Tensor => tf.sin(tf.mul(x, params['filter_fn.implicit_filter.1.freq']));
      const hidden = LAYERS.reduce<Tensor>((x, i) => sine(layer(i, x)), tf.tensor2d(steps.flatMap(features), [L, embDim]));
      const [written] = project(hidden, params['filter_fn.implicit_filter.6.weight'], [D]);
      const window = tf.exp(tf.neg(tf.mul(tf.tensor2d(steps.map(time), [L, 1]), tf.tensor1d(decays))));
      return tf.mul(written, window);
    };
    const inputs = (params: Tensors, u: Tensor): Tensor[] => project(u, params['in_proj.weight'], [D, D, D], params['in_proj.bias']);
    const output = (params: Tensors, y: Tensor): Tensor => project(y, params['out_proj.weight'], [D], params['out_proj.bias'])[0];

    return {
      notes: [],
      init(stream) {
        const network: Parameters = {};
        for (const i of LAYERS) {
          const width = i === 0 ? embDim : F;
          const [weight, bias] = [`filter_fn.implicit_filter.${i}.weight`, `filter_fn.implicit_filter.${i}.bias`];
          network[weight] = undecayed(linear(stream.fork(weight), F, width));
          network[bias] = undecayed(uniform(stream.fork(bias), 1 / Math.sqrt(width), F));
        }
        return {
          'in_proj.weight': linear(stream.fork('in_proj.weight'), 3 * D, D), // rows x₁, x₂, v
          'in_proj.bias': uniform(stream.fork('in_proj.bias'), 1 / Math.sqrt(D), 3 * D),
          'short_filter.weight': uniform(stream.fork('short_filter.weight'), 1 / Math.sqrt(W), 3 * D, 1, W),
          'short_filter.bias': uniform(stream.fork('short_filter.bias'), 1 / Math.sqrt(W), 3 * D),
          'filter_fn.bias': normal(stream.fork('filter_fn.bias'), 1, D),
          ...network,
          'filter_fn.implicit_filter.1.freq': undecayed(constant(1, 1, F)),
          'filter_fn.implicit_filter.6.weight': undecayed(linear(stream.fork('filter_fn.implicit_filter.6.weight'), D, F)),
          'out_proj.weight': linear(stream.fork('out_proj.weight'), D, D, layers),
          'out_proj.bias': uniform(stream.fork('out_proj.bias'), 1 / Math.sqrt(D), D),
        };
      },
      apply(params, u) {
        const [B, L] = u.shape as [number, number];
        const before = inputs(params, tf.reshape(u, [B * L, D])).map((x) => tf.reshape(x, [B, L, D]));
        const [x1, x2, v] = shortConvolution(before, params['short_filter.weight'], params['short_filter.bias'], 'none');
        const g = tf.mul(x1, v);
        const y = tf.add(longConv(g, filterOf(params, L)), tf.mul(g, params['filter_fn.bias']));
        return tf.reshape(output(params, tf.reshape(tf.mul(x2, y), [B * L, D])), [B, L, D]);
      },
      stateBytes: (seqLen) => 4 * (D * seqLen + 3 * D * (W - 1)),
      initialState(B, C) {
        const short = () => tf.zeros([B, W - 1, D]);
        return { 'short.x1': short(), 'short.x2': short(), 'short.v': short(), past: tf.zeros([B, C, D]) };
      },
      step(params, state, u) {
        const [B, C] = state['past'].shape as [number, number];
        const buffers = [state['short.x1'], state['short.x2'], state['short.v']];
        const [next, [x1, x2, v]] = shortConvolutionStep(buffers, inputs(params, u), params['short_filter.weight'], params['short_filter.bias'], 'none');
        const g = tf.mul(x1, v);
        // the newest first, so that h_l meets g_{t−l} at place l
        const past = tf.concat([tf.expandDims(g, 1), tf.slice(state['past'], [0, 0, 0], [B, C - 1, D])], 1);
        const y = tf.add(tf.sum(tf.mul(past, filterOf(params, C)), 1), tf.mul(g, params['filter_fn.bias']));
        return [{ 'short.x1': next[0], 'short.x2': next[1], 'short.v': next[2], past }, output(params, tf.mul(x2, y))];
      },
    };
  },
});
