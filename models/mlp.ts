/** What may follow a mixer: an MLP of two linear layers with a GELU between them, or a gated linear unit of three. */
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { constant, normal } from './initializers.ts';
import type { MixerSizes, Parameters, Tensors } from './mixer.ts';
import { project } from './projection.ts';
import { silu } from './short-convolution.ts';

/** Layers token by token: x [..., D] → [..., D]. */
export interface FeedForward {
  init(stream: Stream): Parameters;
  apply(params: Tensors, x: Tensor): Tensor;
}

/** x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016, §2): the exact form. */
export function gelu(x: Tensor): Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** x [..., D] → fc2(GELU(fc1(x))), with biases and the initialisation of GPT-2, whatever the mixer. */
export function mlp(hidden: number, { dModel: D, layers }: MixerSizes): FeedForward {
  return {
    init: (stream) => ({
      'fc1.weight': normal(stream.fork('fc1.weight'), 0.02, hidden, D),
      'fc1.bias': constant(0, hidden),
      'fc2.weight': normal(stream.fork('fc2.weight'), 0.02 / Math.sqrt(2 * layers), D, hidden),
      'fc2.bias': constant(0, D),
    }),
    apply(params, x) {
      const [h] = project(tf.reshape(x, [-1, D]), params['fc1.weight'], [hidden], params['fc1.bias']);
      const [y] = project(gelu(h), params['fc2.weight'], [D], params['fc2.bias']);
      return tf.reshape(y, x.shape);
    },
  };
}

/** What the gate of a unit goes through (Shazeer 2020, equations 4-6); GLU's sigmoid, GEGLU's GELU, SwiGLU's SiLU. */
const gates = { glu: (x: Tensor) => tf.sigmoid(x), geglu: gelu, swiglu: silu };
export type Glu = keyof typeof gates;

/** x [..., D] → w3(gate(w1(x)) ⊙ w2(x)) without biases, names as in MAD; it starts as the MLP does. */
export function gatedLinearUnit(kind: Glu, hidden: number, { dModel: D, layers }: MixerSizes): FeedForward {
  return {
    init: (stream) => ({
      'w1.weight': normal(stream.fork('w1.weight'), 0.02, hidden, D),
      'w2.weight': normal(stream.fork('w2.weight'), 0.02, hidden, D),
      'w3.weight': normal(stream.fork('w3.weight'), 0.02 / Math.sqrt(2 * layers), D, hidden),
    }),
    apply(params, x) {
      const rows = tf.reshape(x, [-1, D]);
      const [gate] = project(rows, params['w1.weight'], [hidden]);
      const [value] = project(rows, params['w2.weight'], [hidden]);
      const [y] = project(tf.mul(gates[kind](gate), value), params['w3.weight'], [D]);
      return tf.reshape(y, x.shape);
    },
  };
}
