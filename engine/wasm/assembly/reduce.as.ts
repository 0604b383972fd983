/** Reductions of [outer, n, inner] over n, in a fixed order: kinds 0 sum, 1 max, 2 min, 3 product, 4 arg-max (int32). */
import { arg } from './math.as';

// @ts-ignore: decorator
@inline
function combine4(kind: i32, a: v128, b: v128): v128 {
  if (kind == 0) return f32x4.add(a, b);
  if (kind == 1) return f32x4.max(a, b);
  if (kind == 2) return f32x4.min(a, b);
  return f32x4.mul(a, b);
}

// @ts-ignore: decorator
@inline
function combine1(kind: i32, a: f32, b: f32): f32 {
  if (kind == 0) return a + b;
  if (kind == 1) return max(a, b);
  if (kind == 2) return min(a, b);
  return a * b;
}

// @ts-ignore: decorator
@inline
function identity(kind: i32): f32 {
  if (kind == 0) return 0;
  if (kind == 1) return -Infinity;
  if (kind == 2) return Infinity;
  return 1;
}

/** Reduces n elements in a row. */
// @ts-ignore: decorator
@inline
function row(kind: i32, x: usize, n: i32): f32 {
  let a = f32x4.splat(identity(kind));
  let b = a;
  const end = x + (<usize>n << 2);
  const pairs = x + (<usize>(n & ~7) << 2);
  while (x < pairs) {
    a = combine4(kind, a, v128.load(x));
    b = combine4(kind, b, v128.load(x, 16));
    x += 32;
  }
  a = combine4(kind, a, b);
  let s = combine1(kind, combine1(kind, f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)), combine1(kind, f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)));
  while (x < end) {
    s = combine1(kind, s, load<f32>(x));
    x += 4;
  }
  return s;
}

// @ts-ignore: decorator
@inline
function eachRow(kind: i32, x: usize, y: usize, rows: i32, n: i32): void {
  const step = <usize>n << 2;
  while (rows > 0) {
    store<f32>(y, row(kind, x, n));
    x += step;
    y += 4;
    rows--;
  }
}

/** The index of the first of the largest of n elements in each row. */
function largest(x: usize, y: usize, rows: i32, n: i32): void {
  for (let r = 0; r < rows; r++) {
    let best = 0;
    let most = load<f32>(x);
    for (let i = 0; i < n; ) {
      const at = x + (<usize>i << 2);
      // sixteen at a time as long as none is larger
      if (i + 16 <= n) {
        const m = f32x4.splat(most);
        const first = v128.or(f32x4.gt(v128.load(at), m), f32x4.gt(v128.load(at, 16), m));
        const second = v128.or(f32x4.gt(v128.load(at, 32), m), f32x4.gt(v128.load(at, 48), m));
        if (!v128.any_true(v128.or(first, second))) {
          i += 16;
          continue;
        }
      }
      const end = min(n, i + 16);
      for (; i < end; i++) {
        const v = load<f32>(x + (<usize>i << 2));
        if (v > most) {
          most = v;
          best = i;
        }
      }
    }
    store<i32>(y + (<usize>r << 2), best);
    x += <usize>n << 2;
  }
}

/** inner = 1. args: x, y, rows, n, kind, rows per task. */
export function reduce_rows(args: usize, task: i32, scratch: usize): void {
  const n = arg(args, 3);
  const kind = arg(args, 4);
  const first = task * arg(args, 5);
  const rows = min(arg(args, 2) - first, arg(args, 5));
  const x = <usize>arg(args, 0) + (<usize>first * <usize>n << 2);
  const y = <usize>arg(args, 1) + (<usize>first << 2);
  if (kind == 0) eachRow(0, x, y, rows, n);
  else if (kind == 1) eachRow(1, x, y, rows, n);
  else if (kind == 2) eachRow(2, x, y, rows, n);
  else if (kind == 3) eachRow(3, x, y, rows, n);
  else largest(x, y, rows, n);
}

/** Reduces rows of `width` bytes, one every `step`: the result is in memory, and takes two rows at a time from first to last element. */
// @ts-ignore: decorator
@inline
function downLong(kind: i32, x: usize, y: usize, rows: i32, step: usize, width: usize): void {
  const whole = width & ~15;
  memory.copy(y, x, width);
  x += step;
  rows--;
  while (rows > 0) {
    const x1 = rows > 1 ? x + step : 0;
    let c: usize = 0;
    if (x1 !== 0) {
      while (c < whole) {
        v128.store(y + c, combine4(kind, v128.load(y + c), combine4(kind, v128.load(x + c), v128.load(x1 + c))));
        c += 16;
      }
      while (c < width) {
        store<f32>(y + c, combine1(kind, load<f32>(y + c), combine1(kind, load<f32>(x + c), load<f32>(x1 + c))));
        c += 4;
      }
    } else {
      while (c < width) {
        store<f32>(y + c, combine1(kind, load<f32>(y + c), load<f32>(x + c)));
        c += 4;
      }
    }
    x += step << 1;
    rows -= 2;
  }
}

/** The same, eight vectors at a time in registers: results of short rows in memory would wait for themselves. */
// @ts-ignore: decorator
@inline
function downShort(kind: i32, x: usize, y: usize, rows: i32, step: usize, width: usize): void {
  let c: usize = 0;
  for (; c + 128 <= width; c += 128) {
    let at = x + c;
    let v0 = v128.load(at);
    let v1 = v128.load(at, 16);
    let v2 = v128.load(at, 32);
    let v3 = v128.load(at, 48);
    let v4 = v128.load(at, 64);
    let v5 = v128.load(at, 80);
    let v6 = v128.load(at, 96);
    let v7 = v128.load(at, 112);
    let left = rows - 1;
    while (left > 0) {
      at += step;
      v0 = combine4(kind, v0, v128.load(at));
      v1 = combine4(kind, v1, v128.load(at, 16));
      v2 = combine4(kind, v2, v128.load(at, 32));
      v3 = combine4(kind, v3, v128.load(at, 48));
      v4 = combine4(kind, v4, v128.load(at, 64));
      v5 = combine4(kind, v5, v128.load(at, 80));
      v6 = combine4(kind, v6, v128.load(at, 96));
      v7 = combine4(kind, v7, v128.load(at, 112));
      left--;
    }
    v128.store(y + c, v0);
    v128.store(y + c, v1, 16);
    v128.store(y + c, v2, 32);
    v128.store(y + c, v3, 48);
    v128.store(y + c, v4, 64);
    v128.store(y + c, v5, 80);
    v128.store(y + c, v6, 96);
    v128.store(y + c, v7, 112);
  }
  for (; c + 16 <= width; c += 16) {
    let at = x + c;
    let v = v128.load(at);
    for (let r = 1; r < rows; r++) {
      at += step;
      v = combine4(kind, v, v128.load(at));
    }
    v128.store(y + c, v);
  }
  for (; c < width; c += 4) {
    let at = x + c;
    let s = load<f32>(at);
    for (let r = 1; r < rows; r++) {
      at += step;
      s = combine1(kind, s, load<f32>(at));
    }
    store<f32>(y + c, s);
  }
}

/**
 * Reduces rows of fewer than 32 elements: as many as make whole vectors, and some more, are taken for one wide row, which is then
 * reduced itself. Scratch: a wide row, at most 124 elements.
 */
// @ts-ignore: decorator
@inline
function downNarrow(kind: i32, x: usize, y: usize, rows: i32, step: usize, scratch: usize): void {
  const inner = <i32>step >> 2;
  const together = 4 * ((7 + inner) / inner);
  const wide = rows / together;
  downShort(kind, x, scratch, wide, together * step, together * step);
  downShort(kind, scratch, y, together, step, step);
  for (let r = wide * together; r < rows; r++) {
    for (let c: usize = 0; c < step; c += 4) store<f32>(y + c, combine1(kind, load<f32>(y + c), load<f32>(x + r * step + c)));
  }
}

// @ts-ignore: decorator
@inline
function down(kind: i32, x: usize, y: usize, rows: i32, step: usize, width: usize, scratch: usize): void {
  if (width > 512) downLong(kind, x, y, rows, step, width);
  else if (step < 128 && width === step && rows >= 64) downNarrow(kind, x, y, rows, step, scratch);
  else downShort(kind, x, y, rows, step, width);
}

/**
 * args: x, y, outer, n, inner, kind, outers, rows and columns of a task. y is [outer, ⌈n / rows of a task⌉, inner]; tasks count columns
 * first, then rows, then outers. Scratch: 512 bytes.
 */
export function reduce_columns(args: usize, task: i32, scratch: usize): void {
  const n = arg(args, 3);
  const inner = arg(args, 4);
  const kind = arg(args, 5);
  const outers = arg(args, 6);
  const height = arg(args, 7);
  const columns = arg(args, 8);
  const across = (inner + columns - 1) / columns;
  const chunks = (n + height - 1) / height;
  const column = (task % across) * columns;
  const chunk = (task / across) % chunks;
  const first = task / (across * chunks) * outers;
  const last = min(arg(args, 2), first + outers);
  const rows = min(height, n - chunk * height);
  const step = <usize>inner << 2;
  const width = <usize>min(columns, inner - column) << 2;
  for (let outer = first; outer < last; outer++) {
    const x = <usize>arg(args, 0) + <usize>(outer * n + chunk * height) * step + (<usize>column << 2);
    const y = <usize>arg(args, 1) + <usize>(outer * chunks + chunk) * step + (<usize>column << 2);
    if (kind == 0) down(0, x, y, rows, step, width, scratch);
    else if (kind == 1) down(1, x, y, rows, step, width, scratch);
    else if (kind == 2) down(2, x, y, rows, step, width, scratch);
    else down(3, x, y, rows, step, width, scratch);
  }
}
