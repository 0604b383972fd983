/**
 * Mamba-3, single input and output (Lahoti et al. 2026, arXiv 2603.15569): Mamba-2's recurrence with a trapezoid instead of a rectangle for the
 * input, states that turn as complex numbers do, and neither a short convolution nor a norm behind the gate.
 *
 *     B batch   L length   D model width   E = expand·D inner width   H = E/P heads   P head dim
 *     N state size   G groups of heads that share B and C before their biases   S = ropeFraction·N/2 angles
 *
 *     z, x, B, C, Δ₀, A₀, λ₀, θ₀ = u·W_in
 *     Δ       = softplus(Δ₀ + dt_bias)     A = −max(softplus(A₀), 10⁻⁴)     λ = σ(λ₀)          per head and token
 *     Θ_t     = Θ_{t−1} + π tanh(θ₀) Δ                                                          S angles of each head
 *     k, q    = rotate(RMSNorm(B) + B_bias, Θ), rotate(RMSNorm(C) + C_bias, Θ)                  pairs (2i, 2i+1), i < S
 *     S_t     = α S_{t−1} + (1−λ) Δ α x_{t−1} k_{t−1}ᵀ + λ Δ x_t k_tᵀ         α = exp(ΔA); S [P, N]
 *     y_t     = S_t q_t + D x_t
 *     out     = (y ⊙ SiLU(z))·W_out
 *
 * Over a sequence it is SSD: what x_s k_sᵀ adds at s with weight λ_s Δ_s, and again at s+1 with (1−λ)Δα of s+1, has decayed at t > s as if
 * all of λ_s Δ_s + (1−λ_{s+1})Δ_{s+1} had been added at s. At t = s the second part is not there yet: it is taken off y_s.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { ssd } from '#kernels/ssd/op.ts';
import { headDimOf, headDimOption } from './head-dim.ts';
import { constant, linear, stepSizeBias, undecayed } from './initializers.ts';
import { defineMixer } from './mixer.ts';
import { project } from './projection.ts';
import { silu } from './short-convolution.ts';

/** the least decay rate −A */
const LEAST_RATE = 1e-4;
const norm = { epsilon: 1e-5 };

export const mamba3 = defineMixer({
  name: 'mamba3',
  summary: 'Mamba-3 (SISO): trapezoidal inputs and rotating states instead of a short convolution',
  appearance: { label: 'Mamba-3', order: 22, color: '#117733', marker: 'star' },
  config: z.strictObject({
    dState: z.int().positive().default(128).describe('state size N of each channel'),
    headDim: headDimOption,
    nGroups: z.int().positive().default(1).describe('groups of heads that share B and C'),
    expand: z.int().positive().default(2).describe('inner width as a multiple of dModel'),
    ropeFraction: z.union([z.literal(0.5), z.literal(1)]).default(0.5).describe('share of the state that turns'),
    chunk: z.int().positive().default(64).describe('chunk length of SSD'),
  }),
  open({ dState: N, headDim, nGroups: G, expand, ropeFraction, chunk }, { dModel: D, layers }) {
    const E = expand * D;
    const { headDim: P, notes } = headDimOf('mamba3', headDim, E, G);
    const H = E / P;
    const S = Math.floor((N * ropeFraction) / 2);
    if (N % 2 !== 0 || S === 0) throw new RecallbenchError('E_SIZE', `model mamba3: dState ${N} has no pairs to turn at ropeFraction ${ropeFraction}. Nearest legal dState: ${Math.max(2 / ropeFraction, N + (N % 2))}.`);
    const parts = [E, E, G * N, G * N, H, H, H, S]; // z, x, B, C, Δ₀, A₀, λ₀, θ₀

    /** Δ₀, A₀, λ₀ of any shape [..., H] → Δ, Δ·(−A) and λ Δ */
    const scalars = (params: Record<string, Tensor>, dt0: Tensor, a0: Tensor, trap0: Tensor) => {
      const dt = tf.softplus(tf.add(dt0, params['dt_bias']));
      return { dt, decay: tf.mul(dt, tf.maximum(tf.softplus(a0), LEAST_RATE)), gamma: tf.mul(dt, tf.sigmoid(trap0)) };
    };
    /** B or C [T, G·N], normalised and with the bias of each head: [T, H, N] */
    const perHead = (t: Tensor, weight: Tensor, bias: Tensor): Tensor => {
      const T = t.shape[0];
      const groups = rmsNorm(tf.reshape(t, [T, G, N]), weight, norm);
      const heads = H === G ? groups : tf.reshape(tf.tile(tf.reshape(groups, [T, G, 1, N]), [1, 1, H / G, 1]), [T, H, N]);
      return tf.add(heads, tf.reshape(bias, [H, N]));
    };
    /** The first S pairs of [T, H, N] turned by angles [T, H, S]. */
    const rotate = (t: Tensor, cos: Tensor, sin: Tensor): Tensor => {
      const T = t.shape[0];
      const pairs = tf.reshape(tf.slice(t, [0, 0, 0], [T, H, 2 * S]), [T, H, S, 2]);
      const [even, odd] = [0, 1].map((i): Tensor => tf.reshape(tf.slice(pairs, [0, 0, 0, i], [T, H, S, 1]), [T, H, S]));
      const turned = tf.reshape(tf.stack([tf.sub(tf.mul(even, cos), tf.mul(odd, sin)), tf.add(tf.mul(even, sin), tf.mul(odd, cos))], 3), [T, H, 2 * S]);
      return 2 * S === N ? turned : tf.concat([turned, tf.slice(t, [0, 0, 2 * S], [T, H, N - 2 * S])], 2);
    };
    /** π tanh(θ₀) Δ: θ₀ [T, S] and Δ [T, H] → [T, H, S] */
    const turns = (angle0: Tensor, dt: Tensor): Tensor => {
      const T = dt.shape[0];
      return tf.mul(tf.reshape(tf.mul(tf.tanh(angle0), Math.PI), [T, 1, S]), tf.reshape(dt, [T, H, 1]));
    };

    return {
      notes,
      init: (stream) => ({
        'in_proj.weight': linear(stream.fork('in_proj.weight'), 2 * E + 2 * G * N + 3 * H + S, D), // rows z, x, B, C, Δ₀, A₀, λ₀, θ₀
        dt_bias: undecayed(stepSizeBias(stream.fork('dt_bias'), H)),
        B_bias: constant(1, H, 1, N),
        C_bias: constant(1, H, 1, N),
        'B_norm.weight': constant(1, N),
        'C_norm.weight': constant(1, N),
        D: undecayed(constant(1, H)),
        'out_proj.weight': linear(stream.fork('out_proj.weight'), D, E, layers),
      }),
      apply(params, u) {
        const [B, L] = u.shape;
        const T = B * L;
        const [gate, x0, b0, c0, dt0, a0, trap0, angle0] = project(tf.reshape(u, [T, D]), params['in_proj.weight'], parts);
        const { dt, decay, gamma } = scalars(params, dt0, a0, trap0); // [T, H]
        // time last: the running sum runs along it
        const turn = tf.transpose(tf.reshape(turns(angle0, dt), [B, L, H * S]), [0, 2, 1]);
        const angle = tf.reshape(tf.transpose(tf.cumsum(turn, 2), [0, 2, 1]), [T, H, S]);
        const [cos, sin] = [tf.cos(angle), tf.sin(angle)];
        const k = rotate(perHead(b0, params['B_norm.weight'], params['B_bias']), cos, sin);
        const q = rotate(perHead(c0, params['C_norm.weight'], params['C_bias']), cos, sin);
        const late = tf.reshape(tf.sub(dt, gamma), [B, L, H]); // (1−λ)Δ
        const later = tf.reshape(tf.concat([tf.slice(late, [0, 1, 0], [B, L - 1, H]), tf.zeros([B, 1, H])], 1), [T, H]); // of the token after
        const x = tf.reshape(x0, [T, H, P]);
        // SSD scales its input by the same number as its decay, here Δ·(−A): taken out beforehand
        const scaled = tf.mul(x, tf.reshape(tf.div(tf.add(gamma, later), decay), [T, H, 1]));
        const heads = (t: Tensor): Tensor => tf.reshape(t, [B, L, H, -1]);
        const { y } = ssd(heads(scaled), tf.reshape(decay, [B, L, H]), tf.fill([H], -1), heads(k), heads(q), tf.zeros([H]), { chunk, form: 'chunked' });
        const skip = tf.sub(params['D'], tf.mul(later, tf.sum(tf.mul(q, k), 2))); // [T, H]
        const all = tf.add(tf.reshape(y, [T, H, P]), tf.mul(x, tf.reshape(skip, [T, H, 1])));
        const [out] = project(tf.mul(tf.reshape(all, [T, E]), silu(gate)), params['out_proj.weight'], [D]);
        return tf.reshape(out, [B, L, D]);
      },
      // angles, state, and the last token's key and input
      stateBytes: () => 4 * (H * S + E * N + H * N + E),
      initialState: (B) => ({ angle: tf.zeros([B, H, S]), ssm: tf.zeros([B, H, P, N]), k: tf.zeros([B, H, N]), x: tf.zeros([B, H, P]) }),
      step(params, state, u) {
        const [B] = u.shape;
        const [gate, x0, b0, c0, dt0, a0, trap0, angle0] = project(u, params['in_proj.weight'], parts);
        const { dt, decay, gamma } = scalars(params, dt0, a0, trap0); // [B, H]
        const angle = tf.add(state['angle'], turns(angle0, dt));
        const [cos, sin] = [tf.cos(angle), tf.sin(angle)];
        const k = rotate(perHead(b0, params['B_norm.weight'], params['B_bias']), cos, sin);
        const q = rotate(perHead(c0, params['C_norm.weight'], params['C_bias']), cos, sin);
        const x = tf.reshape(x0, [B, H, P]);
        const outer = (scale: Tensor, v: Tensor, key: Tensor): Tensor =>
          tf.mul(tf.mul(tf.reshape(scale, [B, H, 1, 1]), tf.reshape(v, [B, H, P, 1])), tf.reshape(key, [B, H, 1, N]));
        const before = tf.add(state['ssm'], outer(tf.sub(dt, gamma), state['x'], state['k']));
        const ssm = tf.add(tf.mul(before, tf.reshape(tf.exp(tf.neg(decay)), [B, H, 1, 1])), outer(gamma, x, k)); // [B, H, P, N]
        const y = tf.add(tf.sum(tf.mul(ssm, tf.reshape(q, [B, H, 1, N])), 3), tf.mul(x, tf.reshape(params['D'], [H, 1])));
        const [out] = project(tf.mul(tf.reshape(y, [B, E]), silu(gate)), params['out_proj.weight'], [D]);
        return [{ angle, ssm, k, x }, out];
      },
    };
  },
});
