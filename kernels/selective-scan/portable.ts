/** Selective scan in tfjs ops: chunk by chunk, and inside a chunk all steps at once by recursive doubling. */
import { tf, type Tensor } from '#engine/tf.ts';

/** Steps from − to of a [B, L, …] tensor. */
function steps(t: Tensor, from: number, to: number): Tensor {
  return tf.slice(t, [0, from, ...t.shape.slice(2).map(() => 0)], [t.shape[0], to - from, ...t.shape.slice(2)]);
}

/** The tensor moved `by` steps later in time; `fill` takes the first steps, and the last fall off. */
function later(t: Tensor, by: number, fill: number): Tensor {
  const [B, K, ...rest] = t.shape as [number, number, ...number[]];
  return tf.concat([tf.fill([B, by, ...rest], fill), steps(t, 0, K - by)], 1);
}

/**
 * h_t = decay_t ⊙ h_{t−1} + input_t with h_{−1} = initial; decay, input [B, K, E, N], initial [B, E, N]. The pairs (decay, input) compose
 * associatively, so log₂K rounds suffice.
 */
function scan(decay: Tensor, input: Tensor, initial: Tensor): Tensor {
  let product = decay;
  let sum = input;
  for (let by = 1; by < decay.shape[1]!; by *= 2) {
    sum = tf.add(sum, tf.mul(product, later(sum, by, 0)));
    product = tf.mul(product, later(product, by, 1));
  }
  return tf.add(sum, tf.mul(product, tf.expandDims(initial, 1)));
}

/** exp(Δ a) and (Δ x) b of a chunk, [B, K, E, N]. */
function terms(x: Tensor, delta: Tensor, a: Tensor, b: Tensor): { decay: Tensor; input: Tensor } {
  return { decay: tf.exp(tf.mul(tf.expandDims(delta, 3), a)), input: tf.mul(tf.expandDims(tf.mul(delta, x), 3), tf.expandDims(b, 2)) };
}

const lastStep = (t: Tensor): Tensor => tf.squeeze(steps(t, t.shape[1]! - 1, t.shape[1]!), [1]);
const firstStep = (t: Tensor): Tensor => tf.squeeze(steps(t, 0, 1), [1]);

/** x, delta [B,L,E], a [E,N], b, c [B,L,N], d [E] → y [B,L,E], final state [B,E,N], states before each chunk [B,chunks,N,E]. */
export function selectiveScanPortable(inputs: readonly Tensor[], { chunk }: { chunk: number }): Tensor[] {
  const [x, delta, a, b, c, d] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const [B, L, E] = x.shape as [number, number, number];
  let state: Tensor = tf.zeros([B, E, a.shape[1]!]);
  const starts: Tensor[] = [];
  const ys: Tensor[] = [];
  for (let t = 0; t < L; t += chunk) {
    const end = Math.min(L, t + chunk);
    const cut = (v: Tensor) => steps(v, t, end);
    const { decay, input } = terms(cut(x), cut(delta), a, cut(b));
    const h = scan(decay, input, state);
    ys.push(tf.sum(tf.mul(h, tf.expandDims(cut(c), 2)), 3));
    starts.push(state);
    state = lastStep(h);
  }
  return [tf.add(tf.concat(ys, 1), tf.mul(x, d)), state, tf.transpose(tf.stack(starts, 1), [0, 1, 3, 2])];
}

/** dy, the inputs, and the states before each chunk → gradients of x, delta, a, b, c, d. */
export function selectiveScanGradientPortable(inputs: readonly Tensor[], { chunk }: { chunk: number }): Tensor[] {
  const [dy, x, delta, a, b, c, d, starts] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const [B, L, E] = x.shape as [number, number, number];
  const N = a.shape[1]!;
  // gradient that reaches the last state of a chunk from the steps after it
  let fromLater: Tensor = tf.zeros([B, E, N]);
  const dus: Tensor[] = []; // gradient of u = Δ x
  const dExponents: Tensor[] = []; // Σ_n of the gradient of Δ a, times a
  const dbs: Tensor[] = [];
  const dcs: Tensor[] = [];
  let da: Tensor = tf.zeros([E, N]);
  for (let k = starts.shape[1]! - 1; k >= 0; k--) {
    const t = k * chunk;
    const end = Math.min(L, t + chunk);
    const cut = (v: Tensor) => steps(v, t, end);
    const { decay, input } = terms(cut(x), cut(delta), a, cut(b));
    const start = tf.transpose(tf.squeeze(steps(starts, k, k + 1), [1]), [0, 2, 1]);
    const h = scan(decay, input, start);
    const before = end - t === 1 ? tf.expandDims(start, 1) : tf.concat([tf.expandDims(start, 1), steps(h, 0, end - t - 1)], 1);

    // s_t = dy_t c_t + decay_{t+1} s_{t+1}: the same recurrence, backwards in time
    const dyOuter = tf.expandDims(cut(dy), 3);
    const backwards = tf.reverse(decay, 1);
    const s = tf.reverse(scan(later(backwards, 1, 1), tf.reverse(tf.mul(dyOuter, tf.expandDims(cut(c), 2)), 1), fromLater), 1);
    const dExponent = tf.mul(tf.mul(s, decay), before);
    fromLater = firstStep(tf.mul(s, decay));

    dus.unshift(tf.sum(tf.mul(s, tf.expandDims(cut(b), 2)), 3));
    dExponents.unshift(tf.sum(tf.mul(dExponent, a), 3));
    da = tf.add(da, tf.sum(tf.mul(dExponent, tf.expandDims(cut(delta), 3)), [0, 1]));
    dbs.unshift(tf.sum(tf.mul(s, tf.expandDims(tf.mul(cut(delta), cut(x)), 3)), 2));
    dcs.unshift(tf.sum(tf.mul(dyOuter, h), 2));
  }
  const du = tf.concat(dus, 1);
  return [
    tf.add(tf.mul(du, delta), tf.mul(dy, d)),
    tf.add(tf.mul(du, x), tf.concat(dExponents, 1)),
    da,
    tf.concat(dbs, 1),
    tf.concat(dcs, 1),
    tf.sum(tf.mul(dy, x), [0, 1]),
  ];
}
