/** Decoding as a program: one captured step of fixed shapes, replayed for every token with the state inside the engine. */
import { RecallbenchError } from '#core/errors.ts';
import type { Program, ProgramFunction } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import { hostTensorsOf } from './eager.ts';
import { inside, prefixed, type LanguageModel } from './language-model.ts';
import type { Parameters } from './mixer.ts';

export interface DecodingSizes {
  /** sequences decoded side by side */
  readonly batch: number;
  /** the most tokens of a sequence */
  readonly capacity: number;
}

/** what comes before the names of the model's own state, beside its parameters */
const STATE = 'state.';

/**
 * The program that decodes with a model from these parameters, greedily. B is `batch`; all tensors are int32.
 *
 *     step      takes ids [B], the next token of each sequence, and places [B], how many tokens each has had before (0 … capacity−1);
 *               gives next [B], the id of the largest logit, and advances the state
 *     prefill   takes ids [B, L]; gives next [B] after the last of them, and leaves the state alone
 *
 * A sequence starts at place 0, with the state as it is at first: to start again, write `decodingState` back. Errors: E_SIZE.
 */
export function decodingProgram(model: LanguageModel, parameters: Parameters, sizes: DecodingSizes): Program {
  const step: ProgramFunction = ({ ids, places }, state) => {
    const [next, logits] = model.step(state, inside(state, STATE), ids, places);
    return { outputs: { next: tf.argMax(logits, 1) }, state: prefixed(STATE, next) };
  };

  const prefill: ProgramFunction = ({ ids }, state) => {
    const [B, L] = ids.shape as [number, number];
    const hidden = model.hidden(state, ids); // [B·L, D]
    const last = tf.slice(tf.reshape(hidden, [B, L, -1]), [0, L - 1, 0], [B, 1, -1]);
    return { outputs: { next: tf.argMax(model.logits(state, tf.reshape(last, [B, -1])), 1) } };
  };

  const values = Object.fromEntries(Object.entries(parameters).map(([name, { shape, data }]) => [name, { shape, data }]));
  return { state: { ...values, ...decodingState(model, sizes) }, functions: { step, prefill } };
}

/** The state of the program before the first token, without the parameters. E_SIZE where there is no room for a token, or no position. */
export function decodingState(model: LanguageModel, { batch, capacity }: DecodingSizes): Program['state'] {
  for (const [name, n] of Object.entries({ batch, capacity })) {
    if (!Number.isInteger(n) || n < 1) throw new RecallbenchError('E_SIZE', `decoding wants a whole ${name} of at least 1, not ${n}`);
  }
  return prefixed(STATE, hostTensorsOf(() => model.initialState(batch, capacity)));
}
