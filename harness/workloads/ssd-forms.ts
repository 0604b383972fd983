/** Whether the three forms of SSD are one function: every two of them on the same operands, results and gradients. */
import { z } from '#core/config.ts';
import type { StateTensor, Tensors } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { ssd, type SsdForm } from '#kernels/ssd/op.ts';
import { defineWorkload, wave } from './workload.ts';

const operands = ['x', 'dt', 'a', 'b', 'c', 'd'] as const;
const pairs: readonly (readonly [SsdForm, SsdForm])[] = [['chunked', 'linear'], ['quadratic', 'linear'], ['chunked', 'quadratic']];

/** √(Σ(p − q)² / Σq²) */
const rmsRatio = (p: Tensor, q: Tensor): Tensor => tf.sqrt(tf.div(tf.sum(tf.square(tf.sub(p, q))), tf.sum(tf.square(q))));

export const ssdFormsWorkload = defineWorkload({
  name: 'ssd-forms',
  summary: 'the three forms of SSD on the same operands: how far their results and gradients are apart',
  kind: 'check',
  config: z.strictObject({
    batch: z.int().positive().default(1).describe('sequences B'),
    seqLen: z.int().positive().describe('tokens L of each'),
    heads: z.int().positive().default(2).describe('heads H'),
    headDim: z.int().positive().default(64).describe('channels P of a head'),
    dState: z.int().positive().default(64).describe('state size N of each channel'),
    chunk: z.int().positive().default(64).describe('tokens in a chunk of the chunked form'),
  }),
  open: ({ batch: B, seqLen: L, heads: H, headDim: P, dState: N, chunk }) => ({
    appearance: { label: 'SSD, forms compared', order: 23, color: '#777777', marker: 'star' },
    tokens: B * L,
    stateBytes: null,
    program: () => ({ state: stateOf(B, L, H, P, N), functions: { call: (_, state) => ({ outputs: differences(state, chunk) }) } }),
    call: 'call',
    compares: true,
    inputs: () => ({}),
    notes: [],
  }),
});

/** A decay slow enough that a state is felt over many chunks. */
function stateOf(B: number, L: number, H: number, P: number, N: number): Record<string, StateTensor> {
  return {
    x: wave([B, L, H, P]),
    dt: wave([B, L, H], { scale: 0.04, shift: 0.05 }),
    a: wave([H], { scale: 0.05, shift: -0.1 }),
    b: wave([B, L, 1, N], { shift: 0.1 }),
    c: wave([B, L, 1, N], { shift: -0.1 }),
    d: wave([H]),
    dy: wave([B, L, H, P], { shift: 0.1 }),
  };
}

function differences({ dy, ...state }: Tensors, chunk: number): Tensors {
  const own = operands.map((name) => state[name]);
  const results = (form: SsdForm): Record<string, Tensor> => {
    const { value, grads } = tf.valueAndGrads((...[x, dt, a, b, c, d]: Tensor[]) => ssd(x, dt, a, b, c, d, { chunk, form }).y)(own, dy);
    return { y: value, ...Object.fromEntries(operands.map((name, i) => [`gradient of ${name}`, grads[i]])) };
  };
  const all = { chunked: results('chunked'), linear: results('linear'), quadratic: results('quadratic') };
  return Object.fromEntries(pairs.flatMap(([p, q]) => Object.keys(all[p]).map((what) => [`${p} and ${q}: ${what}`, rmsRatio(all[p][what], all[q][what])])));
}
