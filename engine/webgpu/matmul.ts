/** Matrix products as WGSL: chooses a form and a cut (matmul-plan.ts) and launches its kernels. */
import type { Operand, WebgpuLowering } from '../fused-op.ts';
import { matrixKernel } from './matmul-matrix.ts';
import { operandsOf, type Destination, type FactorMap, type MatMulEpilogue, type Product } from './matmul-operands.ts';
import { planOf, type Plan } from './matmul-plan.ts';
import { sumKernel, thinKernel } from './matmul-thin.ts';
import { tiledKernel } from './matmul-tiled.ts';

export type { FactorMap, MatMulEpilogue } from './matmul-operands.ts';

/** A shared right factor makes the batch only more rows. */
function folded(sizes: Product): Product {
  const { batch, m, k, transposeA, strideA, strideB } = sizes;
  return batch > 1 && strideB === 0 && !transposeA && strideA === m * k ? { ...sizes, batch: 1, m: batch * m, strideA: 0 } : sizes;
}

/**
 * Launches C[b] = op(A[b])·op(B[b]) (+ bias) (+ addend); operands contiguous, sizes as in the graph. The order of every sum depends on the sizes and the
 * GPU's features alone. `map` changes A as it is read (of one product, not of a batch). `plan` is for tests: the form and cut to take instead of the best.
 */
export function lowerMatMul(l: Pick<WebgpuLowering, 'buffer' | 'dispatch' | 'gpu'>, a: Operand, b: Operand, c: Operand, sizes: Product, epilogue: MatMulEpilogue = {}, { map, plan }: { readonly map?: FactorMap; readonly plan?: Plan } = {}): void {
  const product = folded(sizes);
  const { batch, m, n, k } = product;
  if (batch * m * n === 0) return;
  const operands = operandsOf(a, b, c, product, epilogue, map);
  const to: Destination = { operand: c, epilogue, width: operands.width, m, n };
  if (k === 0) return l.dispatch(sumKernel(undefined, 0, batch, to));
  const cut = plan ?? planOf(product, l.gpu, map === undefined);
  const shares = cut.splits === 1 ? undefined : l.buffer(cut.splits, batch, m, n);
  const target = shares === undefined ? to : { ...to, operand: shares, epilogue: {} };
  switch (cut.form) {
    case 'tiled':
      l.dispatch(tiledKernel(operands, product, cut, target));
      break;
    case 'matrix':
      l.dispatch(matrixKernel(operands, product, cut, target));
      break;
    case 'thin':
      l.dispatch(thinKernel(operands, product, cut, target));
      break;
    default:
      cut satisfies never;
  }
  if (shares !== undefined) l.dispatch(sumKernel(shares, cut.splits, batch, to));
}
