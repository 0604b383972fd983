/**
 * H3, "hungry hungry hippos" (Fu et al. 2023, arXiv 2212.14052, §3.1 and algorithm 1): a shift state space that compares a token with those before it, a
 * diagonal one that remembers, and products between them.
 *
 *     B batch   L length   D model width   P head dim   H = D/P heads   N = dState   M = N/2
 *
 *     q, k, v = u·W + bias
 *     k̂_t     = Σ_j C_j s_{t,j} + D_k ⊙ k_t     s_t = (0, s_{t,0}, …, s_{t,N−2}) + b k_t      shift: a filter of N taps, Σ_n b_n C_{n+l}; b starts as e₁
 *     S_t     = SSM(k̂ vᵀ)_t + D ⊙ k̂_t v_tᵀ     for each of the P × P products of a head, with one filter K of the head: diagonal-ssm.ts
 *     out     = (S_tᵀ q_t)·W_out + bias
 *
 * The state space is discretised by the hold of order zero, as S4D is; the reference implementation takes the bilinear rule.
 */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { longConv } from '#kernels/long-conv/op.ts';
import { complex, complexNormal, initialModes, kernelOf, modesOf, recurrence, type Modes } from './diagonal-ssm.ts';
import { linear, normal, undecayed, uniform } from './initializers.ts';
import { defineMixer, type Parameter, type Parameters, type Tensors } from './mixer.ts';
import { project } from './projection.ts';

/** 1 at the first of the last axis's n places, [rows, n]. */
function firstUnit(rows: number, n: number): Parameter {
  return { shape: [rows, n], data: Float32Array.from({ length: rows * n }, (_, i) => Number(i % n === 0)) };
}

/** 1 + 0i, [H, M, 2]. */
function complexOnes(H: number, M: number): Parameter {
  return { shape: [H, M, 2], data: Float32Array.from({ length: 2 * H * M }, (_, i) => 1 - (i % 2)) };
}

const modes = (params: Tensors): Modes => {
  const [C, B] = [complex(tf.squeeze(params['kernel.kernel.C'], [0])), complex(params['kernel.kernel.B'])];
  return modesOf(params['kernel.kernel.log_dt'], params['kernel.kernel.inv_A_real'], params['kernel.kernel.A_imag'], C, B);
};

/** The shift's filter Σ_n b_n C_{n+l} for l < L, [L, D]: a correlation, which is a convolution with time turned round. */
function shiftFilter(params: Tensors, L: number): Tensor {
  const b = tf.transpose(params['ssm_k_kernel.kernel.B']); // [N, D]
  const c = tf.transpose(tf.squeeze(params['ssm_k_kernel.kernel.C'], [0]));
  const [N, D] = b.shape as [number, number];
  const turned = longConv(tf.expandDims(tf.reverse(c, 0), 0), b);
  const filter = tf.reverse(tf.squeeze(turned, [0]), 0);
  return N >= L ? tf.slice(filter, [0, 0], [L, D]) : tf.pad(filter, [[0, L - N], [0, 0]]);
}

export const h3 = defineMixer({
  name: 'h3',
  summary: 'H3: a shift and a diagonal state space with products between them',
  appearance: { label: 'H3', order: 13, color: '#661100', marker: 'triangle' },
  config: z.strictObject({
    dState: z.int().positive().multipleOf(2).default(64).describe('state size N of both state spaces, in real numbers'),
    headDim: z.int().positive().default(1).describe('channels per head, whose keys meet all its values; divides dModel'),
  }),
  open({ dState: N, headDim: P }, { dModel: D, layers }) {
    if (D % P !== 0) throw new RecallbenchError('E_SIZE', `model h3: head dim ${P} does not divide dModel ${D}. Choose a divisor of ${D}.`);
    const [H, M] = [D / P, N / 2];
    const C = H * P * P; // products

    /** x [T, D] → q, k, v [T, D] */
    const projections = (params: Tensors, x: Tensor): Tensor[] => ['q_proj', 'k_proj', 'v_proj'].map((name) => project(x, params[`${name}.weight`], [D], params[`${name}.bias`])[0]);
    /** k̂ and v [T, D] → their products [T, H, P of k, P of v] as [T, C] */
    const products = (k: Tensor, v: Tensor): Tensor => tf.reshape(tf.mul(tf.reshape(k, [-1, H, P, 1]), tf.reshape(v, [-1, H, 1, P])), [-1, C]);
    /** What belongs to a head [..., H], for each of its products [..., C]. */
    const perProduct = (x: Tensor): Tensor => {
      if (P === 1) return x;
      const before = x.shape.slice(0, -1);
      return tf.reshape(tf.broadcastTo(tf.expandDims(x, -1), [...before, H, P * P]), [...before, C]);
    };
    /** Sᵀq of each head, and the output projection: S [T, C], q [T, D] → [T, D] */
    const read = (params: Tensors, S: Tensor, q: Tensor): Tensor => {
      const y = tf.sum(tf.mul(tf.reshape(S, [-1, H, P, P]), tf.reshape(q, [-1, H, P, 1])), 2);
      return project(tf.reshape(y, [-1, D]), params['output_linear.weight'], [D], params['output_linear.bias'])[0];
    };

    return {
      notes: [],
      init(stream) {
        const parameters: Parameters = {};
        for (const name of ['q_proj', 'k_proj', 'v_proj', 'output_linear']) {
          parameters[`${name}.weight`] = linear(stream.fork(`${name}.weight`), D, D, name === 'output_linear' ? layers : 1);
          parameters[`${name}.bias`] = uniform(stream.fork(`${name}.bias`), 1 / Math.sqrt(D), D);
        }
        const { logStep, logDecay, frequency } = initialModes(stream.fork('kernel.kernel.log_dt'), H, M);
        const readout = complexNormal(stream.fork('kernel.kernel.C'), H, M);
        return {
          ...parameters,
          'ssm_k_kernel.kernel.B': undecayed(firstUnit(D, N)),
          'ssm_k_kernel.kernel.C': uniform(stream.fork('ssm_k_kernel.kernel.C'), 1 / Math.sqrt(N), 1, D, N),
          ssm_k_D: normal(stream.fork('ssm_k_D'), 1, D),
          'kernel.kernel.log_dt': logStep,
          'kernel.kernel.B': undecayed(complexOnes(H, M)),
          'kernel.kernel.C': { ...readout, shape: [1, H, M, 2] },
          'kernel.kernel.inv_A_real': logDecay,
          'kernel.kernel.A_imag': frequency,
          D: normal(stream.fork('D'), 1, H),
        };
      },
      apply(params, u) {
        const [B, L] = u.shape as [number, number];
        const [q, k0, v] = projections(params, tf.reshape(u, [B * L, D]));
        const k1 = tf.reshape(k0, [B, L, D]);
        const k = tf.add(longConv(k1, shiftFilter(params, L)), tf.mul(k1, params['ssm_k_D']));
        const kv = tf.reshape(products(k, v), [B, L, C]);
        const S = tf.add(longConv(kv, perProduct(kernelOf(modes(params), L))), tf.mul(kv, perProduct(params['D'])));
        return tf.reshape(read(params, S, q), [B, L, D]);
      },
      // the last place of s is shifted out before it is read again
      stateBytes: () => 4 * (D * (N - 1) + C * N),
      initialState: (B) => ({ shift: tf.zeros([B, D, N - 1]), 'ssm.re': tf.zeros([B, C, M]), 'ssm.im': tf.zeros([B, C, M]) }),
      step(params, state, u) {
        const [B] = u.shape as [number];
        const [q, k0, v] = projections(params, u);
        const arrived = tf.mul(tf.expandDims(k0, 2), params['ssm_k_kernel.kernel.B']); // [B, D, N]
        const s = tf.add(tf.concat([tf.zeros([B, D, 1]), state['shift']], 2), arrived);
        const k = tf.add(tf.sum(tf.mul(s, params['ssm_k_kernel.kernel.C']), 2), tf.mul(k0, params['ssm_k_D']));
        const kv = products(k, v);
        const all = modes(params);
        const spread = (x: Tensor): Tensor => tf.transpose(perProduct(tf.transpose(x))); // [H, M] → [C, M]
        const both = ({ re, im }: Modes['exponent']) => ({ re: spread(re), im: spread(im) });
        const [next, y] = recurrence({ exponent: both(all.exponent), readout: both(all.readout) }, { re: state['ssm.re'], im: state['ssm.im'] }, kv);
        const S = tf.add(y, tf.mul(kv, perProduct(params['D'])));
        return [{ shift: tf.slice(s, [0, 0, 0], [B, D, N - 1]), 'ssm.re': next.re, 'ssm.im': next.im }, read(params, S, q)];
      },
    };
  },
});
