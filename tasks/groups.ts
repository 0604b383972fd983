/** Finite groups as multiplication tables. Element 0 is the identity. */

export interface Group {
  /** number of elements, at most 256 */
  readonly order: number;
  /** entry order·a + b is the element a·b */
  readonly table: Uint8Array;
}

/** A group of `order` elements that multiply by `product`. */
function group(order: number, product: (a: number, b: number) => number): Group {
  return { order, table: Uint8Array.from({ length: order * order }, (_, i) => product(Math.floor(i / order), i % order)) };
}

/** Zₙ: numbers below n, added mod n. */
export function cyclic(n: number): Group {
  return group(n, (a, b) => (a + b) % n);
}

/** G × H: the pair (g, h) is element |H|·g + h. */
export function directProduct(g: Group, h: Group): Group {
  const n = h.order;
  const [left, right] = [(a: number) => Math.floor(a / n), (a: number) => a % n];
  return group(g.order * n, (a, b) => n * g.table[g.order * left(a) + left(b)] + h.table[n * right(a) + right(b)]);
}

/** All orders of the numbers below n, lexicographically. */
function permutations(n: number): number[][] {
  const extend = (prefix: number[]): number[][] =>
    prefix.length === n ? [prefix] : Array.from({ length: n }, (_, i) => i).filter((i) => !prefix.includes(i)).flatMap((i) => extend([...prefix, i]));
  return extend([]);
}

/** Even permutations have an even number of pairs out of order. */
function isEven(p: readonly number[]): boolean {
  return p.flatMap((x, i) => p.slice(i).filter((y) => y < x)).length % 2 === 0;
}

/** A set of permutations that is closed under (a·b)(i) = a(b(i)). */
function ofPermutations(elements: readonly number[][]): Group {
  const index = new Map(elements.map((p, i) => [p.join(), i]));
  return group(elements.length, (a, b) => index.get(elements[b].map((i) => elements[a][i]).join())!);
}

/** Sₙ: all permutations of n things, in lexicographic order. */
export function symmetric(n: number): Group {
  return ofPermutations(permutations(n));
}

/** Aₙ: the even ones, in lexicographic order. */
export function alternating(n: number): Group {
  return ofPermutations(permutations(n).filter(isEven));
}
