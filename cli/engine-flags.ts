/** Flags about the engine that several commands have. */
import type { EngineOptions } from '#engine/engine.ts';
import type { Point } from '#results/point.ts';

export const PRECISIONS: readonly Point['precision'][] = ['fp32', 'mixed'];
export const PRECISION = 'fp32, or mixed: operands of matrix products in float16, sums in float32 (GPU only)';
export const GPU_VALIDATE = 'check every GPU command and memory access, for development (slower)';

/** How the flags ask for the engine to be opened. */
export function engineOptions({ threads, gpuValidate }: { threads?: number; gpuValidate?: true }, precision?: Point['precision']): EngineOptions {
  return { ...(threads === undefined ? {} : { threads }), ...(gpuValidate === undefined ? {} : { validate: true }), ...(precision === undefined ? {} : { precision }) };
}
