/** Partial results of many tasks, added in a fixed order by a second dispatch. */
import type { Operand, WasmLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';

/** Elements per task; the kernel knows the same number. */
const PART = 1024;

/** Where `count` tasks write their share of `out`: a buffer [count, …], or `out` itself where one share is all or nobody reads it. */
export function partials(lowering: WasmLowering, count: number, out: Operand): Operand {
  return count === 1 || !out.used ? out : lowering.buffer(count, ...out.shape);
}

/** One sum over shares: `shares` is what `partials` gave for `count` tasks and `out`. */
export interface PartialSum {
  readonly shares: Operand;
  readonly count: number;
  readonly out: Operand;
}

/** out = Σ over the first axis of the shares, for all sums in one dispatch. */
export function sumAllPartials(lowering: WasmLowering, sums: readonly PartialSum[]): void {
  const due = sums.filter(({ shares, out }) => shares !== out);
  if (due.length === 0) return;
  const tasks = due.reduce((n, { out }) => n + Math.ceil(sizeOf(out.shape) / PART), 0);
  lowering.dispatch('partial_sums', tasks, due.flatMap(({ shares, count, out }) => [shares, count, sizeOf(out.shape), out]));
}

/** One such sum. */
export function sumPartials(lowering: WasmLowering, shares: Operand, count: number, out: Operand): void {
  sumAllPartials(lowering, [{ shares, count, out }]);
}
