/**
 * The linear form of SSD: S_t = e^α S_{t−1} + X̃_t b_tᵀ token by token. Channels of a head do not see each other, so a task
 * takes some channels of one head, and keeps their state as N rows of channels. Every kernel begins with the arguments of
 * wasm.as.ts: 0 L, 1 H, 2 P, 3 G, 4 N, 5 chunk, 6 units per task, 7 dt [B,L,H], 8 a [H].
 */
import { arg, exp1, madd, sum4 } from '../../engine/wasm/assembly/math.as';
import { loadFew, storeFew } from './product.as';

/** Channels of a task forwards and backwards. */
const WIDE: i32 = 16;
const NARROW: i32 = 8;

/** Floats 4v … 4v + 3 of a row of n; zeros where there are none. */
// @ts-ignore: decorator
@inline
function part(row: usize, v: i32, n: i32): v128 {
  const left = n - (v << 2);
  const at = row + (<usize>v << 4);
  return left >= 4 ? v128.load(at) : loadFew(at, left);
}

// @ts-ignore: decorator
@inline
function putPart(row: usize, v: i32, n: i32, value: v128): void {
  const left = n - (v << 2);
  const at = row + (<usize>v << 4);
  if (left >= 4) v128.store(at, value);
  else storeFew(at, value, left);
}

/** e^{dt·a}. */
// @ts-ignore: decorator
@inline
function decayOf(dt: f32, a: f32): f32 {
  return exp1(<f32>(<f64>dt * <f64>a));
}

/**
 * y_t = S_t c_t + d·x_t. args: …, 9 x, 10 b, 11 c, 12 d, 13 y, 14 final state [B,H,P,N] or 0. A task for each
 * (batch, head, 16 channels). scratch: 16·N floats.
 */
export function ssd_recurrence(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4);
  const pieces = (P + WIDE - 1) / WIDE;
  const p0 = (task % pieces) * WIDE;
  const h = (task / pieces) % H;
  const batch = task / pieces / H;
  const n = min(WIDE, P - p0);
  const a = load<f32>(<usize>arg(args, 8) + (<usize>h << 2));
  const d = f32x4.splat(load<f32>(<usize>arg(args, 12) + (<usize>h << 2)));
  memory.fill(scratch, 0, <usize>(N * WIDE) << 2);
  for (let t = 0; t < L; t++) {
    const place = (batch * L + t) * H + h;
    const row = <usize>(place * P + p0) << 2;
    const delta = load<f32>(<usize>arg(args, 7) + (<usize>place << 2));
    const at = <usize>(((batch * L + t) * G + h / (H / G)) * N) << 2;
    const x = <usize>arg(args, 9) + row;
    const x0 = part(x, 0, n), x1 = part(x, 1, n), x2 = part(x, 2, n), x3 = part(x, 3, n);
    const by = f32x4.splat(delta);
    step(N, scratch, f32x4.splat(decayOf(delta, a)), <usize>arg(args, 10) + at, <usize>arg(args, 11) + at, f32x4.mul(by, x0), f32x4.mul(by, x1), f32x4.mul(by, x2), f32x4.mul(by, x3), f32x4.mul(d, x0), f32x4.mul(d, x1), f32x4.mul(d, x2), f32x4.mul(d, x3), <usize>arg(args, 13) + row, n);
  }
  const last = <usize>arg(args, 14);
  if (!last) return;
  for (let p = 0; p < n; p++) {
    const to = last + (<usize>(((batch * H + h) * P + p0 + p) * N) << 2);
    for (let i = 0; i < N; i++) store<f32>(to + (<usize>i << 2), load<f32>(scratch + (<usize>(i * WIDE + p) << 2)));
  }
}

/** One token: the state [N][16] advances, and y (n ≤ 16 floats) is what is already in y0 … y3 plus S c. */
// @ts-ignore: decorator
@inline
function step(
  N: i32, state: usize, decay: v128, b: usize, c: usize, x0: v128, x1: v128, x2: v128, x3: v128, y0: v128, y1: v128, y2: v128, y3: v128,
  y: usize, n: i32,
): void {
  for (let i = 0; i < N; i++) {
    const bi = v128.load32_splat(b);
    const ci = v128.load32_splat(c);
    const s0 = madd(bi, x0, f32x4.mul(decay, v128.load(state)));
    const s1 = madd(bi, x1, f32x4.mul(decay, v128.load(state, 16)));
    const s2 = madd(bi, x2, f32x4.mul(decay, v128.load(state, 32)));
    const s3 = madd(bi, x3, f32x4.mul(decay, v128.load(state, 48)));
    v128.store(state, s0);
    v128.store(state, s1, 16);
    v128.store(state, s2, 32);
    v128.store(state, s3, 48);
    y0 = madd(ci, s0, y0);
    y1 = madd(ci, s1, y1);
    y2 = madd(ci, s2, y2);
    y3 = madd(ci, s3, y3);
    b += 4;
    c += 4;
    state += 64;
  }
  putPart(y, 0, n, y0);
  putPart(y, 1, n, y1);
  putPart(y, 2, n, y2);
  putPart(y, 3, n, y3);
}

/** to[N][8] = decay·from + b x̃ᵀ, and, if dcs is given, dcs[i] = the four partial sums of Σ_p dy_p·to[i, p]. */
// @ts-ignore: decorator
@inline
function advance(N: i32, from: usize, to: usize, decay: v128, b: usize, x0: v128, x1: v128, y0: v128, y1: v128, dcs: usize, gradient: bool): void {
  for (let i = 0; i < N; i++) {
    const bi = v128.load32_splat(b);
    const s0 = madd(bi, x0, f32x4.mul(decay, v128.load(from)));
    const s1 = madd(bi, x1, f32x4.mul(decay, v128.load(from, 16)));
    v128.store(to, s0);
    v128.store(to, s1, 16);
    if (gradient) {
      v128.store(dcs, madd(y1, s1, f32x4.mul(y0, s0)));
      dcs += 16;
    }
    b += 4;
    from += 32;
    to += 32;
  }
}

/** to[i] (+)= the sum of the four partial sums at from[i], i < N. */
function collect(N: i32, from: usize, to: usize, add: bool): void {
  let i = 0;
  for (; i + 4 <= N; i += 4) {
    const v0 = v128.load(from), v1 = v128.load(from, 16), v2 = v128.load(from, 32), v3 = v128.load(from, 48);
    const t0 = f32x4.add(i32x4.shuffle(v0, v1, 0, 4, 1, 5), i32x4.shuffle(v0, v1, 2, 6, 3, 7));
    const t1 = f32x4.add(i32x4.shuffle(v2, v3, 0, 4, 1, 5), i32x4.shuffle(v2, v3, 2, 6, 3, 7));
    let sum = f32x4.add(i64x2.shuffle(t0, t1, 0, 2), i64x2.shuffle(t0, t1, 1, 3));
    if (add) sum = f32x4.add(v128.load(to), sum);
    v128.store(to, sum);
    from += 64;
    to += 16;
  }
  for (; i < N; i++) {
    const sum = sum4(v128.load(from));
    store<f32>(to, add ? load<f32>(to) + sum : sum);
    from += 16;
    to += 4;
  }
}

/**
 * The recurrence backwards. The state is kept every `span` tokens and made again in between. A unit is 8 channels of one
 * head; a task takes some of the units of a group one after the other and sums their gradients of b and c.
 *
 * args: …, 9 dy, 10 x, 11 b, 12 c, 13 d, 14 span, 15 dx, 16 db, 17 dc [tasks of a group,B,L,G,N], 18 dα, 19 x·dX̃, 20 x·dy
 * [⌈P/8⌉,B,L,H], 21 B. A task for each (batch, group, some units). scratch: floats 8·N·(⌈L/span⌉ + span + 2) + 4·N.
 */
export function ssd_recurrence_gradient(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4), per = arg(args, 6), B = arg(args, 21);
  const pieces = (P + NARROW - 1) / NARROW;
  const units = (H / G) * pieces;
  const tasks = (units + per - 1) / per;
  const k = task % tasks;
  const g = (task / tasks) % G;
  const batch = task / tasks / G;
  const end = min(units, (k + 1) * per);
  for (let unit = k * per; unit < end; unit++) {
    const piece = unit % pieces;
    gradientOfUnit(args, B, batch, g, k, g * (H / G) + unit / pieces, piece, unit > k * per, scratch);
  }
}

function gradientOfUnit(args: usize, B: i32, batch: i32, g: i32, k: i32, h: i32, piece: i32, add: bool, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4);
  const span = arg(args, 14);
  const p0 = piece * NARROW;
  const n = min(NARROW, P - p0);
  const size = <usize>(N * NARROW) << 2;
  const spans = (L + span - 1) / span;
  const kept = scratch;
  const states = kept + <usize>spans * size; // before each token of a span, and after the last
  const gradient = states + <usize>(span + 1) * size; // of the state after a token
  const partial = gradient + size;

  const a = load<f32>(<usize>arg(args, 8) + (<usize>h << 2));
  const d = f32x4.splat(load<f32>(<usize>arg(args, 13) + (<usize>h << 2)));
  const token = batch * L;
  const share = (piece * B * L * H) << 2;
  const bStep = <usize>(G * N) << 2;
  const b = <usize>arg(args, 11) + (<usize>((token * G + g) * N) << 2);
  const c = <usize>arg(args, 12) + (<usize>((token * G + g) * N) << 2);
  const shareOfB = <usize>(((k * B * L + token) * G + g) * N) << 2;

  memory.fill(kept, 0, size);
  for (let t = 0; t < (spans - 1) * span; t++) {
    const place = (token + t) * H + h;
    const x = <usize>arg(args, 10) + (<usize>(place * P + p0) << 2);
    const delta = load<f32>(<usize>arg(args, 7) + (<usize>place << 2));
    const by = f32x4.splat(delta);
    const from = kept + <usize>(t / span) * size;
    // the first token of a span starts from what is kept, the others go on in the next place
    const to = kept + <usize>(t / span + 1) * size;
    advance(N, t % span == 0 ? from : to, to, f32x4.splat(decayOf(delta, a)), b + <usize>t * bStep, f32x4.mul(by, part(x, 0, n)), f32x4.mul(by, part(x, 1, n)), by, by, 0, false);
  }

  memory.fill(gradient, 0, size);
  for (let s = spans - 1; s >= 0; s--) {
    const first = s * span;
    const last = min(L, first + span) - 1;
    memory.copy(states, kept + <usize>s * size, size);
    for (let t = first; t <= last; t++) {
      const place = (token + t) * H + h;
      const row = <usize>(place * P + p0) << 2;
      const x = <usize>arg(args, 10) + row;
      const dy = <usize>arg(args, 9) + row;
      const delta = load<f32>(<usize>arg(args, 7) + (<usize>place << 2));
      const by = f32x4.splat(delta);
      const from = states + <usize>(t - first) * size;
      advance(N, from, from + size, f32x4.splat(decayOf(delta, a)), b + <usize>t * bStep, f32x4.mul(by, part(x, 0, n)), f32x4.mul(by, part(x, 1, n)), part(dy, 0, n), part(dy, 1, n), partial, true);
      if (arg(args, 17)) collect(N, partial, <usize>arg(args, 17) + shareOfB + <usize>t * bStep, add);
    }
    for (let t = last; t >= first; t--) {
      const place = (token + t) * H + h;
      const row = <usize>(place * P + p0) << 2;
      const x = <usize>arg(args, 10) + row;
      const dy = <usize>arg(args, 9) + row;
      const x0 = part(x, 0, n), x1 = part(x, 1, n);
      const y0 = part(dy, 0, n), y1 = part(dy, 1, n);
      const delta = load<f32>(<usize>arg(args, 7) + (<usize>place << 2));
      const by = f32x4.splat(delta);
      const decay = f32x4.splat(decayOf(delta, a));
      const X0 = f32x4.mul(by, x0), X1 = f32x4.mul(by, x1);
      let dX0 = f32x4.splat(0), dX1 = f32x4.splat(0), dAlpha = f32x4.splat(0);
      let bAt = b + <usize>t * bStep;
      let cAt = c + <usize>t * bStep;
      let before = states + <usize>(t - first) * size;
      let at = gradient;
      let sums = partial;
      for (let i = 0; i < N; i++) {
        const ci = v128.load32_splat(cAt);
        const bi = v128.load32_splat(bAt);
        const g0 = madd(ci, y0, v128.load(at));
        const g1 = madd(ci, y1, v128.load(at, 16));
        dX0 = madd(bi, g0, dX0);
        dX1 = madd(bi, g1, dX1);
        v128.store(sums, madd(X1, g1, f32x4.mul(X0, g0)));
        const e0 = f32x4.mul(decay, g0);
        const e1 = f32x4.mul(decay, g1);
        dAlpha = madd(e0, v128.load(before), dAlpha);
        dAlpha = madd(e1, v128.load(before, 16), dAlpha);
        v128.store(at, e0);
        v128.store(at, e1, 16);
        bAt += 4;
        cAt += 4;
        before += 32;
        at += 32;
        sums += 16;
      }
      if (arg(args, 16)) collect(N, partial, <usize>arg(args, 16) + shareOfB + <usize>t * bStep, add);
      if (arg(args, 15)) {
        const dx = <usize>arg(args, 15) + row;
        putPart(dx, 0, n, madd(by, dX0, f32x4.mul(d, y0)));
        putPart(dx, 1, n, madd(by, dX1, f32x4.mul(d, y1)));
      }
      const scalar = <usize>(share + (place << 2));
      store<f32>(<usize>arg(args, 18) + scalar, sum4(dAlpha));
      store<f32>(<usize>arg(args, 19) + scalar, sum4(madd(x1, dX1, f32x4.mul(x0, dX0))));
      store<f32>(<usize>arg(args, 20) + scalar, sum4(madd(x1, y1, f32x4.mul(x0, y0))));
    }
  }
}
