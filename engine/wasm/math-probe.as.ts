/** Kernels for math.test.ts only (compiled by the test, not part of the product): y[i] = f(x[i]) for n floats, n a multiple of 4. */
import { exp4, log4, max4, sigmoid4, softplus4, sum4 } from './assembly/math.as';

export function probeExp(x: usize, y: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(y + i, exp4(v128.load(x + i)));
}
export function probeLog(x: usize, y: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(y + i, log4(v128.load(x + i)));
}
export function probeSigmoid(x: usize, y: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(y + i, sigmoid4(v128.load(x + i)));
}
export function probeSoftplus(x: usize, y: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(y + i, softplus4(v128.load(x + i)));
}
export function probeSum(x: usize, y: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) store<f32>(y + i, sum4(v128.load(x + i)));
}
export function probeMax(x: usize, y: usize, n: i32): void {
  for (let i: usize = 0; i < <usize>n << 2; i += 16) store<f32>(y + i, max4(v128.load(x + i)));
}
