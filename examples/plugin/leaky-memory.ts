/**
 * A plugin in one file: a task and a mixer of your own.
 *
 *     recallbench train --plugin examples/plugin/leaky-memory.ts --task last-seen --model leaky-memory -t seqLen=32 --steps 300 --lr 1e-2
 */
import { constant, defineMixer, defineTask, linear, project, tf, UNSCORED, z, type Tensor } from 'recallbench';

/**
 * After some letters and a marker: which letter came last? vocabSize 6, seqLen 8 (0 is noise, 5 the marker):
 *
 *     tokens   0 3 0 0 1 0 0 5
 *     targets  · · · · · · · 1
 */
export const lastSeen = defineTask({
  name: 'last-seen',
  summary: 'which letter came last?',
  config: z.strictObject({
    vocabSize: z.int().min(4).default(16).describe('noise, letters, marker'),
    seqLen: z.int().min(2).default(32).describe('tokens of one example'),
    rate: z.number().gt(0).max(1).default(0.2).describe('share of letters among the noise'),
  }),
  open: ({ vocabSize, seqLen, rate }) => ({
    vocabSize,
    seqLen,
    maxScored: 1,
    slice: { seqLen },
    example(stream, { tokens, targets }) {
      targets.fill(UNSCORED);
      let last = (tokens[0] = 1 + stream.below(vocabSize - 2));
      for (let t = 1; t < seqLen - 1; t++) {
        tokens[t] = stream.uniform() < rate ? (last = 1 + stream.below(vocabSize - 2)) : 0;
      }
      tokens[seqLen - 1] = vocabSize - 1;
      targets[seqLen - 1] = last;
    },
  }),
});

/**
 * A leaky memory: h_t = λ h_{t−1} + (1−λ) x_t W_in with one λ = σ(decay) a channel, y_t = h_t W_out. Over a sequence it is a product with the
 * matrix λ^(t−s), s ≤ t, which suits short sequences.
 */
export const leakyMemory = defineMixer({
  name: 'leaky-memory',
  summary: 'a moving average for each channel',
  appearance: { label: 'Leaky memory', order: 90, color: '#444444', marker: 'rectRot' },
  config: z.strictObject({ width: z.int().positive().default(64).describe('channels E') }),
  open({ width: E }, { dModel: D, layers }) {
    const decayed = (h: Tensor, rate: Tensor, x: Tensor): Tensor => tf.add(tf.mul(h, rate), tf.mul(x, tf.sub(1, rate)));
    return {
      notes: [],
      init: (stream) => ({
        'in_proj.weight': linear(stream.fork('in_proj.weight'), E, D),
        decay: constant(1, E),
        'out_proj.weight': linear(stream.fork('out_proj.weight'), D, E, layers),
      }),
      apply(params, u) {
        const [B, L] = u.shape;
        const [x] = project(tf.reshape(u, [B * L, D]), params['in_proj.weight'], [E]);
        const rate = tf.sigmoid(params['decay']); // [E]
        const ages = tf.tensor2d(Float32Array.from({ length: L * L }, (_, i) => Math.floor(i / L) - (i % L)), [L, L]); // t − s
        const past = tf.cast(tf.greaterEqual(ages, 0), 'float32');
        const weights = tf.mul(tf.exp(tf.mul(tf.mul(ages, past), tf.reshape(tf.log(rate), [E, 1, 1]))), past); // [E, t, s]
        const inputs = tf.transpose(tf.mul(tf.reshape(x, [B, L, E]), tf.sub(1, rate)), [2, 1, 0]); // [E, s, B]
        const h = tf.transpose(tf.matMul(weights, inputs), [2, 1, 0]); // [B, t, E]
        const [y] = project(tf.reshape(h, [B * L, E]), params['out_proj.weight'], [D]);
        return tf.reshape(y, [B, L, D]);
      },
      stateBytes: () => 4 * E,
      initialState: (B) => ({ h: tf.zeros([B, E]) }),
      step(params, state, u) {
        const [x] = project(u, params['in_proj.weight'], [E]);
        const h = decayed(state['h'], tf.sigmoid(params['decay']), x);
        const [y] = project(h, params['out_proj.weight'], [D]);
        return [{ h }, y];
      },
    };
  },
});
