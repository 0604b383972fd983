/** Rows of a table by id, and their transpose: the deterministic scatter-add. */
import { arg } from '../../engine/wasm/assembly/math.as';

// @ts-ignore: decorator
@inline
function copyRow(from: usize, to: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 32 <= bytes; i += 32) {
    v128.store(to + i, v128.load(from + i));
    v128.store(to + i, v128.load(from + i, 16), 16);
  }
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(from + i));
}

// @ts-ignore: decorator
@inline
function addRow(from: usize, to: usize, bytes: usize): void {
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)));
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
}

/** y of `grain` ids. Args: table ids y | count V D grain; an id outside the table gives zeros. */
export function embedding_forward(args: usize, task: i32, scratch: usize): void {
  const table = <usize>arg(args, 0);
  const ids = <usize>arg(args, 1);
  const vocab = arg(args, 4);
  const bytes = <usize>arg(args, 5) << 2;
  const grain = arg(args, 6);
  const first = task * grain;
  const last = min(arg(args, 3), first + grain);
  let to = <usize>arg(args, 2) + <usize>first * bytes;
  for (let i = first; i < last; i++) {
    const id = load<i32>(ids + (<usize>i << 2));
    if (<u32>id < <u32>vocab) copyRow(table + <usize>id * bytes, to, bytes);
    else memory.fill(to, 0, bytes);
    to += bytes;
  }
}

/**
 * `grain` rows of the table's gradient: zeros, then the rows of dy whose id is among them, in the order of the ids.
 * Args: ids dy gradient | count V D grain. Every task looks through all ids, four at a time.
 */
export function embedding_gradient(args: usize, task: i32, scratch: usize): void {
  const ids = <usize>arg(args, 0);
  const dy = <usize>arg(args, 1);
  const count = arg(args, 3);
  const bytes = <usize>arg(args, 5) << 2;
  const grain = arg(args, 6);
  const first = task * grain;
  const rows = min(arg(args, 4), first + grain) - first;
  const to = <usize>arg(args, 2) + <usize>first * bytes;
  memory.fill(to, 0, <usize>rows * bytes);
  const from = i32x4.splat(first);
  const size = i32x4.splat(rows);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const row = i32x4.sub(v128.load(ids + (<usize>i << 2)), from);
    if (!v128.any_true(i32x4.lt_u(row, size))) continue;
    for (let j = i; j < i + 4; j++) {
      const r = load<i32>(ids + (<usize>j << 2)) - first;
      if (<u32>r < <u32>rows) addRow(dy + <usize>j * bytes, to + <usize>r * bytes, bytes);
    }
  }
  for (; i < count; i++) {
    const r = load<i32>(ids + (<usize>i << 2)) - first;
    if (<u32>r < <u32>rows) addRow(dy + <usize>i * bytes, to + <usize>r * bytes, bytes);
  }
}
