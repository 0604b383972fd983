import { describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { tf } from '#engine/tf.ts';
import { complex, kernelOf, modesOf } from './diagonal-ssm.ts';
import { tensorsOf } from './eager.ts';
import { mixerLaws } from './laws.ts';
import type { Parameters } from './mixer.ts';
import { s4d } from './s4d.ts';

mixerLaws(s4d, [{ dState: 6 }, {}, { dState: 2, block: 'mamba' }, { dState: 4, block: 'mamba', dConv: 1, expand: 3 }]);

const start = (options: object, dModel: number, layers = 2): Parameters => s4d.open(options, { dModel, layers }).init(rng(1));

/** K of the channels of these parameters by the recurrence, in double precision: Ā = exp(ΔA), B̄ = (Ā − 1)/A, both by their definition. */
function recurrentKernel(p: Parameters, L: number): Float64Array {
  const [H, M] = p['kernel.A_imag'].shape as [number, number];
  const K = new Float64Array(L * H);
  for (let h = 0; h < H; h++) {
    for (let m = 0; m < M; m++) {
      const [step, a, b] = [Math.exp(p['kernel.log_dt'].data[h]), -Math.exp(p['kernel.log_A_real'].data[h * M + m]), p['kernel.A_imag'].data[h * M + m]];
      const [c, d] = [p['kernel.C'].data[2 * (h * M + m)], p['kernel.C'].data[2 * (h * M + m) + 1]];
      const [keepRe, keepIm] = [Math.exp(step * a) * Math.cos(step * b), Math.exp(step * a) * Math.sin(step * b)];
      // (Ā − 1)/A
      let re = ((keepRe - 1) * a + keepIm * b) / (a * a + b * b);
      let im = (keepIm * a - (keepRe - 1) * b) / (a * a + b * b);
      for (let l = 0; l < L; l++) {
        K[l * H + h] += 2 * (c * re - d * im);
        [re, im] = [re * keepRe - im * keepIm, re * keepIm + im * keepRe];
      }
    }
  }
  return K;
}

test.each([1, 2, 3, 30, 64, 100, 1024, 3000])('the kernel of length %d is what the recurrence in double precision gives to an impulse', (L) => {
  const p = start({ dState: 32 }, 12);
  const t = tensorsOf(p);
  const K = kernelOf(modesOf(t['kernel.log_dt'], t['kernel.log_A_real'], t['kernel.A_imag'], complex(t['kernel.C'])), L);
  expect(K.shape).toEqual([L, 12]);
  const expected = recurrentKernel(p, L);
  const error = Math.hypot(...K.dataSync().map((k, i) => k - expected[i])) / Math.hypot(...expected);
  expect(error).toBeLessThan(3e-6);
});

test('the numbers held for a kernel grow with the root of its length', () => {
  const t = tensorsOf(start({ dState: 64 }, 4));
  const most = (L: number): number => {
    let largest = 0;
    tf.tidy(() => {
      const before = tf.memory().numBytes;
      kernelOf(modesOf(t['kernel.log_dt'], t['kernel.log_A_real'], t['kernel.A_imag'], complex(t['kernel.C'])), L);
      largest = tf.memory().numBytes - before; // inside a tidy everything is still there
    });
    return largest;
  };
  // sixteen times the length, four times the exponentials and the kernel itself, which is there in a few shapes
  expect(most(16384) / most(1024)).toBeLessThan(7);
});

describe('start', () => {
  const count = (p: Parameters) => Object.values(p).reduce((sum, { data }) => sum + data.length, 0);

  test.each([32, 64, 128])('parameters of width %d: 2d² + 4d + 2dN; in block mamba 6d² + 14d + 4dN', (d) => {
    expect(count(start({}, d))).toBe(2 * d * d + 4 * d + 2 * d * 64);
    expect(count(start({ dState: 16, block: 'mamba' }, d))).toBe(6 * d * d + 14 * d + 4 * d * 16);
  });

  test('S4D-Lin: Δ log-uniform on [0.001, 0.1], A = −½ + iπm, C of variance 1 in the plane; Δ and A do not decay', () => {
    const p = start({}, 256);
    const steps = p['kernel.log_dt'].data.map(Math.exp);
    expect(steps.every((s) => s >= 0.000999 && s <= 0.1001)).toBe(true);
    expect(steps.reduce((a, b) => a + Math.log10(b), 0) / 256).toBeCloseTo(-2, 0);
    expect(p['kernel.log_A_real'].data.every((a) => Math.abs(Math.exp(a) - 0.5) < 1e-6)).toBe(true);
    expect([...p['kernel.A_imag'].data.subarray(32, 36)]).toEqual([0, 1, 2, 3].map((m) => Math.fround(Math.PI * m)));
    expect(p['kernel.C'].data.reduce((a, c) => a + c * c, 0) / (256 * 32)).toBeCloseTo(1, 1);
    expect(Object.keys(p).filter((name) => p[name].noDecay)).toEqual(['kernel.log_dt', 'kernel.log_A_real', 'kernel.A_imag']);
  });
});

test('an odd state size is refused', () => {
  expect(() => start({ dState: 5 }, 8)).toThrow(/E_CONFIG: model s4d: "dState"/);
});

test('state carried by decoding', () => {
  expect(s4d.open({}, { dModel: 32, layers: 2 }).stateBytes(100)).toBe(4 * 32 * 64);
  expect(s4d.open({ block: 'mamba', dState: 16 }, { dModel: 32, layers: 2 }).stateBytes(100)).toBe(4 * 64 * (16 + 3));
});
