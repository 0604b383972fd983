/** Counted work of the selective scan and its gradient, by the step, the channel and the state. */
import type { OpWork } from '#engine/work.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import { scanSizes } from './sizes.ts';

/**
 * Each state of each step: Δa, its exponential, h = decay·h + (Δx) b, y += h c: 6. Each channel of each step: Δx, y += d x: 3. The states
 * before chunks are states that the scan makes anyhow.
 */
export function scanWork(inputs: readonly TensorSpec[], { chunk }: { readonly chunk: number }, [y]: readonly boolean[]): OpWork {
  const { B, L, E, N } = scanSizes(inputs, chunk);
  const steps = B * L * E;
  // c and d are read for y only
  return y ? { flops: steps * (6 * N + 3), exps: steps * N } : { flops: steps * (4 * N + 1), exps: steps * N, reads: { 4: 0, 5: 0 } };
}

/**
 * The states are made once more, from the kept states before the chunks, and with them the decays. Each state of each step: Δa, its exponential,
 * h = decay·h + (Δx) b: 4; then with s the gradient of h: s += dy c, dc += dy h, db += s (Δx), du += s b, 8; s·decay, times h_before, 2; that into dΔ, times a, and into
 * da, times Δ, 4. Each channel of each step: u = Δx, 1; dx = du Δ + dy d, 3; dΔ += du x, 2; dd += dy x, 2.
 */
export function scanGradientWork([, ...inputs]: readonly TensorSpec[], { chunk }: { readonly chunk: number }): OpWork {
  const { B, L, E, N } = scanSizes(inputs, chunk);
  const steps = B * L * E;
  return { flops: steps * (18 * N + 8), exps: steps * N };
}
