/** Parameters before training. Each takes a stream of its own, so that no parameter's values depend on another's. */
import type { Stream } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import type { Parameter } from './mixer.ts';

function filled(shape: readonly number[], draw: () => number): Parameter {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, draw) };
}

/** The same value everywhere. */
export function constant(value: number, ...shape: number[]): Parameter {
  return filled(shape, () => value);
}

/** N(0, deviation²). */
export function normal(stream: Stream, deviation: number, ...shape: number[]): Parameter {
  return filled(shape, () => deviation * stream.normal());
}

/** U(−bound, bound). */
export function uniform(stream: Stream, bound: number, ...shape: number[]): Parameter {
  return filled(shape, () => bound * (2 * stream.uniform() - 1));
}

/** A linear layer [out, in] as PyTorch starts it: U(±1/√in), divided by √layers where it writes to the residual stream. */
export function linear(stream: Stream, out: number, input: number, layers = 1): Parameter {
  return uniform(stream, 1 / Math.sqrt(input * layers), out, input);
}

/**
 * Bias of the step size Δ, [n]: softplus(bias) is log-uniform on [0.001, 0.1], clamped below at 0.0001, hence
 * bias = Δ + ln(1 − e^−Δ) ∈ [−6.91, −2.25] (Mamba §3.6; the paper's text says uniform, its code is log-uniform).
 * A bias of 0 would start at Δ ≈ 0.69 and forget within a few tokens.
 */
export function stepSizeBias(stream: Stream, n: number): Parameter {
  const [low, high] = [Math.log(1e-3), Math.log(1e-1)];
  return filled([n], () => {
    const delta = Math.max(1e-4, Math.exp(low + (high - low) * stream.uniform()));
    return delta + Math.log(-Math.expm1(-delta));
  });
}

/** The same parameter, left alone by weight decay. */
export function undecayed(parameter: Parameter): Parameter {
  return { ...parameter, noDecay: true };
}

/** gain times a matrix [rows, columns] whose shorter side is orthonormal: Gram-Schmidt of standard normal vectors. */
export function orthogonal(stream: Stream, gain: number, rows: number, columns: number): Parameter {
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const vectors: Float64Array[] = [];
  for (let i = 0; i < count; i++) {
    const v = Float64Array.from({ length }, () => stream.normal());
    for (const u of vectors) {
      const along = v.reduce((sum, x, j) => sum + x * u[j], 0);
      u.forEach((x, j) => (v[j] -= along * x));
    }
    const size = Math.hypot(...v);
    vectors.push(v.map((x) => x / size));
  }
  return { shape: [rows, columns], data: Float32Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    return gain * (rows <= columns ? vectors[row][column] : vectors[column][row]);
  }) };
}
