/**
 * Named random streams. A stream is a value: forking one never disturbs it, so example i of stream "train" is the
 * same in any order, on any worker. Generator: xoshiro128** (Blackman & Vigna 2018) seeded through splitmix-style
 * hashing of a 128-bit state; a fork hashes (state at birth, label).
 */

const F24 = 2 ** -24;
const F53 = 2 ** -53;

/** A bijection of 32-bit words (murmur3's finaliser). Words are kept signed here: V8 holds int32 fields unboxed. */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export class Stream {
  // the key the stream was born with: what forks derive from
  readonly #k0: number;
  readonly #k1: number;
  readonly #k2: number;
  readonly #k3: number;
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;
  // the second normal of a pair; NaN when there is none
  #spare = NaN;

  private constructor(k0: number, k1: number, k2: number, k3: number) {
    this.#k0 = k0;
    this.#k1 = k1;
    this.#k2 = k2;
    this.#k3 = k3;
    this.#a = mix(k0 ^ 0x9e3779b9);
    this.#b = mix(k1 ^ 0x3c6ef372);
    this.#c = mix(k2 ^ 0xdaa66d2b);
    this.#d = mix(k3 ^ 0x78dde6e4) | 1;
    for (let i = 0; i < 4; i++) this.uint32();
  }

  /** A root stream for an integer seed. */
  static seeded(seed: number): Stream {
    const lo = seed >>> 0;
    const hi = Math.floor(seed / 2 ** 32) >>> 0;
    return new Stream(mix(lo + 0x9e3779b9), mix(hi ^ 0x7f4a7c15), mix(lo ^ 0x94d049bb), mix(hi + 0x1ce4e5b9));
  }

  /** An independent child, named by a label or an index; the parent is not advanced. */
  fork(label: string | number): Stream {
    let [a, b, c, d] = [this.#k0, this.#k1, this.#k2, this.#k3];
    const absorb = (v: number) => {
      a = mix(a ^ v);
      b = mix(b + Math.imul(v, 0x9e3779b1) + a);
      c = mix(c ^ (v + b));
      d = mix(d + Math.imul(v, 0x85ebca77) + c);
      a = (a + d) | 0;
    };
    if (typeof label === 'number') {
      absorb(0x6e756d00);
      absorb(label >>> 0);
      absorb(Math.floor(label / 2 ** 32) >>> 0);
    } else {
      absorb(0x73747200 + label.length);
      for (let i = 0; i < label.length; i++) absorb(label.charCodeAt(i));
    }
    return new Stream(a, b, c, d);
  }

  /** Uniform on 0 … 2³²−1. */
  uint32(): number {
    const r = Math.imul(this.#b, 5);
    const result = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform on [0, 1) with 24 bits. */
  uniform(): number {
    return (this.uint32() >>> 8) * F24;
  }

  /** Uniform on [0, 1) with 53 bits. */
  double(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) * F53;
  }

  /** Uniform on (0, 1): safe under a logarithm. */
  open(): number {
    return ((this.uint32() >>> 8) + 0.5) * F24;
  }

  /** Uniform integer on 0 … n−1, 1 ≤ n ≤ 2³² (Lemire's multiply-shift; its bias, below n/2³², is removed by rejection). */
  below(n: number): number {
    // the result is the high word of the 64-bit product uint32 · n
    for (;;) {
      const u = this.uint32();
      const product = u * n; // exact below 2⁵³ for n ≤ 2²¹, which covers every vocabulary
      if (n <= 0x200000) {
        const high = Math.floor(product / 4294967296);
        const low = product - high * 4294967296;
        if (low >= n || low >= (4294967296 - n) % n) return high;
      } else {
        const limit = 4294967296 - (4294967296 % n);
        if (u < limit) return u % n;
      }
    }
  }

  /** Standard normal (polar Box-Muller). */
  normal(): number {
    const spare = this.#spare;
    if (!Number.isNaN(spare)) {
      this.#spare = NaN;
      return spare;
    }
    for (;;) {
      const x = 2 * this.open() - 1;
      const y = 2 * this.open() - 1;
      const r = x * x + y * y;
      if (r > 0 && r < 1) {
        const f = Math.sqrt((-2 * Math.log(r)) / r);
        this.#spare = y * f;
        return x * f;
      }
    }
  }
}

/** The root stream of a seed: `rng(seed).fork('train').fork(i)`. */
export function rng(seed: number): Stream {
  return Stream.seeded(seed);
}
