import { arg } from './math.as';
export function matmul_plain(args: usize, task: i32, scratch: usize): void {
  const m = arg(args, 3), n = arg(args, 4), k = arg(args, 5), ta = arg(args, 6), tb = arg(args, 7);
  const batch = task / m, i = task % m;
  const a = <usize>arg(args, 0) + (<usize>(batch * arg(args, 8)) << 2);
  const b = <usize>arg(args, 1) + (<usize>(batch * arg(args, 9)) << 2);
  const c = <usize>arg(args, 2) + (<usize>(task * n) << 2);
  for (let j = 0; j < n; j++) {
    let s: f32 = arg(args, 10) ? load<f32>(c + (<usize>j << 2)) : arg(args, 11) ? load<f32>(<usize>arg(args, 12) + (<usize>j << 2)) : 0;
    for (let p = 0; p < k; p++) s += load<f32>(a + (<usize>(ta ? p * m + i : i * k + p) << 2)) * load<f32>(b + (<usize>(tb ? j * k + p : p * n + j) << 2));
    store<f32>(c + (<usize>j << 2), s);
  }
}
