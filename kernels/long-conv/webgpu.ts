/**
 * Long convolution and its gradients in WGSL. Spectra are [sequences, N, C] of complex numbers, in the order of the tree of factors (op.ts). Up to a
 * length a workgroup does a whole transform. Beyond it there are two kernels: one for the top of the tree, where elements that are N/top apart
 * form a transform for each of their columns, and one for what is below, whose nodes lie in one piece.
 */
import type { GpuBinding, Operand, WebgpuLowering } from '#engine/fused-op.ts';
import { f32, lines } from '#engine/webgpu/wgsl.ts';
import { sumPartials } from '../webgpu-sums.ts';
import { longConvSizes, type LongConvSizes } from './sizes.ts';
import { LONGEST, transformKernel, type Nodes } from './webgpu-transform.ts';

/** The tree's upper part and, where a workgroup cannot do all of it, its lower part. */
function partsOf({ N, C }: LongConvSizes): { top: Nodes; bottom?: Nodes } {
  if (N <= LONGEST) return { top: { points: N, stride: C, width: C, count: 1 } };
  const below = 2 ** ((31 - Math.clz32(N)) >> 1);
  const above = N / below;
  return { top: { points: above, stride: below * C, width: below * C, count: 1 }, bottom: { points: below, stride: C, width: C, count: above } };
}

const complex = (operand: Operand): GpuBinding => ({ operand, as: 'vec2<f32>' });

/** What is bound as x, real [sequences, L, C], and as y likewise; and as z, complex [sequences, N, C]. */
function access({ L, C, N }: LongConvSizes) {
  return {
    x: `vec2f(select(0, x[sequence * ${L * C}u + min(index, ${L * C - 1}u)], index < ${L * C}u), 0)`,
    y: `if (index < ${L * C}u) { y[sequence * ${L * C}u + index] = v.x * ${f32(1 / N)}; }`,
    z: `z[sequence * ${N * C}u + index]`,
  };
}

/** The spectrum of x [sequences, L, C]. */
function spectrum(lowering: WebgpuLowering, sizes: LongConvSizes, x: Operand, sequences: number): Operand {
  const z = lowering.buffer(sequences, sizes.N, sizes.C, 2);
  const { top, bottom } = partsOf(sizes);
  const at = access(sizes);
  const common = { name: 'long_conv_spectrum', sequences, forward: true, inverse: false, store: `${at.z} = v;` };
  transformKernel(lowering, { ...common, nodes: top, bindings: { x, z: complex(z) }, load: at.x });
  if (bottom !== undefined) transformKernel(lowering, { ...common, nodes: bottom, bindings: { z: complex(z) }, load: at.z });
  return z;
}

/** y [sequences, L, C] of a spectrum, which is used up. */
function coefficients(lowering: WebgpuLowering, sizes: LongConvSizes, spectrum: Operand, y: Operand, sequences: number): void {
  const { top, bottom } = partsOf(sizes);
  const at = access(sizes);
  const z = complex(spectrum);
  const common = { name: 'long_conv_coefficients', sequences, forward: false, inverse: true, load: at.z };
  if (bottom !== undefined) transformKernel(lowering, { ...common, nodes: bottom, bindings: { z }, store: `${at.z} = v;` });
  transformKernel(lowering, { ...common, nodes: top, bindings: { z, y }, store: at.y });
}

/** The spectrum of x [B, L, C], through the statement `middle` on its element `v`, which may use `bindings`, and back to y, if that is wanted. */
function through(lowering: WebgpuLowering, sizes: LongConvSizes, x: Operand, middle: string, bindings: Readonly<Record<string, GpuBinding>>, y: Operand | undefined): void {
  const { B, N, C } = sizes;
  const { top, bottom } = partsOf(sizes);
  const at = access(sizes);
  const name = y === undefined ? 'long_conv_correlation' : 'long_conv_product';
  const common = { name, sequences: B };
  const back = y !== undefined;
  if (bottom === undefined) {
    transformKernel(lowering, { ...common, nodes: top, bindings: { x, ...bindings, ...(y && { y }) }, load: at.x, forward: true, middle, inverse: back, store: back ? at.y : '' });
    return;
  }
  const z = complex(lowering.buffer(B, N, C, 2));
  transformKernel(lowering, { ...common, nodes: top, bindings: { x, z }, load: at.x, forward: true, inverse: false, store: `${at.z} = v;` });
  transformKernel(lowering, { ...common, nodes: bottom, bindings: { z, ...bindings }, load: at.z, forward: true, middle, inverse: back, store: back ? `${at.z} = v;` : '' });
  if (back) transformKernel(lowering, { ...common, nodes: top, bindings: { z, y }, load: at.z, forward: false, inverse: true, store: at.y });
}

/** u [B, L, C], h [L, C] → y [B, L, C]. */
export function longConvWebgpu(lowering: WebgpuLowering): void {
  const { inputs: [u, h], outputs: [y] } = lowering;
  const sizes = longConvSizes(u);
  const taps = spectrum(lowering, sizes, h, 1);
  through(lowering, sizes, u, 'v = mul(v, taps[index]);', { taps: complex(taps) }, y);
}

/** dy, u, h → du, dh. With spectra D, U and H: that of du is D·H*, that of dh Σ_b D·U*. */
export function longConvGradientWebgpu(lowering: WebgpuLowering): void {
  const { inputs: [dy, u, h], outputs: [du, dh] } = lowering;
  const sizes = longConvSizes(u);
  const { B, N, C } = sizes;
  const taps = du.used ? spectrum(lowering, sizes, h, 1) : undefined;
  const signal = dh.used ? spectrum(lowering, sizes, u, B) : undefined;
  const at = `signal[sequence * ${N * C}u + index]`;
  const middle = lines(signal && `if (live) { ${at} = mul_conjugate(v, ${at}); }`, taps && 'v = mul_conjugate(v, taps[index]);');
  const bindings = { ...(taps && { taps: complex(taps) }), ...(signal && { signal: complex(signal) }) };
  through(lowering, sizes, dy, middle, bindings, du.used ? du : undefined);
  if (signal === undefined) return;
  const sum = B === 1 ? signal : lowering.buffer(N, C, 2);
  sumPartials(lowering, [{ shares: signal, count: B, out: sum }]);
  coefficients(lowering, sizes, sum, dh, 1);
}
