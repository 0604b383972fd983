/**
 * Counted work: what a program must compute and move, whatever the engine. Achieved FLOP/s and bytes/s are these numbers over a measured time.
 *
 * The rule, for every element type alike:
 *   flops  one for each result of +, −, ×, ÷, negation, absolute value, square, root, reciprocal (of a root too), rounding, sign, maximum,
 *          minimum or comparison; a multiply-add is 2. None for choosing (select), logic (and, or), copying and index arithmetic. A sum or a
 *          maximum starts from its neutral element: over n terms it is n, and a dot product of n terms is 2n.
 *   exps   one for each value of a transcendental function: exp, log, tanh, sigmoid, softplus, erf, sin, cos, pow and their relatives. They have a
 *          roof of their own on every machine, and what an engine computes a function with is not counted in flops.
 *   bytes  each operand of an operation read once and each output that is read by anyone written once, 4 bytes an element; what an operation reads
 *          several times or under several names counts once, and what it need not read (the rows of a table that no index can name) not at all.
 *
 * Counted is the plain algorithm at the given sizes, with its last partial chunk. What depends on values counts as if all were valid and distinct: ids
 * and targets within the vocabulary, no row named twice. Tiles that are filled up, partial sums of threads, rescaled running
 * maxima and intermediate buffers are an engine's own affair.
 */
export interface Work {
  readonly flops: number;
  readonly exps: number;
  readonly bytes: number;
}

/** What one operation computes, and what it reads and writes where that is less than its operands and outputs. */
export interface OpWork {
  readonly flops: number;
  readonly exps: number;
  /** elements that must be read of an input, by its index; inputs not named here are read whole */
  readonly reads?: Readonly<Record<number, number>>;
  /** elements that must be written of an output, by its index, where the rest lies there already; outputs not named here are written whole */
  readonly writes?: Readonly<Record<number, number>>;
}
