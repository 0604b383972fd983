/**
 * The interpreter of elementwise programs: a block of 512 elements stays in L1 while every instruction passes over it.
 * Tensors are padded to 64 bytes, so whole vectors may be written past the last element.
 *
 * args: [0] elements [1] blocks per task [2] inputs [3] steps [4] immediates [5] output [6] output is int32 [7] dimensions,
 * then the dimensions, then per input: address, kind (0 in order, 1 one element, 2 strided), is int32, strides;
 * then the immediates (f32); then per step: instruction, three arguments, result register.
 * Registers: inputs, then immediates, then results; the last step's result register is −1: the output.
 */
import { arg, exp4, log4, madd, nmadd, sigmoid4, softplus4, storePair } from './math.as';

const BLOCK: i32 = 512;
const BLOCK_BYTES: usize = 2048;
const TABLE_BYTES: usize = 1024;

/** Copies n elements of a strided view, from linear index start of the iteration shape on. */
function gather(dst: usize, base: usize, start: i32, n: i32, rank: i32, dims: usize, strides: usize): void {
  let done = 0;
  const inner = arg(dims, rank - 1);
  const stride = arg(strides, rank - 1);
  while (done < n) {
    let rest = start + done;
    const first = rest % inner;
    rest /= inner;
    let offset = first * stride;
    for (let d = rank - 2; d >= 0; d--) {
      const size = arg(dims, d);
      const q = rest / size;
      offset += (rest - q * size) * arg(strides, d);
      rest = q;
    }
    const run = min(inner - first, n - done);
    let src = base + (<isize>offset << 2);
    let to = dst + (<usize>done << 2);
    if (stride == 1) {
      memory.copy(to, src, <usize>run << 2);
    } else if (stride == 0) {
      const v = load<f32>(src);
      for (let i = 0; i < run; i++) store<f32>(to + (<usize>i << 2), v);
    } else {
      const step = <isize>stride << 2;
      for (let i = 0; i < run; i++) {
        store<f32>(to, load<f32>(src));
        to += 4;
        src += step;
      }
    }
    done += run;
  }
}

// @ts-ignore: decorator
@inline
function one(mask: v128): v128 {
  return v128.and(mask, f32x4.splat(1));
}

/** Applies a scalar function to each lane, for instructions that are rare. */
function slow(op: i32, x: f32, y: f32): f32 {
  if (op == 17) return Mathf.sin(x);
  if (op == 18) return Mathf.cos(x);
  if (op == 22) return Mathf.expm1(x);
  if (op == 23) return Mathf.log1p(x);
  return Mathf.pow(x, y);
}

/** erf by Abramowitz & Stegun 7.1.26 (absolute error 1.5e-7). */
// @ts-ignore: decorator
@inline
function erf4(x: v128): v128 {
  const a = f32x4.abs(x);
  const t = f32x4.div(f32x4.splat(1), madd(f32x4.splat(0.3275911), a, f32x4.splat(1)));
  let p = f32x4.splat(1.061405429);
  p = madd(p, t, f32x4.splat(-1.453152027));
  p = madd(p, t, f32x4.splat(1.421413741));
  p = madd(p, t, f32x4.splat(-0.284496736));
  p = f32x4.mul(madd(p, t, f32x4.splat(0.254829592)), t);
  const y = nmadd(p, exp4(f32x4.neg(f32x4.mul(a, a))), f32x4.splat(1));
  return v128.bitselect(x, y, i32x4.splat(0x80000000));
}

// @ts-ignore: decorator
@inline
function tanh4(x: v128): v128 {
  // tanh x = x·(1 − x²/3 + 2x⁴/15) near 0, where 1 − 2/(e²ˣ+1) would cancel
  const e = exp4(f32x4.add(x, x));
  const far = f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(e, f32x4.splat(1))));
  const z = f32x4.mul(x, x);
  let p = f32x4.splat(-0.0218694885);
  p = madd(p, z, f32x4.splat(0.0539682540));
  p = madd(p, z, f32x4.splat(-0.1333333333));
  p = madd(p, z, f32x4.splat(0.3333333333));
  const near = nmadd(f32x4.mul(x, z), p, x);
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.2)));
}

// pairs of vectors write up to 16 bytes beyond the last element's vector, which lie within the padding
function apply(op: i32, dst: usize, a: usize, b: usize, c: usize, bytes: usize): void {
  let i: usize = 0;
  switch (op) {
    case 0: memory.copy(dst, a, bytes); break;
    case 1: do { storePair(dst + i, f32x4.neg(v128.load(a + i)), f32x4.neg(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 2: do { storePair(dst + i, f32x4.abs(v128.load(a + i)), f32x4.abs(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 3: do { storePair(dst + i, exp4(v128.load(a + i)), exp4(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 4: do { storePair(dst + i, log4(v128.load(a + i)), log4(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 5: do { storePair(dst + i, f32x4.sqrt(v128.load(a + i)), f32x4.sqrt(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 6: do { storePair(dst + i, f32x4.div(f32x4.splat(1), f32x4.sqrt(v128.load(a + i))), f32x4.div(f32x4.splat(1), f32x4.sqrt(v128.load(a + i, 16)))); i += 32; } while (i < bytes); break;
    case 7: do {
      const v0 = v128.load(a + i), v1 = v128.load(a + i, 16);
      storePair(dst + i, f32x4.mul(v0, v0), f32x4.mul(v1, v1));
      i += 32;
    } while (i < bytes); break;
    case 8: do { storePair(dst + i, f32x4.div(f32x4.splat(1), v128.load(a + i)), f32x4.div(f32x4.splat(1), v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 9: do { storePair(dst + i, sigmoid4(v128.load(a + i)), sigmoid4(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 10: do { storePair(dst + i, softplus4(v128.load(a + i)), softplus4(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 11: do { storePair(dst + i, tanh4(v128.load(a + i)), tanh4(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 12: do { storePair(dst + i, f32x4.max(v128.load(a + i), f32x4.splat(0)), f32x4.max(v128.load(a + i, 16), f32x4.splat(0))); i += 32; } while (i < bytes); break;
    case 13: do { storePair(dst + i, f32x4.floor(v128.load(a + i)), f32x4.floor(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 14: do { storePair(dst + i, f32x4.ceil(v128.load(a + i)), f32x4.ceil(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 15: do { storePair(dst + i, f32x4.nearest(v128.load(a + i)), f32x4.nearest(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 16: do {
      const v = v128.load(a + i);
      const zero = f32x4.splat(0);
      v128.store(dst + i, f32x4.sub(one(f32x4.gt(v, zero)), one(f32x4.lt(v, zero))));
      i += 16;
    } while (i < bytes); break;
    case 17: case 18: case 22: case 23:
      do { store<f32>(dst + i, slow(op, load<f32>(a + i), 0)); i += 4; } while (i < bytes);
      break;
    case 19: do { storePair(dst + i, erf4(v128.load(a + i)), erf4(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 20: do { const v = v128.load(a + i); v128.store(dst + i, one(f32x4.ne(v, v))); i += 16; } while (i < bytes); break;
    case 21: do { storePair(dst + i, f32x4.trunc(v128.load(a + i)), f32x4.trunc(v128.load(a + i, 16))); i += 32; } while (i < bytes); break;
    case 24: do { storePair(dst + i, f32x4.add(v128.load(a + i), v128.load(b + i)), f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16))); i += 32; } while (i < bytes); break;
    case 25: do { storePair(dst + i, f32x4.sub(v128.load(a + i), v128.load(b + i)), f32x4.sub(v128.load(a + i, 16), v128.load(b + i, 16))); i += 32; } while (i < bytes); break;
    case 26: do { storePair(dst + i, f32x4.mul(v128.load(a + i), v128.load(b + i)), f32x4.mul(v128.load(a + i, 16), v128.load(b + i, 16))); i += 32; } while (i < bytes); break;
    case 27: do { storePair(dst + i, f32x4.div(v128.load(a + i), v128.load(b + i)), f32x4.div(v128.load(a + i, 16), v128.load(b + i, 16))); i += 32; } while (i < bytes); break;
    case 28: do { storePair(dst + i, f32x4.max(v128.load(a + i), v128.load(b + i)), f32x4.max(v128.load(a + i, 16), v128.load(b + i, 16))); i += 32; } while (i < bytes); break;
    case 29: do { storePair(dst + i, f32x4.min(v128.load(a + i), v128.load(b + i)), f32x4.min(v128.load(a + i, 16), v128.load(b + i, 16))); i += 32; } while (i < bytes); break;
    case 30: do { store<f32>(dst + i, slow(op, load<f32>(a + i), load<f32>(b + i))); i += 4; } while (i < bytes); break;
    case 31: do { storePair(dst + i, one(f32x4.lt(v128.load(a + i), v128.load(b + i))), one(f32x4.lt(v128.load(a + i, 16), v128.load(b + i, 16)))); i += 32; } while (i < bytes); break;
    case 32: do { storePair(dst + i, one(f32x4.le(v128.load(a + i), v128.load(b + i))), one(f32x4.le(v128.load(a + i, 16), v128.load(b + i, 16)))); i += 32; } while (i < bytes); break;
    case 33: do { storePair(dst + i, one(f32x4.eq(v128.load(a + i), v128.load(b + i))), one(f32x4.eq(v128.load(a + i, 16), v128.load(b + i, 16)))); i += 32; } while (i < bytes); break;
    case 34: do { storePair(dst + i, one(f32x4.ne(v128.load(a + i), v128.load(b + i))), one(f32x4.ne(v128.load(a + i, 16), v128.load(b + i, 16)))); i += 32; } while (i < bytes); break;
    case 35: do {
      const zero = f32x4.splat(0);
      v128.store(dst + i, one(v128.and(f32x4.ne(v128.load(a + i), zero), f32x4.ne(v128.load(b + i), zero))));
      i += 16;
    } while (i < bytes); break;
    case 36: do {
      const zero = f32x4.splat(0);
      v128.store(dst + i, one(v128.or(f32x4.ne(v128.load(a + i), zero), f32x4.ne(v128.load(b + i), zero))));
      i += 16;
    } while (i < bytes); break;
    case 37: do {
      v128.store(dst + i, v128.bitselect(v128.load(b + i), v128.load(c + i), f32x4.ne(v128.load(a + i), f32x4.splat(0))));
      i += 16;
    } while (i < bytes); break;
  }
}

export function elementwise(args: usize, task: i32, scratch: usize): void {
  const total = arg(args, 0);
  const blocksPerTask = arg(args, 1);
  const inputs = arg(args, 2);
  const steps = arg(args, 3);
  const immediates = arg(args, 4);
  const output = <usize>arg(args, 5);
  const outputInt = arg(args, 6);
  const rank = arg(args, 7);
  const dims = args + 32;
  const descriptors = dims + (<usize>rank << 2);
  const descriptorBytes = <usize>(3 + rank) << 2;
  const values = descriptors + <usize>inputs * descriptorBytes;
  const code = values + (<usize>immediates << 2);
  const registers = scratch + TABLE_BYTES;

  // what does not change from block to block: single elements and immediates, spread over a block
  for (let i = 0; i < inputs + immediates; i++) {
    const buffer = registers + <usize>i * BLOCK_BYTES;
    let v: f32 = 0;
    if (i < inputs) {
      const d = descriptors + <usize>i * descriptorBytes;
      store<usize>(scratch + (<usize>i << 2), buffer);
      if (load<i32>(d, 4) != 1) continue;
      const at = <usize>load<i32>(d);
      v = load<i32>(d, 8) ? <f32>load<i32>(at) : load<f32>(at);
    } else {
      store<usize>(scratch + (<usize>i << 2), buffer);
      v = load<f32>(values + (<usize>(i - inputs) << 2));
    }
    const splat = f32x4.splat(v);
    for (let k: usize = 0; k < BLOCK_BYTES; k += 16) v128.store(buffer + k, splat);
  }

  let start = task * blocksPerTask * BLOCK;
  const end = min(total, start + blocksPerTask * BLOCK);
  for (; start < end; start += BLOCK) {
    const n = min(BLOCK, end - start);
    const bytes = (<usize>n * 4 + 15) & ~15;
    for (let i = 0; i < inputs; i++) {
      const d = descriptors + <usize>i * descriptorBytes;
      const base = <usize>load<i32>(d);
      const kind = load<i32>(d, 4);
      if (kind == 1) continue;
      const isInt = load<i32>(d, 8);
      const buffer = registers + <usize>i * BLOCK_BYTES;
      let at = buffer;
      if (kind == 0) at = base + (<usize>start << 2);
      else gather(buffer, base, start, n, rank, dims, d + 12);
      if (isInt) {
        for (let k: usize = 0; k < bytes; k += 16) v128.store(buffer + k, f32x4.convert_i32x4_s(v128.load(at + k)));
        at = buffer;
      }
      store<usize>(scratch + (<usize>i << 2), at);
    }
    const out = output + (<usize>start << 2);
    for (let s = 0; s < steps; s++) {
      const step = code + <usize>s * 20;
      const result = load<i32>(step, 16);
      const a = load<usize>(scratch + (<usize>load<i32>(step, 4) << 2));
      const b = load<usize>(scratch + (<usize>load<i32>(step, 8) << 2));
      const c = load<usize>(scratch + (<usize>load<i32>(step, 12) << 2));
      let dst = out;
      if (result >= 0) {
        dst = registers + <usize>result * BLOCK_BYTES;
        store<usize>(scratch + (<usize>result << 2), dst);
      }
      apply(load<i32>(step), dst, a, b, c, bytes);
    }
    if (outputInt) for (let k: usize = 0; k < bytes; k += 16) v128.store(out + k, i32x4.trunc_sat_f32x4_s(v128.load(out + k)));
  }
}
