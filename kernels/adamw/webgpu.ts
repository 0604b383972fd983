/** AdamW as WGSL: one invocation for each element. */
import type { WebgpuLowering } from '#engine/fused-op.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { f32 } from '#engine/webgpu/wgsl.ts';
import type { AdamWAttrs } from './op.ts';

const SIZE = 256;

export function adamWWebgpu({ inputs, outputs, dispatch }: WebgpuLowering, { beta1, beta2, epsilon, weightDecay }: AdamWAttrs): void {
  const [param, gradient, m, v, hyper] = inputs;
  const [nextParam, nextM, nextV] = outputs;
  const n = sizeOf(param.shape);
  dispatch({
    name: 'adamw_step',
    bindings: { param, gradient, m, v, hyper, nextParam, nextM, nextV },
    tasks: Math.ceil(n / SIZE),
    code: `
@compute @workgroup_size(${SIZE}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = task_of(group) * ${SIZE}u + lane;
  if (i >= ${n}u) { return; }
  let g = gradient[i];
  let p = param[i];
  let first = ${f32(beta1)} * m[i] + ${f32(1 - beta1)} * g;
  let second = ${f32(beta2)} * v[i] + ${f32(1 - beta2)} * g * g;
  nextM[i] = first;
  nextV[i] = second;
  let decayed = p - hyper[0] * ${f32(weightDecay)} * p;
  nextParam[i] = decayed - hyper[0] * (first / hyper[1]) / (sqrt(second / hyper[2]) + ${f32(epsilon)});
}`,
  });
}
