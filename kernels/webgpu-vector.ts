/** Vectors in WGSL text: neighbouring elements of a row that one invocation loads and stores at once. */

export type VectorType = 'f32' | 'vec2<f32>' | 'vec4<f32>';

export interface Vector {
  /** the type's name in WGSL, and as a binding */
  readonly T: VectorType;
  /** elements */
  readonly width: 1 | 2 | 4;
  /** element i of the vector named v */
  component(v: string, i: number): string;
  /** Σ a·b of the vectors named a and b */
  dot(a: string, b: string): string;
}

const wide = (T: VectorType, width: 2 | 4): Vector => ({ T, width, component: (v, i) => `${v}[${i}]`, dot: (a, b) => `dot(${a}, ${b})` });
const vectors = {
  1: { T: 'f32', width: 1, component: (v) => v, dot: (a, b) => `${a} * ${b}` } satisfies Vector,
  2: wide('vec2<f32>', 2),
  4: wide('vec4<f32>', 4),
};

/** The widest vector, of at most `most` elements, that rows of n elements can be cut into. */
export function vectorFor(n: number, most: 2 | 4 = 4): Vector {
  return vectors[n % 2 === 1 ? 1 : n % 4 === 0 && most === 4 ? 4 : 2];
}

/** `fn sigmoid(v: T) -> T`; the exponential stays finite. */
export function sigmoid({ T }: Vector): string {
  return `fn sigmoid(v: ${T}) -> ${T} { return 1 / (1 + exp(min(-v, ${T}(80)))); }`;
}
