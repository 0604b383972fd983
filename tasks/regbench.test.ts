import { describe, expect, test } from 'vitest';
import { rng } from '#core/random.ts';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { Automaton, regbench } from './regbench.ts';

type Sizes = Record<string, number>;
const sizesOf = (options: object) => regbench.resolve(options) as Sizes;

/** The letter seen most often after the longest suffix, of up to 5 tokens, of the string so far that was seen before; its start counts. */
function solve(tokens: Int32Array, t: number, { vocabSize }: Sizes): number {
  const start = tokens.lastIndexOf(vocabSize - 1, t);
  for (let length = Math.min(5, t + 1 - Math.max(0, start)); length >= 0; length--) {
    const counts = new Int32Array(vocabSize);
    for (let i = length; i <= t; i++) {
      let same = 0;
      while (same < length && tokens[i - 1 - same] === tokens[t - same]) same++;
      if (same === length && tokens[i] !== vocabSize - 1) counts[tokens[i]]++;
    }
    const most = Math.max(...counts);
    if (most > 0) return counts.indexOf(most);
  }
  return -1;
}

taskLaws(regbench, {
  sizes: [
    { maxEdges: 1, minStates: 2, maxStates: 2 },
    { vocabSize: 6, seqLen: 256, minStates: 5, maxStates: 5 },
    { seqLen: 300, maxStates: 40 },
  ],
  drawn: { vocabSize: 7, seqLen: 24, minStates: 3, maxStates: 4, minLetters: 3, maxEdges: 2, minStrings: 3, maxStrings: 4, minLength: 3, maxLength: 6 },
  solve,
  bound: 0.4,
  refused: [
    [{ minStates: 13 }, 'E_SIZE: task regbench: maxStates must be at least minStates, but they are 12 and 13: use minStates ≤ 12 or maxStates ≥ 13.'],
    [{ maxLength: 5, minLength: 6 }, 'E_SIZE: task regbench: maxLength must be at least minLength, but they are 5 and 6: use minLength ≤ 5 or maxLength ≥ 6.'],
    [{ vocabSize: 5 }, 'E_SIZE: task regbench: minLetters must be at most vocabSize − 2, but they are 4 and 5: use vocabSize ≥ 6 or minLetters ≤ 3.'],
    [
      { maxEdges: 4 },
      'E_SIZE: task regbench: a state needs maxEdges letters and as many other states, but maxEdges is 4, minLetters 4 and minStates 4: use minStates ≥ 5 or maxEdges ≤ 3.',
    ],
    [{ minStrings: 1 }, 'E_CONFIG: task regbench: "minStrings":'],
  ],
});

/** The automaton of example i of a seed. */
function automatonOf(options: object, seed: number, i: number): Automaton {
  const automaton = new Automaton(sizesOf(options) as never);
  automaton.draw(rng(seed).fork(i));
  return automaton;
}

/** Follows a document: what the states are that the scored letters were drawn in. */
function* walk(a: Automaton, tokens: Int32Array, targets: Int32Array, { vocabSize, maxEdges }: Sizes) {
  let state = 0;
  for (let t = 0; t < tokens.length && tokens[t] !== 0; t++) {
    const edges = Array.from({ length: a.edges[state] }, (_, j) => state * maxEdges + j);
    const edge = edges.find((e) => a.letters[e] === tokens[t]);
    if (tokens[t] === vocabSize - 1) state = 0;
    else if (edge === undefined) throw new Error(`no edge of state ${state} has letter ${tokens[t]}`);
    else state = a.ends[edge];
    if (targets[t] !== -1) yield { t, state };
  }
}

describe('structure', () => {
  const cut = { seqLen: 100, minLength: 5 };
  test.each([{}, cut])('%j: strings of the automaton, from its state 0', (options) => {
    const sizes = sizesOf(options);
    let i = 0;
    for (const { tokens, targets } of examples(regbench, options, 60, 1)) {
      const a = automatonOf(options, 1, i++);
      const end = tokens.includes(0) ? tokens.indexOf(0) : tokens.length;
      const lengths = Array.from(tokens.slice(0, end), (x) => (x === 19 ? '|' : 'x')).join('').split('|').map((s) => s.length);
      if (options === cut) expect(end).toBe(100);
      else expect(lengths.length >= 10 && lengths.length <= 19).toBe(true);
      for (const length of options === cut ? lengths.slice(0, -1) : lengths) expect(length >= sizes.minLength && length <= 49).toBe(true);
      expect(tokens.slice(end).every((x) => x === 0)).toBe(true);
      for (const { t, state } of walk(a, tokens, targets, sizes)) {
        expect(a.letters.subarray(state * 3, state * 3 + a.edges[state])).toContain(targets[t]);
        if (t + 1 < end) expect(targets[t]).toBe(tokens[t + 1]);
      }
      for (let t = 0; t + 1 < tokens.length; t++) expect(targets[t] !== -1).toBe(tokens[t + 1] > 0 && tokens[t + 1] < 19);
    }
  });

  test('the longest document of the defaults fits exactly', () => {
    const options = { minStrings: 19, minLength: 49 };
    for (const { tokens, targets } of examples(regbench, options, 5, 2)) {
      expect(tokens.includes(0)).toBe(false);
      expect(targets[947]).toBeGreaterThan(0);
      expect(targets.filter((y) => y !== -1)).toHaveLength(regbench.open(options).maxScored);
    }
  });
});

describe('distribution', () => {
  const n = 20_000;

  test('states, alphabets, edges, letters and ends', () => {
    const options = { vocabSize: 7, minStates: 3, maxStates: 5, minLetters: 3, maxEdges: 2 };
    const [states, edges, letter, letters, ends] = [3, 2, 5, 20, 12].map((size) => new Int32Array(size));
    for (let i = 0; i < n; i++) {
      const a = automatonOf(options, 3, i);
      states[a.states - 3]++;
      edges[a.edges[2] - 1]++;
      letter[a.letters[2] - 1]++;
      if (a.edges[0] === 2) letters[(a.letters[0] - 1) * 4 + a.letters[1] - 1 - (a.letters[1] > a.letters[0] ? 1 : 0)]++;
      if (a.edges[1] === 2 && a.states === 5) {
        const [x, y] = [a.ends[2], a.ends[3]].map((s) => (s > 1 ? s - 1 : s)); // not state 1
        expect(a.ends[2] !== 1 && a.ends[3] !== 1 && x !== y).toBe(true);
        ends[x * 3 + y - (y > x ? 1 : 0)]++;
      }
    }
    for (const counts of [states, edges, letter, letters, ends]) expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test('alphabets have a uniform number of letters', () => {
    const options = { vocabSize: 8, minStates: 40, maxStates: 40, minLetters: 4 };
    const sizes = new Int32Array(3);
    for (let i = 0; i < n; i++) {
      const a = automatonOf(options, 4, i);
      sizes[new Set(Array.from(a.edges, (count, s) => Array.from(a.letters.subarray(3 * s, 3 * s + count))).flat()).size - 4]++;
    }
    expect(chiSquareScore(sizes)).toBeLessThan(4);
  });

  test('numbers and lengths of strings are uniform', () => {
    const options = { maxStrings: 12, maxLength: 4 };
    const [strings, lengths] = [new Int32Array(3), new Int32Array(4)];
    for (const { tokens } of examples(regbench, options, n, 5)) {
      strings[tokens.filter((x) => x === 19).length - 9]++;
      lengths[tokens.indexOf(19) - 1]++;
    }
    expect(chiSquareScore(strings)).toBeLessThan(4);
    expect(chiSquareScore(lengths)).toBeLessThan(4);
  });
});

describe('how often one can be right', () => {
  /** Expected right answers of who knows automaton and state: Σ over strings and letters k of Σ_s P(state s after k letters)/edges(s). */
  function expectedRight(a: Automaton): number {
    let at = new Float64Array(a.states);
    at[0] = 1;
    let perString = 0;
    for (let k = 0; k < 49; k++) {
      const next = new Float64Array(a.states);
      for (let s = 0; s < a.states; s++) {
        perString += (Math.min(49, 49 - k) / 49) * (at[s] / a.edges[s]); // P(length > k) = (49 − k)/49
        for (let j = 0; j < a.edges[s]; j++) next[a.ends[3 * s + j]] += at[s] / a.edges[s];
      }
      at = next;
    }
    return 14.5 * perString - 1 / a.edges[0]; // the first letter of the document is no target
  }
  const scored = 14.5 * 25 - 1;

  test('who knows the automaton: 0.62 at the defaults', () => {
    const n = 20_000;
    let mean = 0;
    for (let i = 0; i < n; i++) mean += expectedRight(automatonOf({}, 6, i)) / scored / n;
    expect(mean).toBeCloseTo(0.618, 2);
  });

  test('documents are as predictable as their automata say', () => {
    const n = 3000;
    let [sum, squares, i] = [0, 0, 0];
    for (const { tokens, targets } of examples(regbench, {}, n, 7)) {
      const a = automatonOf({}, 7, i++);
      const right = [...walk(a, tokens, targets, sizesOf({}))].filter(({ t, state }) => a.letters[3 * state] === targets[t]).length;
      const difference = right - expectedRight(a);
      sum += difference / n;
      squares += difference ** 2 / n;
    }
    expect(Math.abs(sum)).toBeLessThan(4 * Math.sqrt(squares / n));
  });

  test('who counts suffixes: 0.57 at the defaults', () => {
    let [right, total] = [0, 0];
    for (const { tokens, targets } of examples(regbench, {}, 400, 8)) {
      targets.forEach((y, t) => {
        if (y === -1) return;
        total++;
        if (solve(tokens, t, { vocabSize: 20 }) === y) right++;
      });
    }
    expect(Math.abs(right / total - 0.575)).toBeLessThan(0.01);
  });
});

test('a document of two tokens has a target', () => {
  for (const { targets } of examples(regbench, { seqLen: 2 }, 500, 9)) expect(Math.max(...targets)).toBeGreaterThan(0);
});
