/** PLACEHOLDER until the tiled product lands. */
import type { Operand, WasmLowering } from '../fused-op.ts';

export function lowerMatMul(
  lowering: WasmLowering, a: Operand, b: Operand, c: Operand,
  s: { batch: number; m: number; n: number; k: number; transposeA: boolean; transposeB: boolean; strideA: number; strideB: number },
  epilogue: { bias?: Operand; accumulate?: boolean } = {},
): void {
  lowering.dispatch('matmul_plain', s.batch * s.m, [a, b, c, s.m, s.n, s.k, Number(s.transposeA), Number(s.transposeB), s.strideA, s.strideB, Number(epilogue.accumulate ?? false), epilogue.bias === undefined ? 0 : 1, epilogue.bias ?? 0]);
}
