/** Bounds of the machine, measured in the same run as what they bound. */
import { z } from '#core/config.ts';
import { tf } from '#engine/tf.ts';
import { defineWorkload, wave } from './workload.ts';

const grey = '#777777';

export const gemmWorkload = defineWorkload({
  name: 'gemm',
  summary: 'a square matrix product: the roof of arithmetic',
  kind: 'roof',
  config: z.strictObject({ size: z.int().positive().default(1024).describe('rows and columns of each matrix') }),
  open: ({ size: n }) => ({
    appearance: { label: 'Matrix product', order: 90, color: grey, marker: 'rect' },
    tokens: 0,
    stateBytes: null,
    // the result stays: fetched, it would be timed too
    program: () => ({ state: { a: wave([n, n]), b: wave([n, n], { shift: 0.1 }), y: wave([n, n]) }, functions: { call: (_, { a, b }) => ({ outputs: {}, state: { y: tf.matMul(a, b) } }) } }),
    call: 'call',
    inputs: () => ({}),
    notes: [],
  }),
});

export const copyWorkload = defineWorkload({
  name: 'copy',
  summary: 'one array read and another written: the roof of memory traffic',
  kind: 'roof',
  config: z.strictObject({ elements: z.int().positive().default(2 ** 24).describe('float32 elements of each array') }),
  open: ({ elements }) => ({
    appearance: { label: 'Copy', order: 91, color: grey, marker: 'circle' },
    tokens: 0,
    stateBytes: null,
    program: () => ({
      state: { x: wave([elements]), s: wave([]), y: wave([elements]) },
      functions: { call: (_, { x, s }) => ({ outputs: {}, state: { y: tf.add(x, s) } }) },
    }),
    call: 'call',
    inputs: () => ({}),
    notes: ['a scalar is added to every element, so that nothing but a kernel can do it'],
  }),
});

export const launchWorkload = defineWorkload({
  name: 'launch',
  summary: 'a call that does nearly nothing: the floor under every time',
  kind: 'roof',
  config: z.strictObject({}),
  open: () => ({
    appearance: { label: 'One launch', order: 92, color: grey, marker: 'triangle' },
    tokens: 0,
    stateBytes: null,
    program: () => ({ state: { x: wave([1]) }, functions: { call: (_, { x }) => ({ outputs: { y: tf.add(x, 1) } }) } }),
    call: 'call',
    inputs: () => ({}),
    notes: [],
  }),
});
