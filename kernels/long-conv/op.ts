/** The causal long convolution of Hyena and H3, by a fast Fourier transform. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand, type WasmLowering } from '#engine/fused-op.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { partials, sumPartials } from '../partial-sums.ts';
import { longConvGradientPortable, longConvPortable } from './portable.ts';
import { longConvSizes, type LongConvSizes } from './sizes.ts';
import { longConvGradientWebgpu, longConvWebgpu } from './webgpu.ts';
import { longConvGradientWork, longConvWork } from './work.ts';

/**
 * y_t = Σ_{s≤t} h_s ⊙ u_{t−s}: each channel has a filter as long as the sequence (Poli et al. 2023, arXiv 2302.10866, §3; Fu et al. 2023, arXiv
 * 2212.14052). u [B, L, C], h [L, C] → [B, L, C]. O(L log L). E_SHAPE when sizes do not fit together.
 *
 * Sequences are taken as polynomials in z modulo z^N − i, with N ≥ L a power of two: of the product of two real ones, whose degree is below 2N,
 * the part below N stays real and the part from N on becomes imaginary, so that nothing wraps around into what is read, and the transform has half
 * the points of a zero-padded one. The transform takes values at the N roots of z^N = i by halving: z^{2M} − c² = (z^M − c)(z^M + c), so that a
 * node of the tree of factors maps its low and high halves to low ± c·high (Fiduccia 1972; Bernstein 2001, Multidigit multiplication for
 * mathematicians). Spectra are in the order of that tree, which no product needs to know. Correlations (gradients) are products with the
 * conjugate: what has negative powers comes out imaginary.
 */
export function longConv(u: Tensor, h: Tensor): Tensor {
  return callFused(longConvOp, [u, h], {})[0];
}

function check(inputs: readonly TensorSpec[]): TensorSpec[] {
  const [u, h] = inputs as [TensorSpec, TensorSpec];
  if (u.shape.length !== 3 || u.shape.includes(0)) throw new RecallbenchError('E_SHAPE', `longConv: u is [${u.shape}], not [B, L, C]`);
  const [, L, C] = u.shape as [number, number, number];
  if (h.shape.join() !== [L, C].join()) throw new RecallbenchError('E_SHAPE', `longConv: h is [${h.shape}], but with u [${u.shape}] it must be [L, C] = [${[L, C]}]`);
  const other = inputs.find(({ dtype }) => dtype !== 'float32');
  if (other !== undefined) throw new RecallbenchError('E_SHAPE', `longConv: operands must be float32, not ${other.dtype}`);
  return [u];
}

/** Channels of a task are counted in groups of four; so many that a task reads some neighbouring cache lines of a row. */
const MOST_GROUPS = 16;
/** Bytes that the columns of one operand may take in a task, as long as one group fits. */
const ROOM = 2 ** 22;
/** bytes between columns, and between spectra; see wasm.as.ts */
const GAP = 320;
/** entries of the table of roots that a task makes */
const ROOTS_PER_TASK = 1024;

/** How the work is cut: a task has some groups of channels, and all sequences or, where groups are few, a part of them. */
function division({ B, C, N }: LongConvSizes) {
  const all = Math.ceil(C / 4);
  let groups = Math.max(1, Math.min(MOST_GROUPS, Math.floor(ROOM / (16 * N)), all));
  while (groups > 1 && Math.ceil(all / groups) < 8) groups--;
  const blocks = Math.ceil(all / groups);
  const sequences = Math.ceil(B / Math.max(1, Math.floor(8 / blocks)));
  /** bytes of scratch for `columns` operands, as many spectra in use, and `kept` spectra that stay while sequences go by */
  const scratch = (columns: number, spectra: number, kept: number) => columns * groups * (16 * N + GAP) + (spectra + kept * (sequences === 1 ? 1 : groups)) * (32 * N + GAP);
  return { groups, sequences, parts: Math.ceil(B / sequences), blocks, scratch };
}

/** The table of roots that a transform of N points takes; see long_conv_roots. */
function rootsOf(lowering: WasmLowering, N: number): Operand {
  const roots = lowering.buffer(2 * (N - 1));
  const levels = (31 - Math.clz32(N)) >> 1;
  const pairs = 4 ** levels < N ? 4 ** levels : 0;
  lowering.dispatch('long_conv_roots', Math.ceil(((4 ** levels - 1) / 3 + pairs) / ROOTS_PER_TASK), [roots, levels, pairs, ROOTS_PER_TASK]);
  return roots;
}

export const longConvOp: FusedOp = {
  name: 'LongConv',
  outputs: (inputs) => check(inputs),
  portable: longConvPortable,
  work: longConvWork,
  gradient(dy, inputs) {
    const gradients = callFused(longConvGradientOp, [dy, ...inputs], {});
    return gradients.map((g) => () => g);
  },
  wasm(lowering) {
    const { inputs, outputs } = lowering;
    const sizes = longConvSizes(inputs[0]);
    const { B, L, C, N } = sizes;
    const { groups, sequences, parts, blocks, scratch } = division(sizes);
    const roots = rootsOf(lowering, N);
    lowering.dispatch('long_conv', blocks * parts, [...inputs, ...outputs, roots, B, L, C, N, groups, sequences], scratch(2, 1, 1));
  },
  webgpu: longConvWebgpu,
};

/** dy, u, h → du, dh. */
export const longConvGradientOp: FusedOp = {
  name: 'LongConvGradient',
  outputs: (inputs) => inputs.slice(1),
  portable: longConvGradientPortable,
  work: longConvGradientWork,
  wasm(lowering) {
    const { inputs, outputs: [du, dh] } = lowering;
    const sizes = longConvSizes(inputs[0]);
    const { B, L, C, N } = sizes;
    const { groups, sequences, parts, blocks, scratch } = division(sizes);
    const roots = rootsOf(lowering, N);
    const shares = partials(lowering, parts, dh);
    lowering.dispatch('long_conv_gradient', blocks * parts, [...inputs, du, shares, roots, B, L, C, N, groups, sequences], scratch(3, 2, 2));
    sumPartials(lowering, shares, parts, dh);
  },
  webgpu: longConvGradientWebgpu,
};
