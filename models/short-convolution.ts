/** The causal depthwise convolution in front of a mixer's core, with SiLU or nothing after it, over a whole sequence and one token at a time. */
import { tf, type Tensor } from '#engine/tf.ts';
import { causalConv } from '#kernels/causal-conv/op.ts';
import type { Tensors } from './mixer.ts';
import { rows } from './projection.ts';

/** The weight of part i, [C, 1, W] as the reference stores it → [size, W]. */
function taps(weight: Tensor, sizes: readonly number[], i: number): Tensor {
  return tf.reshape(rows(weight, sizes, i), [sizes[i], weight.shape[2]!]);
}

type Activation = 'none' | 'silu';

/** act(conv(x)) of several inputs [B, L, size], whose channels share one weight [Σ sizes, 1, W] and bias [Σ sizes]. */
export function shortConvolution(inputs: readonly Tensor[], weight: Tensor, bias: Tensor, activation: Activation = 'silu'): Tensor[] {
  const sizes = inputs.map((x) => x.shape[2]!);
  return inputs.map((x, i) => causalConv(x, taps(weight, sizes, i), rows(bias, sizes, i), { activation }));
}

/**
 * One token of the same: inputs [B, size] and the W−1 inputs before each, [B, W−1, size] → [the next buffers, act(conv(x)) [B, size]].
 * W−1 inputs are what is needed; the reference allocates W.
 */
export function shortConvolutionStep(
  buffers: readonly Tensor[],
  inputs: readonly Tensor[],
  weight: Tensor,
  bias: Tensor,
  activation: Activation = 'silu',
): [Tensor[], Tensor[]] {
  const sizes = inputs.map((x) => x.shape[1]!);
  const next: Tensor[] = [];
  const outputs: Tensor[] = [];
  inputs.forEach((x, i) => {
    const [batch, size] = x.shape as [number, number];
    const width = weight.shape[2]!;
    const window = tf.concat([buffers[i], tf.reshape(x, [batch, 1, size])], 1);
    const y = tf.add(tf.sum(tf.mul(window, tf.transpose(taps(weight, sizes, i))), 1), rows(bias, sizes, i));
    next.push(tf.slice(window, [0, 1, 0], [batch, width - 1, size]));
    outputs.push(activation === 'silu' ? silu(y) : y);
  });
  return [next, outputs];
}

/** SiLU(conv(x)) of inputs [B, L, size] by name, each with a weight `<name>_conv1d.weight` [size, 1, W] of its own and no bias. */
export function shortConvolutions<N extends string>(params: Tensors, inputs: Readonly<Record<N, Tensor>>): Record<N, Tensor> {
  const outputs = Object.entries<Tensor>(inputs).map(([name, x]) => [name, shortConvolution([x], params[`${name}_conv1d.weight`], tf.zeros([x.shape[2]!]))[0]]);
  return Object.fromEntries(outputs) as Record<N, Tensor>;
}

/** One token of the same: the inputs before it are `conv.<name>` of the state. → [those of the next state, SiLU(conv(x)) [B, size]]. */
export function shortConvolutionsStep<N extends string>(params: Tensors, state: Tensors, inputs: Readonly<Record<N, Tensor>>): [Tensors, Record<N, Tensor>] {
  const next: Tensors = {};
  const outputs = Object.entries<Tensor>(inputs).map(([name, x]) => {
    const [[buffer], [y]] = shortConvolutionStep([state[`conv.${name}`]], [x], params[`${name}_conv1d.weight`], tf.zeros([x.shape[1]!]));
    next[`conv.${name}`] = buffer;
    return [name, y];
  });
  return [next, Object.fromEntries(outputs) as Record<N, Tensor>];
}

/** x · sigmoid(x). */
export function silu(x: Tensor): Tensor {
  return tf.mul(x, tf.sigmoid(x));
}
