/** The delta rule and its relatives: a matrix state that decays by rows and writes, for each token, what its key does not yet recall. */
import { RecallbenchError } from '#core/errors.ts';
import { callFused, type FusedOp, type KernelArg, type Operand, type WasmLowering } from '#engine/fused-op.ts';
import { float, type TensorSpec } from '#engine/tensor-spec.ts';
import type { Tensor } from '#engine/tf.ts';
import { deltaRuleGradientPortable, deltaRulePortable } from './portable.ts';
import { named, sizesOf, type DeltaAttrs, type Sizes } from './sizes.ts';
import { deltaRuleGradientWebgpu } from './webgpu-gradient.ts';
import { deltaRuleWebgpu } from './webgpu.ts';
import { deltaRuleGradientWork, deltaRuleWork } from './work.ts';

/** Tokens in a chunk: products within chunks grow with it, and those with the state do not shrink. */
const CHUNK = 16;

export interface DeltaOptions {
  /** what is read of the state before a token writes, [B,L,H,K]; without it u_t = v_t */
  readonly a?: Tensor;
  /** logarithms of decays, ≤ 0: [B,L,H] or [B,L,H,K]; without them nothing decays */
  readonly g?: Tensor;
  /** tokens in a chunk; every chunk gives the same numbers */
  readonly chunk?: number;
}

/**
 * u_t = v_t − S_{t−1}ᵀ a_t,  S_t = diag(e^{g_t}) S_{t−1} + k_t u_tᵀ,  y_t = S_tᵀ q_t for each head, S_0 = 0 [K,V].
 * q, k [B,L,H,K], v [B,L,H,V]; y [B,L,H,V] and the state after the last token, finalState [B,H,K,V], which has no gradient and is
 * computed only if something reads it. E_SHAPE if sizes do not fit.
 *
 *   GLA              a vector g, no a
 *   DeltaNet         a = κ, k = β κ: (I − β κ κᵀ) S + β κ vᵀ                        (Yang et al. 2024, arXiv 2406.06484)
 *   Gated DeltaNet   a = e^g κ, k = β κ, a scalar g                                 (Yang et al. 2024, arXiv 2412.06464)
 *   RWKV-7           diag(w) S + b (aᵀ S) + k vᵀ as two tokens, (k: b, a: −a, v: 0, g: ln w), then (k: k, v: v, a: 0, g: 0)
 *
 * What is written shares its key with what is erased, so that a chunk has one triangular system and one kind of write. A separate b would
 * bring every product a twin, which three of the four models do not need; the fourth pays for it with tokens instead.
 */
export function deltaRule(q: Tensor, k: Tensor, v: Tensor, { a, g, chunk = CHUNK }: DeltaOptions = {}): { y: Tensor; finalState: Tensor } {
  if (!Number.isInteger(chunk) || chunk < 1) throw new RecallbenchError('E_SHAPE', `deltaRule: chunk must be a whole number ≥ 1, not ${chunk}`);
  const decay = g === undefined ? 'none' : g.shape.length === 3 ? 'scalar' : 'vector';
  const inputs = [q, k, v, ...(a ? [a] : []), ...(g ? [g] : [])];
  const [y, finalState] = callFused(deltaRuleOp, inputs, { chunk: Math.min(chunk, q.shape[1] ?? 1), delta: a !== undefined, decay });
  return { y: y, finalState: finalState };
}

function check(inputs: readonly TensorSpec[], { delta, decay }: DeltaAttrs): Sizes {
  const [q, , v] = inputs;
  if (q.shape.length !== 4 || q.shape.includes(0)) throw new RecallbenchError('E_SHAPE', `deltaRule: q is [${q.shape}], not [B,L,H,K]`);
  if (v.shape.length !== 4 || v.shape.includes(0)) throw new RecallbenchError('E_SHAPE', `deltaRule: v is [${v.shape}], not [B,L,H,V]`);
  const sizes = sizesOf(inputs);
  const { B, L, H, K, V } = sizes;
  const keys = [B, L, H, K];
  const wanted: [string, number[]][] = [['q', keys], ['k', keys], ['v', [B, L, H, V]]];
  if (delta) wanted.push(['a', keys]);
  if (decay !== 'none') wanted.push(['g', decay === 'scalar' ? [B, L, H] : keys]);
  wanted.forEach(([name, shape], i) => {
    const { shape: actual, dtype } = inputs[i];
    if (actual.join() !== shape.join()) throw new RecallbenchError('E_SHAPE', `deltaRule: ${name} is [${actual}], but with q [${q.shape}] and v [${v.shape}] it must be [${shape}]`);
    if (dtype !== 'float32') throw new RecallbenchError('E_SHAPE', `deltaRule: ${name} is ${dtype}, not float32`);
  });
  return sizes;
}

const eights = (n: number) => 8 * Math.ceil(n / 8);
/** bytes before the floats of a scratch */
const HEAD_BYTES = 256;

/** Floats of a head's buffers, and of what its products need beside them; see chunk.as.ts. */
function forwardFloats(sizes: Sizes, chunk: number): number {
  const [Kp, Vp, Cp] = [sizes.K, sizes.V, chunk].map(eights) as [number, number, number];
  const widest = Math.max(Kp, Vp, 2 * chunk);
  return 7 * chunk * Kp + Cp + 2 * chunk * Cp + 2 * Kp + Cp + Kp * Vp + 3 * chunk * Vp + 2 * eights(Math.min(widest, 256)) * eights(widest) + 64;
}

/** The states before all chunks are kept, and all that was written. */
function gradientFloats(sizes: Sizes, chunk: number): number {
  const [Kp, Vp, Cp] = [sizes.K, sizes.V, chunk].map(eights) as [number, number, number];
  const chunks = Math.ceil(sizes.L / chunk);
  return forwardFloats(sizes, chunk) + 16 + 2 * chunk * Cp + 5 * chunk * Kp + Cp + 2 * Kp + chunks * (chunk * Vp + Kp * Vp);
}

/** A task for each head of each sequence. */
function launch(
  { dispatch }: WasmLowering, kernel: string, inputs: readonly Operand[], attrs: DeltaAttrs, more: readonly KernelArg[], floats: (sizes: Sizes, chunk: number) => number,
): void {
  const sizes = sizesOf(inputs);
  const { B, L, H, K, V } = sizes;
  const { q, k, v, a, g } = named(inputs, attrs);
  const decay = { none: 0, scalar: 1, vector: 2 }[attrs.decay];
  dispatch(kernel, B * H, [L, H, K, V, attrs.chunk, decay, q, k, v, a ?? 0, g ?? 0, ...more], HEAD_BYTES + 4 * floats(sizes, attrs.chunk));
}

export const deltaRuleOp: FusedOp<DeltaAttrs> = {
  name: 'DeltaRule',
  outputs(inputs, attrs) {
    const { B, L, H, K, V } = check(inputs, attrs);
    return [float(B, L, H, V), float(B, H, K, V)];
  },
  portable: deltaRulePortable,
  gradient(dy, inputs, _, attrs) {
    // not made inside the first thunk: tfjs would dispose of the others' results with that thunk's scope
    const all = callFused(deltaRuleGradientOp, [dy, ...inputs], attrs);
    return all.map((gradient) => () => gradient);
  },
  work: deltaRuleWork,
  wasm(lowering, attrs) {
    const [y, finalState] = lowering.outputs;
    launch(lowering, 'delta_rule', lowering.inputs, attrs, [y, finalState], forwardFloats);
  },
  webgpu: deltaRuleWebgpu,
};

/** dy and the operands → the gradients of the operands. */
export const deltaRuleGradientOp: FusedOp<DeltaAttrs> = {
  name: 'DeltaRuleGradient',
  outputs: (inputs) => inputs.slice(1).map(({ shape, dtype }) => ({ shape, dtype })),
  portable: deltaRuleGradientPortable,
  work: deltaRuleGradientWork,
  wasm(lowering, attrs) {
    const [dy, ...inputs] = lowering.inputs;
    const { q, k, v, a, g } = named(lowering.outputs, attrs);
    launch(lowering, 'delta_rule_gradient', inputs, attrs, [dy, q, k, v, a ?? 0, g ?? 0], gradientFloats);
  },
  webgpu: deltaRuleGradientWebgpu,
};
