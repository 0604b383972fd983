/** Host tensors as tfjs tensors and back, for what a model does without an engine. */
import type { HostTensors } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import type { Tensors } from './mixer.ts';

/** Tensors on the current tfjs backend. */
export function tensorsOf(values: HostTensors): Tensors {
  return Object.fromEntries(Object.entries(values).map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]));
}

/** What float32 tensors `make` gives, made on tfjs's own CPU backend whichever is current. */
export function hostTensorsOf(make: () => Tensors): HostTensors {
  const before = tf.getBackend();
  void tf.setBackend('cpu');
  try {
    const values: HostTensors = {};
    tf.tidy(() => {
      for (const [name, t] of Object.entries(make())) values[name] = { shape: t.shape, data: t.dataSync<'float32'>() };
    });
    return values;
  } finally {
    if (before !== '' && before !== undefined) void tf.setBackend(before);
  }
}
