/**
 * The judge of fused ops: runs every form of an op on the same data and compares value and every gradient with the
 * float64 oracle. Used by the laws in each op's folder.
 */
import { tf, type Tensor } from '#engine/tf.ts';
import { openWasm } from '#engine/wasm/engine.ts';
import { openWebgpu, webgpu } from '#engine/webgpu/engine.ts';
import { openTfjs } from '#engine/tfjs/engine.ts';
import type { Engine, HostTensors } from '#engine/engine.ts';
import type { NdArray } from './nd-array.ts';
import { rng } from '#core/random.ts';

export interface Case {
  /** what the case is, for the message */
  readonly name: string;
  /** operands; Int32Array for integer ones (never differentiated) */
  readonly inputs: readonly { readonly shape: readonly number[]; readonly data: Float64Array | Int32Array }[];
  /** the op under test, as a function of tfjs tensors; all its outputs that should be compared */
  call(inputs: Tensor[]): Tensor[];
  /** float64 outputs, in the order of `call` */
  oracle(inputs: NdArray[]): NdArray[];
  /** float64 gradients of Σ dy·outputs[0] for each input; null where there is none. Leave out for ops without gradient. */
  oracleGradient?(inputs: NdArray[], dy: NdArray): (NdArray | null)[];
}

/**
 * ‖a − e‖₂ / ‖e‖₂, the RMS ratio. NaN or infinity anywhere in `actual` gives infinity; an all-zero oracle compares absolutely.
 */
export function rmsRatio(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i])) return Infinity;
    difference += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

/** Standard normal data of a shape, the same every time. */
export function gaussian(seed: number, ...shape: number[]): { shape: number[]; data: Float64Array } {
  const stream = rng(seed);
  const n = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float64Array.from({ length: n }, () => Math.fround(stream.normal())) };
}

const host = (t: Case['inputs'][number]) => ({ shape: t.shape, data: t.data instanceof Int32Array ? t.data : Float32Array.from(t.data) });

/**
 * The forms that every op has: the portable one on tfjs's CPU backend, and WASM with plain SIMD and the best there is. That the number of
 * threads changes nothing is a law of its own.
 */
export async function forms(): Promise<{ name: string; engine: Engine }[]> {
  return [
    { name: 'portable', engine: await openTfjs() },
    { name: 'wasm 1 thread, plain SIMD', engine: await openWasm({ threads: 1, simd: 'plain' }) },
    { name: 'wasm 2 threads', engine: await openWasm({ threads: 2 }) },
  ];
}

/**
 * The WGSL forms on the adapter at hand, which in tests is a software one: checked by Dawn, with memory filled with NaN before every run;
 * on hardware with float16 also in mixed precision. Empty where there is no adapter.
 */
export async function gpuForms(): Promise<{ name: string; engine: Engine; bound: number }[]> {
  const there = await webgpu.available();
  if (!there.ok) return [];
  const fp32 = await openWebgpu({ validate: true, poison: true });
  const mixed = fp32.describe().features.includes('f16') ? [{ name: 'webgpu, mixed', engine: await openWebgpu({ precision: 'mixed', poison: true }), bound: 3e-3 }] : [];
  return [{ name: 'webgpu', engine: fp32, bound: 2e-5 }, ...mixed];
}

/** The RMS ratio of every output and gradient of one form, by name ("output 0", "gradient 2"). */
export async function judge(engine: Engine, test: Case): Promise<Record<string, number>> {
  const inputs: HostTensors = {};
  test.inputs.forEach((t, i) => (inputs[`x${i}`] = host(t)));
  const exact = test.inputs.map((t) => ({ shape: t.shape, data: Float64Array.from(t.data) }));
  const expected = test.oracle(exact);
  const dy = gaussian(4711, ...expected[0].shape);
  inputs['dy'] = host(dy);
  const wanted = test.oracleGradient?.(exact, dy) ?? [];
  const differentiable = wanted.flatMap((g, i) => (g === null ? [] : [i]));
  const executable = engine.compile({
    state: {},
    functions: {
      f: (t) => {
        const xs = test.inputs.map((_, i) => t[`x${i}`]);
        const outputs: Record<string, Tensor> = {};
        test.call(xs).forEach((y, i) => (outputs[`output ${i}`] = y));
        if (differentiable.length > 0) {
          const f = (...vars: Tensor[]) => {
            const all = [...xs];
            differentiable.forEach((i, j) => (all[i] = vars[j]!));
            return tf.sum(tf.mul(test.call(all)[0], t['dy'])) as tf.Scalar;
          };
          const gradients = tf.grads(f)(differentiable.map((i) => xs[i]));
          gradients.forEach((g, j) => (outputs[`gradient ${differentiable[j]}`] = g));
        }
        return { outputs };
      },
    },
  });
  try {
    // twice in an arena: the second run finds memory that the first has written to (on a GPU every run finds NaN)
    if (engine.name === 'wasm') await executable.run('f', inputs).read();
    const results = await executable.run('f', inputs).read();
    const ratios: Record<string, number> = {};
    for (const [name, result] of Object.entries(results)) {
      const [kind, index] = name.split(' ');
      const oracle = (kind === 'output' ? expected : wanted)[Number(index)]!;
      if (oracle.shape.join() !== result.shape.join()) throw new Error(`${test.name}: ${name} has shape [${result.shape}], the oracle [${oracle.shape}]`);
      ratios[name] = rmsRatio(result.data, oracle.data);
    }
    return ratios;
  } finally {
    executable.dispose();
  }
}
