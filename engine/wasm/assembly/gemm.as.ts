/** Matrix products for one thread, on strided operands. The tiled product of the plan stands on the same core. */
import { madd } from './math.as';

/** Bytes of scratch that gemmBlock needs for these sizes. */
// @ts-ignore: decorator
@inline
export function gemmBlockScratch(m: i32, n: i32, k: i32): i32 {
  return ((m + 8) * k + (n + 8) * k) * 4 + 64;
}

/**
 * C[m×n] = alpha·A·B (+ C if accumulate). A(i,p) lies at a + 4·(i·ars + p·acs), B(p,j) at b + 4·(p·brs + j·bcs),
 * C(i,j) at c + 4·(i·ldc + j); one of ars, acs and one of brs, bcs is 1. scratch: gemmBlockScratch(m, n, k) bytes.
 */
export function gemmBlock(
  m: i32, n: i32, k: i32, alpha: f32, a: usize, ars: i32, acs: i32, b: usize, brs: i32, bcs: i32,
  c: usize, ldc: i32, accumulate: bool, scratch: usize,
): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let s: f32 = 0;
      for (let p = 0; p < k; p++) s += load<f32>(a + ((i * ars + p * acs) << 2)) * load<f32>(b + ((p * brs + j * bcs) << 2));
      const at = c + ((i * ldc + j) << 2);
      store<f32>(at, alpha * s + (accumulate ? load<f32>(at) : 0));
    }
  }
}
