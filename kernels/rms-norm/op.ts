/** RMS normalisation, plain and with a gate in front. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type Operand, type WasmLowering } from '#engine/fused-op.ts';
import { sizeOf, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { partials, sumPartials } from '../partial-sums.ts';
import { gatedRmsNormGradientPortable, gatedRmsNormPortable, rmsNormGradientPortable, rmsNormPortable, type NormAttrs } from './portable.ts';
import { gatedRmsNormGradientWebgpu, gatedRmsNormWebgpu, rmsNormGradientWebgpu, rmsNormWebgpu } from './webgpu.ts';
import { gatedRmsNormGradientWork, gatedRmsNormWork, rmsNormGradientWork, rmsNormWork } from './work.ts';

export interface NormOptions {
  /** added to the mean square; default 1e-5 */
  readonly epsilon?: number;
  /** equal slices of the last axis, each normalised by itself; default 1 */
  readonly groups?: number;
}

/**
 * y = x / √(mean(x²) + ε) ⊙ weight, the mean over each of `groups` equal slices of the last axis (Zhang and Sennrich 2019, equation 4).
 * x [..., D], weight [D] → [..., D]. E_SHAPE when the weight is not [D] or the groups do not divide D.
 */
export function rmsNorm(x: Tensor, weight: Tensor, options: NormOptions = {}): Tensor {
  return callFused(rmsNormOp, [x, weight], attrs(options))[0];
}

/**
 * rmsNorm(x ⊙ SiLU(z)): the gate first, then the norm, as Mamba-2 has it (Dao and Gu 2024, section 7.1). x, z [..., D], weight [D] → [..., D].
 */
export function gatedRmsNorm(x: Tensor, z: Tensor, weight: Tensor, options: NormOptions = {}): Tensor {
  return callFused(gatedRmsNormOp, [x, z, weight], attrs(options))[0];
}

const attrs = ({ epsilon = 1e-5, groups = 1 }: NormOptions): NormAttrs => ({ epsilon, groups });

function check(name: string, inputs: readonly TensorSpec[], groups: number): TensorSpec {
  const x = inputs[0];
  const weight = inputs.at(-1)!;
  const D = x.shape.at(-1);
  if (D === undefined) throw new RecallbenchError('E_SHAPE', `${name}: x is a scalar, not [..., D]`);
  if (weight.shape.join() !== String(D)) throw new RecallbenchError('E_SHAPE', `${name}: weight is [${weight.shape}], but with x [${x.shape}] it must be [D] = [${D}]`);
  if (inputs.length === 3 && inputs[1].shape.join() !== x.shape.join()) {
    throw new RecallbenchError('E_SHAPE', `${name}: z is [${inputs[1].shape}], but x is [${x.shape}]`);
  }
  if (!Number.isInteger(groups) || groups < 1 || D % groups !== 0) throw new RecallbenchError('E_SHAPE', `${name}: ${groups} groups do not divide D = ${D}`);
  const other = inputs.find(({ dtype }) => dtype !== 'float32');
  if (other !== undefined) throw new RecallbenchError('E_SHAPE', `${name}: operands must be float32, not ${other.dtype}`);
  return x;
}

/** Elements of a task: some 30 µs. */
const GRAIN = 32768;
/** Elements of a block, which stays in L1 from pass to pass. */
const BLOCK = 1024;

/** Rows in all, of a task and of a block: enough to be worth a task, and at least eight tasks where there are the rows. */
function division(x: Operand, groups: number) {
  const D = x.shape.at(-1)!;
  const rows = sizeOf(x.shape) / D;
  const perTask = Math.max(1, Math.min(Math.ceil(GRAIN / D), Math.ceil(rows / 8)));
  const block = Math.max(1, Math.min(perTask, Math.floor(BLOCK / D)));
  return { sizes: [rows, groups, D / groups, perTask, block] as const, tasks: Math.ceil(rows / perTask), block, factors: 4 * Math.ceil((block * groups) / 4) };
}

function lowerForward(kernel: string, lowering: WasmLowering, x: Operand, z: Operand | 0, weight: Operand, { epsilon, groups }: NormAttrs): void {
  const { sizes, tasks, factors } = division(x, groups);
  lowering.dispatch(kernel, tasks, [x, z, weight, lowering.outputs[0], ...sizes, { f32: epsilon }], 4 * factors);
}

/** operands: dy, x, z, weight; results: dx, dz, dweight */
function lowerGradient(
  kernel: string, lowering: WasmLowering, operands: [Operand, Operand, Operand | 0, Operand], [dx, dz, dw]: [Operand, Operand | 0, Operand], { epsilon, groups }: NormAttrs,
): void {
  const { sizes, tasks, block, factors } = division(operands[1], groups);
  const D = dw.shape[0];
  const shares = partials(lowering, tasks, dw);
  const blocks = dz === 0 ? 2 : 4;
  lowering.dispatch(kernel, tasks, [...operands, dx, dz, shares, ...sizes, { f32: epsilon }], 4 * (2 * factors + D + blocks * block * D));
  sumPartials(lowering, shares, tasks, dw);
}

export const rmsNormOp: FusedOp<NormAttrs> = {
  name: 'RmsNorm',
  outputs: (inputs, { groups }) => [check('rmsNorm', inputs, groups)],
  portable: rmsNormPortable,
  gradient(dy, inputs, _, given) {
    const gradients = callFused(rmsNormGradientOp, [dy, ...inputs], given);
    return gradients.map((g) => () => g);
  },
  work: rmsNormWork,
  wasm(lowering, given) {
    const [x, weight] = lowering.inputs as [Operand, Operand];
    lowerForward('rms_forward', lowering, x, 0, weight, given);
  },
  webgpu: rmsNormWebgpu,
  inPlace: [[0, 0]],
};

/** dy, x, weight → dx, dweight. */
export const rmsNormGradientOp: FusedOp<NormAttrs> = {
  name: 'RmsNormGradient',
  outputs: (inputs) => inputs.slice(1),
  portable: rmsNormGradientPortable,
  work: rmsNormGradientWork,
  wasm(lowering, given) {
    const [dy, x, weight] = lowering.inputs as [Operand, Operand, Operand];
    const [dx, dw] = lowering.outputs as [Operand, Operand];
    lowerGradient('rms_gradient', lowering, [dy, x, 0, weight], [dx, 0, dw], given);
  },
  webgpu: rmsNormGradientWebgpu,
  inPlace: [[0, 0], [0, 1]],
};

export const gatedRmsNormOp: FusedOp<NormAttrs> = {
  name: 'GatedRmsNorm',
  outputs: (inputs, { groups }) => [check('gatedRmsNorm', inputs, groups)],
  portable: gatedRmsNormPortable,
  gradient(dy, inputs, _, given) {
    const gradients = callFused(gatedRmsNormGradientOp, [dy, ...inputs], given);
    return gradients.map((g) => () => g);
  },
  work: gatedRmsNormWork,
  wasm(lowering, given) {
    const [x, z, weight] = lowering.inputs as [Operand, Operand, Operand];
    lowerForward('rms_gated_forward', lowering, x, z, weight, given);
  },
  webgpu: gatedRmsNormWebgpu,
  inPlace: [[0, 0], [0, 1]],
};

/** dy, x, z, weight → dx, dz, dweight. */
export const gatedRmsNormGradientOp: FusedOp<NormAttrs> = {
  name: 'GatedRmsNormGradient',
  outputs: (inputs) => inputs.slice(1),
  portable: gatedRmsNormGradientPortable,
  work: gatedRmsNormGradientWork,
  wasm(lowering, given) {
    const [dy, x, z, weight] = lowering.inputs as [Operand, Operand, Operand, Operand];
    const [dx, dz, dw] = lowering.outputs as [Operand, Operand, Operand];
    lowerGradient('rms_gated_gradient', lowering, [dy, x, z, weight], [dx, dz, dw], given);
  },
  webgpu: gatedRmsNormGradientWebgpu,
  inPlace: [[0, 0], [0, 1], [1, 2], [1, 0]],
};
