/** One step of AdamW in one pass over parameter, gradient and moments. */
import { arg, farg, madd, nmadd } from '../../engine/wasm/assembly/math.as';

/**
 * `grain` elements. Args: param gradient m v hyper param′ m′ v′ | n grain β₁ 1−β₁ β₂ 1−β₂ ε weightDecay; hyper is
 * [lr, 1 − β₁ᵗ, 1 − β₂ᵗ]. The outputs may lie over param, m and v; an address of 0 is an output that nobody reads.
 * scratch: 112 bytes.
 */
export function adamw_step(args: usize, task: i32, scratch: usize): void {
  const grain = arg(args, 9);
  const first = <usize>(task * grain) << 2;
  const bytes = <usize>min(grain, arg(args, 8) - task * grain) << 2;
  const whole = bytes & ~15;
  step(args, first, whole, <usize>arg(args, 0), <usize>arg(args, 1), <usize>arg(args, 2), <usize>arg(args, 3), <usize>arg(args, 5), <usize>arg(args, 6), <usize>arg(args, 7));
  if (whole == bytes) return;
  // the last one to three elements pass through lanes of their own
  for (let i = 0; i < 4; i++) {
    const at = scratch + (<usize>i << 4);
    v128.store(at, f32x4.splat(0));
    memory.copy(at, <usize>arg(args, i) + first + whole, bytes - whole);
  }
  step(args, 0, 16, scratch, scratch + 16, scratch + 32, scratch + 48, scratch + 64, scratch + 80, scratch + 96);
  for (let i = 0; i < 3; i++) {
    if (arg(args, 5 + i) != 0) memory.copy(<usize>arg(args, 5 + i) + first + whole, scratch + 64 + (<usize>i << 4), bytes - whole);
  }
}

/** Whole vectors from `first`, in bytes. */
function step(args: usize, first: usize, bytes: usize, param: usize, gradient: usize, m: usize, v: usize, toParam: usize, toM: usize, toV: usize): void {
  const hyper = <usize>arg(args, 4);
  const lr = load<f32>(hyper);
  const beta1 = f32x4.splat(farg(args, 10));
  const rest1 = f32x4.splat(farg(args, 11));
  const beta2 = f32x4.splat(farg(args, 12));
  const rest2 = f32x4.splat(farg(args, 13));
  const epsilon = f32x4.splat(farg(args, 14));
  const decay = f32x4.splat(lr * farg(args, 15));
  const rate = f32x4.splat(lr / load<f32>(hyper, 4));
  const unbias = f32x4.splat(1 / load<f32>(hyper, 8));
  const end = first + bytes;
  for (let i = first; i < end; i += 16) {
    const g = v128.load(gradient + i);
    const mean = madd(v128.load(m + i), beta1, f32x4.mul(g, rest1));
    const square = madd(v128.load(v + i), beta2, f32x4.mul(f32x4.mul(g, rest2), g));
    const old = v128.load(param + i);
    const move = f32x4.div(f32x4.mul(mean, rate), f32x4.add(f32x4.sqrt(f32x4.mul(square, unbias)), epsilon));
    if (toParam != 0) v128.store(toParam + i, f32x4.sub(nmadd(decay, old, old), move));
    if (toM != 0) v128.store(toM + i, mean);
    if (toV != 0) v128.store(toV + i, square);
  }
}
