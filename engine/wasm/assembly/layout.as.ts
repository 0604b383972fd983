/** Moving elements: blocks into larger tensors (concatenation, padding), rows by index, sums by segment, prefix sums. */
import { arg } from './math.as';

/** args: y, elements, value, elements per task. */
export function fill(args: usize, task: i32, scratch: usize): void {
  const per = arg(args, 3);
  const start = task * per;
  const end = min(arg(args, 1), start + per);
  const y = <usize>arg(args, 0);
  const v = load<f32>(args, 8);
  for (let i = start; i < end; i++) store<f32>(y + (<usize>i << 2), v);
}

/**
 * Copies a row-major source into a box of a larger tensor. args: x, y (of the box's corner), rows, row length,
 * rows per task, rank of the outer dimensions, then their sizes, then the target strides of each (elements).
 */
export function copy_box(args: usize, task: i32, scratch: usize): void {
  const rows = arg(args, 2);
  const length = arg(args, 3);
  const per = arg(args, 4);
  const rank = arg(args, 5);
  const end = min(rows, (task + 1) * per);
  for (let r = task * per; r < end; r++) {
    let rest = r;
    let offset = 0;
    for (let d = rank - 1; d >= 0; d--) {
      const size = arg(args, 6 + d);
      const q = rest / size;
      offset += (rest - q * size) * arg(args, 6 + rank + d);
      rest = q;
    }
    memory.copy(<usize>arg(args, 1) + (<usize>offset << 2), <usize>arg(args, 0) + (<usize>r * <usize>length << 2), <usize>length << 2);
  }
}

/** y[o, i, :] = x[o, index[i], :]. args: x, index, y, outer·indices, indices, axis size, inner, rows per task. Out of range: zeros. */
export function gather_rows(args: usize, task: i32, scratch: usize): void {
  const indices = arg(args, 4);
  const size = arg(args, 5);
  const bytes = <usize>arg(args, 6) << 2;
  const per = arg(args, 7);
  const end = min(arg(args, 3), (task + 1) * per);
  for (let r = task * per; r < end; r++) {
    const index = load<i32>(<usize>arg(args, 1) + (<usize>(r % indices) << 2));
    const y = <usize>arg(args, 2) + <usize>r * bytes;
    if (index < 0 || index >= size) memory.fill(y, 0, bytes);
    else memory.copy(y, <usize>arg(args, 0) + <usize>((r / indices) * size + index) * bytes, bytes);
  }
}

/** y[s, :] = Σ over i with segment[i] = s of x[i, :]. args: x, segments, y, n, number of segments, inner, segments per task. */
export function segment_sum(args: usize, task: i32, scratch: usize): void {
  const n = arg(args, 3);
  const inner = arg(args, 5);
  const first = task * arg(args, 6);
  const last = min(arg(args, 4), first + arg(args, 6));
  const y = <usize>arg(args, 2);
  memory.fill(y + (<usize>first * <usize>inner << 2), 0, <usize>(last - first) * <usize>inner << 2);
  for (let i = 0; i < n; i++) {
    const s = load<i32>(<usize>arg(args, 1) + (<usize>i << 2));
    if (s < first || s >= last) continue;
    const from = <usize>arg(args, 0) + (<usize>i * <usize>inner << 2);
    const to = y + (<usize>s * <usize>inner << 2);
    for (let j: usize = 0; j < <usize>inner << 2; j += 4) store<f32>(to + j, load<f32>(to + j) + load<f32>(from + j));
  }
}

/** Prefix sums along the middle axis of [outer, n, inner]. args: x, y, n, inner, exclusive, reverse; a task per outer. */
export function prefix_sum(args: usize, task: i32, scratch: usize): void {
  const n = arg(args, 2);
  const inner = arg(args, 3);
  const exclusive = arg(args, 4);
  const reverse = arg(args, 5);
  const base = <usize>task * <usize>n * <usize>inner << 2;
  for (let j = 0; j < inner; j++) {
    let sum: f32 = 0;
    for (let k = 0; k < n; k++) {
      const at = base + (<usize>((reverse ? n - 1 - k : k) * inner + j) << 2);
      const v = load<f32>(<usize>arg(args, 0) + at);
      if (!exclusive) sum += v;
      store<f32>(<usize>arg(args, 1) + at, sum);
      if (exclusive) sum += v;
    }
  }
}
