/**
 * SSD in tfjs ops. Everything after the first few lines is per head: X̃ = dt·x, α = dt·a, and b, c repeated for the
 * heads of their group. Letters: C chunks of Q tokens; M = B·C·H matrices, one for each chunk of each head.
 */
import { tf, type Tensor } from '#engine/tf.ts';

/** The equation's own terms, heads apart: scaled X̃ [B,L,H,P], alpha [B,L,H], b and c [B,L,H,N]. */
interface Terms {
  readonly scaled: Tensor;
  readonly alpha: Tensor;
  readonly b: Tensor;
  readonly c: Tensor;
}

/** Gradients of the terms, shaped like them. */
type TermGradients = Terms;

/** [B,L,G,N] → [B,L,H,N]. */
function repeatForHeads(b: Tensor, H: number): Tensor {
  const [B, L, G, N] = b.shape as [number, number, number, number];
  return tf.reshape(tf.tile(tf.reshape(b, [B, L, G, 1, N]), [1, 1, 1, H / G, 1]), [B, L, H, N]);
}

function termsOf(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor): Terms {
  const H = dt.shape[2]!;
  return { scaled: tf.mul(x, tf.expandDims(dt, -1)), alpha: tf.mul(dt, a), b: repeatForHeads(b, H), c: repeatForHeads(c, H) };
}

/** [x, dt, a, b, c, d] → [y, finalState]. `chunk` tokens at a time; 0 is the recurrence. */
export function ssdPortable([x, dt, a, b, c, d]: readonly Tensor[], chunk: number): Tensor[] {
  const terms = termsOf(x, dt, a, b, c);
  const [y, finalState] = chunk === 0 ? recurrence(terms) : chunked(terms, chunk);
  return [tf.add(y, tf.mul(x, tf.expandDims(d, -1))), finalState];
}

/** [dy, x, dt, a, b, c, d] → gradients of x, dt, a, b, c, d. */
export function ssdGradientPortable([dy, x, dt, a, b, c, d]: readonly Tensor[], chunk: number): Tensor[] {
  const terms = termsOf(x, dt, a, b, c);
  const g = chunk === 0 ? recurrenceGradient(terms, dy) : chunkedGradient(terms, chunk, dy);
  const [B, L, G, N] = b.shape as [number, number, number, number];
  const overGroup = (t: Tensor) => tf.sum(tf.reshape(t, [B, L, G, dt.shape[2]! / G, N]), 3);
  return [
    tf.add(tf.mul(g.scaled, tf.expandDims(dt, -1)), tf.mul(dy, tf.expandDims(d, -1))),
    tf.add(tf.sum(tf.mul(x, g.scaled), -1), tf.mul(g.alpha, a)),
    tf.sum(tf.mul(g.alpha, dt), [0, 1]),
    overGroup(g.b),
    overGroup(g.c),
    tf.sum(tf.mul(dy, x), [0, 1, 3]),
  ];
}

/** [B,L,H,…] ↔ [M,Q,…]. Tokens that fill the last chunk are zeros: they decay nothing and add nothing. */
function chunking([B, L, H]: readonly number[], chunk: number) {
  const Q = Math.min(chunk, L);
  const C = Math.ceil(L / Q);
  const turn = (t: Tensor) => tf.transpose(t, t.shape.map((_, axis) => (axis === 2 ? 3 : axis === 3 ? 2 : axis)));
  return {
    Q,
    C,
    cut(t: Tensor): Tensor {
      const rest = t.shape.slice(3);
      const padded = tf.pad(t, t.shape.map((_, axis): [number, number] => [0, axis === 1 ? C * Q - L : 0]));
      return tf.reshape(turn(tf.reshape(padded, [B, C, Q, H, ...rest])), [B * C * H, Q, ...rest]);
    },
    join(t: Tensor): Tensor {
      const rest = t.shape.slice(2);
      const joined = tf.reshape(turn(tf.reshape(t, [B, C, H, Q, ...rest])), [B, C * Q, H, ...rest]);
      return tf.slice(joined, joined.shape.map(() => 0), [B, L, H, ...rest]);
    },
  };
}

/** The decays within the chunks, α [M,Q]. */
function decaysOf(alpha: Tensor) {
  const [M, Q] = alpha.shape as [number, number];
  const ones = tf.ones([Q, Q]);
  const notBefore = tf.linalg.bandPart(ones as tf.Tensor2D, 0, -1); // [s,t] = 1 where t ≥ s
  const after = tf.sub(notBefore, tf.eye(Q)); // [s,t] = 1 where t > s
  // segment sums Σ_{s+1..t} α, masked first and then cumulated, so that nothing large is subtracted
  const segments = tf.cumsum(tf.mul(tf.reshape(alpha, [M, 1, Q]), after), 2);
  return {
    notBefore,
    after,
    /** [M,s,t]: exp(Σ_{s+1..t} α), 0 where t < s */
    between: tf.mul(tf.exp(segments), notBefore),
    /** [M,Q,1]: exp(Σ_{s+1..end} α) */
    toEnd: tf.exp(tf.slice(segments, [0, 0, Q - 1], [M, Q, 1])),
    /** [M,Q,1]: exp(Σ_{start..t} α) */
    fromStart: tf.expandDims(tf.exp(tf.cumsum(alpha, 1)), -1),
    /** [M,1,1]: exp(Σ_chunk α) */
    across: tf.reshape(tf.exp(tf.sum(alpha, 1)), [M, 1, 1]),
  };
}

/** The state before each chunk [M,·,·] from what each chunk adds; and after the last, [B,H,·,·]. Backwards if `reverse`. */
function passStates(added: Tensor, across: Tensor, B: number, C: number, reverse: boolean): { before: Tensor; last: Tensor } {
  const [M, rows, columns] = added.shape as [number, number, number];
  const H = M / (B * C);
  const perChunk = tf.split(tf.reshape(added, [B, C, H, rows, columns]), C, 1);
  const decay = tf.split(tf.reshape(across, [B, C, H, 1, 1]), C, 1);
  const before: Tensor[] = [];
  let state: Tensor = tf.zeros([B, 1, H, rows, columns]);
  for (let i = 0; i < C; i++) {
    const j = reverse ? C - 1 - i : i;
    before[j] = state;
    state = tf.add(tf.mul(state, decay[j]), perChunk[j]);
  }
  return { before: tf.reshape(C === 1 ? before[0] : tf.concat(before, 1), [M, rows, columns]), last: tf.reshape(state, [B, H, rows, columns]) };
}

/** The chunked algorithm (Dao & Gu 2024, §6): attention within chunks, states between them. */
function chunked({ scaled, alpha, b, c }: Terms, chunk: number): Tensor[] {
  const { C, cut, join } = chunking(scaled.shape, chunk);
  const [X, Bs, Cs] = [cut(scaled), cut(b), cut(c)];
  const { between, toEnd, fromStart, across } = decaysOf(cut(alpha));
  const weights = tf.mul(between, tf.matMul(Bs, Cs, false, true)); // [M,s,t]
  const added = tf.matMul(tf.mul(X, toEnd), Bs, true, false); // [M,P,N]
  const { before, last } = passStates(added, across, scaled.shape[0], C, false);
  const y = tf.add(tf.matMul(weights, X, true, false), tf.mul(fromStart, tf.matMul(Cs, before, false, true)));
  return [join(y), last];
}

function chunkedGradient({ scaled, alpha, b, c }: Terms, chunk: number, dy: Tensor): TermGradients {
  const B = scaled.shape[0];
  const { C, cut, join } = chunking(scaled.shape, chunk);
  const [X, Bs, Cs, dY, alphas] = [cut(scaled), cut(b), cut(c), cut(dy), cut(alpha)];
  const { after, between, toEnd, fromStart, across } = decaysOf(alphas);

  // states before each chunk, and the gradient of the state after each
  const { before } = passStates(tf.matMul(tf.mul(X, toEnd), Bs, true, false), across, B, C, false);
  const { before: dAfter } = passStates(tf.matMul(tf.mul(dY, fromStart), Cs, true, false), across, B, C, true);

  const weights = tf.mul(between, tf.matMul(Bs, Cs, false, true)); // [M,s,t]
  const dWeights = tf.matMul(X, dY, false, true);
  const dProducts = tf.mul(between, dWeights); // of b_s·c_t
  const dXFromState = tf.mul(toEnd, tf.matMul(Bs, dAfter, false, true));
  const yFromState = tf.mul(fromStart, tf.matMul(Cs, before, false, true));

  // α_r scales whatever passes from before r to r or later
  const pairs = tf.mul(tf.mul(weights, dWeights), after);
  const crossing = tf.sum(tf.mul(tf.cumsum(pairs, 2, false, true), after), 1);
  const fromState = tf.cumsum(tf.sum(tf.mul(dY, yFromState), -1), 1, false, true);
  const toState = tf.cumsum(tf.sum(tf.mul(X, dXFromState), -1), 1, true);
  const through = tf.sum(tf.mul(tf.mul(dAfter, before), across), [1, 2]);

  return {
    scaled: join(tf.add(tf.matMul(weights, dY), dXFromState)),
    alpha: join(tf.add(tf.add(crossing, fromState), tf.add(toState, tf.expandDims(through, 1)))),
    b: join(tf.add(tf.matMul(dProducts, Cs), tf.mul(toEnd, tf.matMul(X, dAfter)))),
    c: join(tf.add(tf.matMul(dProducts, Bs, true, false), tf.mul(fromStart, tf.matMul(dY, before)))),
  };
}

/** One token of each head, ready to be broadcast over the state [B,H,P,N]. */
interface Token {
  readonly scaled: Tensor; // [B,H,P,1]
  readonly decay: Tensor; // [B,H,1,1]
  readonly b: Tensor; // [B,H,1,N]
  readonly c: Tensor; // [B,H,1,N]
}

function tokensOf({ scaled, alpha, b, c }: Terms): Token[] {
  const along = (t: Tensor, axis: number) => tf.unstack(tf.expandDims(t, axis), 1);
  const [X, decay, Bs, Cs] = [along(scaled, 4), along(tf.expandDims(tf.exp(alpha), -1), 4), along(b, 3), along(c, 3)];
  return X.map((x, t) => ({ scaled: x, decay: decay[t], b: Bs[t], c: Cs[t] }));
}

const next = (state: Tensor, { decay, scaled, b }: Token) => tf.tidy(() => tf.add(tf.mul(state, decay), tf.mul(scaled, b)));

function emptyState({ scaled, b }: Terms): Tensor {
  const [B, , H, P] = scaled.shape as [number, number, number, number];
  return tf.zeros([B, H, P, b.shape[3]!]);
}

/** S_t = e^α S_{t−1} + X̃_t b_tᵀ, y_t = S_t c_t, token by token. */
function recurrence(terms: Terms): Tensor[] {
  let state = emptyState(terms);
  const y = tokensOf(terms).map((token) => {
    const before = state;
    state = next(before, token);
    before.dispose();
    return tf.tidy(() => tf.sum(tf.mul(state, token.c), -1));
  });
  return [tf.stack(y, 1), state];
}

/** The recurrence backwards. States are kept every √L tokens and made again between. */
function recurrenceGradient(terms: Terms, dy: Tensor): TermGradients {
  const tokens = tokensOf(terms);
  const dys = tf.unstack(tf.expandDims(dy, 4), 1); // [B,H,P,1]
  const L = tokens.length;
  const span = Math.ceil(Math.sqrt(L));
  const kept: Tensor[] = [];
  let state = emptyState(terms);
  tokens.forEach((token, t) => {
    const before = state;
    state = next(before, token);
    if (t % span === 0) kept.push(before);
    else before.dispose();
  });
  const gradients: TermGradients[] = [];
  let g = emptyState(terms); // of the state after token t
  for (let first = (kept.length - 1) * span; first >= 0; first -= span) {
    const states = [kept[first / span]];
    for (let t = first; t < Math.min(L, first + span); t++) states.push(next(states.at(-1)!, tokens[t]));
    for (let t = Math.min(L, first + span) - 1; t >= first; t--) {
      const [{ scaled, decay, b, c }, before, after] = [tokens[t], states[t - first], states[t - first + 1]];
      const [dAfter, dBefore] = tf.tidy((): [Tensor, Tensor] => {
        const whole = tf.add(g, tf.mul(dys[t], c));
        return [whole, tf.mul(whole, decay)];
      });
      gradients[t] = tf.tidy(() => ({
        scaled: tf.sum(tf.mul(dAfter, b), 3),
        alpha: tf.sum(tf.mul(dBefore, before), [2, 3]),
        b: tf.sum(tf.mul(dAfter, scaled), 2),
        c: tf.sum(tf.mul(after, dys[t]), 2),
      }));
      tf.dispose([g, dAfter]);
      g = dBefore;
    }
    tf.dispose(states);
  }
  const along = (of: (g: TermGradients) => Tensor) => tf.stack(gradients.map(of), 1);
  return { scaled: along((g) => g.scaled), alpha: along((g) => g.alpha), b: along((g) => g.b), c: along((g) => g.c) };
}
