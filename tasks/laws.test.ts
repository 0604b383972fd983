/** What every task keeps to. A new task joins by one entry in `cases`, which the compiler asks for. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { rng, type Stream } from '#core/random.ts';
import { drawExample } from './draw.ts';
import { tasks } from './index.ts';
import { UNSCORED, type Example, type OpenTask } from './task.ts';

interface Case {
  /** options that the laws are tried with, beside the defaults */
  sizes: Record<string, unknown>[];
  /** options small enough to draw: the example in the doc comment and in the golden file */
  drawn: Record<string, unknown>;
  /** the answer at scored position t, by the simplest program that knows the options */
  solve(tokens: Int32Array, t: number, options: Record<string, number>): number;
}

const cases: Record<keyof typeof tasks, Case> = {
  mqar: {
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
  },
};

function draw(task: OpenTask, stream: Stream): Example {
  const out = { tokens: new Int32Array(task.seqLen).fill(-7), targets: new Int32Array(task.seqLen).fill(-7) };
  task.example(stream, out);
  return out;
}

describe.each(Object.values(tasks))('$name', (definition) => {
  const { sizes, drawn, solve } = cases[definition.name];
  const train = (i: number) => rng(1).fork('train').fork(i);
  const valid = [{}, drawn, ...sizes];

  describe.each(valid.map((options) => ({ options, title: JSON.stringify(options) })))('$title', ({ options }) => {
    const task = definition.open(options);

    test('tokens are in the vocabulary, targets are tokens or unscored, both are overwritten', () => {
      for (let i = 0; i < 50; i++) {
        const { tokens, targets } = draw(task, train(i));
        expect(tokens.every((x) => x >= 0 && x < task.vocabSize)).toBe(true);
        expect(targets.every((y) => y === UNSCORED || (y >= 0 && y < task.vocabSize))).toBe(true);
      }
    });

    test('at least one position is scored, and at most maxScored', () => {
      const scored = Array.from({ length: 50 }, (_, i) => draw(task, train(i)).targets.filter((y) => y !== UNSCORED).length);
      expect(Math.min(...scored)).toBeGreaterThan(0);
      expect(Math.max(...scored)).toBeLessThanOrEqual(task.maxScored);
    });

    test('an example depends on its stream alone, not on order, on earlier examples or on who draws it', () => {
      const forward = Array.from({ length: 20 }, (_, i) => draw(task, train(i)));
      const other = definition.open(options);
      for (let i = 19; i >= 0; i--) {
        expect(draw(task, train(i))).toEqual(forward[i]);
        expect(draw(other, train(i))).toEqual(forward[i]);
      }
    });

    test('ten lines solve it', () => {
      const resolved = definition.resolve(options) as Record<string, number>;
      for (let i = 0; i < 200; i++) {
        const { tokens, targets } = draw(task, train(i));
        targets.forEach((y, t) => {
          if (y !== UNSCORED) expect(solve(tokens, t, resolved)).toBe(y);
        });
      }
    });

    test('the slice is made of resolved options', () => {
      expect(definition.resolve(options)).toMatchObject(task.slice);
    });
  });

  test('no training example is a test example', () => {
    const task = definition.open({});
    const texts = (split: string) => Array.from({ length: 1000 }, (_, i) => draw(task, rng(1).fork(split).fork(i)).tokens.join());
    expect(new Set([...texts('train'), ...texts('test')]).size).toBe(2000);
  });

  test('every option has a default and a description, and resolving twice changes nothing', () => {
    for (const option of definition.options) {
      expect(option).toMatchObject({ name: expect.any(String), default: expect.anything(), description: expect.any(String) });
    }
    for (const options of valid) {
      const resolved = definition.resolve(options);
      expect(Object.keys(resolved)).toEqual(definition.options.map((o) => o.name));
      expect(definition.resolve(resolved)).toEqual(resolved);
    }
  });

  test('an unknown option is refused with the nearest known one', () => {
    const name = definition.options[0].name;
    expect(() => definition.open({ [`${name}x`]: 1 })).toThrow(`E_CONFIG: task ${definition.name}: unknown key "${name}x". Did you mean "${name}"?`);
  });

  test('the golden file and the doc comment draw what the task makes', async () => {
    const drawing = (options: object) => drawExample(draw(definition.open(options), rng(0).fork('train').fork(0)));
    const caption = (options: object) => `${definition.name} ${JSON.stringify(options)}, rng(0).fork('train').fork(0)`;
    await expect([drawn, {}].map((options) => `${caption(options)}\n\n${drawing(options)}`).join('\n')).toMatchFileSnapshot(
      `golden/${definition.name}.txt`,
    );
    const source = readFileSync(new URL(`./${definition.name}.ts`, import.meta.url), 'utf8');
    for (const line of drawing(drawn).trim().split('\n')) expect(source).toContain(line);
  });
});
