/**
 * The language model around mixers: token embedding (and positions), pre-norm residual blocks, a final norm, a head tied
 * to the embedding.
 *
 *     B batch   L length   D model width   V vocabulary   T = B·L   R rows
 *
 *     x ← embedding[ids] (+ positions)
 *     each layer:  x ← x + mixer(RMSNorm(x));   with an MLP also  x ← x + MLP(RMSNorm(x))
 *     an auto-encoder:  x_t ← readout(x_{L−1}, t)
 *     logits = RMSNorm(x)·embeddingᵀ
 */
import { RecallbenchError } from '#core/errors.ts';
import { rng, type Stream } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { embedding } from '#kernels/embedding/op.ts';
import { labelledCrossEntropy } from '#kernels/labelled-cross-entropy/op.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { autoEncoder } from './auto-encoder.ts';
import { constant, normal } from './initializers.ts';
import type { OpenMixer, Parameters, Tensors } from './mixer.ts';
import { gatedLinearUnit, mlp, type Glu } from './mlp.ts';
import type { Layer } from './stack.ts';

export interface LanguageModelConfig {
  readonly vocabSize: number;
  /** the longest sequence; learned positions and what a mixer makes of it depend on it */
  readonly maxLength: number;
  readonly dModel: number;
  readonly layers: number;
  /** the mixers of the layers, one after another and over again */
  readonly round: readonly Layer[];
  /** hidden width of the MLP after each mixer as a multiple of dModel; 0 is no MLP */
  readonly mlp: number;
  /** which gated linear unit stands in the MLP's place, with its hidden width; the MLP when left out */
  readonly glu?: Glu;
  /** learned absolute positions added to the embedding; for mixers that know no order */
  readonly positions: boolean;
  /** `last`: an auto-encoder, whose answer at every position is read from the last one (auto-encoder.ts) */
  readonly readout?: 'last';
}

export interface LanguageModel {
  /** Initial values. Every parameter draws from its own fork of the stream, so more layers change none of the others'. */
  parameters(stream: Stream): Parameters;
  /** ids [B, L] int32 → hidden states [B·L, D], after the final norm */
  hidden(params: Tensors, ids: Tensor): Tensor;
  /** The head: hidden states of any rows [R, D] → logits [R, V] */
  logits(params: Tensors, hidden: Tensor): Tensor;
  /** Cross-entropy at rows [R] of [B·L] (int32; targets −1 are ignored): loss is the mean, losses and predictions are [R]. */
  loss(params: Tensors, ids: Tensor, rows: Tensor, targets: Tensor): { loss: Tensor; losses: Tensor; predictions: Tensor };
  /** The state before the first token, for B sequences of up to `capacity` tokens; every tensor's first axis is B. E_SIZE with fewer learned positions. */
  initialState(batch: number, capacity: number): Tensors;
  /** Decodes one token: ids int32 [B] and how many tokens each sequence has had before, places int32 [B] → [next state, logits [B, V]]. E_CONFIG for an auto-encoder. */
  step(params: Tensors, state: Tensors, ids: Tensor, places: Tensor): [Tensors, Tensor];
  /** Bytes that decoding carries for one sequence of up to seqLen tokens, all layers together. */
  stateBytes(seqLen: number): number;
  readonly parameterCount: number;
  readonly notes: readonly string[];
}

const NORM = { epsilon: 1e-5, groups: 1 };

/** The entries whose names start with `prefix`, without it. */
export function inside<T>(all: Record<string, T>, prefix: string): Record<string, T> {
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])));
}

/** The same entries with `prefix` before their names. */
export function prefixed<T>(prefix: string, entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [prefix + name, value]));
}

export function buildLanguageModel(config: LanguageModelConfig): LanguageModel {
  const { vocabSize: V, dModel: D, layers } = config;
  const round = config.round.map(({ mixer, options }) => mixer.open(options, { dModel: D, layers, maxLength: config.maxLength }));
  const hiddenWidth = Math.round(config.mlp * D);
  if (config.glu !== undefined && hiddenWidth === 0) throw new RecallbenchError('E_CONFIG', `"glu": ${config.glu} wants a hidden width, but mlp is ${config.mlp}. Give mlp, the width as a multiple of dModel, such as 2.75.`);
  const width = { dModel: D, layers };
  const feedForward = hiddenWidth === 0 ? undefined : config.glu === undefined ? mlp(hiddenWidth, width) : gatedLinearUnit(config.glu, hiddenWidth, width);
  /** the mixer of each layer, and what its tensors' names begin with */
  const stack = Array.from({ length: layers }, (_, i) => ({ name: `layers.${i}.`, mixer: round[i % round.length] }));

  const layerParameters = (mixer: OpenMixer, stream: Stream): Parameters => ({
    'norm.weight': constant(1, D),
    ...prefixed('mixer.', mixer.init(stream.fork('mixer'))),
    ...(feedForward && { 'norm2.weight': constant(1, D), ...prefixed('mlp.', feedForward.init(stream.fork('mlp'))) }),
  });

  const readout = config.readout === undefined ? undefined : autoEncoder(D);

  /** All layers: x [..., D] → the same shape; `mix` runs the mixer of one layer. */
  const backbone = (params: Tensors, x: Tensor, mix: (layer: (typeof stack)[number], params: Tensors, x: Tensor) => Tensor): Tensor => {
    for (const layer of stack) {
      const own = inside(params, layer.name);
      x = tf.add(x, mix(layer, inside(own, 'mixer.'), rmsNorm(x, own['norm.weight'], NORM)));
      if (feedForward) x = tf.add(x, feedForward.apply(inside(own, 'mlp.'), rmsNorm(x, own['norm2.weight'], NORM)));
    }
    return x;
  };
  const finalNorm = (params: Tensors, x: Tensor): Tensor => rmsNorm(x, params['norm_f.weight'], NORM);

  const checkLength = (tokens: number): void => {
    if (config.positions && tokens > config.maxLength) throw new RecallbenchError('E_SIZE', `${tokens} tokens in a model with learned positions for ${config.maxLength}`);
  };

  const hidden = (params: Tensors, ids: Tensor): Tensor => {
    const [B, L] = ids.shape as [number, number];
    checkLength(L);
    let x = embedding(params['embedding.weight'], ids);
    if (config.positions) x = tf.add(x, tf.slice(params['positions.weight'], [0, 0], [L, D]));
    x = backbone(params, x, ({ mixer }, own, h) => mixer.apply(own, h));
    if (readout) x = readout.apply(inside(params, 'decoder.'), x);
    return tf.reshape(finalNorm(params, x), [B * L, D]);
  };

  const logits = (params: Tensors, h: Tensor): Tensor => tf.matMul(h, params['embedding.weight'], false, true);

  const notes = [...new Set(round.flatMap((mixer) => mixer.notes))];
  const count = (parameters: Parameters) => Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

  return {
    parameters: (stream) => ({
      'embedding.weight': normal(stream.fork('embedding'), 0.02, V, D),
      ...(config.positions && { 'positions.weight': normal(stream.fork('positions'), 0.02, config.maxLength, D) }),
      ...Object.assign({}, ...stack.map(({ name, mixer }, i) => prefixed(name, layerParameters(mixer, stream.fork('layers').fork(i))))),
      ...(readout && prefixed('decoder.', readout.init(stream.fork('decoder')))),
      'norm_f.weight': constant(1, D),
    }),
    hidden,
    logits,
    loss: (params, ids, rows, targets) => labelledCrossEntropy(hidden(params, ids), params['embedding.weight'], rows, targets),
    initialState(B, capacity) {
      checkLength(capacity);
      return Object.assign({}, ...stack.map(({ name, mixer }) => prefixed(name, mixer.initialState(B, capacity))));
    },
    step(params, state, ids, places) {
      if (readout) throw new RecallbenchError('E_CONFIG', 'an auto-encoder answers when it has seen all tokens: it has no next token to decode');
      const [B] = ids.shape;
      const row = (table: string, at: Tensor) => tf.reshape(embedding(params[table], tf.reshape(at, [B, 1])), [B, D]);
      let x = row('embedding.weight', ids);
      if (config.positions) x = tf.add(x, row('positions.weight', places));
      const next: Tensors = {};
      const h = backbone(params, x, ({ name, mixer }, own, u) => {
        const [after, y] = mixer.step(own, inside(state, name), u, places);
        Object.assign(next, prefixed(name, after));
        return y;
      });
      return [next, logits(params, finalNorm(params, h))];
    },
    stateBytes: (seqLen) => stack.reduce((sum, { mixer }) => sum + mixer.stateBytes(seqLen), 0),
    // drawn only when asked for
    get parameterCount() {
      const each = new Map(round.map((mixer) => [mixer, count(layerParameters(mixer, rng(0)))]));
      return V * D + (config.positions ? config.maxLength * D : 0) + stack.reduce((sum, { mixer }) => sum + each.get(mixer)!, 0) + (readout ? count(readout.init(rng(0))) : 0) + D;
    },
    notes: hiddenWidth === config.mlp * D ? notes : [...notes, `MLP of hidden width ${hiddenWidth}: mlp ${config.mlp} · dModel ${D}, rounded`],
  };
}
