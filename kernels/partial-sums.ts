/** Partial results of many tasks, added in a fixed order by a second dispatch. */
import type { Operand, WasmLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';

/** Elements per task; the kernel knows the same number. */
const PART = 1024;

/** Where `count` tasks write their share of `out`: a buffer [count, …], or `out` itself where one share is all or nobody reads it. */
export function partials(lowering: WasmLowering, count: number, out: Operand): Operand {
  return count === 1 || !out.used ? out : lowering.buffer(count, ...out.shape);
}

/** out = Σ over the first axis of what `partials` gave. */
export function sumPartials(lowering: WasmLowering, shares: Operand, count: number, out: Operand): void {
  if (shares === out) return;
  const size = sizeOf(out.shape);
  lowering.dispatch('partial_sums', Math.ceil(size / PART), [shares, count, size, out]);
}
