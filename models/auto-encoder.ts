/**
 * The readout of an auto-encoder, as in MAD's compression task (Poli et al. 2024, appendix B): whatever is asked for is read from the state behind the last
 * token, and the question is a position.
 *
 *     B batch   L length   D model width
 *
 *     e_t = [sin(t ω_i), cos(t ω_i)]                          ω_i = 10000^(−i/(D/2 − 1)), i = 0 … D/2 − 1
 *     h_t = GELU(W₂·RMSNorm(GELU(W₁·RMSNorm(x_{L−1} + e_t) + b₁)) + b₂)
 *
 * The model's final norm and head follow. (MAD's head is a matrix of its own, with a bias; here it is tied to the embedding as everywhere.)
 */
import type { Stream } from '#core/random.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { rmsNorm } from '#kernels/rms-norm/op.ts';
import { constant, normal } from './initializers.ts';
import type { Parameters, Tensors } from './mixer.ts';
import { gelu } from './mlp.ts';
import { project } from './projection.ts';

/** [L, D]; an odd last channel is 0. */
function positionCodes(L: number, D: number): Tensor {
  const half = Math.floor(D / 2);
  const codes = new Float32Array(L * D);
  for (let t = 0; t < L; t++) {
    for (let i = 0; i < half; i++) {
      const angle = t * 10000 ** (-i / Math.max(1, half - 1));
      codes[t * D + i] = Math.sin(angle);
      codes[t * D + half + i] = Math.cos(angle);
    }
  }
  return tf.tensor2d(codes, [L, D]);
}

/** Weights start as MAD's do, N(0, 0.02²). */
export function autoEncoder(D: number) {
  return {
    init: (stream: Stream): Parameters => ({
      'norm1.weight': constant(1, D),
      'fc1.weight': normal(stream.fork('fc1.weight'), 0.02, D, D),
      'fc1.bias': constant(0, D),
      'norm2.weight': constant(1, D),
      'fc2.weight': normal(stream.fork('fc2.weight'), 0.02, D, D),
      'fc2.bias': constant(0, D),
    }),
    /** x [B, L, D] → h [B, L, D], row t the answer to position t */
    apply(params: Tensors, x: Tensor): Tensor {
      const [B, L] = x.shape as [number, number, number];
      let h = tf.reshape(tf.add(tf.slice(x, [0, L - 1, 0], [B, 1, D]), positionCodes(L, D)), [B * L, D]);
      for (const i of [1, 2]) h = gelu(project(rmsNorm(h, params[`norm${i}.weight`], { epsilon: 1e-5 }), params[`fc${i}.weight`], [D], params[`fc${i}.bias`])[0]);
      return tf.reshape(h, x.shape);
    },
  };
}
