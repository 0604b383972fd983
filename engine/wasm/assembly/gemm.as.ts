/**
 * Single-precision matrix products for one thread, on strided operands. The tiled product of the plan
 * (engine/wasm/gemm-lowering.ts) stands on the same core.
 *
 * The core is a tile of up to 6×8 elements of C (6×16 where vectors are joined): twelve accumulators, two vectors of B and one broadcast
 * element of A are all the registers that V8 has. A is read in place, whatever its strides. B is read in place too where its rows are
 * contiguous, or from panels (packB). Where `accumulate` is false, C is written without being read.
 */
import { madd, storePair, WIDE } from './math.as';

/** Longest run of k that one pass over a tile sums up: 6 rows of A and a panel of B then fit the first-level cache. */
// @ts-ignore: decorator
@inline
const PASS: i32 = 256;

// Three things here look arbitrary and each halve the speed when changed, because of how V8's TurboFan (Node 20) orders a loop:
// the functions gemmTile1 … 6 must be exported, or they are inlined into their caller; the loop must be `while`, or loads are moved
// before all sums and accumulators spill; and its rows must run opposite to the rows of the stores behind it, for the same reason.
// Measured on Zen 4: 56 GFLOP/s of the 59 that two 128-bit multiply-adds per cycle allow. What lies beyond `rows` is dead code, and so
// are the second eight columns (e00 … e51, from a panel `bps` bytes further) unless the tile is wide.
// @ts-ignore: decorator
@inline
function tile(
  rows: i32, wide: bool, k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize,
  c: usize, cs: usize, d: usize, ds: usize,
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0), c50 = f32x4.splat(0), c51 = f32x4.splat(0);
  let e00 = f32x4.splat(0), e01 = f32x4.splat(0), e10 = f32x4.splat(0), e11 = f32x4.splat(0);
  let e20 = f32x4.splat(0), e21 = f32x4.splat(0), e30 = f32x4.splat(0), e31 = f32x4.splat(0);
  let e40 = f32x4.splat(0), e41 = f32x4.splat(0), e50 = f32x4.splat(0), e51 = f32x4.splat(0);
  const ars2 = ars + ars;
  const end = b + <usize>k * brs;
  let low = a + ars2 + ars;
  let far = b + bps;
  while (b != end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = wide ? v128.load(far) : b0;
    const b3 = wide ? v128.load(far, 16) : b1;
    if (rows > 5) {
      const a5 = v128.load32_splat(low + ars2);
      c50 = madd(a5, b0, c50);
      c51 = madd(a5, b1, c51);
      if (wide) {
        e50 = madd(a5, b2, e50);
        e51 = madd(a5, b3, e51);
      }
    }
    if (rows > 4) {
      const a4 = v128.load32_splat(low + ars);
      c40 = madd(a4, b0, c40);
      c41 = madd(a4, b1, c41);
      if (wide) {
        e40 = madd(a4, b2, e40);
        e41 = madd(a4, b3, e41);
      }
    }
    if (rows > 3) {
      const a3 = v128.load32_splat(low);
      c30 = madd(a3, b0, c30);
      c31 = madd(a3, b1, c31);
      if (wide) {
        e30 = madd(a3, b2, e30);
        e31 = madd(a3, b3, e31);
      }
    }
    if (rows > 2) {
      const a2 = v128.load32_splat(a + ars2);
      c20 = madd(a2, b0, c20);
      c21 = madd(a2, b1, c21);
      if (wide) {
        e20 = madd(a2, b2, e20);
        e21 = madd(a2, b3, e21);
      }
    }
    if (rows > 1) {
      const a1 = v128.load32_splat(a + ars);
      c10 = madd(a1, b0, c10);
      c11 = madd(a1, b1, c11);
      if (wide) {
        e10 = madd(a1, b2, e10);
        e11 = madd(a1, b3, e11);
      }
    }
    const a0 = v128.load32_splat(a);
    c00 = madd(a0, b0, c00);
    c01 = madd(a0, b1, c01);
    if (wide) {
      e00 = madd(a0, b2, e00);
      e01 = madd(a0, b3, e01);
      far += brs;
    }
    a += acs;
    low += acs;
    b += brs;
  }
  const scale = f32x4.splat(alpha);
  if (d == 0) {
    put(wide, c, scale, c00, c01, e00, e01);
    if (rows > 1) put(wide, c + cs, scale, c10, c11, e10, e11);
    c += cs + cs;
    if (rows > 2) put(wide, c, scale, c20, c21, e20, e21);
    if (rows > 3) put(wide, c + cs, scale, c30, c31, e30, e31);
    c += cs + cs;
    if (rows > 4) put(wide, c, scale, c40, c41, e40, e41);
    if (rows > 5) put(wide, c + cs, scale, c50, c51, e50, e51);
  } else {
    putSum(wide, c, d, scale, c00, c01, e00, e01);
    if (rows > 1) putSum(wide, c + cs, d + ds, scale, c10, c11, e10, e11);
    c += cs + cs;
    d += ds + ds;
    if (rows > 2) putSum(wide, c, d, scale, c20, c21, e20, e21);
    if (rows > 3) putSum(wide, c + cs, d + ds, scale, c30, c31, e30, e31);
    c += cs + cs;
    d += ds + ds;
    if (rows > 4) putSum(wide, c, d, scale, c40, c41, e40, e41);
    if (rows > 5) putSum(wide, c + cs, d + ds, scale, c50, c51, e50, e51);
  }
}

/** Eight or sixteen columns of a row: scale times v0 … v3. */
// @ts-ignore: decorator
@inline
function put(wide: bool, c: usize, scale: v128, v0: v128, v1: v128, v2: v128, v3: v128): void {
  storePair(c, f32x4.mul(scale, v0), f32x4.mul(scale, v1));
  if (!wide) return;
  v128.store(c, f32x4.mul(scale, v3), 48);
  v128.store(c, f32x4.mul(scale, v2), 32);
}

/** The same on top of the row at d. */
// @ts-ignore: decorator
@inline
function putSum(wide: bool, c: usize, d: usize, scale: v128, v0: v128, v1: v128, v2: v128, v3: v128): void {
  storePair(c, madd(scale, v0, v128.load(d)), madd(scale, v1, v128.load(d, 16)));
  if (!wide) return;
  const s2 = madd(scale, v2, v128.load(d, 32));
  const s3 = madd(scale, v3, v128.load(d, 48));
  v128.store(c, s3, 48);
  v128.store(c, s2, 32);
}

/**
 * C[6×8] = alpha·A·B + D; strides ars, acs, brs, cs, ds are in bytes. d = 0 stands for D = 0, ds = 0 repeats one row.
 * gemmTile1 … gemmTile5 are the same for fewer rows, gemmWideTile1 … gemmWideTile6 for sixteen columns, the second eight of B `bps` bytes
 * after the first.
 */
export function gemmTile6(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(6, false, k, alpha, a, ars, acs, b, brs, 0, c, cs, d, ds);
}
export function gemmTile5(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(5, false, k, alpha, a, ars, acs, b, brs, 0, c, cs, d, ds);
}
export function gemmTile4(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(4, false, k, alpha, a, ars, acs, b, brs, 0, c, cs, d, ds);
}
export function gemmTile3(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(3, false, k, alpha, a, ars, acs, b, brs, 0, c, cs, d, ds);
}
export function gemmTile2(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(2, false, k, alpha, a, ars, acs, b, brs, 0, c, cs, d, ds);
}
export function gemmTile1(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(1, false, k, alpha, a, ars, acs, b, brs, 0, c, cs, d, ds);
}
export function gemmWideTile6(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(6, true, k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}
export function gemmWideTile5(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(5, true, k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}
export function gemmWideTile4(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(4, true, k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}
export function gemmWideTile3(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(3, true, k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}
export function gemmWideTile2(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(2, true, k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}
export function gemmWideTile1(k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  tile(1, true, k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}

/** The tile of so many rows. */
// @ts-ignore: decorator
@inline
export function tileOf(rows: i32, k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  if (rows == 6) gemmTile6(k, alpha, a, ars, acs, b, brs, c, cs, d, ds);
  else if (rows == 5) gemmTile5(k, alpha, a, ars, acs, b, brs, c, cs, d, ds);
  else if (rows == 4) gemmTile4(k, alpha, a, ars, acs, b, brs, c, cs, d, ds);
  else if (rows == 3) gemmTile3(k, alpha, a, ars, acs, b, brs, c, cs, d, ds);
  else if (rows == 2) gemmTile2(k, alpha, a, ars, acs, b, brs, c, cs, d, ds);
  else gemmTile1(k, alpha, a, ars, acs, b, brs, c, cs, d, ds);
}

/** The wide tile of so many rows. */
// @ts-ignore: decorator
@inline
export function wideTileOf(rows: i32, k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, c: usize, cs: usize, d: usize, ds: usize): void {
  if (rows == 6) gemmWideTile6(k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
  else if (rows == 5) gemmWideTile5(k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
  else if (rows == 4) gemmWideTile4(k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
  else if (rows == 3) gemmWideTile3(k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
  else if (rows == 2) gemmWideTile2(k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
  else gemmWideTile1(k, alpha, a, ars, acs, b, brs, bps, c, cs, d, ds);
}

/** Rows of the next tile: sixes, with the last 7 to 9 rows split evenly (a tile of 1 to 3 rows is no faster than one of 4). */
// @ts-ignore: decorator
@inline
function nextRows(left: i32): i32 {
  if (left > 9) return 6;
  if (left > 6) return (left + 1) >> 1;
  return left;
}

/**
 * C[m×n] = alpha·A·B + D for operands that fit the caches. Strides are in bytes; acs = 0 tells that A is packed (packA); bps is
 * the distance of one group of 8 columns of B to the next. Where n is no multiple of 8 the last columns come from `tail`
 * (k rows of 8 floats) and pass through `spare` (192 bytes).
 */
export function gemmSweep(
  m: i32, n: i32, k: i32, alpha: f32, a: usize, ars: usize, acs: usize, b: usize, brs: usize, bps: usize, tail: usize,
  c: usize, cs: usize, d: usize, ds: usize, spare: usize,
): void {
  const full = <usize>(n >> 3) << 5;
  const rest = n & 7;
  while (m > 0) {
    const rows = nextRows(m);
    const step = acs == 0 ? <usize>rows << 2 : acs;
    let panel = b;
    let j: usize = 0;
    if (WIDE) {
      for (; j + 64 <= full; j += 64) {
        wideTileOf(rows, k, alpha, a, ars, step, panel, brs, bps, c + j, cs, d == 0 ? 0 : d + j, ds);
        panel += bps + bps;
      }
    }
    for (; j < full; j += 32) {
      tileOf(rows, k, alpha, a, ars, step, panel, brs, c + j, cs, d == 0 ? 0 : d + j, ds);
      panel += bps;
    }
    if (rest != 0) {
      tileOf(rows, k, alpha, a, ars, step, tail, 32, spare, 32, 0, 0);
      for (let i = 0; i < rows; i++) {
        const from = spare + (<usize>i << 5);
        const to = c + <usize>i * cs + full;
        const add = d + <usize>i * ds + full;
        for (let j: usize = 0; j < <usize>rest << 2; j += 4) {
          const v = load<f32>(from + j);
          store<f32>(to + j, d == 0 ? v : v + load<f32>(add + j));
        }
      }
    }
    a += <usize>rows * (acs == 0 ? <usize>k << 2 : ars);
    c += <usize>rows * cs;
    if (d != 0) d += <usize>rows * ds;
    m -= rows;
  }
}

/** Bytes of B[k×n] packed by packB. */
// @ts-ignore: decorator
@inline
export function packedBytes(k: i32, n: i32): i32 {
  return ((n + 7) & ~7) * k * 4;
}

/**
 * Packs B[k×n] (as in gemmBlock) into panels of 8 columns: B(p,j) goes to dst + 4·((j>>3)·8·k + 8·p + (j&7)); columns from n
 * to the next multiple of 8 are zero.
 */
export function packB(k: i32, n: i32, b: usize, brs: i32, bcs: i32, dst: usize): void {
  const panelBytes = <usize>k << 5;
  const rs = <usize>brs << 2;
  const cs = <usize>bcs << 2;
  const full = n & ~7;
  let j = 0;
  if (bcs == 1) {
    // two panels at a time: one cache line of B
    for (; j + 16 <= full; j += 16) {
      let from = b + (<usize>j << 2);
      const second = dst + panelBytes;
      let at: usize = 0;
      while (at < panelBytes) {
        const v0 = v128.load(from);
        const v1 = v128.load(from, 16);
        const v2 = v128.load(from, 32);
        const v3 = v128.load(from, 48);
        v128.store(dst + at, v0);
        v128.store(dst + at, v1, 16);
        v128.store(second + at, v2);
        v128.store(second + at, v3, 16);
        from += rs;
        at += 32;
      }
      dst = second + panelBytes;
    }
    for (; j < full; j += 8) {
      let from = b + (<usize>j << 2);
      const end = dst + panelBytes;
      while (dst < end) {
        const v0 = v128.load(from);
        const v1 = v128.load(from, 16);
        v128.store(dst, v0);
        v128.store(dst, v1, 16);
        from += rs;
        dst += 32;
      }
    }
  } else {
    const whole = <usize>(k & ~3) << 2;
    for (; j < full; j += 8) {
      const from = b + <usize>j * cs;
      const end = dst + panelBytes;
      let p: usize = 0;
      while (p < whole) {
        transpose4(from + p, cs, dst);
        transpose4(from + p + (cs << 2), cs, dst + 16);
        p += 16;
        dst += 128;
      }
      while (dst < end) {
        for (let i: usize = 0; i < 8; i++) store<f32>(dst + (i << 2), load<f32>(from + p + i * cs));
        p += 4;
        dst += 32;
      }
    }
  }
  if (j < n) packTail(k, n - j, b + <usize>j * cs, rs, cs, dst);
}

/** Four rows of four floats at from (stride bytes apart), to four columns at to, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function transpose4(from: usize, stride: usize, to: usize): void {
  const x0 = v128.load(from);
  const x1 = v128.load(from + stride);
  const x2 = v128.load(from + (stride << 1));
  const x3 = v128.load(from + (stride << 1) + stride);
  const y0 = i32x4.shuffle(x0, x1, 0, 4, 1, 5);
  const y1 = i32x4.shuffle(x2, x3, 0, 4, 1, 5);
  const y2 = i32x4.shuffle(x0, x1, 2, 6, 3, 7);
  const y3 = i32x4.shuffle(x2, x3, 2, 6, 3, 7);
  v128.store(to, i64x2.shuffle(y0, y1, 0, 2));
  v128.store(to, i64x2.shuffle(y0, y1, 1, 3), 32);
  v128.store(to, i64x2.shuffle(y2, y3, 0, 2), 64);
  v128.store(to, i64x2.shuffle(y2, y3, 1, 3), 96);
}

/** The last 1 to 7 columns, with zeros up to 8. */
function packTail(k: i32, columns: i32, b: usize, rs: usize, cs: usize, dst: usize): void {
  const end = dst + (<usize>k << 5);
  while (dst < end) {
    v128.store(dst, f32x4.splat(0));
    v128.store(dst, f32x4.splat(0), 16);
    let from = b;
    for (let j: usize = 0; j < <usize>columns << 2; j += 4) {
      store<f32>(dst + j, load<f32>(from));
      from += cs;
    }
    b += rs;
    dst += 32;
  }
}

/**
 * Packs A[m×k], stored with contiguous columns (element (i,p) at a + 4·(i + p·acs)), into the strips of rows that gemmSweep walks:
 * m·k floats.
 */
function packA(m: i32, k: i32, a: usize, acs: i32, dst: usize): void {
  for (let p = 0; p < k; p++) {
    let from = a;
    let to = dst;
    let left = m;
    while (left > 9) {
      v128.store(to + <usize>(p * 24), v128.load(from));
      v128.store64_lane(to + <usize>(p * 24), v128.load64_zero(from, 16), 0, 16);
      from += 24;
      to += <usize>k * 24;
      left -= 6;
    }
    while (left > 0) {
      const rows = nextRows(left);
      const at = to + <usize>(p * rows << 2);
      for (let i: usize = 0; i < <usize>rows << 2; i += 4) store<f32>(at + i, load<f32>(from + i));
      from += <usize>rows << 2;
      to += <usize>(k * rows) << 2;
      left -= rows;
    }
    a += <usize>acs << 2;
  }
}

/**
 * Brings rows of contiguous columns into the cache row by row, as the hardware prefetches best; tiles that read them in
 * place would walk down narrow columns. `sink` is 4 bytes of scratch.
 */
function fetchRows(rows: i32, columns: i32, from: usize, stride: usize, sink: usize): void {
  let x = 0;
  for (let p = 0; p < rows; p++) {
    for (let j: usize = 0; j < <usize>columns << 2; j += 64) x |= load<i32>(from + j);
    from += stride;
  }
  store<i32>(sink, x);
}

/** Floats that are surely in the second-level cache already when they were used shortly before. */
// @ts-ignore: decorator
@inline
const FAR: i32 = 16384;

/** A row of A or B this long (in floats) makes a column of it fall into few sets of the caches. */
// @ts-ignore: decorator
@inline
const LONG_ROW: i32 = 512;

/** Bytes of scratch that gemmBlock needs for these sizes. */
// @ts-ignore: decorator
@inline
export function gemmBlockScratch(m: i32, n: i32, k: i32): i32 {
  return packedBytes(min<i32>(k, PASS), n) + min<i32>(k, PASS) * m * 4 + 256;
}

/**
 * C[m×n] = alpha·A·B (+ C if accumulate). A(i,p) lies at a + 4·(i·ars + p·acs), B(p,j) at b + 4·(p·brs + j·bcs),
 * C(i,j) at c + 4·(i·ldc + j); one of ars, acs and one of brs, bcs is 1. scratch: gemmBlockScratch(m, n, k) bytes.
 * An element's sum runs over p in the same order whatever m, n and the strides. Meant for operands that fit the second-level cache.
 */
export function gemmBlock(
  m: i32, n: i32, k: i32, alpha: f32, a: usize, ars: i32, acs: i32, b: usize, brs: i32, bcs: i32,
  c: usize, ldc: i32, accumulate: bool, scratch: usize,
): void {
  gemmPasses(m, n, k, alpha, a, ars, acs, b, brs, bcs, 0, c, <usize>ldc << 2, accumulate ? c : 0, <usize>ldc << 2, scratch);
}

/**
 * gemmBlock with B packed by packB(kPanel, …) beforehand, for callers that use B several times. Parts of the panels can be used:
 * columns from j₀ (a multiple of 8) start at packed + 4·j₀·kPanel, rows from p₀ at packed + 32·p₀. scratch: gemmPackedScratch(m, k)
 * bytes.
 */
export function gemmPacked(
  m: i32, n: i32, k: i32, alpha: f32, a: usize, ars: i32, acs: i32, packed: usize, kPanel: i32,
  c: usize, ldc: i32, accumulate: bool, scratch: usize,
): void {
  gemmPasses(m, n, k, alpha, a, ars, acs, packed, 8, 1, kPanel, c, <usize>ldc << 2, accumulate ? c : 0, <usize>ldc << 2, scratch);
}

/** Bytes of scratch that gemmPacked needs. */
// @ts-ignore: decorator
@inline
export function gemmPackedScratch(m: i32, k: i32): i32 {
  return min<i32>(k, PASS) * m * 4 + 256;
}

/** alpha·A·B + D in passes of at most PASS over k. B is packed in panels of kPanel rows, or strided where kPanel is 0. cs, ds in bytes. */
export function gemmPasses(
  m: i32, n: i32, k: i32, alpha: f32, a: usize, ars: i32, acs: i32, b: usize, brs: i32, bcs: i32, kPanel: i32,
  c: usize, cs: usize, d: usize, ds: usize, scratch: usize,
): void {
  const strips = scratch + 192;
  const narrow = n & 7;
  const panels = <usize>(n >> 3);
  const gatherA = ars == 1 && acs >= LONG_ROW && n > 8;
  const gatherB = kPanel == 0 && (bcs != 1 || (brs >= LONG_ROW && m > 6) || (brs > 128 && m > 96));
  do {
    const pass = min<i32>(k, PASS);
    const packed = gatherA ? strips + <usize>(m * pass << 2) : strips;
    let pa = a;
    let step = <usize>acs << 2;
    if (gatherA) {
      packA(m, pass, a, acs, strips);
      pa = strips;
      step = 0;
    }
    let pb = b;
    let rowBytes = <usize>brs << 2;
    let panelBytes: usize = 32;
    let tail = packed;
    if (kPanel != 0) {
      panelBytes = <usize>kPanel << 5;
      tail = b + panels * panelBytes;
    } else if (gatherB) {
      packB(pass, n, b, brs, bcs, packed);
      pb = packed;
      rowBytes = 32;
      panelBytes = <usize>pass << 5;
      tail = packed + panels * panelBytes;
    } else if (narrow != 0) {
      packTail(pass, narrow, b + (panels << 5), rowBytes, 4, packed);
    }
    if (!gatherB && kPanel == 0 && m > 12 && brs * pass > FAR) fetchRows(pass, n, b, rowBytes, scratch);
    if (!gatherA && ars == 1 && n > 12 && acs * pass > FAR) fetchRows(pass, m, a, step, scratch);
    gemmSweep(m, n, pass, alpha, pa, <usize>ars << 2, step, pb, rowBytes, panelBytes, tail, c, cs, d, ds, scratch);
    a += <usize>(pass * acs) << 2;
    b += <usize>(pass * brs) << 2;
    d = c;
    ds = cs;
    k -= pass;
  } while (k > 0);
}
