/**
 * Word problem (Merrill, Petty & Sabharwal 2024, arXiv:2404.08819; jopetty/word-problem): the running product of elements of a
 * finite group. For A5 and S5 this is complete for NC¹: beyond TC⁰, where transformers and diagonal state-space models of fixed
 * depth lie, unless the two classes are equal. group Z60, seqLen 16:
 *
 *     tokens    1  4 13 28 50  8  7  7 29 59 14 43 12 22 20 16
 *     targets   1  5 18 46 36 44 51 58 27 26 40 23 35 57 17 33
 *
 * Tokens are the elements, V = |G|, uniform and independent; the target at t is x₀·x₁ ⋯ xₜ. Groups: `A5` (60 elements, not
 * solvable), `S5` (120), `A4xZ5` (60, solvable, not commutative), `Z60` (60, commutative, here addition mod 60).
 * Permutations are numbered lexicographically and (a·b)(i) = a(b(i)); (a, z) of A4 × Z5 is 5a + z; 0 is the identity. The
 * published code numbers elements otherwise, which changes names only, and draws a set of different words, here words are
 * independent. It trains at each length k = 2 … 20, or, with `strict_len`, on 2 and k only; here an example of L elements
 * scores all its prefixes.
 */
import { z } from '#core/config.ts';
import { alternating, cyclic, directProduct, symmetric } from './groups.ts';
import { defineTask } from './task.ts';

const groups = {
  A5: () => alternating(5),
  S5: () => symmetric(5),
  Z60: () => cyclic(60),
  A4xZ5: () => directProduct(alternating(4), cyclic(5)),
};

const config = z.strictObject({
  group: z.enum(['A5', 'S5', 'Z60', 'A4xZ5']).default('A5').describe('the group whose elements are multiplied'),
  seqLen: z.int().positive().default(20).describe('L: elements of one example'),
});

/** Throws E_CONFIG for an illegal option. */
export const wordProblem = defineTask({
  name: 'word-problem',
  summary: 'the running product of elements of a finite group',
  config,
  open({ group, seqLen }) {
    const { order, table } = groups[group]();
    return {
      vocabSize: order,
      seqLen,
      maxScored: seqLen,
      slice: { group, seqLen },
      example(stream, { tokens, targets }) {
        let product = 0;
        for (let t = 0; t < seqLen; t++) {
          const element = stream.below(order);
          tokens[t] = element;
          product = table[order * product + element];
          targets[t] = product;
        }
      },
    };
  },
});
