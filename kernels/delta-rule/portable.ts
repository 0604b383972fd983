/**
 * The delta rule in tfjs ops, in chunks. Letters: C chunks of Q tokens; M = B·C·H matrices, one for each chunk of each head; W numbers of a
 * token's decay, 1 or K. G_t = Σ g from the chunk's start to t. Rows t read, columns s were written.
 *
 *     A_ts = Σ_i a_ti k_si e^{G_{t−1,i} − G_si}, s < t      P_ts = Σ_i q_ti k_si e^{G_ti − G_si}, s ≤ t
 *     Ã_t = a_t ∘ e^{G_{t−1}}      Q̃_t = q_t ∘ e^{G_t}      K̃_s = k_s ∘ e^{G_Q − G_s}
 *     T = (I + A)⁻¹      U = T (V − Ã S)      Y = Q̃ S + P U      S ← e^{G_Q} ∘ S + K̃ᵀ U
 *
 * All exponents are ≤ 0: decays between tokens are exponentials of sums over the tokens between them. Only the states are walked, by the chunk.
 */
import { tf, type Tensor } from '#engine/tf.ts';
import { named, sizesOf, type DeltaAttrs, type Sizes } from './sizes.ts';

/** Tokens in a chunk where every entry of a key decays by itself: pairs of tokens then have K numbers each. */
const SHORT = 4;

/** [B,L,H,n] ↔ [M,Q,n]. Tokens that fill the last chunk are zeros: they decay nothing, write nothing and ask for nothing. */
function chunking({ B, L, H }: Sizes, chunk: number) {
  const Q = Math.min(chunk, L);
  const C = Math.ceil(L / Q);
  return {
    Q,
    C,
    cut(t: Tensor): Tensor {
      const n = t.shape[3]!;
      const padded = tf.pad(t, [[0, 0], [0, C * Q - L], [0, 0], [0, 0]]);
      return tf.reshape(tf.transpose(tf.reshape(padded, [B, C, Q, H, n]), [0, 1, 3, 2, 4]), [B * C * H, Q, n]);
    },
    join(t: Tensor): Tensor {
      const n = t.shape[2]!;
      return tf.slice(tf.reshape(tf.transpose(tf.reshape(t, [B, C, H, Q, n]), [0, 1, 3, 2, 4]), [B, C * Q, H, n]), [0, 0, 0, 0], [B, L, H, n]);
    },
  };
}

/** Row t ← row t − 1 of [M,Q,n]; zeros come first. */
function later(x: Tensor): Tensor {
  const [M, Q, n] = x.shape as [number, number, number];
  return tf.concat([tf.zeros([M, 1, n]), tf.slice(x, [0, 0, 0], [M, Q - 1, n])], 1);
}

/** The decays within chunks, g [M,Q,W]. */
function decaysOf(g: Tensor) {
  const [M, Q, W] = g.shape as [number, number, number];
  const notBefore = tf.reshape(tf.linalg.bandPart(tf.ones([Q, Q]) as tf.Tensor2D, -1, 0), [Q, Q, 1]); // [t,s] = 1 where t ≥ s
  const after = tf.sub(notBefore, tf.reshape(tf.eye(Q), [Q, Q, 1])); // [t,s] = 1 where t > s
  // masked first and then cumulated, so that nothing large is subtracted
  const segments = tf.cumsum(tf.mul(tf.reshape(g, [M, Q, 1, W]), after), 1); // [M,t,s,W]
  const between = tf.mul(tf.exp(segments), notBefore);
  const sums = tf.cumsum(g, 1);
  return {
    notBefore,
    after,
    /** [M,t,s,W]: e^{G_t − G_s}, 0 where t < s */
    between,
    /** [M,t,s,W]: e^{G_{t−1} − G_s}, 0 where t ≤ s */
    until: tf.concat([tf.zeros([M, 1, Q, W]), tf.slice(between, [0, 0, 0, 0], [M, Q - 1, Q, W])], 1),
    /** [M,Q,W]: e^{G_Q − G_s}, e^{G_t}, e^{G_{t−1}} */
    toEnd: tf.reshape(tf.slice(between, [0, Q - 1, 0, 0], [M, 1, Q, W]), [M, Q, W]),
    fromStart: tf.exp(sums),
    untilThen: tf.exp(later(sums)),
    /** [M,W,1]: e^{G_Q} */
    across: tf.reshape(tf.exp(tf.sum(g, 1)), [M, W, 1]),
  };
}

/** Σ_i x_ti z_si d_tsi [M,t,s], d [M,t,s,W]. */
function scores(x: Tensor, z: Tensor, d: Tensor): Tensor {
  const [M, Q, K] = x.shape as [number, number, number];
  if (d.shape[3] === 1) return tf.mul(tf.matMul(x, z, false, true), tf.reshape(d, [M, Q, Q]));
  return tf.sum(tf.mul(tf.mul(tf.reshape(x, [M, Q, 1, K]), tf.reshape(z, [M, 1, Q, K])), d), 3);
}

/** The gradients through `scores`, of x and z, and the terms of d's logarithm [M,t,s,W]. */
function scoresGradient(dScores: Tensor, x: Tensor, z: Tensor, d: Tensor): { x: Tensor; z: Tensor; log: Tensor } {
  const [M, Q, K] = x.shape as [number, number, number];
  if (d.shape[3] === 1) {
    const dProducts = tf.mul(dScores, tf.reshape(d, [M, Q, Q]));
    const log = tf.reshape(tf.mul(dProducts, tf.matMul(x, z, false, true)), [M, Q, Q, 1]);
    return { x: tf.matMul(dProducts, z), z: tf.matMul(dProducts, x, true, false), log };
  }
  const [xs, zs] = [tf.reshape(x, [M, Q, 1, K]), tf.reshape(z, [M, 1, Q, K])];
  const weights = tf.mul(tf.reshape(dScores, [M, Q, Q, 1]), d);
  const ofX = tf.mul(weights, zs);
  return { x: tf.sum(ofX, 2), z: tf.sum(tf.mul(weights, xs), 1), log: tf.mul(ofX, xs) };
}

/**
 * (I + A)⁻¹ of strictly lower triangular A [M,Q,Q], by blocks: of twice the size from those of half, [[X,0],[−Z A₂₁ X, Z]], for all at once. As exact as
 * forward substitution, which powers of A are not.
 */
function unitInverse(A: Tensor): Tensor {
  const Q = A.shape[1]!;
  let inverse: Tensor = tf.tile(tf.reshape(tf.eye(Q), [1, Q, Q]), [A.shape[0], 1, 1]);
  for (let size = 1; size < Q; size *= 2) {
    const block = Float32Array.from({ length: Q * Q }, (_, at) => {
      const [t, s] = [Math.floor(at / Q / size), Math.floor((at % Q) / size)];
      return t % 2 === 1 && s === t - 1 ? 1 : 0;
    });
    const below = tf.mul(A, tf.tensor(block, [1, Q, Q]));
    inverse = tf.sub(inverse, tf.matMul(tf.matMul(inverse, below), inverse));
  }
  return inverse;
}

/** What the states need of every chunk, and what is made from it. */
function chunkTerms(inputs: readonly Tensor[], attrs: DeltaAttrs) {
  const sizes = sizesOf(inputs);
  const { B, L, H } = sizes;
  const { q, k, v, a, g } = named(inputs, attrs);
  const { cut, join, C, Q } = chunking(sizes, attrs.decay === 'vector' ? Math.min(attrs.chunk, SHORT) : attrs.chunk);
  const [Qs, Ks, Vs] = [cut(q), cut(k), cut(v)];
  const As = a && cut(a);
  const decays = decaysOf(cut(g === undefined ? tf.zeros([B, L, H, 1]) : tf.reshape(g, [B, L, H, -1])));
  const products = scores(Qs, Ks, decays.between);
  const [readers, inverse] = As === undefined ? [] : [tf.mul(As, decays.untilThen), unitInverse(scores(As, Ks, decays.until))];
  return {
    sizes, cut, join, C, Q, Qs, Ks, Vs, As, decays, products, readers, inverse,
    asked: tf.mul(Qs, decays.fromStart),
    keys: tf.mul(Ks, decays.toEnd),
  };
}

/** [M,…] → C tensors [B·H,…], and back. */
const apart = (t: Tensor, { B, H }: Sizes, C: number) => tf.unstack(tf.reshape(t, [B, C, H, ...t.shape.slice(1)]), 1).map((x) => tf.reshape(x, [B * H, ...t.shape.slice(1)]));
const together = (parts: readonly Tensor[], { B, H }: Sizes) =>
  tf.reshape(tf.stack(parts.map((x) => tf.reshape(x, [B, H, ...x.shape.slice(1)])), 1), [B * parts.length * H, ...parts[0].shape.slice(1)]);

/** The states before the chunks [M,K,V], the state after the last [B·H,K,V], and what the tokens write, U [M,Q,V]. */
function walk({ sizes, C, Vs, decays, readers, inverse, keys }: ReturnType<typeof chunkTerms>): { before: Tensor; last: Tensor; written: Tensor } {
  const { B, H, K, V } = sizes;
  const parts = (t: Tensor | undefined) => (t === undefined ? [] : apart(t, sizes, C));
  const values = parts(inverse === undefined ? Vs : tf.matMul(inverse, Vs));
  const erased = parts(inverse === undefined ? undefined : tf.matMul(inverse, readers!));
  const [added, across] = [parts(keys), parts(decays.across)];
  let state: Tensor = tf.zeros([B * H, K, V]);
  const before: Tensor[] = [];
  const written = values.map((value, c) => {
    const u = erased.length === 0 ? value : tf.sub(value, tf.matMul(erased[c], state));
    before.push(state);
    state = tf.add(tf.mul(state, across[c]), tf.matMul(added[c], u, true, false));
    return u;
  });
  return { before: together(before, sizes), last: state, written: together(written, sizes) };
}

/** [q, k, v, a?, g?] → [y, finalState]. */
export function deltaRulePortable(inputs: readonly Tensor[], attrs: DeltaAttrs): Tensor[] {
  const terms = chunkTerms(inputs, attrs);
  const { before, last, written } = walk(terms);
  const { B, H, K, V } = terms.sizes;
  return [terms.join(tf.add(tf.matMul(terms.asked, before), tf.matMul(terms.products, written))), tf.reshape(last, [B, H, K, V])];
}

/** [dy, q, k, v, a?, g?] → gradients of q, k, v, a?, g?. */
export function deltaRuleGradientPortable([dy, ...inputs]: readonly Tensor[], attrs: DeltaAttrs): Tensor[] {
  const terms = chunkTerms(inputs, attrs);
  const { sizes, cut, join, C, Qs, Ks, As, decays, products, readers, inverse, asked, keys } = terms;
  const { before, written } = walk(terms);
  const { B, L, H, K, V } = sizes;
  const dY = cut(dy);

  // the gradient of the state after each chunk, and of U
  const parts = (t: Tensor) => apart(t, sizes, C);
  const [fromPairs, dys, added, across, asking] = [tf.matMul(products, dY, true, false), dY, keys, decays.across, asked].map(parts);
  const erased = inverse && parts(tf.matMul(inverse, readers!));
  let d: Tensor = tf.zeros([B * H, K, V]);
  const [dAfters, dUs]: [Tensor[], Tensor[]] = [[], []];
  for (let c = C - 1; c >= 0; c--) {
    dAfters[c] = d;
    dUs[c] = tf.add(fromPairs[c], tf.matMul(added[c], d));
    d = tf.add(tf.mul(d, across[c]), tf.matMul(asking[c], dys[c], true, false));
    if (erased !== undefined) d = tf.sub(d, tf.matMul(erased[c], dUs[c], true, false));
  }
  const [dAfter, dU] = [together(dAfters, sizes), together(dUs, sizes)];
  const dV = inverse === undefined ? dU : tf.matMul(inverse, dU, true, false);

  // of Q̃, K̃, P; and of Ã and A
  const dAsked = tf.mul(tf.matMul(dY, before, false, true), decays.fromStart);
  const dKeys = tf.mul(tf.matMul(written, dAfter, false, true), decays.toEnd);
  const ofP = scoresGradient(tf.matMul(dY, written, false, true), Qs, Ks, decays.between);
  let dK = tf.add(dKeys, ofP.z);
  const results = [join(tf.add(dAsked, ofP.x)), undefined, join(dV)];

  // g_r decays what passes from before r to r or later: through the chunk, from its start to a reader, from a writer to its end, or in between
  const W = decays.across.shape[1]!;
  const perDecay = (t: Tensor) => (W === 1 ? tf.sum(t, 2, true) : t); // [M,Q,K] → [M,Q,W]
  const crossing = (log: Tensor, exclusive: boolean) => tf.sum(tf.mul(tf.cumsum(log, 1, exclusive, true), decays.after), 2);
  const through = tf.mul(decays.across, tf.sum(tf.mul(dAfter, before), 2, true)); // [M,K,1]
  let dG = tf.add(perDecay(tf.reshape(through, [-1, 1, K])), tf.cumsum(perDecay(tf.mul(Qs, dAsked)), 1, false, true));
  dG = tf.add(tf.add(dG, tf.cumsum(perDecay(tf.mul(Ks, dKeys)), 1, true)), crossing(ofP.log, false));
  if (As !== undefined) {
    const dReaders = tf.mul(tf.neg(tf.matMul(dV, before, false, true)), decays.untilThen);
    const ofA = scoresGradient(tf.neg(tf.matMul(dV, written, false, true)), As, Ks, decays.until);
    dK = tf.add(dK, ofA.z);
    results.push(join(tf.add(dReaders, ofA.x)));
    dG = tf.add(tf.add(dG, tf.cumsum(perDecay(tf.mul(As, dReaders)), 1, true, true)), crossing(ofA.log, true));
  }
  results[1] = join(dK);
  if (attrs.decay !== 'none') results.push(tf.reshape(join(dG), attrs.decay === 'scalar' ? [B, L, H] : [B, L, H, K]));
  return results as Tensor[];
}
