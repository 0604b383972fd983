import { describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { tf } from '#engine/tf.ts';
import { tensorsOf } from './eager.ts';
import { hyena } from './hyena.ts';
import { mixerLaws } from './laws.ts';
import type { Parameters } from './mixer.ts';

// sequences of 11 tokens reach beyond an lMax of 6
mixerLaws(hyena, [{}, { lMax: 16, filterOrder: 5, embDim: 7 }, { lMax: 6, embDim: 5, dConv: 1 }]);

const start = (options: object, dModel: number): Parameters => hyena.open(options, { dModel, layers: 2 }).init(rng(1));

/** The output to one token, then nothing, of a mixer whose projections pass channels on: the filter itself, plus the skip at the first place. */
function impulse(options: object, p: Parameters, D: number, L: number, maxLength?: number): Float32Array {
  const eye = (rows: number) => ({ shape: [rows, D], data: Float32Array.from({ length: rows * D }, (_, i) => Number(Math.floor(i / D) % D === i % D)) });
  const zero = (...shape: number[]) => ({ shape, data: new Float32Array(sizeOf(shape)) });
  const one = (...shape: number[]) => ({ shape, data: new Float32Array(sizeOf(shape)).fill(1) });
  const bias = { shape: [3 * D], data: Float32Array.from({ length: 3 * D }, (_, i) => Number(i >= D && i < 2 * D)) }; // x₂ is 1 everywhere
  const passing = { 'in_proj.weight': eye(3 * D), 'in_proj.bias': zero(3 * D), 'short_filter.weight': one(3 * D, 1, 1), 'short_filter.bias': bias, 'out_proj.weight': eye(D), 'out_proj.bias': zero(D) };
  passing['in_proj.weight'].data.fill(0, D * D, 2 * D * D);
  const open = hyena.open({ ...options, dConv: 1 }, { dModel: D, layers: 2, ...(maxLength === undefined ? {} : { maxLength }) });
  const x = tf.tensor3d(Float32Array.from({ length: L * D }, (_, i) => Number(i < D)), [1, L, D]);
  return open.apply(tensorsOf({ ...p, ...passing }), x).dataSync<'float32'>();
}

describe('the filter', () => {
  const [D, F, L] = [6, 4, 40];
  const options = { filterOrder: F, embDim: 5, lMax: 20 };

  test('is what the formulas give in double precision, beyond lMax as well', () => {
    const p = start(options, D);
    const at = (name: string) => p[`filter_fn.implicit_filter.${name}`].data;
    const found = impulse(options, p, D, L);
    for (let l = 0; l < L; l++) {
      const w = (2 * Math.PI * l) / 20;
      let x = [l / 19, Math.cos(1e-4 * w), Math.cos(w), -Math.sin(1e-4 * w), -Math.sin(w)];
      for (const i of [0, 2, 4]) {
        const width = x.length;
        x = Array.from({ length: F }, (_, o) => Math.sin(at('1.freq')[o] * x.reduce((sum, v, k) => sum + v * at(`${i}.weight`)[o * width + k], at(`${i}.bias`)[o])));
      }
      for (let d = 0; d < D; d++) {
        const delta = Math.log(100) * (1 / 1.5 + ((1 / 0.3 - 1 / 1.5) * d) / (D - 1));
        const h = x.reduce((sum, v, k) => sum + v * at('6.weight')[d * F + k], 0) * Math.exp((-delta * l) / 19);
        expect(found[l * D + d], `h at ${l}, channel ${d}`).toBeCloseTo(h + (l === 0 ? p['filter_fn.bias'].data[d] : 0), 5);
      }
    }
  });

  test("auto is the model's longest sequence", () => {
    const p = start({ filterOrder: F }, D);
    expect(impulse({ filterOrder: F }, p, D, L, 40)).toEqual(impulse({ filterOrder: F, lMax: 40 }, p, D, L));
    expect(impulse({ filterOrder: F }, p, D, L, 40)).not.toEqual(impulse({ filterOrder: F, lMax: 41 }, p, D, L));
  });
});

describe('start', () => {
  const count = (p: Parameters) => Object.values(p).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

  test.each([
    [32, 64, 3],
    [64, 64, 5],
    [128, 16, 33],
  ])('parameters of width %d, filter order %d, %d features: 4d² + 17d + dF + 2F² + F(embDim + 4)', (d, F, embDim) => {
    expect(count(start({ filterOrder: F, embDim }, d))).toBe(4 * d * d + 17 * d + d * F + 2 * F * F + F * (embDim + 4));
  });

  test('the network that writes the filter does not decay, and nothing else', () => {
    const p = start({}, 32);
    expect(Object.keys(p).filter((name) => p[name].noDecay)).toEqual(Object.keys(p).filter((name) => name.startsWith('filter_fn.implicit_filter.')));
  });
});

test('an even number of features is refused', () => {
  expect(() => start({ embDim: 4 }, 8)).toThrow('E_CONFIG: model hyena: "embDim": must be odd');
});

test('state carried by decoding: every token, and dConv − 1 inputs of three parts', () => {
  expect(hyena.open({}, { dModel: 32, layers: 2 }).stateBytes(100)).toBe(4 * 32 * (100 + 6));
});
