/** Single operations at any shape, forward or with all gradients. Their operands live in the engine: what is timed is the op. */
import { z } from '#core/config.ts';
import { RecallbenchError } from '#core/errors.ts';
import type { StateTensor, Tensors } from '#engine/engine.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { causalAttention } from '#kernels/causal-attention/op.ts';
import { longConv } from '#kernels/long-conv/op.ts';
import { selectiveScan } from '#kernels/selective-scan/op.ts';
import { ssd } from '#kernels/ssd/op.ts';
import { attention } from '#models/attention.ts';
import { mamba1 } from '#models/mamba1.ts';
import { mamba2 } from '#models/mamba2.ts';
import type { Appearance } from '#results/record.ts';
import { defineWorkload, wave, type OpenWorkload } from './workload.ts';

const direction = z.enum(['forward', 'forward-backward']).default('forward').describe('forward alone, or with the gradients of all operands');
const batch = z.int().positive().default(1).describe('sequences B');
const seqLen = z.int().positive().describe('tokens L of each');

/** The sum of one element of each tensor: all of them have to be computed, and nearly nothing is launched and fetched besides. */
const glimpse = (all: readonly Tensor[]): Tensor => all.map((t) => tf.slice(tf.reshape(t, [-1]), [0], [1])).reduce((a, b) => tf.add(a, b), tf.scalar(0));

/** An op as a program: `f` of the operands, and for gradients a gradient `dy` of its result. */
function opWorkload(about: {
  appearance: Appearance;
  direction: z.output<typeof direction>;
  tokens: number;
  operands: () => Record<string, StateTensor>;
  /** shape of the result */
  result: readonly number[];
  f: (operands: Tensors) => Tensor;
}): OpenWorkload {
  const { appearance, tokens, operands, result, f } = about;
  const withGradients = (state: Tensors): { y: Tensor; gradients: Tensor[] } => {
    const { dy, ...own } = state;
    const names = Object.keys(own);
    const { value, grads } = tf.valueAndGrads((...xs: Tensor[]) => f(Object.fromEntries(names.map((name, i) => [name, xs[i]]))))(Object.values(own), dy);
    return { y: value, gradients: grads };
  };
  const all: Record<typeof about.direction, (state: Tensors) => Tensor[]> = {
    forward: (state) => [f(state)],
    'forward-backward': (state) => {
      const { y, gradients } = withGradients(state);
      return [y, ...gradients];
    },
  };
  const results = all[about.direction];
  return {
    appearance,
    tokens,
    stateBytes: null,
    program: () => ({ state: { ...operands(), ...(about.direction === 'forward' ? {} : { dy: wave(result, { shift: 0.1 }) }) }, functions: { call: (_, state) => ({ outputs: { glimpse: glimpse(results(state)) } }) } }),
    call: 'call',
    inputs: () => ({}),
    counted: (_, state) => ({ outputs: Object.fromEntries(results(state).map((t, i) => [String(i), t])) }),
    notes: [],
  };
}

const step = { scale: 0.04, shift: 0.05 };
const decayRate = { scale: 0.5, shift: -1 };

export const causalAttentionWorkload = defineWorkload({
  name: 'causal-attention',
  summary: 'causal softmax attention, fused',
  kind: 'op',
  config: z.strictObject({ batch, seqLen, heads: z.int().positive().describe('heads H'), headDim: z.int().positive().default(64).describe('width K of a head'), direction }),
  open({ batch: B, seqLen: L, heads: H, headDim: K, direction: to }) {
    const shape = [B, L, H, K];
    return opWorkload({
      appearance: { ...attention.appearance, label: 'Causal attention' },
      direction: to,
      tokens: B * L,
      operands: () => ({ q: wave(shape), k: wave(shape, { shift: 0.1 }), v: wave(shape, { shift: 0.2 }) }),
      result: shape,
      f: ({ q, k, v }) => causalAttention(q, k, v),
    });
  },
});

export const selectiveScanWorkload = defineWorkload({
  name: 'selective-scan',
  summary: 'selective scan of Mamba-1, fused',
  kind: 'op',
  config: z.strictObject({ batch, seqLen, channels: z.int().positive().describe('inner width E'), dState: z.int().positive().describe('state size N of each channel'), direction }),
  open: ({ batch: B, seqLen: L, channels: E, dState: N, direction: to }) =>
    opWorkload({
      appearance: { ...mamba1.appearance, label: 'Selective scan' },
      direction: to,
      tokens: B * L,
      operands: () => scanOperands(B, L, E, N),
      result: [B, L, E],
      f: ({ x, delta, a, b, c, d }) => selectiveScan(x, delta, a, b, c, d).y,
    }),
});

function scanOperands(B: number, L: number, E: number, N: number): Record<string, StateTensor> {
  return { x: wave([B, L, E]), delta: wave([B, L, E], step), a: wave([E, N], decayRate), b: wave([B, L, N]), c: wave([B, L, N]), d: wave([E]) };
}

export const longConvWorkload = defineWorkload({
  name: 'long-conv',
  summary: 'causal convolution with a filter as long as the sequence, by FFT: what Hyena and H3 run',
  kind: 'op',
  config: z.strictObject({ batch, seqLen, channels: z.int().positive().describe('channels C'), direction }),
  open: ({ batch: B, seqLen: L, channels: C, direction: to }) =>
    opWorkload({
      appearance: { label: 'Long convolution (FFT)', order: 15, color: '#8C6D31', marker: 'star' },
      direction: to,
      tokens: B * L,
      operands: () => ({ u: wave([B, L, C]), h: wave([L, C], { scale: 0.1 }) }),
      result: [B, L, C],
      f: ({ u, h }) => longConv(u, h),
    }),
});

/** Tokens from which on a graph with several nodes for each is too large to be captured. */
const MOST_STEPS = 4096;

export const naiveScanWorkload = defineWorkload({
  name: 'naive-scan',
  summary: 'the selective scan as a plain loop over tokens in tfjs ops: what a mixer costs without a fused op',
  kind: 'op',
  config: z.strictObject({ batch, seqLen, channels: z.int().positive().describe('inner width E'), dState: z.int().positive().describe('state size N of each channel'), direction }),
  open({ batch: B, seqLen: L, channels: E, dState: N, direction: to }) {
    if (L > MOST_STEPS) throw new RecallbenchError('E_SIZE', `workload naive-scan: seqLen ${L} is over ${MOST_STEPS}: every token is several nodes of a graph.`);
    return opWorkload({
      appearance: { label: 'Scan in tfjs ops', order: 12, color: '#CC79A7', marker: 'crossRot' },
      direction: to,
      tokens: B * L,
      operands: () => scanOperands(B, L, E, N),
      result: [B, L, E],
      f: ({ x, delta, a, b, c, d }) => {
        const at = (t: Tensor, i: number): Tensor => tf.slice(t, [0, i, 0], [B, 1, -1]);
        let h: Tensor = tf.zeros([B, E, N]);
        const ys = Array.from({ length: L }, (_, t) => {
          const dt = tf.reshape(at(delta, t), [B, E, 1]);
          const input = tf.mul(tf.mul(dt, tf.reshape(at(x, t), [B, E, 1])), at(b, t)); // [B, E, N]
          h = tf.add(tf.mul(tf.exp(tf.mul(dt, a)), h), input);
          return tf.expandDims(tf.sum(tf.mul(h, at(c, t)), 2), 1);
        });
        return tf.add(tf.concat(ys, 1), tf.mul(x, d));
      },
    });
  },
});

const forms = {
  chunked: { label: 'SSD, chunked', order: 20, color: mamba2.appearance.color, marker: mamba2.appearance.marker },
  linear: { label: 'SSD, linear', order: 21, color: '#56B4E9', marker: 'triangle' },
  quadratic: { label: 'SSD, quadratic', order: 22, color: '#E69F00', marker: 'rectRot' },
} as const;

export const ssdWorkload = defineWorkload({
  name: 'ssd',
  summary: 'SSD of Mamba-2, fused: in chunks, as a recurrence (linear) or as masked attention (quadratic)',
  kind: 'op',
  config: z.strictObject({
    batch,
    seqLen,
    heads: z.int().positive().describe('heads H'),
    headDim: z.int().positive().default(64).describe('channels P of a head'),
    dState: z.int().positive().describe('state size N of each channel'),
    chunk: z.int().positive().default(64).describe('tokens in a chunk'),
    form: z.enum(['chunked', 'linear', 'quadratic']).default('chunked').describe('which form'),
    direction,
  }),
  open: ({ batch: B, seqLen: L, heads: H, headDim: P, dState: N, chunk, form, direction: to }) =>
    opWorkload({
      appearance: { ...forms[form] },
      direction: to,
      tokens: B * L,
      operands: () => ({ x: wave([B, L, H, P]), dt: wave([B, L, H], step), a: wave([H], decayRate), b: wave([B, L, 1, N]), c: wave([B, L, 1, N]), d: wave([H]) }),
      result: [B, L, H, P],
      f: ({ x, dt, a, b, c, d }) => ssd(x, dt, a, b, c, d, { chunk, form }).y,
    }),
});
