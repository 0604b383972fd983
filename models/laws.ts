/** What every mixer keeps to: its own test file calls `mixerLaws` (models/index.test.ts sees to that). */
import { beforeAll, describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { sizeOf } from '#engine/tensor-spec.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { tensorsOf } from './eager.ts';
import type { Mixer, OpenMixer, Parameters, Tensors } from './mixer.ts';

const [B, L, D] = [3, 11, 8];
const sizes = { dModel: D, layers: 2 };

/** Parameters away from their start, so that no bias is zero and no scale is one. */
function trained(mixer: OpenMixer): Tensors {
  const init = mixer.init(rng(1));
  const moved: Parameters = {};
  for (const [name, p] of Object.entries(init)) {
    const stream = rng(2).fork(name);
    moved[name] = { ...p, data: p.data.map((v) => v + 0.3 * stream.normal()) };
  }
  return tensorsOf(moved);
}

/** ‖a − e‖ / ‖e‖; infinity where `actual` is not finite. */
function rmsRatio(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  const [a, e] = [actual.dataSync(), expected.dataSync()];
  if (!a.every(Number.isFinite)) return Infinity;
  return Math.hypot(...e.map((v, i) => a[i] - v)) / Math.hypot(...e);
}

const randomInput = (seed: number) => tf.tensor3d(Float32Array.from({ length: B * L * D }, ((s) => () => s.normal())(rng(seed))), [B, L, D]);

/** x with other values in sequences `from … to−1` of the batch at positions `start … end−1`. */
function changed(x: Tensor, batch: [number, number], time: [number, number]): Tensor {
  const mask = tf.buffer([B, L, 1]);
  for (let b = batch[0]; b < batch[1]; b++) for (let t = time[0]; t < time[1]; t++) mask.set(1, b, t, 0);
  return tf.add(x, tf.mul(mask.toTensor(), randomInput(99)));
}

/** The laws of one mixer, with each of these options. */
export function mixerLaws(mixer: Mixer, options: readonly Record<string, unknown>[]): void {
  beforeAll(() => tf.setBackend('cpu'));

  describe.each(options)(`${mixer.name} %j`, (options) => {
    const open = mixer.open(options, sizes);

    test('initial parameters are finite, full, and decided by the stream alone', () => {
      const [stream, again, other] = [rng(5), rng(5), rng(6)];
      stream.fork('x').normal();
      const parameters = open.init(stream);
      for (const [, { shape, data }] of Object.entries(parameters)) {
        expect(data).toHaveLength(sizeOf(shape));
        expect(data.every(Number.isFinite)).toBe(true);
      }
      expect(open.init(again)).toEqual(parameters);
      expect(open.init(other)).not.toEqual(parameters);
    });

    test('causal: later inputs never change earlier outputs', () => {
      const params = trained(open);
      const x = randomInput(3);
      const y = open.apply(params, x);
      expect(y.shape).toEqual([B, L, D]);
      for (const t of [1, 4, L - 1]) {
        const other = open.apply(params, changed(x, [0, B], [t, L]));
        const until = (whole: Tensor, end: number) => tf.slice(whole, [0, 0, 0], [B, end, D]);
        expect(rmsRatio(until(other, t), until(y, t))).toBeLessThan(1e-6);
        expect(rmsRatio(until(other, t + 1), until(y, t + 1))).toBeGreaterThan(1e-3);
      }
    });

    test('remembers: the first input reaches the last output, or as far as the mixer says', () => {
      const params = trained(open);
      const x = randomInput(3);
      const { reach = Infinity } = open;
      const change = (t: number) => {
        const at = (whole: Tensor) => tf.slice(whole, [0, t, 0], [B, 1, D]);
        return rmsRatio(at(open.apply(params, changed(x, [0, B], [0, 1]))), at(open.apply(params, x)));
      };
      expect(change(Math.min(reach, L - 1))).toBeGreaterThan(1e-6);
      for (let t = reach + 1; t < L; t++) expect(change(t)).toBe(0);
    });

    test('sequences of a batch are strangers', () => {
      const params = trained(open);
      const x = randomInput(3);
      const first = (whole: Tensor) => tf.slice(whole, [0, 0, 0], [1, L, D]);
      const y = first(open.apply(params, x));
      expect(rmsRatio(first(open.apply(params, changed(x, [1, B], [0, L]))), y)).toBeLessThan(1e-6);
    });

    test('step over a sequence equals apply, and carries as many bytes as stateBytes says', () => {
      const params = trained(open);
      const x = randomInput(3);
      const capacity = L + 2;
      let state = open.initialState(B, capacity);
      const shapes = (tensors: Tensors) => Object.fromEntries(Object.entries(tensors).map(([key, s]) => [key, [...s.shape, s.dtype]]));
      const first = shapes(state);
      const carried = Object.values(state).reduce((sum, s) => sum + 4 * s.size, 0);
      expect(carried).toBe(B * open.stateBytes(capacity));
      for (const s of Object.values(state)) expect([s.shape[0], s.dtype]).toEqual([B, 'float32']);
      const outputs: Tensor[] = [];
      for (let t = 0; t < L; t++) {
        let y: Tensor;
        [state, y] = open.step(params, state, tf.reshape(tf.slice(x, [0, t, 0], [B, 1, D]), [B, D]), tf.fill([B], t, 'int32'));
        expect(shapes(state)).toEqual(first);
        outputs.push(y);
      }
      expect(rmsRatio(tf.stack(outputs, 1), open.apply(params, x))).toBeLessThan(1e-5);
    });

    test('every parameter and the input get a finite gradient other than zero', () => {
      const params = trained(open);
      const names = Object.keys(params);
      const weights = randomInput(7);
      const f = (x: Tensor, ...tensors: Tensor[]) => {
        const y = open.apply(Object.fromEntries(names.map((key, i) => [key, tensors[i]])), x);
        return tf.sum(tf.mul(y, weights)) as tf.Scalar;
      };
      const gradients = tf.grads(f)([randomInput(3), ...Object.values(params)]);
      ['x', ...names].forEach((key, i) => {
        const norm = tf.norm(gradients[i]).dataSync()[0];
        expect([key, norm > 0 && Number.isFinite(norm)]).toEqual([key, true]);
      });
    });
  });
}
