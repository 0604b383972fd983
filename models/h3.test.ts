import { describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { tf } from '#engine/tf.ts';
import { tensorsOf } from './eager.ts';
import { h3 } from './h3.ts';
import { mixerLaws } from './laws.ts';
import type { Parameters } from './mixer.ts';

// a shift that is longer than the sequence, and shifts that are shorter
mixerLaws(h3, [{}, { dState: 2 }, { dState: 6, headDim: 2 }, { dState: 4, headDim: 8 }]);

const start = (options: object, dModel: number, layers = 2): Parameters => h3.open(options, { dModel, layers }).init(rng(1));

describe('start', () => {
  const count = (p: Parameters) => Object.values(p).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

  test.each([
    [32, 64, 1],
    [64, 16, 2],
    [128, 64, 8],
  ])('parameters of width %d, N %d, P %d: 4d² + 5d + 2dN + (3N + 2)d/P', (d, N, P) => {
    expect(count(start({ dState: N, headDim: P }, d))).toBe(4 * d * d + 5 * d + 2 * d * N + ((3 * N + 2) * d) / P);
  });

  test('the shift remembers: b is e₁, C as a convolution of N taps starts; b, B, Δ and A do not decay', () => {
    const p = start({ dState: 16 }, 64);
    expect([...p['ssm_k_kernel.kernel.B'].data.subarray(0, 17)]).toEqual([1, ...new Array<number>(15).fill(0), 1]);
    expect(p['ssm_k_kernel.kernel.C'].data.every((c) => Math.abs(c) <= 0.25)).toBe(true);
    expect(Object.keys(p).filter((name) => p[name].noDecay)).toEqual(['ssm_k_kernel.kernel.B', 'kernel.kernel.log_dt', 'kernel.kernel.B', 'kernel.kernel.inv_A_real', 'kernel.kernel.A_imag']);
  });
});

test('with a shift of one tap and a memory that keeps all, it is linear attention with heads of width P', () => {
  const [B, L, D, P] = [2, 9, 6, 3];
  const open = h3.open({ dState: 2, headDim: P }, { dModel: D, layers: 1 });
  const p = open.init(rng(1));
  // k̂ = k, and K_l = 2 Re(C)·(e^{ΔA} − 1)/A ≈ Δ·2·½ e^{lΔA} with a slow decay
  for (const name of ['ssm_k_kernel.kernel.C', 'kernel.kernel.C', 'D']) p[name].data.fill(0);
  p['ssm_k_D'].data.fill(1);
  p['kernel.kernel.log_dt'].data.fill(0);
  p['kernel.kernel.inv_A_real'].data.fill(Math.log(1e-6));
  p['kernel.kernel.C'].data.forEach((_, i, c) => (c[i] = i % 2 === 0 ? 0.5 : 0));
  const params = tensorsOf(p);
  const s = rng(4);
  const x = tf.tensor3d(Float32Array.from({ length: B * L * D }, () => s.normal()), [B, L, D]);
  const linear = (name: string, of: tf.Tensor) => tf.add(tf.matMul(tf.reshape(of, [B * L, D]), params[`${name}.weight`], false, true), params[`${name}.bias`]);
  const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => tf.transpose(tf.reshape(linear(name, x), [B, L, D / P, P]), [0, 2, 1, 3]));
  const scores = tf.linalg.bandPart(tf.matMul(q, k, false, true), -1, 0);
  const expected = linear('output_linear', tf.transpose(tf.matMul(scores, v), [0, 2, 1, 3])).dataSync();
  open.apply(params, x).dataSync().forEach((y, i) => expect(y).toBeCloseTo(expected[i], 3));
});

test('a head dim that does not divide the width, and an odd state size, are refused', () => {
  expect(() => start({ headDim: 3 }, 8)).toThrow('E_SIZE: model h3: head dim 3 does not divide dModel 8. Choose a divisor of 8.');
  expect(() => start({ dState: 3 }, 8)).toThrow(/E_CONFIG: model h3: "dState"/);
});

test('state carried by decoding: N − 1 places of the shift, N numbers of each product', () => {
  expect(h3.open({}, { dModel: 32, layers: 2 }).stateBytes(100)).toBe(4 * 32 * (63 + 64));
  expect(h3.open({ headDim: 4, dState: 16 }, { dModel: 32, layers: 2 }).stateBytes(100)).toBe(4 * 32 * (15 + 4 * 16));
});
