/** The counted work of a program function at given shapes. */
import { capture } from './capture/capture.ts';
import type { ProgramFunction } from './engine.ts';
import { countWork } from './graph/count-work.ts';
import { optimise } from './graph/passes.ts';
import type { TensorSpec } from './tensor-spec.ts';
import type { Work } from './work.ts';

/**
 * What one call of `f` with inputs and state of these shapes computes and moves (the rule is in work.ts), counted on the graph that the engines
 * replay: captured, constants folded, equal nodes shared, elementwise chains fused. Nothing is run. A GPU that binds fewer than 13 buffers to
 * a kernel fuses less, and moves more bytes than counted. Errors: E_OP, E_SHAPE, as `capture`.
 */
export function workOf(f: ProgramFunction, inputs: Record<string, TensorSpec>, state: Record<string, TensorSpec> = {}): Work {
  return countWork(optimise(capture(f, inputs, state)));
}
