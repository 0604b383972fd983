import { expect, test } from 'vitest';
import { tf } from './tf.ts';
import { float } from './tensor-spec.ts';
import { openWasm } from './wasm/engine.ts';
import { capture } from './capture/capture.ts';

test('an op that the graph does not know is named, with the place of the call', () => {
  expect(() => capture(({ a }) => ({ outputs: { y: tf.spectral.fft(tf.complex(a, a)) } }), { a: float(8) }, {})).toThrow(/E_OP: the graph does not know the tfjs op \w+, called at .*program\.test\.ts:\d+/);
});

test('reading a value during capture is refused with the remedy', () => {
  expect(() => capture(({ a }) => ({ outputs: { y: tf.mul(a, a.dataSync()[0]) } }), { a: float(8) }, {})).toThrow(/E_OP: the program reads the value.*Remedy/s);
});

test('a failed capture leaves nothing behind', () => {
  expect(() => capture(() => {
    throw new Error('in the program');
  }, {}, {})).toThrow('in the program');
  expect(capture(({ a }) => ({ outputs: { y: tf.neg(a) } }), { a: float(2) }, {}).nodes).toHaveLength(1);
});

test('a state of the wrong name or shape is refused', () => {
  expect(() => capture(({ a }) => ({ outputs: {}, state: { q: a } }), { a: float(2) }, { p: float(2) })).toThrow(/E_OP.*"q".*Known: p/);
  expect(() => capture(({ a }) => ({ outputs: {}, state: { p: a } }), { a: float(3) }, { p: float(2) })).toThrow(/E_SHAPE/);
});

test('state advances inside the engine, in place or by copy, whoever still reads the old value', async () => {
  const engine = await openWasm({ threads: 2, poison: true });
  const executable = engine.compile({
    state: { p: { shape: [3], data: Float32Array.of(1, 2, 3) }, q: { shape: [3], data: Float32Array.of(0, 0, 0) } },
    functions: {
      // the old p is read after the new one has been made; p and q swap roles
      f: ({ d }, { p, q }) => {
        const next = tf.add(p, d);
        return { outputs: { old: tf.mul(p, 10), sum: tf.add(next, q), q }, state: { p: next, q: p } };
      },
    },
  });
  const d = { shape: [3], data: Float32Array.of(1, 1, 1) };
  expect([...(await executable.run('f', { d }).read())['old'].data]).toEqual([10, 20, 30]);
  const second = await executable.run('f', { d }).read();
  expect([...second['q'].data]).toEqual([1, 2, 3]);
  expect([...second['old'].data]).toEqual([20, 30, 40]);
  expect([...second['sum'].data]).toEqual([4, 6, 8]);
  const state = await executable.readState();
  expect([...state['p'].data]).toEqual([3, 4, 5]);
  expect([...state['q'].data]).toEqual([2, 3, 4]);
  executable.dispose();
});
