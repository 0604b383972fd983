/**
 * Softmax attention (Vaswani et al. 2017, §3.2): y_t = Σ_{s≤t} softmax_s(q_t·k_s/√K) v_s per head, with one fused QKV
 * projection. It knows no order by itself: give the language model positions, or turn queries and keys by theirs (option `rope`, rotary.ts).
 *
 *     B batch   L length   D model width   H heads   K = D/H width of a head   C capacity
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf } from '#engine/tf.ts';
import { cachedAttention } from '#kernels/cached-attention/op.ts';
import { causalAttention } from '#kernels/causal-attention/op.ts';
import { constant, normal } from './initializers.ts';
import { defineMixer } from './mixer.ts';
import { project } from './projection.ts';
import { checkPlaces, checkRotary, rotary, rotaryStep } from './rotary.ts';

export const attention = defineMixer({
  name: 'attention',
  summary: 'causal softmax attention; carries every key and value',
  appearance: { label: 'Attention', order: 0, color: '#0072B2', marker: 'circle' },
  orderless: ({ rope }) => rope !== true,
  config: z.strictObject({
    heads: z.int().positive().default(1).describe('number of heads; divides dModel'),
    // what is off is left out, so that points keep the ids that they had before there was a choice
    rope: z.boolean().transform((on) => on || undefined).optional().describe('rotary positions of queries and keys; off when left out'),
  }),
  open({ heads: H, rope }, { dModel: D, layers }) {
    if (D % H !== 0) throw new RecallbenchError('E_SIZE', `model attention: ${H} heads do not divide dModel ${D}. Choose a divisor of ${D}.`);
    const K = D / H;
    if (rope) checkRotary('attention', K);
    return {
      notes: [],
      // y = x·Wᵀ + b, weights [out, in]; initialisation of GPT-2
      init: (stream) => ({
        'Wqkv.weight': normal(stream.fork('Wqkv.weight'), 0.02, 3 * D, D), // rows q, k, v
        'Wqkv.bias': constant(0, 3 * D),
        'out_proj.weight': normal(stream.fork('out_proj.weight'), 0.02 / Math.sqrt(2 * layers), D, D),
        'out_proj.bias': constant(0, D),
      }),
      apply(params, x) {
        const [B, L] = x.shape;
        const qkv = project(tf.reshape(x, [B * L, D]), params['Wqkv.weight'], [D, D, D], params['Wqkv.bias']);
        const [q0, k0, v] = qkv.map((part) => tf.reshape(part, [B, L, H, K]));
        const [q, k] = rope ? rotary([q0, k0]) : [q0, k0];
        const y = tf.reshape(causalAttention(q, k, v), [B * L, D]);
        const [out] = project(y, params['out_proj.weight'], [D], params['out_proj.bias']);
        return tf.reshape(out, [B, L, D]);
      },
      // the keys and values of all tokens
      stateBytes: (seqLen) => 4 * 2 * D * seqLen,
      initialState(B, C) {
        if (rope) checkPlaces('attention', C);
        return { keys: tf.zeros([B, H, C, K]), values: tf.zeros([B, H, C, K]) };
      },
      step(params, state, x, places) {
        const [B] = x.shape;
        const qkv = project(x, params['Wqkv.weight'], [D, D, D], params['Wqkv.bias']);
        const [q0, k0, v] = qkv.map((part) => tf.reshape(part, [B, H, K]));
        const [q, k] = rope ? rotaryStep([q0, k0], places) : [q0, k0];
        const { y, keys, values } = cachedAttention(q, k, v, state['keys'], state['values'], places);
        const [out] = project(tf.reshape(y, [B, D]), params['out_proj.weight'], [D], params['out_proj.bias']);
        return [{ keys, values }, out];
      },
    };
  },
});
