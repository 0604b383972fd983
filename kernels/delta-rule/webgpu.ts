/** The delta rule as WGSL: chunks side by side, then a walk over them with the states. */
import type { WebgpuLowering } from '#engine/fused-op.ts';
import type { DeltaAttrs } from './sizes.ts';
import { makeChunks, planOf, walkStates } from './webgpu-chunks.ts';

export function deltaRuleWebgpu(lowering: WebgpuLowering, attrs: DeltaAttrs): void {
  const { inputs, outputs: [y, last] } = lowering;
  const plan = planOf(inputs, attrs);
  const records = lowering.buffer(plan.B * plan.H * plan.chunks, plan.record);
  makeChunks(lowering, plan, inputs, records);
  walkStates(lowering, plan, inputs, records, { y: y.used ? y : undefined, last: last.used ? last : undefined });
}
