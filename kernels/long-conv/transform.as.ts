/**
 * The transform of the long convolution (op.ts tells the idea): four channels side by side in a vector, a complex element being a vector of real
 * and one of imaginary parts, 32 bytes. Two halvings at a time: a node z^{4M} − c⁴ with c⁴ = e^{2πif} has four children z^M − c·iᵠ, whose values
 * are Σ_k (cᵏ x_k) i^{kq} of the quarters x_k of the node; they lie where the quarters were, in the order q = 0, 2, 1, 3. All elements of
 * a node share c, c², c³. The tree is walked depth first down to nodes that lie in the first-level cache, and level by level in these.
 *
 * Level l has 4ˡ nodes. The table of roots gives c, c², c³ of each, level after level, and, where log₂ N is odd, c = e^{πif} of the last level's nodes
 * z² − c².
 */
import { arg, madd, nmadd } from '../../engine/wasm/assembly/math.as';

/** bytes of an element */
const ELEMENT: usize = 32;
/** Elements of a node that is walked level by level. */
const BLOCK: i32 = 256;

/** The roots of a level: 24 bytes for each node above it. */
// @ts-ignore: decorator
@inline
function rootsOfLevel(roots: usize, level: i32): usize {
  return roots + <usize>(((1 << (2 * level)) - 1) << 3);
}

/** The bits of j in reverse. */
function reversed(j: u32): u32 {
  let r: u32 = 0;
  for (let bit = 0; bit < 32; bit++) {
    r = (r << 1) | (j & 1);
    j >>= 1;
  }
  return r;
}

/** Writes c = e^{2πif/4} of node `node` on a level with 2^bits nodes, then c² and c³; if `pair`, e^{2πif/2} alone. */
function storeRoots(to: usize, bits: i32, node: i32, pair: bool): void {
  const f = <f64>reversed(node) / 4294967296.0 + 0.25 / <f64>(1 << bits);
  // half the angle is below π/4: Taylor's series to the eleventh power, then the double angle
  const x = 0.7853981633974483 * f;
  const xx = x * x;
  const sin = x * (1.0 - (xx / 6.0) * (1.0 - (xx / 20.0) * (1.0 - (xx / 42.0) * (1.0 - (xx / 72.0) * (1.0 - xx / 110.0)))));
  const cos = 1.0 - (xx / 2.0) * (1.0 - (xx / 12.0) * (1.0 - (xx / 30.0) * (1.0 - (xx / 56.0) * (1.0 - xx / 90.0))));
  const re = cos * cos - sin * sin;
  const im = 2.0 * cos * sin;
  const re2 = re * re - im * im;
  const im2 = 2.0 * re * im;
  if (pair) {
    store<f32>(to, <f32>re2);
    store<f32>(to, <f32>im2, 4);
    return;
  }
  store<f32>(to, <f32>re);
  store<f32>(to, <f32>im, 4);
  store<f32>(to, <f32>re2, 8);
  store<f32>(to, <f32>im2, 12);
  store<f32>(to, <f32>(re2 * re - im2 * im), 16);
  store<f32>(to, <f32>(re2 * im + im2 * re), 20);
}

/** The table of roots. Arguments: where it goes, levels of four children, nodes of the level of two children (or 0), entries of a task. */
export function long_conv_roots(args: usize, task: i32, scratch: usize): void {
  const roots: usize = arg(args, 0);
  const levels = arg(args, 1);
  const pairs = arg(args, 2);
  const perTask = arg(args, 3);
  const fours = ((1 << (2 * levels)) - 1) / 3;
  const end = min((task + 1) * perTask, fours + pairs);
  let level = 0;
  let first = 0; // entry of the level's first node
  for (let entry = task * perTask; entry < end; entry++) {
    while (entry >= first + (1 << (2 * level))) {
      first += 1 << (2 * level);
      level++;
    }
    const node = entry - first;
    const pair = level === levels;
    storeRoots(rootsOfLevel(roots, level) + (pair ? node << 3 : 24 * node), 2 * level, node, pair);
  }
}

/** `nodes` neighbouring nodes of four quarters of `quarter` elements each → their children. */
export function long_conv_split(x: usize, nodes: i32, quarter: i32, roots: usize): void {
  const step = <usize>quarter * ELEMENT;
  const end = x + <usize>nodes * 4 * step;
  while (x < end) {
    const c1r = v128.load32_splat(roots);
    const c1i = v128.load32_splat(roots, 4);
    const c2r = v128.load32_splat(roots, 8);
    const c2i = v128.load32_splat(roots, 12);
    const c3r = v128.load32_splat(roots, 16);
    const c3i = v128.load32_splat(roots, 20);
    roots += 24;
    const until = x + step;
    do {
      const x2 = x + 2 * step;
      const p = v128.load(x2);
      const q = v128.load(x2, 16);
      const cr = nmadd(c2i, q, f32x4.mul(c2r, p));
      const ci = madd(c2i, p, f32x4.mul(c2r, q));
      const ar = v128.load(x);
      const ai = v128.load(x, 16);
      const s0r = f32x4.add(ar, cr);
      const s0i = f32x4.add(ai, ci);
      const s1r = f32x4.sub(ar, cr);
      const s1i = f32x4.sub(ai, ci);
      const x1 = x + step;
      const u = v128.load(x1);
      const v = v128.load(x1, 16);
      const br = nmadd(c1i, v, f32x4.mul(c1r, u));
      const bi = madd(c1i, u, f32x4.mul(c1r, v));
      const x3 = x2 + step;
      const y = v128.load(x3);
      const z = v128.load(x3, 16);
      const dr = nmadd(c3i, z, f32x4.mul(c3r, y));
      const di = madd(c3i, y, f32x4.mul(c3r, z));
      const t0r = f32x4.add(br, dr);
      const t0i = f32x4.add(bi, di);
      const t1r = f32x4.sub(br, dr);
      const t1i = f32x4.sub(bi, di);
      v128.store(x, f32x4.add(s0r, t0r));
      v128.store(x, f32x4.add(s0i, t0i), 16);
      v128.store(x1, f32x4.sub(s0r, t0r));
      v128.store(x1, f32x4.sub(s0i, t0i), 16);
      v128.store(x2, f32x4.sub(s1r, t1i));
      v128.store(x2, f32x4.add(s1i, t1r), 16);
      v128.store(x3, f32x4.add(s1r, t1i));
      v128.store(x3, f32x4.sub(s1i, t1r), 16);
      x += ELEMENT;
    } while (x < until);
    x += 3 * step;
  }
}

/** The inverse of long_conv_split, times four. */
export function long_conv_join(x: usize, nodes: i32, quarter: i32, roots: usize): void {
  const step = <usize>quarter * ELEMENT;
  const end = x + <usize>nodes * 4 * step;
  while (x < end) {
    const c1r = v128.load32_splat(roots);
    const c1i = v128.load32_splat(roots, 4);
    const c2r = v128.load32_splat(roots, 8);
    const c2i = v128.load32_splat(roots, 12);
    const c3r = v128.load32_splat(roots, 16);
    const c3i = v128.load32_splat(roots, 20);
    roots += 24;
    const until = x + step;
    do {
      const x1 = x + step;
      const x2 = x1 + step;
      const x3 = x2 + step;
      const pr = v128.load(x);
      const qr = v128.load(x1);
      const pi = v128.load(x, 16);
      const qi = v128.load(x1, 16);
      const s0r = f32x4.add(pr, qr);
      const s0i = f32x4.add(pi, qi);
      const s1r = f32x4.sub(pr, qr);
      const s1i = f32x4.sub(pi, qi);
      const ur = v128.load(x2);
      const vr = v128.load(x3);
      const ui = v128.load(x2, 16);
      const vi = v128.load(x3, 16);
      const t0r = f32x4.add(ur, vr);
      const t0i = f32x4.add(ui, vi);
      const t1r = f32x4.sub(ur, vr);
      const t1i = f32x4.sub(ui, vi);
      v128.store(x, f32x4.add(s0r, t0r));
      v128.store(x, f32x4.add(s0i, t0i), 16);
      const cr = f32x4.sub(s0r, t0r);
      const ci = f32x4.sub(s0i, t0i);
      v128.store(x2, madd(c2i, ci, f32x4.mul(c2r, cr)));
      v128.store(x2, nmadd(c2i, cr, f32x4.mul(c2r, ci)), 16);
      const br = f32x4.add(s1r, t1i);
      const bi = f32x4.sub(s1i, t1r);
      v128.store(x1, madd(c1i, bi, f32x4.mul(c1r, br)));
      v128.store(x1, nmadd(c1i, br, f32x4.mul(c1r, bi)), 16);
      const dr = f32x4.sub(s1r, t1i);
      const di = f32x4.add(s1i, t1r);
      v128.store(x3, madd(c3i, di, f32x4.mul(c3r, dr)));
      v128.store(x3, nmadd(c3i, dr, f32x4.mul(c3r, di)), 16);
      x += ELEMENT;
    } while (x < until);
    x += 3 * step;
  }
}

/** `nodes` neighbouring nodes z² − c² → their values at ±c. */
function splitPairs(x: usize, nodes: i32, roots: usize): void {
  const end = x + (<usize>nodes << 6);
  do {
    const cr = v128.load32_splat(roots);
    const ci = v128.load32_splat(roots, 4);
    roots += 8;
    const ar = v128.load(x);
    const ai = v128.load(x, 16);
    const p = v128.load(x, 32);
    const q = v128.load(x, 48);
    const br = nmadd(ci, q, f32x4.mul(cr, p));
    const bi = madd(ci, p, f32x4.mul(cr, q));
    v128.store(x, f32x4.add(ar, br));
    v128.store(x, f32x4.add(ai, bi), 16);
    v128.store(x, f32x4.sub(ar, br), 32);
    v128.store(x, f32x4.sub(ai, bi), 48);
    x += 64;
  } while (x < end);
}

/** The inverse of splitPairs, times two. */
function joinPairs(x: usize, nodes: i32, roots: usize): void {
  const end = x + (<usize>nodes << 6);
  do {
    const cr = v128.load32_splat(roots);
    const ci = v128.load32_splat(roots, 4);
    roots += 8;
    const pr = v128.load(x);
    const pi = v128.load(x, 16);
    const qr = v128.load(x, 32);
    const qi = v128.load(x, 48);
    const br = f32x4.sub(pr, qr);
    const bi = f32x4.sub(pi, qi);
    v128.store(x, f32x4.add(pr, qr));
    v128.store(x, f32x4.add(pi, qi), 16);
    v128.store(x, madd(ci, bi, f32x4.mul(cr, br)), 32);
    v128.store(x, nmadd(ci, br, f32x4.mul(cr, bi)), 48);
    x += 64;
  } while (x < end);
}

/** Node `node` of `level`, its n ≤ BLOCK elements at x → its spectrum. */
function splitBlock(x: usize, n: i32, level: i32, node: i32, roots: usize): void {
  let nodes = 1;
  for (; n >= 4; n >>= 2) {
    long_conv_split(x, nodes, n >> 2, rootsOfLevel(roots, level) + 24 * <usize>node);
    nodes <<= 2;
    node <<= 2;
    level++;
  }
  if (n === 2) splitPairs(x, nodes, rootsOfLevel(roots, level) + (<usize>node << 3));
}

/** The inverse of splitBlock, times n. */
function joinBlock(x: usize, n: i32, level: i32, node: i32, roots: usize): void {
  let quarter = 1;
  let nodes = n;
  let last = level;
  let first = node;
  for (; nodes >= 4; nodes >>= 2) {
    last++;
    first <<= 2;
  }
  // nodes is now 1 or 2: elements left of a node of the last level
  if (nodes === 2) {
    joinPairs(x, n >> 1, rootsOfLevel(roots, last) + (<usize>first << 3));
    quarter = 2;
  }
  while (last > level) {
    last--;
    first >>= 2;
    long_conv_join(x, n / (4 * quarter), quarter, rootsOfLevel(roots, last) + 24 * <usize>first);
    quarter <<= 2;
  }
}

/** x ← x·h, n elements. */
function multiply(x: usize, h: usize, n: i32): void {
  const end = x + <usize>n * ELEMENT;
  do {
    const xr = v128.load(x);
    const xi = v128.load(x, 16);
    const hr = v128.load(h);
    const hi = v128.load(h, 16);
    v128.store(x, nmadd(xi, hi, f32x4.mul(xr, hr)));
    v128.store(x, madd(xi, hr, f32x4.mul(xr, hi)), 16);
    x += ELEMENT;
    h += ELEMENT;
  } while (x < end);
}

/** to ← x·h*, n elements; added to what is there if `more`. */
function multiplyConjugate(to: usize, x: usize, h: usize, n: i32, more: bool): void {
  const end = x + <usize>n * ELEMENT;
  do {
    const xr = v128.load(x);
    const xi = v128.load(x, 16);
    const hr = v128.load(h);
    const hi = v128.load(h, 16);
    let r = madd(xi, hi, f32x4.mul(xr, hr));
    let i = nmadd(xr, hi, f32x4.mul(xi, hr));
    if (more) {
      r = f32x4.add(r, v128.load(to));
      i = f32x4.add(i, v128.load(to, 16));
    }
    v128.store(to, r);
    v128.store(to, i, 16);
    x += ELEMENT;
    h += ELEMENT;
    to += ELEMENT;
  } while (x < end);
}

/**
 * x ← n·x·h in the ring of node `node` of `level`, n elements each. If `fresh`, h is given as an element of the ring and becomes its spectrum, else it is one.
 */
export function convolve(x: usize, h: usize, n: i32, level: i32, node: i32, roots: usize, fresh: bool): void {
  if (n <= BLOCK) {
    if (fresh) splitBlock(h, n, level, node, roots);
    splitBlock(x, n, level, node, roots);
    multiply(x, h, n);
    joinBlock(x, n, level, node, roots);
    return;
  }
  const quarter = n >> 2;
  const own = rootsOfLevel(roots, level) + 24 * <usize>node;
  if (fresh) long_conv_split(h, 1, quarter, own);
  long_conv_split(x, 1, quarter, own);
  for (let child = 0; child < 4; child++) {
    const at = <usize>(child * quarter) * ELEMENT;
    convolve(x + at, h + at, quarter, level + 1, 4 * node + child, roots, fresh);
  }
  long_conv_join(x, 1, quarter, own);
}

/**
 * In the ring of node `node` of `level`, n elements each: sum ← (what was there, unless `first`) + n·d·u* (if `last`; before that its spectrum),
 * d ← n·d·h*. h is fresh as in `convolve` if `first`. u is used up, and may be the place of the sum if `first` and `last`. Without u (0) there
 * is no sum, without h no product with it.
 */
export function correlate(d: usize, u: usize, h: usize, sum: usize, n: i32, level: i32, node: i32, roots: usize, first: bool, last: bool): void {
  if (n <= BLOCK) {
    splitBlock(d, n, level, node, roots);
    if (u !== 0) {
      splitBlock(u, n, level, node, roots);
      multiplyConjugate(sum, d, u, n, !first);
      if (last) joinBlock(sum, n, level, node, roots);
    }
    if (h !== 0) {
      if (first) splitBlock(h, n, level, node, roots);
      multiplyConjugate(d, d, h, n, false);
      joinBlock(d, n, level, node, roots);
    }
    return;
  }
  const quarter = n >> 2;
  const own = rootsOfLevel(roots, level) + 24 * <usize>node;
  long_conv_split(d, 1, quarter, own);
  if (u !== 0) long_conv_split(u, 1, quarter, own);
  if (h !== 0 && first) long_conv_split(h, 1, quarter, own);
  for (let child = 0; child < 4; child++) {
    const at = <usize>(child * quarter) * ELEMENT;
    correlate(d + at, u === 0 ? 0 : u + at, h === 0 ? 0 : h + at, sum + at, quarter, level + 1, 4 * node + child, roots, first, last);
  }
  if (h !== 0) long_conv_join(d, 1, quarter, own);
  if (u !== 0 && last) long_conv_join(sum, 1, quarter, own);
}
