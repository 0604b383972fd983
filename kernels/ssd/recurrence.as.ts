/**
 * The linear form of SSD: S_t = e^α S_{t−1} + X̃_t b_tᵀ token by token. The channels of a head do not see each other, so the
 * work is cut into units of 8 channels of one head, whose state is kept as [N][8]. Arguments begin as task.as.ts says:
 * 0 L, 1 H, 2 P, 3 G, 4 N, 5 chunk, 6 units per task, 7 dt [B,L,H], 8 a [H].
 *
 * Inner loops are short of registers on purpose: 16 channels, or all of a token's gradient in one loop, make V8 spill the
 * running sums, and then every step waits for memory.
 */
import { arg, exp4, madd, sum4 } from '../../engine/wasm/assembly/math.as';
import { loadFew, storeFew } from './product.as';

/** Channels of a unit. */
const UNIT: i32 = 8;

/** The first four of n floats at `row`; zeros where there are none. */
// @ts-ignore: decorator
@inline
function low(row: usize, n: i32): v128 {
  return n >= 4 ? v128.load(row) : loadFew(row, n);
}

/** The next four. */
// @ts-ignore: decorator
@inline
function high(row: usize, n: i32): v128 {
  return n >= 8 ? v128.load(row, 16) : loadFew(row + 16, n - 4);
}

/** Stores the first n ≤ 8 floats. */
// @ts-ignore: decorator
@inline
function put(row: usize, n: i32, v0: v128, v1: v128): void {
  if (n >= 4) v128.store(row, v0);
  else storeFew(row, v0, n);
  if (n >= 8) v128.store(row, v1, 16);
  else storeFew(row + 16, v1, n - 4);
}

/** out[t] = e^{dt_t·a}, in whole fours. */
function fillDecays(out: usize, L: i32, dt: usize, step: usize, a: f32): void {
  for (let t = 0; t < L; t++) {
    store<f32>(out + (<usize>t << 2), load<f32>(dt) * a);
    dt += step;
  }
  for (let t = L; t & 3; t++) store<f32>(out + (<usize>t << 2), 0);
  for (let t = 0; t < L; t += 4) {
    const at = out + (<usize>t << 2);
    v128.store(at, exp4(v128.load(at)));
  }
}

/** state = decay·state + X̃ bᵀ; y = state·c + d·x, n ≤ 8 floats of x and y, X̃ = dt·x. */
function advanceAndRead(N: i32, state: usize, decay: f32, b: usize, c: usize, x: usize, n: i32, dt: f32, d: f32, y: usize): void {
  const e = f32x4.splat(decay);
  const x0 = f32x4.mul(f32x4.splat(dt), low(x, n)), x1 = f32x4.mul(f32x4.splat(dt), high(x, n));
  let y0 = f32x4.splat(0), y1 = f32x4.splat(0);
  for (let i = N; i > 0; i--) {
    const bi = v128.load32_splat(b);
    const ci = v128.load32_splat(c);
    const s0 = madd(bi, x0, f32x4.mul(e, v128.load(state)));
    const s1 = madd(bi, x1, f32x4.mul(e, v128.load(state, 16)));
    v128.store(state, s0);
    v128.store(state, s1, 16);
    y0 = madd(ci, s0, y0);
    y1 = madd(ci, s1, y1);
    b += 4;
    c += 4;
    state += 32;
  }
  put(y, n, madd(f32x4.splat(d), low(x, n), y0), madd(f32x4.splat(d), high(x, n), y1));
}

/** to = decay·from + X̃ bᵀ. */
function advance(N: i32, from: usize, to: usize, decay: f32, b: usize, x: usize, n: i32, dt: f32): void {
  const e = f32x4.splat(decay);
  const x0 = f32x4.mul(f32x4.splat(dt), low(x, n)), x1 = f32x4.mul(f32x4.splat(dt), high(x, n));
  for (let i = N; i > 0; i--) {
    const bi = v128.load32_splat(b);
    v128.store(to, madd(bi, x0, f32x4.mul(e, v128.load(from))));
    v128.store(to, madd(bi, x1, f32x4.mul(e, v128.load(from, 16))), 16);
    b += 4;
    from += 32;
    to += 32;
  }
}

/** As advance; dcs[i] = four partial sums of Σ_p dy_p·to[i, p]. */
function advanceWithGradient(N: i32, from: usize, to: usize, decay: f32, b: usize, x: usize, n: i32, dt: f32, dy: usize, dcs: usize): void {
  const e = f32x4.splat(decay);
  const x0 = f32x4.mul(f32x4.splat(dt), low(x, n)), x1 = f32x4.mul(f32x4.splat(dt), high(x, n));
  const y0 = low(dy, n), y1 = high(dy, n);
  for (let i = N; i > 0; i--) {
    const bi = v128.load32_splat(b);
    const s0 = madd(bi, x0, f32x4.mul(e, v128.load(from)));
    const s1 = madd(bi, x1, f32x4.mul(e, v128.load(from, 16)));
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(dcs, madd(y1, s1, f32x4.mul(y0, s0)));
    b += 4;
    from += 32;
    to += 32;
    dcs += 16;
  }
}

/**
 * One token backwards, n ≤ 8 channels: G = gradient + dy cᵀ is the gradient of the state after it; dX̃ = G b goes to dX (8
 * floats), four partial sums of X̃ᵀ G to dbs, and the gradient of the state before it, decay·G, to `gradient`.
 */
function retreat(N: i32, gradient: usize, decay: f32, b: usize, c: usize, x: usize, n: i32, dt: f32, dy: usize, dX: usize, dbs: usize): void {
  const e = f32x4.splat(decay);
  const x0 = f32x4.mul(f32x4.splat(dt), low(x, n)), x1 = f32x4.mul(f32x4.splat(dt), high(x, n));
  const y0 = low(dy, n), y1 = high(dy, n);
  let dX0 = f32x4.splat(0), dX1 = f32x4.splat(0);
  for (let i = N; i > 0; i--) {
    const bi = v128.load32_splat(b);
    const ci = v128.load32_splat(c);
    const g0 = madd(ci, y0, v128.load(gradient));
    const g1 = madd(ci, y1, v128.load(gradient, 16));
    dX0 = madd(bi, g0, dX0);
    dX1 = madd(bi, g1, dX1);
    v128.store(dbs, madd(x1, g1, f32x4.mul(x0, g0)));
    v128.store(gradient, f32x4.mul(e, g0));
    v128.store(gradient, f32x4.mul(e, g1), 16);
    b += 4;
    c += 4;
    gradient += 32;
    dbs += 16;
  }
  v128.store(dX, dX0);
  v128.store(dX, dX1, 16);
}

/** Σ a·b of two states of N rows. */
function dotStates(N: i32, a: usize, b: usize): f32 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
  for (let i = N; i > 0; i--) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    a += 32;
    b += 32;
  }
  return sum4(f32x4.add(s0, s1));
}

/** to[i] (+)= the sum of the four floats at from[i], i < N. */
function collect(N: i32, from: usize, to: usize, add: bool): void {
  let i = N;
  for (; i >= 4; i -= 4) {
    const v0 = v128.load(from), v1 = v128.load(from, 16), v2 = v128.load(from, 32), v3 = v128.load(from, 48);
    const t0 = f32x4.add(i32x4.shuffle(v0, v1, 0, 4, 1, 5), i32x4.shuffle(v0, v1, 2, 6, 3, 7));
    const t1 = f32x4.add(i32x4.shuffle(v2, v3, 0, 4, 1, 5), i32x4.shuffle(v2, v3, 2, 6, 3, 7));
    let sum = f32x4.add(i64x2.shuffle(t0, t1, 0, 2), i64x2.shuffle(t0, t1, 1, 3));
    if (add) sum = f32x4.add(v128.load(to), sum);
    v128.store(to, sum);
    from += 64;
    to += 16;
  }
  for (; i > 0; i--) {
    const sum = sum4(v128.load(from));
    store<f32>(to, add ? load<f32>(to) + sum : sum);
    from += 16;
    to += 4;
  }
}

/**
 * y_t = S_t c_t + d·x_t. args: …, 9 x, 10 b, 11 c, 12 d, 13 y, 14 final state [B,H,P,N] or 0. A task for each
 * (batch, head, unit). scratch: floats 8·N + L rounded up to fours.
 */
export function ssd_recurrence(args: usize, task: i32, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4);
  const units = (P + UNIT - 1) / UNIT;
  const p0 = (task % units) * UNIT;
  const h = (task / units) % H;
  const batch = task / units / H;
  const n = min(UNIT, P - p0);
  const state = scratch;
  const decays = scratch + (<usize>(N * UNIT) << 2);
  const d = load<f32>(<usize>arg(args, 12) + (<usize>h << 2));
  const xStep = <usize>(H * P) << 2;
  const bStep = <usize>(G * N) << 2;
  const dtStep = <usize>H << 2;
  let dt = <usize>arg(args, 7) + (<usize>(batch * L * H + h) << 2);
  const x0 = <usize>((batch * L * H + h) * P + p0) << 2;
  const b0 = <usize>((batch * L * G + h / (H / G)) * N) << 2;
  let x = <usize>arg(args, 9) + x0;
  let b = <usize>arg(args, 10) + b0;
  let c = <usize>arg(args, 11) + b0;
  let y = <usize>arg(args, 13) + x0;
  fillDecays(decays, L, dt, dtStep, load<f32>(<usize>arg(args, 8) + (<usize>h << 2)));
  memory.fill(state, 0, <usize>(N * UNIT) << 2);
  for (let t = 0; t < L; t++) {
    const decay = load<f32>(decays + (<usize>t << 2));
    if (arg(args, 13)) advanceAndRead(N, state, decay, b, c, x, n, load<f32>(dt), d, y);
    else advance(N, state, state, decay, b, x, n, load<f32>(dt));
    dt += dtStep;
    x += xStep;
    b += bStep;
    c += bStep;
    y += xStep;
  }
  if (!arg(args, 14)) return;
  for (let p = 0; p < n; p++) {
    const to = <usize>arg(args, 14) + (<usize>(((batch * H + h) * P + p0 + p) * N) << 2);
    for (let i = 0; i < N; i++) store<f32>(to + (<usize>i << 2), load<f32>(state + (<usize>(i * UNIT + p) << 2)));
  }
}

/**
 * The recurrence backwards. The state is kept every `span` tokens and made again in between. A task takes some units of a
 * group one after the other and sums their gradients of b and c.
 *
 * args: …, 9 dy, 10 x, 11 b, 12 c, 13 d, 14 span, 15 dx, 16 db, 17 dc [tasks of a group,B,L,G,N], 18 dα, 19 x·dX̃, 20 x·dy
 * [⌈P/8⌉,B,L,H], 21 B. 15 … 17 may be 0. A task for each (batch, group, some units). scratch: floats 8·N·(⌈L/span⌉ + span + 2) +
 * 4·N + 8 + L rounded up to fours.
 */
export function ssd_recurrence_gradient(args: usize, task: i32, scratch: usize): void {
  const P = arg(args, 2), G = arg(args, 3), per = arg(args, 6);
  const inGroup = arg(args, 1) / G;
  const unitsOfHead = (P + UNIT - 1) / UNIT;
  const units = inGroup * unitsOfHead;
  const tasks = (units + per - 1) / per;
  const k = task % tasks;
  const g = (task / tasks) % G;
  const batch = task / tasks / G;
  const end = min(units, (k + 1) * per);
  for (let unit = k * per; unit < end; unit++) {
    gradientOfUnit(args, batch, g, k, g * inGroup + unit / unitsOfHead, unit % unitsOfHead, unit > k * per, scratch);
  }
}

function gradientOfUnit(args: usize, batch: i32, g: i32, k: i32, h: i32, unit: i32, add: bool, scratch: usize): void {
  const L = arg(args, 0), H = arg(args, 1), P = arg(args, 2), G = arg(args, 3), N = arg(args, 4), span = arg(args, 14);
  const p0 = unit * UNIT;
  const n = min(UNIT, P - p0);
  const size = <usize>(N * UNIT) << 2;
  const spans = (L + span - 1) / span;
  const kept = scratch;
  const states = kept + <usize>spans * size; // before each token of a span, and after the last
  const gradient = states + <usize>(span + 1) * size; // of the state after a token
  const partial = gradient + size;
  const dX = partial + (<usize>N << 4);
  const decays = dX + 32;

  const token = batch * L;
  const d = f32x4.splat(load<f32>(<usize>arg(args, 13) + (<usize>h << 2)));
  const xStep = <usize>(H * P) << 2;
  const bStep = <usize>(G * N) << 2;
  const dtStep = <usize>H << 2;
  const dt = <usize>arg(args, 7) + (<usize>(token * H + h) << 2);
  const x0 = <usize>((token * H + h) * P + p0) << 2;
  const dy = <usize>arg(args, 9) + x0;
  const x = <usize>arg(args, 10) + x0;
  const b0 = <usize>((token * G + g) * N) << 2;
  const b = <usize>arg(args, 11) + b0;
  const c = <usize>arg(args, 12) + b0;
  const shareOfB = b0 + <usize>(k * arg(args, 21) * L) * bStep;
  const share = (<usize>(token * H + h) << 2) + <usize>(unit * arg(args, 21) * L) * dtStep;

  fillDecays(decays, L, dt, dtStep, load<f32>(<usize>arg(args, 8) + (<usize>h << 2)));
  memory.fill(kept, 0, size);
  for (let s = 0; s < spans - 1; s++) {
    const to = kept + <usize>(s + 1) * size;
    for (let t = s * span; t < (s + 1) * span; t++) {
      const i = <usize>t;
      advance(N, t == s * span ? to - size : to, to, load<f32>(decays + (i << 2)), b + i * bStep, x + i * xStep, n, load<f32>(dt + i * dtStep));
    }
  }

  memory.fill(gradient, 0, size);
  for (let s = spans - 1; s >= 0; s--) {
    const first = s * span;
    const last = min(L, first + span) - 1;
    memory.copy(states, kept + <usize>s * size, size);
    for (let t = first; t <= last; t++) {
      const i = <usize>t;
      const from = states + <usize>(t - first) * size;
      advanceWithGradient(N, from, from + size, load<f32>(decays + (i << 2)), b + i * bStep, x + i * xStep, n, load<f32>(dt + i * dtStep), dy + i * xStep, partial);
      if (arg(args, 17)) collect(N, partial, <usize>arg(args, 17) + shareOfB + i * bStep, add);
    }
    for (let t = last; t >= first; t--) {
      const i = <usize>t;
      const delta = load<f32>(dt + i * dtStep);
      const xt = x + i * xStep;
      const dyt = dy + i * xStep;
      retreat(N, gradient, load<f32>(decays + (i << 2)), b + i * bStep, c + i * bStep, xt, n, delta, dyt, dX, partial);
      if (arg(args, 16)) collect(N, partial, <usize>arg(args, 16) + shareOfB + i * bStep, add);
      const dX0 = v128.load(dX), dX1 = v128.load(dX, 16);
      const y0 = low(dyt, n), y1 = high(dyt, n);
      const by = f32x4.splat(delta);
      if (arg(args, 15)) put(<usize>arg(args, 15) + x0 + i * xStep, n, madd(by, dX0, f32x4.mul(d, y0)), madd(by, dX1, f32x4.mul(d, y1)));
      const scalar = share + i * dtStep;
      store<f32>(<usize>arg(args, 18) + scalar, dotStates(N, gradient, states + <usize>(t - first) * size));
      store<f32>(<usize>arg(args, 19) + scalar, sum4(madd(low(xt, n), dX0, f32x4.mul(high(xt, n), dX1))));
      store<f32>(<usize>arg(args, 20) + scalar, sum4(madd(low(xt, n), y0, f32x4.mul(high(xt, n), y1))));
    }
  }
}
