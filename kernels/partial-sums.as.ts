/** Partial results of many tasks, added in a fixed order by a second dispatch. */
import { arg } from '../engine/wasm/assembly/math.as';

/** Elements that one task of partial_sums adds up. */
const PART: i32 = 1024;

/**
 * out[i] = Σ_k partials[k, i] for k < count, i < size; of several such sums one after the other, each of which has one task for every 1024
 * elements. Arguments: for each sum partials, count, size, out.
 */
export function partial_sums(args: usize, task: i32, scratch: usize): void {
  let part = task;
  for (let tasks = (arg(args, 2) + PART - 1) / PART; part >= tasks; tasks = (arg(args, 2) + PART - 1) / PART) {
    part -= tasks;
    args += 16;
  }
  const partials: usize = arg(args, 0);
  const count = arg(args, 1);
  const size = arg(args, 2);
  const out: usize = arg(args, 3);
  const row: usize = size << 2;
  const end = min(size, (part + 1) * PART);
  let i = part * PART;
  for (; i + 16 <= end; i += 16) {
    let from = partials + (i << 2);
    let a = v128.load(from);
    let b = v128.load(from, 16);
    let c = v128.load(from, 32);
    let d = v128.load(from, 48);
    for (let k = 1; k < count; k++) {
      from += row;
      a = f32x4.add(a, v128.load(from));
      b = f32x4.add(b, v128.load(from, 16));
      c = f32x4.add(c, v128.load(from, 32));
      d = f32x4.add(d, v128.load(from, 48));
    }
    const to = out + (i << 2);
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
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
