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

function row(kind: i32, x: usize, n: i32): f32 {
  let acc = f32x4.splat(identity(kind));
  let i = 0;
  for (; i + 4 <= n; i += 4) acc = combine4(kind, acc, v128.load(x + (<usize>i << 2)));
  let s = combine1(kind, combine1(kind, f32x4.extract_lane(acc, 0), f32x4.extract_lane(acc, 1)), combine1(kind, f32x4.extract_lane(acc, 2), f32x4.extract_lane(acc, 3)));
  for (; i < n; i++) s = combine1(kind, s, load<f32>(x + (<usize>i << 2)));
  return s;
}

/** inner = 1. args: x, y, rows, n, kind, rows per task. */
export function reduce_rows(args: usize, task: i32, scratch: usize): void {
  const x = <usize>arg(args, 0);
  const y = <usize>arg(args, 1);
  const rows = arg(args, 2);
  const n = arg(args, 3);
  const kind = arg(args, 4);
  const per = arg(args, 5);
  const end = min(rows, (task + 1) * per);
  for (let r = task * per; r < end; r++) {
    const at = x + (<usize>r * <usize>n << 2);
    if (kind == 4) {
      let best = 0;
      for (let i = 1; i < n; i++) if (load<f32>(at + (<usize>i << 2)) > load<f32>(at + (<usize>best << 2))) best = i;
      store<i32>(y + (<usize>r << 2), best);
    } else {
      store<f32>(y + (<usize>r << 2), row(kind, at, n));
    }
  }
}

/** inner > 1. args: x, y, chunks, n, inner, kind, chunk. Task (o·chunks + c) reduces rows c·chunk … of outer o into y[o, c, :]. */
export function reduce_columns(args: usize, task: i32, scratch: usize): void {
  const chunks = arg(args, 2);
  const n = arg(args, 3);
  const inner = <usize>arg(args, 4) << 2;
  const kind = arg(args, 5);
  const chunk = arg(args, 6);
  const outer = task / chunks;
  const first = (task % chunks) * chunk;
  const last = min(n, first + chunk);
  const x = <usize>arg(args, 0) + <usize>outer * <usize>n * inner;
  const y = <usize>arg(args, 1) + <usize>task * inner;
  const wide = inner & ~15;
  for (let j: usize = 0; j < wide; j += 16) {
    let acc = v128.load(x + <usize>first * inner + j);
    for (let r = first + 1; r < last; r++) acc = combine4(kind, acc, v128.load(x + <usize>r * inner + j));
    v128.store(y + j, acc);
  }
  for (let j = wide; j < inner; j += 4) {
    let s = load<f32>(x + <usize>first * inner + j);
    for (let r = first + 1; r < last; r++) s = combine1(kind, s, load<f32>(x + <usize>r * inner + j));
    store<f32>(y + j, s);
  }
}
