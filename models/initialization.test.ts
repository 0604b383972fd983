/** Sizes and starting values of the mixers against the public reference implementation. */
import { describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { attention } from './attention.ts';
import { mixers } from './index.ts';
import { mamba1 } from './mamba1.ts';
import { mamba2 } from './mamba2.ts';
import type { Mixer, Parameter, Parameters } from './mixer.ts';

const start = (mixer: Mixer, options: object, dModel: number, layers = 2, seed = 1): Parameters => mixer.open(options, { dModel, layers }).init(rng(seed));
const count = (parameters: Parameters) => Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
const max = ({ data }: Parameter) => data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
const deviation = ({ data }: Parameter) => Math.sqrt(data.reduce((a, b) => a + b * b, 0) / data.length);

describe('parameters per layer', () => {
  test.each([32, 64, 128, 256])('attention, width %d: 4d² + 4d', (d) => {
    expect(count(start(attention, {}, d))).toBe(4 * d * d + 4 * d);
  });
  test.each([
    [32, 9_920],
    [64, 32_640],
    [128, 116_480],
    [256, 437_760],
  ])('mamba1, width %d', (d, expected) => {
    expect(count(start(mamba1, {}, d))).toBe(expected);
  });
  test.each([
    [32, 7_747, 11_299, 25_507],
    [64, 27_686, 34_310, 60_806],
    [128, 104_620, 117_388, 168_460],
    [256, 406_712, 431_768, 531_992],
  ])('mamba2, width %d', (d, n16, n64, n256) => {
    const at = (dState: number) => count(start(mamba2, { dState }, d));
    expect([at(16), at(64), at(256)]).toEqual([n16, n64, n256]);
  });
});

test('shapes are those of the reference', () => {
  const shapes = (parameters: Parameters) => Object.fromEntries(Object.entries(parameters).map(([name, { shape }]) => [name, shape]));
  expect(shapes(start(attention, {}, 64))).toEqual({ 'Wqkv.weight': [192, 64], 'Wqkv.bias': [192], 'out_proj.weight': [64, 64], 'out_proj.bias': [64] });
  expect(shapes(start(mamba1, {}, 64))).toEqual({
    'in_proj.weight': [256, 64],
    'conv1d.weight': [128, 1, 4],
    'conv1d.bias': [128],
    'x_proj.weight': [4 + 32, 128],
    'dt_proj.weight': [128, 4],
    'dt_proj.bias': [128],
    A_log: [128, 16],
    D: [128],
    'out_proj.weight': [64, 128],
  });
  expect(shapes(start(mamba2, { dState: 64 }, 64))).toEqual({
    'in_proj.weight': [256 + 128 + 2, 64],
    'conv1d.weight': [256, 1, 4],
    'conv1d.bias': [256],
    dt_bias: [2],
    A_log: [2],
    D: [2],
    'norm.weight': [128],
    'out_proj.weight': [64, 128],
  });
});

test('shapes of linear attention in its kinds, of windows and of gated convolutions', () => {
  const shapes = (mixer: Mixer, options: object = {}) => Object.fromEntries(Object.entries(start(mixer, options, 64)).map(([name, { shape }]) => [name, shape.join()]));
  expect(shapes(mixers['linear-attention'])).toEqual({ 'q_proj.weight': '64,64', 'k_proj.weight': '64,64', 'v_proj.weight': '64,64', 'o_proj.weight': '64,64' });
  expect(shapes(mixers['linear-attention'], { normaliser: 'rms', heads: 4 })).toMatchObject({ 'norm.weight': '16' });
  expect(shapes(mixers.based)).toEqual({ 'proj_q.weight': '16,64', 'proj_k.weight': '16,64', 'proj_v.weight': '64,64', 'proj_o.weight': '64,64' });
  expect(shapes(mixers.retnet)).toEqual({ 'q_proj.weight': '64,64', 'k_proj.weight': '64,64', 'v_proj.weight': '128,64', 'g_proj.weight': '128,64', 'g_norm_swish_gate.weight': '32', 'o_proj.weight': '64,128' });
  expect(shapes(mixers['sliding-window'])).toEqual(shapes(attention));
  expect(shapes(mixers['gated-conv'])).toEqual({ 'projection.weight': '64,64', 'projection.bias': '64', 'conv.conv.weight': '64,1,3', 'conv.conv.bias': '64' });
});

describe('starting values', () => {
  const first = start(mamba1, {}, 128);
  const second = start(mamba2, { headDim: 1 }, 128);

  test('the step size starts log-uniform on [0.001, 0.1]', () => {
    for (const bias of [first['dt_proj.bias'], second['dt_bias']]) {
      const steps = [...bias.data].map((b) => Math.log1p(Math.exp(b))).sort((a, b) => a - b);
      expect(bias.data.every((b) => b >= -6.91 && b <= -2.25)).toBe(true);
      expect(steps[0]).toBeLessThan(0.0012);
      expect(steps.at(-1)).toBeGreaterThan(0.085);
      expect(steps[steps.length / 2]).toBeGreaterThan(0.007); // the median is 0.01
      expect(steps[steps.length / 2]).toBeLessThan(0.014);
    }
  });

  test('decay rates: n + 1 in Mamba-1, uniform on [1, 16] in Mamba-2', () => {
    expect([...first['A_log'].data.subarray(16, 32)].map((v) => Math.round(Math.exp(v) * 1e4) / 1e4)).toEqual(Array.from({ length: 16 }, (_, n) => n + 1));
    const rates = [...second['A_log'].data].map(Math.exp);
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...rates)).toBeLessThanOrEqual(16.001);
    expect(rates.reduce((a, b) => a + b) / rates.length).toBeCloseTo(8.5, 0);
  });

  test('D is 1; A_log, D and dt_bias of Mamba-2 do not decay, and nothing else', () => {
    expect(max(first['D'])).toBe(1);
    expect(max(second['D'])).toBe(1);
    const undecayed = (parameters: Parameters) => Object.keys(parameters).filter((name) => parameters[name].noDecay);
    expect(undecayed(first)).toEqual(['A_log', 'D']);
    expect(undecayed(second)).toEqual(['dt_bias', 'A_log', 'D']);
    expect(undecayed(start(attention, {}, 32))).toEqual([]);
  });

  test.each([1, 2, 8])('linear and convolution weights are U(±1/√fan_in), the output projection over √%d layers', (layers) => {
    for (const [mixer, options] of [
      [mamba1, {}],
      [mamba2, {}],
    ] as const) {
      const p = start(mixer, options, 128, layers);
      const bounds: [string, number][] = [
        ['in_proj.weight', 1 / Math.sqrt(128)],
        ['conv1d.weight', 0.5],
        ['conv1d.bias', 0.5],
        ['out_proj.weight', 1 / Math.sqrt(256 * layers)],
        ...(mixer === mamba1 ? ([['x_proj.weight', 1 / 16], ['dt_proj.weight', 1 / Math.sqrt(8)]] as [string, number][]) : []),
      ];
      for (const [name, bound] of bounds) {
        expect(max(p[name])).toBeLessThanOrEqual(bound * (1 + 1e-6));
        expect(max(p[name])).toBeGreaterThan(0.95 * bound);
        expect(deviation(p[name]) / (bound / Math.sqrt(3))).toBeCloseTo(1, 0.9);
      }
    }
  });

  test.each([1, 2, 8])('attention starts as GPT-2 does, of %d layers', (layers) => {
    const p = start(attention, {}, 128, layers);
    expect(deviation(p['Wqkv.weight'])).toBeCloseTo(0.02, 3);
    expect(deviation(p['out_proj.weight']) / (0.02 / Math.sqrt(2 * layers))).toBeCloseTo(1, 1);
    expect(max(p['Wqkv.bias']) + max(p['out_proj.bias'])).toBe(0);
  });
});

describe('state carried by decoding', () => {
  test('keys and values of every token; a fixed state and dConv − 1 inputs', () => {
    const sizes = { dModel: 128, layers: 2 };
    expect(attention.open({}, sizes).stateBytes(1024)).toBe(4 * 2 * 128 * 1024);
    expect(mamba1.open({}, sizes).stateBytes(1024)).toBe(4 * 256 * (16 + 3));
    expect(mamba2.open({ dState: 64 }, sizes).stateBytes(1024)).toBe(4 * (256 * 64 + (256 + 128) * 3));
  });
});

describe('head dim of Mamba-2', () => {
  const open = (options: object, dModel: number) => mamba2.open(options, { dModel, layers: 2 });
  const heads = (options: object, dModel: number) => open(options, dModel).init(rng(1))['dt_bias'].shape[0];

  test('64 where it fits, without a word', () => {
    expect([heads({}, 32), heads({}, 128)]).toEqual([1, 4]);
    expect(open({}, 128).notes).toEqual([]);
  });
  test('otherwise the largest that fits, and a note', () => {
    expect([heads({}, 16), heads({}, 48), heads({ nGroups: 2 }, 32)]).toEqual([1, 2, 2]);
    expect(open({}, 16).notes).toEqual(['head dim 32 chosen: head dim 64 does not divide the inner width 32 (expand · dModel) into heads']);
    expect(open({}, 48).notes[0]).toMatch(/^head dim 48 chosen/);
    expect(open({ nGroups: 2 }, 32).notes[0]).toMatch(/^head dim 32 chosen: .*multiple of nGroups 2/);
  });
  test('one asked for that does not fit is refused with the nearest that do', () => {
    expect(() => open({ headDim: 48 }, 64)).toThrow('E_SIZE: model mamba2: head dim 48 does not divide the inner width 128 (expand · dModel) into heads. Nearest legal headDim: 32, 64.');
    expect(() => open({ headDim: 64 }, 16)).toThrow('Nearest legal headDim: 32.');
    expect(() => open({ nGroups: 3 }, 32)).toThrow('E_SIZE: model mamba2: nGroups 3 does not divide');
  });
});

test('options are checked and documented', () => {
  expect(() => attention.open({ heads: 3 }, { dModel: 32, layers: 2 })).toThrow('E_SIZE');
  expect(() => mamba1.open({ dstate: 16 }, { dModel: 32, layers: 2 })).toThrow('Did you mean "dState"?');
  expect(mamba2.resolve({ dState: 16 })).toEqual({ dState: 16, headDim: 'auto', nGroups: 1, dConv: 4, expand: 2, chunk: 64, form: 'chunked' });
  for (const mixer of [attention, mamba1, mamba2]) for (const option of mixer.options) expect(option.description).toBeTruthy();
});
