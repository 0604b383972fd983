/**
 * RWKV-7 time mixing (Peng et al. 2025, arXiv 2503.14456): a vector decay and a generalised delta rule, whose key that reads, κ̂, and key that writes differ.
 *
 *     B batch   L length   D model width   H heads   N = D/H head dim; keys and values are of one width
 *
 *     x_c     = x_t + (x_{t−1} − x_t) ⊙ μ_c                        for each of c = r, w, k, v, a, g
 *     r, k, v = x_r·W_r, x_k·W_k, x_v·W_v
 *     ln w    = −e^{−1/2}·σ(w₀ + tanh(x_w·w₁)·w₂)                  decay, for each entry of a key
 *     a       = σ(a₀ + (x_a·a₁)·a₂)                                learning rate within the context
 *     gate    = σ(x_g·g₁)·g₂
 *     κ̂, k̃    = (k ⊙ k_k)/‖k ⊙ k_k‖, k ⊙ (1 + (a − 1) ⊙ k_a)       the norm per head
 *     S_t     = diag(w_t) S_{t−1} − (a_t ⊙ κ̂_t)(κ̂_tᵀ S_{t−1}) + k̃_t v_tᵀ    S [N, N], keys by values
 *     y_t     = GroupNorm(S_tᵀ r_t) + (Σ r_t ⊙ k̃_t ⊙ r_k) v_t
 *     out     = (y ⊙ gate)·W_o
 *
 * A layer does not know which one it is: every layer starts as the first, and none mixes the first one's values into its own.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { deltaRule } from '#kernels/delta-rule/op.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { constant, orthogonal, undecayed, uniform } from './initializers.ts';
import { deltaRuleStep, l2Normalized } from './matrix-state.ts';
import { defineMixer, type Parameter, type Tensors } from './mixer.ts';
import { project } from './projection.ts';

const DEFAULT_HEAD_DIM = 64;

/** The rank of a projection for width D: a multiple of 32 near factor·√D. */
const rankFor = (D: number, factor: number) => Math.max(32, Math.round((factor * Math.sqrt(D)) / 32) * 32);

/** Power of n/D from which a token mixes in the one before. */
const mixing = { r: 0.2, w: 0.9, k: 0.7, v: 0.7, a: 0.9, g: 0.2 } as const;
type Channel = keyof typeof mixing;
const channels = Object.keys(mixing) as Channel[];

export const rwkv7 = defineMixer({
  name: 'rwkv7',
  summary: 'RWKV-7: vector decay and a generalised delta rule',
  appearance: { label: 'RWKV-7', order: 38, color: '#000000', marker: 'cross' },
  config: z.strictObject({
    headDim: z
      .union([z.literal('auto'), z.int().positive()])
      .default('auto')
      .describe(`width of a head: a divisor of dModel, or auto for ${DEFAULT_HEAD_DIM} or the next smaller`),
  }),
  open({ headDim }, { dModel: D }) {
    const largest = Array.from({ length: Math.min(D, DEFAULT_HEAD_DIM) }, (_, i) => i + 1).findLast((n) => D % n === 0)!;
    const N = headDim === 'auto' ? largest : headDim;
    if (D % N !== 0) throw new RecallbenchError('E_SIZE', `model rwkv7: head dim ${N} does not divide dModel ${D}. Choose a divisor of ${D}.`);
    const H = D / N;
    const ranks = { w: rankFor(D, 2.5), a: rankFor(D, 2.5), g: rankFor(D, 5) };
    /** a vector over the channels, from n and its place within its head, −1 … 1, squared */
    const vector = (f: (n: number, zigzag: number) => number): Parameter => {
      const zigzag = (n: number) => (N === 1 ? 0 : ((n % N) - (N - 1) / 2) / ((N - 1) / 2));
      return undecayed({ shape: [1, 1, D], data: Float32Array.from({ length: D }, (_, n) => f(n, zigzag(n) * Math.abs(zigzag(n)))) });
    };
    const along = (n: number) => (D === 1 ? 0 : n / (D - 1));
    const flat = (params: Tensors, name: string) => tf.reshape(params[name], [D]);
    const lowRank = (params: Tensors, name: 'w' | 'a' | 'g', x: Tensor, act: (low: Tensor) => Tensor) => tf.matMul(act(tf.matMul(x, params[`${name}1`])), params[`${name}2`]) as Tensor;
    const heads = (t: Tensor) => tf.reshape(t, [-1, H, N]);

    /** What enters the state, [T, H, N], of rows x [T, D] and the rows before them; and the gate [T, D]. */
    const terms = (params: Tensors, x: Tensor, before: Tensor) => {
      const difference = tf.sub(before, x);
      const mixed = (channel: Channel) => tf.add(x, tf.mul(difference, flat(params, `x_${channel}`)));
      const to = (channel: Channel, name: string) => project(mixed(channel), params[`${name}.weight`], [D])[0];
      const k = to('k', 'key');
      const rate = tf.sigmoid(tf.add(flat(params, 'a0'), lowRank(params, 'a', mixed('a'), (low) => low)));
      const decay = tf.sigmoid(tf.add(flat(params, 'w0'), lowRank(params, 'w', mixed('w'), (low) => tf.tanh(low))));
      const a = l2Normalized(heads(tf.mul(k, flat(params, 'k_k'))), { epsilon: 1e-24 });
      return {
        r: heads(to('r', 'receptance')),
        v: heads(to('v', 'value')),
        g: heads(tf.mul(decay, -Math.exp(-0.5))),
        a,
        erasing: tf.mul(a, heads(rate)),
        k: heads(tf.mul(k, tf.add(tf.mul(tf.sub(rate, 1), flat(params, 'k_a')), 1))),
        gate: lowRank(params, 'g', mixed('g'), (low) => tf.sigmoid(low)),
      };
    };
    /** y [T, H, N] → [T, D] */
    const output = (params: Tensors, y: Tensor, { r, k, v, gate }: ReturnType<typeof terms>) => {
      const centred = tf.reshape(tf.sub(y, tf.mean(y, -1, true)), [-1, D]);
      const normed = tf.add(rmsNorm(centred, params['ln_x.weight'], { epsilon: N * 1e-5, groups: H }), params['ln_x.bias']);
      const bonus = tf.mul(tf.sum(tf.mul(tf.mul(r, k), params['r_k']), -1, true), v);
      return project(tf.mul(tf.add(normed, tf.reshape(bonus, [-1, D])), gate), params['output.weight'], [D])[0];
    };
    return {
      notes: headDim === 'auto' && N !== DEFAULT_HEAD_DIM ? [`head dim ${N} chosen: head dim ${DEFAULT_HEAD_DIM} does not divide dModel ${D}`] : [],
      init: (stream) => ({
        ...Object.fromEntries(channels.map((channel) => [`x_${channel}`, vector((n) => 1 - (n / D) ** mixing[channel])])),
        w0: vector((n, zigzag) => -5.5 + 6 * along(n) + 2.5 * zigzag),
        a0: vector((n, zigzag) => -0.19 + 0.3 * zigzag + 0.4 * (along(n) - 0.5)),
        ...Object.assign(
          {},
          ...(['w', 'a', 'g'] as const).map((name) => ({
            [`${name}1`]: undecayed(constant(0, D, ranks[name])),
            [`${name}2`]: undecayed(orthogonal(stream.fork(`${name}2`), 0.1 * Math.sqrt(Math.max(1, ranks[name] / D)), ranks[name], D)),
          })),
        ),
        k_k: vector((n) => 0.71 - 0.1 * (along(n) - 0.5)),
        k_a: vector(() => 1.02),
        r_k: undecayed(constant(-0.04, H, N)),
        'receptance.weight': uniform(stream.fork('receptance.weight'), 0.5 / Math.sqrt(D), D, D),
        'key.weight': uniform(stream.fork('key.weight'), 0.05 / Math.sqrt(D), D, D),
        'value.weight': uniform(stream.fork('value.weight'), 0.5 / Math.sqrt(D), D, D),
        'output.weight': constant(0, D, D),
        'ln_x.weight': undecayed(constant(1, D)),
        'ln_x.bias': undecayed(constant(0, D)),
      }),
      apply(params, x) {
        const [B, L] = x.shape;
        const before = tf.slice(tf.pad(x, [[0, 0], [1, 0], [0, 0]]), [0, 0, 0], [B, L, D]);
        const all = terms(params, tf.reshape(x, [B * L, D]), tf.reshape(before, [B * L, D]));
        // every token is two: one decays and erases, the next one writes and reads
        const none = tf.zeros([B * L, H, N]);
        const twice = (first: Tensor, second: Tensor) => tf.reshape(tf.stack([first, second], 1), [B, 2 * L, H, N]);
        const { y } = deltaRule(twice(none, all.r), twice(all.erasing, all.k), twice(none, all.v), { a: twice(all.a, none), g: twice(all.g, none) });
        const read = tf.slice(tf.reshape(y, [B * L, 2, H, N]), [0, 1, 0, 0], [B * L, 1, H, N]);
        return tf.reshape(output(params, tf.reshape(read, [B * L, H, N]), all), [B, L, D]);
      },
      stateBytes: () => 4 * (D * N + D),
      initialState: (B) => ({ last: tf.zeros([B, D]), recurrent: tf.zeros([B, H, N, N]) }),
      step(params, state, x) {
        const all = terms(params, x, state['last']);
        const [erased] = deltaRuleStep(state['recurrent'], { q: all.r, k: all.erasing, v: tf.zerosLike(all.v), a: all.a, decay: tf.exp(all.g) });
        const [recurrent, y] = deltaRuleStep(erased, { q: all.r, k: all.k, v: all.v });
        return [{ last: x, recurrent }, output(params, y, all)];
      },
    };
  },
});
