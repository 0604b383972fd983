/** SSD as WGSL: which kernels a form is made of. */
import type { WebgpuLowering } from '#engine/fused-op.ts';
import { sizesOf } from './sizes.ts';
import { chunkedForward } from './webgpu-chunked.ts';
import { chunkedGradient } from './webgpu-gradient.ts';
import { byMatrices, matrixForward } from './webgpu-matrix.ts';
import { MOST_ENTRIES, recurrence, recurrenceGradient } from './webgpu-recurrence.ts';
import { TILE } from './webgpu-tiles.ts';

/** A state too large for the recurrence is passed on in chunks of one tile. */
const chunkFor = (chunk: number, N: number) => (chunk === 0 && N > MOST_ENTRIES ? TILE : chunk);

/** Ssd; `chunk` is L for the quadratic form, 0 for the recurrence. */
export function ssdWebgpu(lowering: WebgpuLowering, attrs: { readonly chunk: number }): void {
  const sizes = sizesOf(lowering.inputs);
  const chunk = chunkFor(attrs.chunk, sizes.N);
  if (chunk === 0) recurrence(lowering, sizes);
  else if (byMatrices(sizes, chunk, lowering.gpu)) matrixForward(lowering, sizes);
  else chunkedForward(lowering, sizes, chunk);
}

/** SsdGradient: a recurrence or in chunks as the forward op is, but always by float32 products. */
export function ssdGradientWebgpu(lowering: WebgpuLowering, attrs: { readonly chunk: number }): void {
  const sizes = sizesOf(lowering.inputs.slice(1));
  const chunk = chunkFor(attrs.chunk, sizes.N);
  if (chunk === 0) recurrenceGradient(lowering, sizes);
  else chunkedGradient(lowering, sizes, chunk);
}
