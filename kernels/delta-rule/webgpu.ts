/** The delta rule as WGSL: chunks side by side, then a walk over them with the states. */
import type { WebgpuLowering } from '#engine/fused-op.ts';
import type { DeltaAttrs } from './sizes.ts';
import { makeChunks, walkStates } from './webgpu-chunks.ts';
import { plansOf } from './webgpu-plan.ts';

export function deltaRuleWebgpu(lowering: WebgpuLowering, attrs: DeltaAttrs, room?: number): void {
  const { inputs, outputs: [y, last] } = lowering;
  const plans = plansOf(inputs, attrs, 0, room);
  const { heads, chunks, record } = plans[0];
  const records = lowering.buffer(heads * chunks, record);
  for (const plan of plans) {
    makeChunks(lowering, plan, inputs, records);
    walkStates(lowering, plan, inputs, records, { y: y.used ? y : undefined, last: last.used ? last : undefined });
  }
}
