/**
 * RegBench, in-context learning of regular languages (Akyürek et al. 2024, arXiv:2401.12973; seq_icl
 * `src/dataloaders/dfa.py`).
 *
 * One example is a document: strings of one random automaton, a separator between them, to be told token by token. The
 * automaton has a uniform number of states, minStates … maxStates, and an alphabet of a uniform number of letters,
 * minLetters … V−2, chosen uniformly. Each state has a uniform number of edges, 1 … maxEdges, to distinct uniform states
 * other than itself, with distinct uniform letters of the alphabet. Each of minStrings … maxStrings strings starts in state
 * 0 and follows minLength … maxLength edges (both uniform), each uniform among the edges of its state. Blanks fill up; what
 * is beyond seqLen is cut. The blank is token 0, letters are 1 … V−2, the separator is V−1. vocabSize 7, seqLen 24,
 * 3 … 4 states, 3 … 5 letters, 1 … 2 edges, 3 … 4 strings of 3 … 6 letters:
 *
 *     tokens   2 3 2 3 6 2 3 2 3 6 2 2 5 2 2 2 6 2 2 5 2 2 5 0
 *     targets  3 2 3 · 2 3 2 3 · 2 2 5 2 2 2 · 2 2 5 2 2 5 · ·
 *
 * This is next-token prediction: the target is the next token unless that is the separator or a blank. Nobody can be
 * right every time: who knows the automaton and the state is right with probability 1/(edges of the state), which at the
 * defaults comes to 0.62 on average; who counts which letters followed the longest suffix seen before reaches 0.57. The
 * published automata are made minimal and freed of unreachable states, which changes no string: every state accepts, so
 * states that are merged have the same letters. Automata of training and test are independent draws; small ones, such as
 * two states that take turns, come back, as in the published data, whose set of automata compares them by identity.
 */
import { z } from '#core/config.ts';
import type { Stream } from '#core/random.ts';
import { checkSizes, type Rule } from './sizes.ts';
import { defineTask, UNSCORED } from './task.ts';

const config = z.strictObject({
  vocabSize: z.int().min(3).max(2 ** 16).default(20).describe('V: the blank 0, letters, then the separator V−1'),
  seqLen: z.int().min(2).default(948).describe('L: tokens of one example; the longest document of the defaults fits'),
  minStates: z.int().min(2).default(4).describe('fewest states of an automaton'),
  maxStates: z.int().min(2).max(2 ** 16).default(12).describe('most states of an automaton'),
  minLetters: z.int().positive().default(4).describe('fewest letters of an alphabet; the most are V−2'),
  maxEdges: z.int().positive().default(3).describe('most edges of a state'),
  minStrings: z.int().min(2).default(10).describe('fewest strings of a document'),
  maxStrings: z.int().min(2).default(19).describe('most strings of a document'),
  minLength: z.int().positive().default(1).describe('letters of the shortest string'),
  maxLength: z.int().positive().default(49).describe('letters of the longest string'),
});

type Options = z.output<typeof config>;

/** Throws E_CONFIG for an illegal option, E_SIZE for ranges that are empty or too few states or letters for the edges. */
export const regbench = defineTask({
  name: 'regbench',
  summary: 'RegBench: strings of a random automaton, predicted letter by letter',
  config,
  open(options) {
    checkSizes('regbench', options, { vocabSize: 3, seqLen: 2, minStates: 2, maxStates: 2, minStrings: 2, maxStrings: 2 }, rules);
    const { vocabSize, seqLen, maxEdges, minStrings, maxStrings, minLength, maxLength } = options;
    const separator = vocabSize - 1;
    const automaton = new Automaton(options);

    return {
      vocabSize,
      seqLen,
      maxScored: Math.min(seqLen, maxStrings * maxLength - 1),
      slice: { seqLen, maxStates: options.maxStates, maxEdges },
      example(stream, { tokens, targets }) {
        tokens.fill(0);
        targets.fill(UNSCORED);
        automaton.draw(stream);
        const { edges, letters, ends } = automaton;
        let t = 0; // of the next token; token L is a target only
        for (let strings = minStrings + stream.below(maxStrings - minStrings + 1); strings > 0; strings--) {
          let state = 0;
          for (let left = minLength + stream.below(maxLength - minLength + 1); left > 0; left--, t++) {
            const edge = state * maxEdges + stream.below(edges[state]);
            if (t > 0) targets[t - 1] = letters[edge];
            if (t === seqLen) return;
            tokens[t] = letters[edge];
            state = ends[edge];
          }
          if (strings === 1 || t === seqLen) return;
          tokens[t++] = separator;
        }
      },
    };
  },
});

/** A deterministic automaton: edge j < edges[s] of state s has letter letters[s·maxEdges + j] and leads to ends[s·maxEdges + j]. */
export class Automaton {
  states = 0;
  readonly edges: Int32Array;
  readonly letters: Int32Array;
  readonly ends: Int32Array;
  readonly #options: Options;
  readonly #alphabet: Int32Array;

  constructor(options: Options) {
    this.#options = options;
    this.edges = new Int32Array(options.maxStates);
    this.letters = new Int32Array(options.maxStates * options.maxEdges);
    this.ends = new Int32Array(options.maxStates * options.maxEdges);
    this.#alphabet = new Int32Array(options.vocabSize - 2);
  }

  /** Draws another automaton. */
  draw(stream: Stream): void {
    const { vocabSize, minStates, maxStates, minLetters, maxEdges } = this.#options;
    this.states = minStates + stream.below(maxStates - minStates + 1);
    const size = minLetters + stream.below(vocabSize - 2 - minLetters + 1);
    const alphabet = this.#alphabet;
    for (let i = 0; i < alphabet.length; i++) alphabet[i] = i + 1;
    for (let i = 0; i < size; i++) {
      const j = i + stream.below(alphabet.length - i);
      [alphabet[i], alphabet[j]] = [alphabet[j], alphabet[i]];
    }
    for (let s = 0; s < this.states; s++) {
      const first = s * maxEdges;
      this.edges[s] = 1 + stream.below(maxEdges);
      for (let e = first; e < first + this.edges[s]; e++) {
        do this.letters[e] = alphabet[stream.below(size)];
        while (this.letters.indexOf(this.letters[e], first) < e);
        do this.ends[e] = stream.below(this.states);
        while (this.ends[e] === s || this.ends.indexOf(this.ends[e], first) < e);
      }
    }
  }
}

/** The rule that a range is not empty. */
function range(least: keyof Options, most: keyof Options): Rule<Options> {
  return [(o) => o[least] <= o[most], (o) => `${most} must be at least ${least}, but they are ${o[most]} and ${o[least]}`];
}

const rules: Rule<Options>[] = [
  range('minStates', 'maxStates'),
  range('minStrings', 'maxStrings'),
  range('minLength', 'maxLength'),
  [
    (o) => o.minLetters <= o.vocabSize - 2,
    (o) => `minLetters must be at most vocabSize − 2, but they are ${o.minLetters} and ${o.vocabSize}`,
  ],
  [
    (o) => o.maxEdges <= o.minLetters && o.maxEdges < o.minStates,
    (o) => `a state needs maxEdges letters and as many other states, but maxEdges is ${o.maxEdges}, minLetters ${o.minLetters} and minStates ${o.minStates}`,
  ],
];
