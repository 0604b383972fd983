/** One step of AdamW in one pass over parameter, gradient and moments. */
import { arg, farg, madd, nmadd } from '../../engine/wasm/assembly/math.as';

/**
 * `grain` elements. Args: param gradient m v hyper param′ m′ v′ | n grain β₁ 1−β₁ β₂ 1−β₂ ε weightDecay; hyper is
 * [lr, 1 − β₁ᵗ, 1 − β₂ᵗ]. The outputs may lie over param, m and v; an address of 0 is an output that nobody reads.
 */
export function adamw_step(args: usize, task: i32, scratch: usize): void {
  const hyper = <usize>arg(args, 4);
  const lr = load<f32>(hyper);
  const grain = arg(args, 9);
  const first = <usize>(task * grain) << 2;
  const bytes = <usize>min(grain, arg(args, 8) - task * grain) << 2;
  const whole = bytes & ~15;
  const param = <usize>arg(args, 0) + first;
  const gradient = <usize>arg(args, 1) + first;
  const m = <usize>arg(args, 2) + first;
  const v = <usize>arg(args, 3) + first;
  const toParam = arg(args, 5) == 0 ? 0 : <usize>arg(args, 5) + first;
  const toM = arg(args, 6) == 0 ? 0 : <usize>arg(args, 6) + first;
  const toV = arg(args, 7) == 0 ? 0 : <usize>arg(args, 7) + first;
  const beta1 = f32x4.splat(farg(args, 10));
  const rest1 = f32x4.splat(farg(args, 11));
  const beta2 = f32x4.splat(farg(args, 12));
  const rest2 = f32x4.splat(farg(args, 13));
  const epsilon = f32x4.splat(farg(args, 14));
  const decay = f32x4.splat(lr * farg(args, 15));
  const rate = f32x4.splat(lr / load<f32>(hyper, 4));
  const unbias = f32x4.splat(1 / load<f32>(hyper, 8));
  // the last one to three elements pass through the same arithmetic in lanes of their own
  for (let i: usize = 0; i < bytes; i += 16) {
    const full = i < whole;
    const g = full ? v128.load(gradient + i) : loadSome(gradient + i, bytes - i);
    let p = full ? v128.load(param + i) : loadSome(param + i, bytes - i);
    const mean = madd(full ? v128.load(m + i) : loadSome(m + i, bytes - i), beta1, f32x4.mul(g, rest1));
    const square = madd(full ? v128.load(v + i) : loadSome(v + i, bytes - i), beta2, f32x4.mul(f32x4.mul(g, rest2), g));
    p = nmadd(decay, p, p);
    p = f32x4.sub(p, f32x4.div(f32x4.mul(mean, rate), f32x4.add(f32x4.sqrt(f32x4.mul(square, unbias)), epsilon)));
    if (toParam != 0) put(toParam + i, p, full, bytes - i);
    if (toM != 0) put(toM + i, mean, full, bytes - i);
    if (toV != 0) put(toV + i, square, full, bytes - i);
  }
}

function loadSome(at: usize, bytes: usize): v128 {
  let x = v128.load32_zero(at);
  if (bytes > 4) x = f32x4.replace_lane(x, 1, load<f32>(at, 4));
  if (bytes > 8) x = f32x4.replace_lane(x, 2, load<f32>(at, 8));
  return x;
}

// @ts-ignore: decorator
@inline
function put(at: usize, x: v128, full: bool, bytes: usize): void {
  if (full) {
    v128.store(at, x);
  } else {
    store<f32>(at, f32x4.extract_lane(x, 0));
    if (bytes > 4) store<f32>(at, f32x4.extract_lane(x, 1), 4);
    if (bytes > 8) store<f32>(at, f32x4.extract_lane(x, 2), 8);
  }
}
