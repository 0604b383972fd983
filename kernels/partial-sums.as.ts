/** Partial results of many tasks, added in a fixed order by a second dispatch. */
import { arg } from '../engine/wasm/assembly/math.as';

/** Elements that one task of partial_sums adds up. */
const PART: i32 = 1024;

/** out[i] = Σ_k partials[k, i] for k < count, i < size; one task for each 1024 elements. Arguments: partials, count, size, out. */
export function partial_sums(args: usize, task: i32, scratch: usize): void {
  const partials: usize = arg(args, 0);
  const count = arg(args, 1);
  const size = arg(args, 2);
  const out: usize = arg(args, 3);
  const row: usize = size << 2;
  const end = min(size, (task + 1) * PART);
  let i = task * PART;
  for (; i + 4 <= end; i += 4) {
    let from = partials + (i << 2);
    let sum = v128.load(from);
    for (let k = 1; k < count; k++) {
      from += row;
      sum = f32x4.add(sum, v128.load(from));
    }
    v128.store(out + (i << 2), sum);
  }
  for (; i < end; i++) {
    let from = partials + (i << 2);
    let sum = load<f32>(from);
    for (let k = 1; k < count; k++) {
      from += row;
      sum += load<f32>(from);
    }
    store<f32>(out + (i << 2), sum);
  }
}
