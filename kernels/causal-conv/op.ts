/** The short causal depthwise convolution in front of an SSM. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand } from '#engine/fused-op.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { partials, sumPartials } from '../partial-sums.ts';
import { causalConvGradientPortable, causalConvPortable, type ConvAttrs } from './portable.ts';

/**
 * y_t = act(bias + Σ_j weight[:, j] ⊙ x_{t−W+1+j}), x before the first step being 0; act is SiLU or nothing. The last tap belongs to the
 * present step (PyTorch's conv1d with groups = C and W − 1 zeros on the left). x [B, L, C], weight [C, W], bias [C] → [B, L, C]. Up to four
 * taps are fast. E_SHAPE when sizes do not fit together.
 */
export function causalConv(x: Tensor, weight: Tensor, bias: Tensor, options: { readonly activation: 'none' | 'silu' }): Tensor {
  return callFused(causalConvOp, [x, weight, bias], { silu: options.activation === 'silu' })[0];
}

function check(inputs: readonly TensorSpec[]): TensorSpec {
  const [x, weight, bias] = inputs as [TensorSpec, TensorSpec, TensorSpec];
  if (x.shape.length !== 3) throw new RecallbenchError('E_SHAPE', `causalConv: x is [${x.shape}], not [B, L, C]`);
  const C = x.shape[2];
  if (weight.shape.length !== 2 || weight.shape[0] !== C || weight.shape[1] < 1) {
    throw new RecallbenchError('E_SHAPE', `causalConv: weight is [${weight.shape}], but with x [${x.shape}] it must be [C, W] = [${C}, W ≥ 1]`);
  }
  if (bias.shape.join() !== String(C)) throw new RecallbenchError('E_SHAPE', `causalConv: bias is [${bias.shape}], but with x [${x.shape}] it must be [C] = [${C}]`);
  const other = inputs.find(({ dtype }) => dtype !== 'float32');
  if (other !== undefined) throw new RecallbenchError('E_SHAPE', `causalConv: operands must be float32, not ${other.dtype}`);
  return x;
}

/** Steps of a tile; the kernel knows the same number. */
const TILE = 16;
/** Elements of a task. */
const GRAIN = 16384;

/** Steps of a task, whole tiles: enough to be worth a task, and at least eight tasks where there are the steps. */
function division(x: Operand, W: number) {
  const [B, L, C] = x.shape as [number, number, number];
  const steps = Math.min(Math.ceil(GRAIN / C), Math.ceil((B * L) / 8), L);
  const perTask = TILE * Math.ceil(steps / TILE);
  const wide = Math.max(4, W);
  return { L, C, perTask, tasks: B * Math.ceil(L / perTask), wide, strips: Math.ceil(C / 4) };
}

export const causalConvOp: FusedOp<ConvAttrs> = {
  name: 'CausalConv',
  outputs: (inputs) => [check(inputs)],
  portable: causalConvPortable,
  gradient(dy, inputs, _, attrs) {
    const gradients = callFused(causalConvGradientOp, [dy, ...inputs], attrs);
    return gradients.map((g) => () => g);
  },
  wasm(lowering, { silu }) {
    const { inputs, outputs } = lowering;
    const W = inputs[1].shape[1];
    const { L, C, perTask, tasks, wide, strips } = division(inputs[0], W);
    const scratch = 16 * (strips * (wide + 1) + 2 * TILE + wide - 1);
    lowering.dispatch('conv_forward', tasks, [...inputs, ...outputs, L, C, W, Number(silu), perTask], scratch);
  },
};

/** dy, x, weight, bias → dx, dweight, dbias. */
const causalConvGradientOp: FusedOp<ConvAttrs> = {
  name: 'CausalConvGradient',
  outputs: (inputs) => inputs.slice(1),
  portable: causalConvGradientPortable,
  wasm(lowering, { silu }) {
    const { inputs, outputs } = lowering;
    const [dx, dw, db] = outputs as [Operand, Operand, Operand];
    const W = inputs[2].shape[1];
    const { L, C, perTask, tasks, wide, strips } = division(inputs[1], W);
    // the kernel goes over dx in any case
    const target = dx.used ? dx : lowering.buffer(...dx.shape);
    const shares = { dw: partials(lowering, tasks, dw), db: partials(lowering, tasks, db) };
    const scratch = 16 * (strips * (2 * (wide + 1) + 3) + 3 * TILE + 3 * (wide - 1));
    lowering.dispatch('conv_gradient', tasks, [...inputs, target, shares.dw, shares.db, L, C, W, Number(silu), perTask], scratch);
    sumPartials(lowering, shares.dw, tasks, dw);
    sumPartials(lowering, shares.db, tasks, db);
  },
};
