/** Training as a program: one AdamW step and one evaluation over a common state. */
import type { HostTensor } from '#engine/tensor-spec.ts';
import type { Program, ProgramFunction, StateTensor } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { adamW } from '#kernels/adamw/op.ts';
import type { LanguageModel } from './language-model.ts';
import type { Parameters, Tensors } from './mixer.ts';

/** AdamW (Loshchilov & Hutter 2019, algorithm 2), with PyTorch's defaults. */
export interface AdamWOptions {
  readonly weightDecay: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /**
   * The loss is multiplied by this before it is differentiated, so that gradients keep their digits as float16 factors. A power of two. AdamW is told by
   * ε times as much alone: its step is the same for s times the gradient and s times ε.
   */
  readonly lossScale?: number;
}

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** The input `hyper` of step t (from 1): [lr, 1 − β1^t, 1 − β2^t]; numbers that change every step, hence an input. */
export function adamWHyper(lr: number, t: number, { beta1 = BETA1, beta2 = BETA2 }: Partial<AdamWOptions> = {}): HostTensor {
  return { shape: [3], data: Float32Array.of(lr, 1 - beta1 ** t, 1 - beta2 ** t) };
}

/** Parameters and, for each, AdamW's moments `m.<name>` and `v.<name>`, zero at the start. */
export function trainingState(parameters: Parameters): Record<string, StateTensor> {
  const state: Record<string, StateTensor> = {};
  for (const [name, { shape, data }] of Object.entries(parameters)) {
    state[name] = { shape, data };
    state[`m.${name}`] = { shape, data: new Float32Array(data.length) };
    state[`v.${name}`] = { shape, data: new Float32Array(data.length) };
  }
  return state;
}

/**
 * The program that trains a model from these parameters. All functions take ids [B, L], rows [R] and targets [R] (int32;
 * rows index the flattened [B·L], targets of −1 are ignored).
 *
 *     train     also takes hyper [3] (`adamWHyper`); gives loss (mean over the scored rows) and advances the state
 *     evaluate  gives losses [R] and predictions [R] (int32) and leaves the state alone
 */
export function trainingProgram(model: LanguageModel, parameters: Parameters, options: AdamWOptions): Program {
  const { weightDecay, beta1 = BETA1, beta2 = BETA2, epsilon = EPSILON, lossScale = 1 } = options;
  const names = Object.keys(parameters);
  const named = (tensors: readonly Tensor[]): Tensors => Object.fromEntries(names.map((name, i) => [name, tensors[i]]));

  const train: ProgramFunction = ({ ids, rows, targets, hyper }, state) => {
    const lossOf = (...tensors: Tensor[]) => tf.mul(model.loss(named(tensors), ids, rows, targets).loss, lossScale) as tf.Scalar;
    const { value, grads } = tf.valueAndGrads(lossOf)(names.map((name) => state[name]));
    const next: Tensors = {};
    names.forEach((name, i) => {
      const decay = parameters[name].noDecay ? 0 : weightDecay;
      const updated = adamW(state[name], grads[i], state[`m.${name}`], state[`v.${name}`], hyper, { beta1, beta2, epsilon: epsilon * lossScale, weightDecay: decay });
      next[name] = updated.param;
      next[`m.${name}`] = updated.m;
      next[`v.${name}`] = updated.v;
    });
    return { outputs: { loss: tf.div(value, lossScale) }, state: next };
  };

  const evaluate: ProgramFunction = ({ ids, rows, targets }, state) => {
    const { losses, predictions } = model.loss(state, ids, rows, targets);
    return { outputs: { losses, predictions } };
  };

  return { state: trainingState(parameters), functions: { train, evaluate } };
}
