/** The selective scan of Mamba-1: a diagonal recurrence whose decay, input and output vary with the token. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand } from '#engine/fused-op.ts';
import { float, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { partials, sumPartials } from '../partial-sums.ts';
import { selectiveScanGradientPortable, selectiveScanPortable } from './portable.ts';
import { scanSizes, type ScanSizes } from './sizes.ts';
import { selectiveScanGradientWebgpu, selectiveScanWebgpu } from './webgpu.ts';
import { scanGradientWork, scanWork } from './work.ts';

export type ScanAttrs = {
  /** steps between two kept states */
  readonly chunk: number;
};

/**
 * h_t = exp(Δ_t a) ⊙ h_{t−1} + (Δ_t x_t) b_tᵀ,  y_t = h_t c_t + d ⊙ x_t, with h_{−1} = 0 (Mamba, Gu and Dao 2023, equation 2a with
 * a zero-order hold for a and an Euler step for b, as the reference implementation has it).
 *
 * x, delta [B, L, E] with delta > 0 (after its softplus), a [E, N] ≤ 0, b, c [B, L, N], d [E]. Gives y [B, L, E] and the state after
 * the last step, finalState [B, E, N]; gradients flow through y only. The states are never kept for all steps: the backward pass
 * recomputes them from one kept state every `chunk` steps (default 32) at most; where it wants them closer together, as on a GPU, it makes
 * those itself. E_SHAPE when sizes do not fit together.
 */
export function selectiveScan(
  x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, options: { readonly chunk?: number } = {},
): { y: Tensor; finalState: Tensor } {
  const [y, finalState] = callFused(selectiveScanOp, [x, delta, a, b, c, d], { chunk: options.chunk ?? 32 });
  return { y: y, finalState: finalState };
}

function check(inputs: readonly TensorSpec[], chunk: number): ScanSizes {
  const [x, , a] = inputs as [TensorSpec, TensorSpec, TensorSpec];
  if (x.shape.length !== 3) throw new RecallbenchError('E_SHAPE', `selectiveScan: x is [${x.shape}], not [B, L, E]`);
  if (a.shape.length !== 2) throw new RecallbenchError('E_SHAPE', `selectiveScan: a is [${a.shape}], not [E, N]`);
  if (!Number.isInteger(chunk) || chunk < 1) throw new RecallbenchError('E_SHAPE', `selectiveScan: chunk must be a whole number ≥ 1, not ${chunk}`);
  const sizes = scanSizes(inputs, chunk);
  const { B, L, E, N } = sizes;
  const wanted: [string, string, number[]][] = [
    ['x', '[B, L, E]', [B, L, E]], ['delta', '[B, L, E]', [B, L, E]], ['a', '[E, N]', [E, N]],
    ['b', '[B, L, N]', [B, L, N]], ['c', '[B, L, N]', [B, L, N]], ['d', '[E]', [E]],
  ];
  wanted.forEach(([name, letters, shape], i) => {
    const { shape: actual, dtype } = inputs[i];
    if (actual.join() !== shape.join()) {
      throw new RecallbenchError('E_SHAPE', `selectiveScan: ${name} is [${actual}], but with x [${B},${L},${E}] and a [${a.shape}] it must be ${letters} = [${shape}]`);
    }
    if (dtype !== 'float32') throw new RecallbenchError('E_SHAPE', `selectiveScan: ${name} must be float32, not ${dtype}`);
  });
  return sizes;
}

/** Channels that one task takes: as many as leave at least 32 tasks, so that b, c and their gradients are read and summed seldom. */
function channelBlock({ B, E }: ScanSizes): number {
  return [128, 64, 32].find((block) => B * Math.ceil(E / block) >= 32) ?? 16;
}

/** Sizes of the packed operands of a task, in floats. */
function packedSizes({ E, N, L }: ScanSizes, block: number, chunk: number) {
  const channels = 8 * Math.ceil(Math.min(block, E) / 8);
  const states = 4 * Math.ceil(N / 4);
  const steps = Math.min(chunk, L);
  return { channels, states, steps };
}

export const selectiveScanOp: FusedOp<ScanAttrs> = {
  name: 'SelectiveScan',
  outputs(inputs, { chunk }) {
    const { B, L, E, N, chunks } = check(inputs, chunk);
    return [float(B, L, E), float(B, E, N), float(B, chunks, N, E)];
  },
  portable: selectiveScanPortable,
  gradient(dy, inputs, outputs, attrs) {
    // not inside a thunk: the tape tidies away what a thunk makes and does not return
    const gradients = callFused(selectiveScanGradientOp, [dy, ...inputs, outputs[2]], attrs);
    return gradients.map((g) => () => g);
  },
  work: scanWork,
  wasm(lowering, attrs) {
    const { inputs, outputs } = lowering;
    const sizes = scanSizes(inputs, attrs.chunk);
    const { B, L, E, N } = sizes;
    const chunk = Math.min(attrs.chunk, L);
    const block = channelBlock(sizes);
    const { channels, states } = packedSizes(sizes, block, chunk);
    const scratch = 3 * channels * chunk + 2 * states * chunk + 2 * channels * states + channels;
    lowering.dispatch('scan_forward', B * Math.ceil(E / block), [...inputs, ...outputs, L, E, N, block, chunk], 4 * scratch);
  },
  webgpu: selectiveScanWebgpu,
  inPlace: [[0, 0], [0, 1]],
};

/** dy, the six inputs, and the states before each chunk → the six gradients. */
export const selectiveScanGradientOp: FusedOp<ScanAttrs> = {
  name: 'SelectiveScanGradient',
  outputs: (inputs) => inputs.slice(1, 7).map(({ shape, dtype }) => ({ shape, dtype })),
  portable: selectiveScanGradientPortable,
  work: scanGradientWork,
  wasm(lowering, attrs) {
    const { inputs, outputs } = lowering;
    const sizes = scanSizes(inputs.slice(1), attrs.chunk);
    const { B, L, E, N } = sizes;
    const chunk = Math.min(attrs.chunk, L);
    const block = channelBlock(sizes);
    const blocks = Math.ceil(E / block);
    const [dx, dDelta, da, db, dc, dd] = outputs as [Operand, Operand, Operand, Operand, Operand, Operand];
    const shares = { da: partials(lowering, B, da), db: partials(lowering, blocks, db), dc: partials(lowering, blocks, dc), dd: partials(lowering, B, dd) };
    const { channels, states } = packedSizes(sizes, block, chunk);
    const scratch = 6 * channels * chunk + 2 * states * chunk + 4 * channels * states + 2 * channels + 32 * (4 * chunk + 1);
    lowering.dispatch(
      'scan_gradient', B * blocks, [...inputs, dx, dDelta, shares.da, shares.db, shares.dc, shares.dd, B, L, E, N, block, chunk], 4 * scratch,
    );
    sumPartials(lowering, shares.da, B, da);
    sumPartials(lowering, shares.db, blocks, db);
    sumPartials(lowering, shares.dc, blocks, dc);
    sumPartials(lowering, shares.dd, B, dd);
  },
  webgpu: selectiveScanGradientWebgpu,
  inPlace: [[0, 0], [0, 1], [1, 2], [1, 0]],
};
