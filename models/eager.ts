/** Host tensors, such as parameters, as tfjs tensors, for running a model without an engine. */
import type { HostTensors } from '#engine/engine.ts';
import { tf } from '#engine/tf.ts';
import type { Tensors } from './mixer.ts';

/** Tensors on the current tfjs backend. */
export function tensorsOf(values: HostTensors): Tensors {
  return Object.fromEntries(Object.entries(values).map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]));
}
