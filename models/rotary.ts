/**
 * Rotary positions (Su et al. 2021, §3.2.2): the pair (x_i, x_{i+K/2}) of a head's K channels is turned by the angle t·θ^(−2i/K) at place t, θ = 10000,
 * so that a product of two rows depends on how far apart their places are. Pairs are channels of the two halves, as in GPT-NeoX.
 */
import { RecallbenchError } from '#core/errors.ts';
import { tf, type Tensor } from '#engine/tf.ts';
import { embedding } from '#kernels/embedding/op.ts';

const THETA = 10000;
/** a place is this many times its row in the coarse table, plus its row in the fine one */
const FINE = 512;
const COARSE = 512;


/** Throws E_SIZE where a head of K channels has no pairs. */
export function checkRotary(model: string, K: number): void {
  if (K % 2 !== 0) throw new RecallbenchError('E_SIZE', `model ${model}: rotary positions turn pairs of channels, but a head has ${K}. Choose heads so that dModel / heads is even.`);
}

/** Throws E_SIZE where sequences of `capacity` tokens, one token at a time, have places beyond the tables. */
export function checkPlaces(model: string, capacity: number): void {
  if (capacity > COARSE * FINE) throw new RecallbenchError('E_SIZE', `model ${model}: rotary positions reach over ${COARSE * FINE} tokens when decoding, not ${capacity}.`);
}

/** cos and sin of t·θ^(−2i/K) at places t = 0, step, 2·step …: [places, K/2]. */
function table(places: number, step: number, K: number): { cos: Tensor; sin: Tensor } {
  const angles = Array.from({ length: (places * K) / 2 }, (_, j) => step * Math.floor(j / (K / 2)) * THETA ** ((-2 * (j % (K / 2))) / K));
  const made = (f: (x: number) => number) => tf.tensor2d(Float32Array.from(angles, f), [places, K / 2]);
  return { cos: made(Math.cos), sin: made(Math.sin) };
}

/** The halves of x [..., K], turned: cos and sin are broadcast against [..., K/2]. */
function turned(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const half = x.shape.at(-1)! / 2;
  const axis = x.shape.length - 1;
  const [first, second] = [0, half].map((at) => tf.slice(x, [...new Array<number>(axis).fill(0), at], [...x.shape.slice(0, -1), half])) as [Tensor, Tensor];
  return tf.concat([tf.sub(tf.mul(first, cos), tf.mul(second, sin)), tf.add(tf.mul(second, cos), tf.mul(first, sin))], axis);
}

/** Each of several tensors [B, L, H, K], row t turned by the angles of place t. */
export function rotary(tensors: readonly Tensor[]): Tensor[] {
  const [, L, , K] = tensors[0].shape as [number, number, number, number];
  const { cos, sin } = table(L, 1, K);
  const [c, s] = [cos, sin].map((t) => tf.reshape(t, [L, 1, K / 2])) as [Tensor, Tensor];
  return tensors.map((x) => turned(x, c, s));
}

/**
 * Each of several tensors [B, H, K], sequence b turned by the angles of place places[b] (int32 [B], see checkPlaces). The angle is the sum of two
 * from tables, by the addition theorems: a GPU's sine of a large number is not to be relied on.
 */
export function rotaryStep(tensors: readonly Tensor[], places: Tensor): Tensor[] {
  const [B, , K] = tensors[0].shape as [number, number, number];
  const [coarse, fine] = [table(COARSE, FINE, K), table(FINE, 1, K)];
  const each = tf.scalar(FINE, 'int32');
  const high = tf.floorDiv(places, each);
  const low = tf.sub(places, tf.mul(high, each));
  const [ch, sh, cl, sl] = [[coarse.cos, high], [coarse.sin, high], [fine.cos, low], [fine.sin, low]].map(([t, at]) => embedding(t, at)) as [Tensor, Tensor, Tensor, Tensor];
  const [c, s] = [tf.sub(tf.mul(ch, cl), tf.mul(sh, sl)), tf.add(tf.mul(sh, cl), tf.mul(ch, sl))].map((t) => tf.reshape(t, [B, 1, K / 2])) as [Tensor, Tensor];
  return tensors.map((x) => turned(x, c, s));
}
