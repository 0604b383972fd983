import { beforeAll, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { tensorsOf } from './eager.ts';
import { mixers } from './index.ts';
import { buildLanguageModel, type LanguageModelConfig } from './language-model.ts';
import { gatedLinearUnit } from './mlp.ts';

const base: LanguageModelConfig = { vocabSize: 12, maxLength: 9, dModel: 8, layers: 2, mlp: 0, positions: false, round: [{ mixer: mixers.mamba2, options: { dState: 4 } }] };
const models: LanguageModelConfig[] = Object.values(mixers).flatMap((mixer) => [
  { ...base, round: [{ mixer, options: {} }] },
  { ...base, round: [{ mixer, options: {} }], mlp: 1.5, positions: true },
]);
const hybrid = [{ mixer: mixers.mamba2, options: { dState: 4 } }, { mixer: mixers.attention, options: { rope: true } }, { mixer: mixers['gated-conv'], options: {} }];
models.push({ ...base, mlp: 2, glu: 'swiglu' }, { ...base, round: hybrid, layers: 6 });
const names = ({ round }: LanguageModelConfig) => round.map(({ mixer }) => mixer.name).join();
const ids = tf.tensor2d([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7], [2, 7], 'int32');

beforeAll(() => tf.setBackend('cpu'));

test('parameters have the names of the reference, and a count', () => {
  const model = buildLanguageModel({ ...base, layers: 1, mlp: 2, positions: true });
  const parameters = model.parameters(rng(1));
  expect(Object.keys(parameters)).toEqual([
    'embedding.weight',
    'positions.weight',
    'layers.0.norm.weight',
    ...['in_proj.weight', 'conv1d.weight', 'conv1d.bias', 'dt_bias', 'A_log', 'D', 'norm.weight', 'out_proj.weight'].map((name) => `layers.0.mixer.${name}`),
    'layers.0.norm2.weight',
    ...['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'].map((name) => `layers.0.mlp.${name}`),
    'norm_f.weight',
  ]);
  for (const config of models) {
    const built = buildLanguageModel(config);
    expect(built.parameterCount).toBe(Object.values(built.parameters(rng(1))).reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  }
});

test('a gated linear unit: w3(gate(w1·x) ⊙ w2·x) in the MLP\'s place, of the hidden width that mlp says', () => {
  const unit = gatedLinearUnit('swiglu', 3, { dModel: 2, layers: 1 });
  const params = unit.init(rng(1));
  expect(Object.entries(params).map(([name, { shape }]) => [name, shape])).toEqual([['w1.weight', [3, 2]], ['w2.weight', [3, 2]], ['w3.weight', [2, 3]]]);
  const x = [0.5, -2];
  const times = (name: string, v: number[]) => Array.from({ length: params[name].shape[0] }, (_, i) => v.reduce((sum, e, j) => sum + e * 50 * params[name].data[i * v.length + j], 0));
  const [gate, value] = [times('w1.weight', x), times('w2.weight', x)];
  const expected = (f: (g: number) => number) => times('w3.weight', gate.map((g, i) => f(g) * value[i]));
  const large = Object.fromEntries(Object.entries(tensorsOf(params)).map(([name, t]) => [name, tf.mul(t, 50)]));
  for (const [kind, f] of Object.entries({ glu: (g: number) => 1 / (1 + Math.exp(-g)), swiglu: (g: number) => g / (1 + Math.exp(-g)) })) {
    const y = gatedLinearUnit(kind as 'glu', 3, { dModel: 2, layers: 1 }).apply(large, tf.tensor3d([[x]]));
    expected(f).forEach((e, i) => expect(y.dataSync()[i]).toBeCloseTo(e, 5));
  }
  expect(() => buildLanguageModel({ ...base, mlp: 0, glu: 'swiglu' })).toThrow('E_CONFIG: "glu": swiglu wants a hidden width');
});

test('another layer changes no parameter but the scale of what writes to the residual stream', () => {
  const at = (layers: number) => buildLanguageModel({ ...base, layers, mlp: 1 }).parameters(rng(1));
  const [two, three] = [at(2), at(3)];
  for (const [name, { data }] of Object.entries(two)) {
    const scale = /(out_proj|fc2)\.weight$/.test(name) ? Math.sqrt(2 / 3) : 1;
    expect(three[name].data[0]).toBeCloseTo(data[0] * scale, 6);
    if (scale === 1) expect(three[name].data).toEqual(data);
  }
  expect(two['layers.0.mixer.in_proj.weight'].data).not.toEqual(two['layers.1.mixer.in_proj.weight'].data);
});

test.each(models.map((config) => ({ ...config, mixers: names(config) })))('decoding equals the whole sequence: $mixers, mlp $mlp $glu, positions $positions', (config) => {
  const model = buildLanguageModel(config);
  const params = tensorsOf(model.parameters(rng(1)));
  const logits = tf.reshape(model.logits(params, model.hidden(params, ids)), [2, 7, 12]);
  let state = model.initialState(2, 8);
  for (let t = 0; t < 7; t++) {
    expect(Object.values(state).reduce((sum, s) => sum + 4 * s.size, 0)).toBe(2 * model.stateBytes(8));
    let y: Tensor;
    [state, y] = model.step(params, state, tf.reshape(tf.slice(ids, [0, t], [2, 1]), [2]), tf.fill([2], t, 'int32'));
    const expected = tf.reshape(tf.slice(logits, [0, t, 0], [2, 1, 12]), [2, 12]);
    expect(tf.max(tf.abs(tf.sub(y, expected))).dataSync()[0]).toBeLessThan(1e-5);
  }
});

test('layers of a hybrid are those of their mixers, round by round, and the state is their sum', () => {
  const model = buildLanguageModel({ ...base, round: hybrid, layers: 6 });
  const names = Object.keys(model.parameters(rng(1)));
  ['A_log', 'Wqkv.weight', 'projection.weight', 'A_log', 'Wqkv.weight', 'projection.weight'].forEach((name, i) => expect(names).toContain(`layers.${i}.mixer.${name}`));
  const bytes = hybrid.map(({ mixer, options }) => mixer.open(options, { dModel: 8, layers: 6 }).stateBytes(20));
  expect(model.stateBytes(20)).toBe(2 * bytes.reduce((a, b) => a + b));
});

test('the loss is the mean over scored rows; predictions are the largest logits', () => {
  const model = buildLanguageModel(base);
  const params = tensorsOf(model.parameters(rng(1)));
  const rows = [1, 5, 6, 13];
  const targets = [11, 0, -1, 7];
  const { loss, losses, predictions } = model.loss(params, ids, tf.tensor1d(rows, 'int32'), tf.tensor1d(targets, 'int32'));
  const logits = model.logits(params, model.hidden(params, ids));
  const chosen = tf.gather(logits, tf.tensor1d(rows, 'int32'));
  const all = (tf.logSoftmax(chosen as tf.Tensor2D) as tf.Tensor2D).arraySync();
  const expected = targets.map((target, i) => (target < 0 ? 0 : -all[i][target]));
  expected.forEach((e, i) => expect(losses.dataSync()[i]).toBeCloseTo(e, 5));
  expect(loss.dataSync()[0]).toBeCloseTo(expected.reduce((a, b) => a + b) / 3, 5);
  expect([...predictions.dataSync()]).toEqual([...tf.argMax(chosen, 1).dataSync()]);
});

test('notes of the mixer and of a rounded width; no more tokens than positions', () => {
  const model = buildLanguageModel({ ...base, mlp: 1.3, positions: true, maxLength: 6 });
  expect(model.notes).toEqual([expect.stringMatching(/^head dim 16 chosen/), 'MLP of hidden width 10: mlp 1.3 · dModel 8, rounded']);
  expect(() => model.hidden(tensorsOf(model.parameters(rng(1))), ids)).toThrow('E_SIZE: 7 tokens');
  expect(() => model.initialState(2, 7)).toThrow('E_SIZE: 7 tokens');
});

test('attention sees an order only through positions', () => {
  const lastHidden = (positions: boolean, tokens: number[]) => {
    const model = buildLanguageModel({ ...base, layers: 1, round: [{ mixer: mixers.attention, options: {} }], positions });
    const params = tensorsOf(model.parameters(rng(1)));
    return tf.slice(model.hidden(params, tf.tensor2d([tokens], [1, 5], 'int32')), [4, 0], [1, 8]);
  };
  const difference = (positions: boolean) =>
    tf.max(tf.abs(tf.sub(lastHidden(positions, [1, 2, 3, 4, 5]), lastHidden(positions, [3, 1, 4, 2, 5])))).dataSync()[0];
  expect(difference(false)).toBeLessThan(1e-5);
  expect(difference(true)).toBeGreaterThan(1e-4);
});
