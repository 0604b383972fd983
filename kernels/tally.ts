/**
 * An independent count of the work of fused ops: plain loops in arithmetic that counts itself, over operands that remember what was read of
 * them. Each op's loops are in its counted.ts; they compute the op's values, which work.test.ts holds to the oracle, so that what is counted is the op.
 */
import type { Attrs, FusedOp } from '#engine/fused-op.ts';
import type { Work } from '#engine/work.ts';
import type { NdArray } from './nd-array.ts';

/** Arithmetic by the rule in engine/work.ts. */
export class Tally {
  flops = 0;
  exps = 0;
  #flop(x: number): number {
    this.flops++;
    return x;
  }
  #exp(x: number): number {
    this.exps++;
    return x;
  }
  add = (a: number, b: number): number => this.#flop(a + b);
  sub = (a: number, b: number): number => this.#flop(a - b);
  mul = (a: number, b: number): number => this.#flop(a * b);
  div = (a: number, b: number): number => this.#flop(a / b);
  max = (a: number, b: number): number => this.#flop(Math.max(a, b));
  sqrt = (a: number): number => this.#flop(Math.sqrt(a));
  rsqrt = (a: number): number => this.#flop(1 / Math.sqrt(a));
  /** sum + a·b */
  madd = (sum: number, a: number, b: number): number => this.add(sum, this.mul(a, b));
  exp = (a: number): number => this.#exp(Math.exp(a));
  log = (a: number): number => this.#exp(Math.log(a));
  sigmoid = (a: number): number => this.#exp(1 / (1 + Math.exp(-a)));
  /** Σ a_i b_i over i < n */
  dot(n: number, a: (i: number) => number, b: (i: number) => number): number {
    let sum = 0;
    for (let i = 0; i < n; i++) sum = this.madd(sum, a(i), b(i));
    return sum;
  }
}

export interface Data {
  readonly shape: readonly number[];
  readonly data: Float64Array | Int32Array;
}

/** An operand that remembers which of its elements were read. */
export class CountedOperand {
  readonly #data: Data['data'];
  readonly #read: Uint8Array;
  constructor({ data }: Data) {
    this.#data = data;
    this.#read = new Uint8Array(data.length);
  }
  at(i: number): number {
    this.#read[i] = 1;
    return this.#data[i];
  }
  elementsRead(): number {
    return this.#read.reduce((n, r) => n + r, 0);
  }
}

/** `written` tells how many elements, where the others lie there already. */
export type Outputs = readonly ((NdArray & { readonly written?: number }) | null)[];

/** A fused op with attributes and operands, its loops and its oracle; outputs are null where nobody reads them. */
export interface CountedCase<A extends Attrs = Attrs> {
  readonly name: string;
  readonly op: FusedOp<A>;
  readonly attrs: A;
  readonly inputs: readonly Data[];
  readonly used: readonly boolean[];
  loops(t: Tally, inputs: readonly CountedOperand[]): Outputs;
  oracle(inputs: readonly NdArray[]): Outputs;
}

/** The case without the type of its attributes, for tables. */
export function counted<A extends Attrs>(test: CountedCase<A>): CountedCase {
  return test as unknown as CountedCase;
}

/** Runs the loops: what they did, and what came out. */
export function tallied({ inputs, loops }: CountedCase): { work: Work; outputs: Outputs } {
  const tally = new Tally();
  const operands = inputs.map((data) => new CountedOperand(data));
  const outputs = loops(tally, operands);
  const written = outputs.reduce((n, output) => n + (output?.written ?? output?.data.length ?? 0), 0);
  return { work: { flops: tally.flops, exps: tally.exps, bytes: 4 * (operands.reduce((n, o) => n + o.elementsRead(), 0) + written) }, outputs };
}
