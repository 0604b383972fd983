/** The MLP that may follow a mixer: two linear layers with a GELU between them. */
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { constant, normal } from './initializers.ts';
import type { MixerSizes, Parameters, Tensors } from './mixer.ts';
import { project } from './projection.ts';

/** x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016, §2): the exact form. */
export function gelu(x: Tensor): Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** x [..., D] → fc2(GELU(fc1(x))), with biases and the initialisation of GPT-2, whatever the mixer. */
export function mlp(hidden: number, { dModel: D, layers }: MixerSizes) {
  return {
    init: (stream: Stream): Parameters => ({
      'fc1.weight': normal(stream.fork('fc1.weight'), 0.02, hidden, D),
      'fc1.bias': constant(0, hidden),
      'fc2.weight': normal(stream.fork('fc2.weight'), 0.02 / Math.sqrt(2 * layers), D, hidden),
      'fc2.bias': constant(0, D),
    }),
    apply(params: Tensors, x: Tensor): Tensor {
      const [h] = project(tf.reshape(x, [-1, D]), params['fc1.weight'], [hidden], params['fc1.bias']);
      const [y] = project(gelu(h), params['fc2.weight'], [D], params['fc2.bias']);
      return tf.reshape(y, x.shape);
    },
  };
}
