/** The short causal depthwise convolution in front of an SSM. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand } from '#engine/fused-op.ts';
import type { TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { partials, sumAllPartials } from '../partial-sums.ts';
import { causalConvGradientPortable, causalConvPortable, type ConvAttrs } from './portable.ts';
import { causalConvGradientWebgpu, causalConvWebgpu } from './webgpu.ts';
import { convGradientWork, convWork } from './work.ts';

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

/** Elements of a task: some 30 µs. */
const GRAIN = 32768;
/** Elements of a tile: what the gradient needs of it at a time stays in L1. */
const TILE = 512;

/** The rows of a task and of a tile: enough to be worth a task, and at least eight tasks where there are the rows. */
function division(x: Operand, W: number) {
  const [B, L, C] = x.shape as [number, number, number];
  const wanted = Math.max(1, Math.min(Math.ceil(GRAIN / C), Math.ceil((B * L) / 8)));
  // whole sequences, or part of one: the gradient computes what lies across a border twice
  const perTask = wanted >= L ? L * Math.floor(wanted / L) : Math.min(L, 4 * Math.ceil(L / Math.ceil(L / wanted) / 4));
  const tasks = perTask >= L ? Math.ceil((B * L) / perTask) : B * Math.ceil(L / perTask);
  const tile = 4 * Math.max(1, Math.min(8, Math.round(TILE / C / 4)));
  const wide = Math.max(4, W);
  return { tasks, sizes: [B * L, L, C, W] as const, rows: [perTask, tile] as const, C, tile, wide, tapBytes: 16 * Math.ceil(C / 4) * (wide + 1) };
}

export const causalConvOp: FusedOp<ConvAttrs> = {
  name: 'CausalConv',
  outputs: (inputs) => [check(inputs)],
  portable: causalConvPortable,
  gradient(dy, inputs, _, attrs) {
    const gradients = callFused(causalConvGradientOp, [dy, ...inputs], attrs);
    return gradients.map((g) => () => g);
  },
  work: convWork,
  wasm(lowering, { silu }) {
    const { inputs, outputs } = lowering;
    const W = inputs[1].shape[1];
    const { tasks, sizes, rows, C, tile, tapBytes } = division(inputs[0], W);
    lowering.dispatch('conv_forward', tasks, [...inputs, ...outputs, ...sizes, Number(silu), ...rows], tapBytes + 4 * C * (tile + 1));
  },
  webgpu: causalConvWebgpu,
};

/** dy, x, weight, bias → dx, dweight, dbias. */
export const causalConvGradientOp: FusedOp<ConvAttrs> = {
  name: 'CausalConvGradient',
  outputs: (inputs) => inputs.slice(1),
  portable: causalConvGradientPortable,
  work: convGradientWork,
  wasm(lowering, { silu }) {
    const { inputs, outputs } = lowering;
    const [dx, dw, db] = outputs as [Operand, Operand, Operand];
    const W = inputs[2].shape[1];
    const { tasks, sizes, rows, C, tile, wide, tapBytes } = division(inputs[1], W);
    const shares = { dw: partials(lowering, tasks, dw), db: partials(lowering, tasks, db) };
    const scratch = 2 * tapBytes + 4 * C * (3 * (tile + wide - 1) + 1);
    lowering.dispatch('conv_gradient', tasks, [...inputs, dx, shares.dw, shares.db, ...sizes, Number(silu), ...rows], scratch);
    sumAllPartials(lowering, [
      { shares: shares.dw, count: tasks, out: dw },
      { shares: shares.db, count: tasks, out: db },
    ]);
  },
  webgpu: causalConvGradientWebgpu,
};
