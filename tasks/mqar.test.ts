import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecallbenchError } from '#core/errors.ts';
import { rng, type Stream } from '#core/random.ts';
import { chiSquareScore, examples } from './frequencies.ts';
import { taskLaws } from './laws.ts';
import { mqar } from './mqar.ts';
import { UNSCORED, type Example } from './task.ts';

taskLaws(mqar, {
  sizes: [
    { seqLen: 256, pairs: 64 },
    { seqLen: 64, pairs: 4, randomNonQueries: false },
    { seqLen: 96, pairs: 8, passes: 3, powerA: 1 },
    { vocabSize: 33, seqLen: 32, pairs: 8 },
  ],
  drawn: { vocabSize: 20, seqLen: 16, pairs: 2, randomNonQueries: false },
  // the last value that followed the key at an even offset of the context
  solve(tokens, t, { pairs, passes }) {
    for (let i = 2 * pairs * passes - 2; i >= 0; i -= 2) {
      if (tokens[i] === tokens[t]) return tokens[i + 1];
    }
    return -1;
  },
});

type Options = Partial<Record<'vocabSize' | 'seqLen' | 'pairs' | 'powerA' | 'passes', number>> & { randomNonQueries?: boolean };

function drawer(options: Options): (stream: Stream) => Example {
  const task = mqar.open(options);
  return (stream) => {
    const out = { tokens: new Int32Array(task.seqLen), targets: new Int32Array(task.seqLen) };
    task.example(stream, out);
    return out;
  };
}

/** The slot, 0 … S−1, that asks for key j. */
function slotOf({ tokens, targets }: Example, j: number, context: number): number {
  return (targets.indexOf(tokens[2 * j + 1]) - context) / 2;
}

/** pᵢ of slot i = 0 … S−1. */
function slotLaw(slots: number, powerA = 0.01): (i: number) => number {
  const weights = Array.from({ length: slots }, (_, i) => (i + 1) ** (powerA - 1));
  const total = weights.reduce((a, b) => a + b);
  return (i) => weights[i] / total;
}

/** The whole definition, checked position by position. */
function checkExample({ tokens, targets }: Example, o: Required<Options>): void {
  const [block, firstValue] = [2 * o.pairs, Math.floor(o.vocabSize / 2)];
  const context = block * o.passes;
  const answers = new Map<number, number>();
  for (let j = 0; j < block; j += 2) answers.set(tokens[j], tokens[j + 1]);
  const [keys, values] = [[...answers.keys()], [...answers.values()]];
  expect(keys).toHaveLength(o.pairs);
  expect(new Set(values).size).toBe(o.pairs);
  expect(keys.every((k) => k >= 1 && k < firstValue)).toBe(true);
  expect(values.every((v) => v >= firstValue && v < o.vocabSize)).toBe(true);
  for (let t = 0; t < context; t++) expect(tokens[t]).toBe(tokens[t % block]);

  const asked: number[] = [];
  targets.forEach((y, t) => {
    if (y !== UNSCORED) {
      expect(t).toBeGreaterThanOrEqual(context);
      expect(t % 2).toBe(0);
      expect(y).toBe(answers.get(tokens[t]));
      asked.push(tokens[t]);
    } else if (t >= context && !o.randomNonQueries) expect(tokens[t]).toBe(0);
  });
  expect(asked.sort((a, b) => a - b)).toEqual(keys.sort((a, b) => a - b));
}

describe('structure', () => {
  const legal = fc
    .record({
      pairs: fc.integer({ min: 1, max: 12 }),
      passes: fc.integer({ min: 1, max: 3 }),
      freeSlots: fc.integer({ min: 0, max: 20 }),
      freeTokens: fc.integer({ min: 1, max: 60 }),
      powerA: fc.double({ min: 0, max: 3, noNaN: true }),
      randomNonQueries: fc.boolean(),
    })
    .map(({ freeSlots, freeTokens, ...o }): Required<Options> => {
      const seqLen = 2 * o.pairs * (o.passes + 1) + 2 * freeSlots;
      return { ...o, seqLen, vocabSize: seqLen + freeTokens };
    });

  test('every legal size gives valid examples', () => {
    fc.assert(
      fc.property(legal, fc.nat(), (options, seed) => {
        for (const example of examples(mqar, options, 3, seed)) checkExample(example, options);
      }),
    );
  });

  test('random fillers change the blanks and nothing else', () => {
    fc.assert(
      fc.property(legal, fc.nat(), (options, seed) => {
        const blank = drawer({ ...options, randomNonQueries: false })(rng(seed));
        const filled = drawer({ ...options, randomNonQueries: true })(rng(seed));
        expect(filled.targets).toEqual(blank.targets);
        expect(filled.tokens.map((x, t) => (blank.tokens[t] === 0 ? 0 : x))).toEqual(blank.tokens);
      }),
    );
  });

  test('defaults, and the slice a result is filed under', () => {
    expect(mqar.resolve({})).toEqual({ vocabSize: 8192, seqLen: 64, pairs: 8, powerA: 0.01, randomNonQueries: true, passes: 1 });
    expect(mqar.open({})).toMatchObject({ vocabSize: 8192, seqLen: 64, maxScored: 8, slice: { seqLen: 64, pairs: 8 } });
    expect(mqar.open({}).slice).not.toHaveProperty('passes');
    expect(mqar.open({ passes: 3 }).slice).toEqual({ seqLen: 64, pairs: 8, passes: 3 });
  });

  test('passes tile one block, and the queries begin after the last', () => {
    const { tokens, targets } = drawer({ seqLen: 64, pairs: 4, passes: 3, randomNonQueries: false })(rng(5));
    expect(tokens.slice(8, 16)).toEqual(tokens.slice(0, 8));
    expect(tokens.slice(16, 24)).toEqual(tokens.slice(0, 8));
    expect(targets.slice(0, 24).every((y) => y === UNSCORED)).toBe(true);
    expect(targets.filter((y) => y !== UNSCORED)).toHaveLength(4);
    expect(tokens.slice(24).filter((x) => x !== 0)).toHaveLength(4);
  });
});

describe('distribution of the query slots', () => {
  // zoology's generator: the first key's share of the first slot, and the median slot of all keys (0-based)
  test.each([
    [64, 4, 0.251, 4],
    [128, 8, 0.213, 8],
    [256, 16, 0.185, 16],
    [256, 32, 0.19, 23],
    [512, 64, 0.167, 45],
  ])('seqLen %i, pairs %i: p(first slot) %f, median slot %i', (seqLen, pairs, pFirst, median) => {
    const n = 20_000;
    const context = 2 * pairs;
    const slots = (seqLen - context) / 2;
    const [firstKey, all] = [new Int32Array(slots), new Int32Array(slots)];
    for (const example of examples(mqar, { seqLen, pairs }, n, 31)) {
      firstKey[slotOf(example, 0, context)]++;
      for (let i = 0; i < slots; i++) if (example.targets[context + 2 * i] !== UNSCORED) all[i]++;
    }
    expect(Math.abs(firstKey[0] / n - pFirst)).toBeLessThan(0.0005 + 4 * Math.sqrt((pFirst * (1 - pFirst)) / n));
    let [below, at] = [0, 0];
    while (below + all[at] < (n * pairs) / 2) below += all[at++];
    expect(at).toBe(median);
    expect(chiSquareScore(firstKey, slotLaw(slots))).toBeLessThan(4);
  });

  test('with 4·pairs = seqLen every slot is used, and the order of keys still follows the law', () => {
    const [pairs, context] = [16, 32];
    const counts = [new Int32Array(16), new Int32Array(16)];
    for (const example of examples(mqar, { seqLen: 64, pairs }, 20_000, 32)) {
      for (let i = 0; i < 16; i++) if (example.targets[context + 2 * i] === UNSCORED) expect.unreachable('an unused slot');
      for (const j of [0, 1]) counts[j][slotOf(example, j, context)]++;
    }
    const p = slotLaw(16);
    // p(slot i second) = Σ over the first slot f ≠ i of p_f · p_i / (1 − p_f)
    const second = (i: number) => Array.from({ length: 16 }, (_, f) => (f === i ? 0 : (p(f) * p(i)) / (1 - p(f)))).reduce((a, b) => a + b);
    expect(chiSquareScore(counts[0], p)).toBeLessThan(4);
    expect(chiSquareScore(counts[1], second)).toBeLessThan(4);
  });

  test('powerA 1 is uniform', () => {
    const counts = new Int32Array(28);
    for (const example of examples(mqar, { seqLen: 64, pairs: 4, powerA: 1 }, 20_000, 33)) counts[slotOf(example, 3, 8)]++;
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });
});

describe('distribution of the tokens', () => {
  const options = { vocabSize: 41, seqLen: 40, pairs: 8 }; // keys 1…19, values 20…40

  test('keys and values are uniform at every place and paired at random', () => {
    const [first, last, values, together] = [new Int32Array(19), new Int32Array(19), new Int32Array(21), new Int32Array(19 * 21)];
    for (const { tokens } of examples(mqar, options, 50_000, 41)) {
      first[tokens[0] - 1]++;
      last[tokens[14] - 1]++;
      values[tokens[15] - 20]++;
      together[(tokens[14] - 1) * 21 + tokens[15] - 20]++;
    }
    for (const counts of [first, last, values, together]) expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test('two keys of one example are a uniform ordered pair of distinct keys', () => {
    const counts = new Int32Array(19 * 18);
    for (const { tokens } of examples(mqar, options, 50_000, 42)) {
      const [a, b] = [tokens[0] - 1, tokens[2] - 1];
      counts[a * 18 + (b < a ? b : b - 1)]++;
    }
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test('fillers are independent and uniform over the whole vocabulary, the blank and stored keys included', () => {
    const [one, two] = [new Int32Array(41), new Int32Array(41 * 41)];
    let stored = 0;
    const n = 50_000;
    for (const { tokens } of examples(mqar, options, n, 43)) {
      one[tokens[17]]++;
      two[tokens[37] * 41 + tokens[39]]++;
      for (let j = 0; j < 16; j += 2) if (tokens[j] === tokens[17]) stored++;
    }
    expect(chiSquareScore(one)).toBeLessThan(4);
    expect(chiSquareScore(two)).toBeLessThan(4);
    expect(Math.abs(stored / n - 8 / 41)).toBeLessThan(4 * Math.sqrt(0.16 / n));
  });
});

describe('refusals', () => {
  test.each([
    [{ pairs: 20 }, 'E_SIZE: task mqar: pairs 20 needs seqLen ≥ 80 (2·pairs·passes + 2·pairs ≤ seqLen), but seqLen is 64: use pairs ≤ 16 or seqLen ≥ 80.'],
    [
      { pairs: 12, passes: 3 },
      'E_SIZE: task mqar: pairs 12 with passes 3 needs seqLen ≥ 96 (2·pairs·passes + 2·pairs ≤ seqLen), but seqLen is 64: use pairs ≤ 8 or passes ≤ 1 or seqLen ≥ 96.',
    ],
    [{ pairs: 20, vocabSize: 70 }, 'E_SIZE: task mqar: pairs 20 needs seqLen ≥ 80 (2·pairs·passes + 2·pairs ≤ seqLen), but seqLen is 64: use pairs ≤ 16.'],
    [
      { seqLen: 65 },
      'E_SIZE: task mqar: seqLen must be even (pairs and query slots are two tokens wide), but seqLen is 65: use seqLen ≤ 64 or seqLen ≥ 66.',
    ],
    [
      { vocabSize: 64 },
      'E_SIZE: task mqar: vocabSize must be above seqLen, but vocabSize is 64 and seqLen is 64: use seqLen ≤ 62 or vocabSize ≥ 65.',
    ],
    [
      { vocabSize: 3, seqLen: 2, pairs: 1 },
      'E_SIZE: task mqar: pairs 1 needs seqLen ≥ 4 (2·pairs·passes + 2·pairs ≤ seqLen), but seqLen is 2: use seqLen ≥ 4 with vocabSize ≥ 5.',
    ],
  ])('sizes %j', (options, message) => {
    expect(() => mqar.open(options)).toThrow(expect.objectContaining({ code: 'E_SIZE', message }));
    expect(() => mqar.resolve(options)).toThrow(message);
  });

  test('any sizes open, or the message names changes that make them open', () => {
    const size = (max: number) => fc.integer({ min: 1, max });
    const sizes = fc.record({ vocabSize: size(80), seqLen: size(60), pairs: size(12), passes: size(3) });
    fc.assert(
      fc.property(sizes, (options) => {
        let message = '';
        try {
          checkExample(drawer(options)(rng(51)), { ...options, powerA: 0.01, randomNonQueries: true });
        } catch (error) {
          if (!(error instanceof RecallbenchError)) throw error;
          message = error.message;
        }
        if (message === '') return;
        const remedies = message.slice(message.indexOf(': use ')).split(' or ');
        for (const remedy of remedies) {
          const change = [...remedy.matchAll(/(\w+) [≤≥] (\d+)/g)].map(([, key, value]) => [key, Number(value)] as const);
          expect(change.length).toBeGreaterThan(0);
          expect(() => mqar.open({ ...options, ...Object.fromEntries(change) }), message).not.toThrow();
        }
      }),
      { numRuns: 150 },
    );
  });

  test.each([
    [{ numPairs: 4, pair: 3 }, 'E_CONFIG: task mqar: unknown key "numPairs"'],
    [{ pair: 3 }, 'E_CONFIG: task mqar: unknown key "pair". Did you mean "pairs"? Known: vocabSize, seqLen, pairs, powerA, randomNonQueries, passes.'],
    [{ pairs: 0 }, 'E_CONFIG: task mqar: "pairs":'],
    [{ pairs: 2.5 }, 'E_CONFIG: task mqar: "pairs":'],
    [{ seqLen: '64' }, 'E_CONFIG: task mqar: "seqLen":'],
    [{ powerA: NaN }, 'E_CONFIG: task mqar: "powerA":'],
    [{ powerA: -1 }, 'E_CONFIG: task mqar: "powerA":'],
    [null, 'E_CONFIG: task mqar:'],
  ])('config %j', (options, message) => {
    expect(() => mqar.open(options)).toThrow(message);
  });
});
