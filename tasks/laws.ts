/** What every task keeps to: its own test file calls `taskLaws` (tasks/index.test.ts sees to that). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { rng, type Stream } from '#core/random.ts';
import { drawExample } from './draw.ts';
import { UNSCORED, type Example, type OpenTask, type Task } from './task.ts';

export interface TaskCases {
  /** options that the laws are tried with, beside the defaults */
  readonly sizes: readonly Record<string, unknown>[];
  /** options small enough to draw: the example in the doc comment and in the golden file */
  readonly drawn: Record<string, unknown>;
  /** the answer at scored position t, by the simplest program that knows the options */
  solve(tokens: Int32Array, t: number, options: Record<string, number>): number;
  /** share of scored positions that the solver has to get right; less than 1 only where the task has a Bayes bound, which its doc comment states */
  readonly bound?: number;
  /** why a training example may be a test example, where that lies in the task itself */
  readonly repeats?: string;
  /** options that are refused, with the message; what an E_SIZE proposes is tried */
  readonly refused?: readonly (readonly [options: Record<string, unknown>, message: string])[];
}

function draw(task: OpenTask, stream: Stream): Example {
  const out = { tokens: new Int32Array(task.seqLen).fill(-7), targets: new Int32Array(task.seqLen).fill(-7) };
  task.example(stream, out);
  return out;
}

/** The laws of one task. */
export function taskLaws(definition: Task, { sizes, drawn, solve, bound = 1, repeats, refused = [] }: TaskCases): void {
  describe(definition.name, () => {
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
        let [right, scored] = [0, 0];
        for (let i = 0; i < 200; i++) {
          const { tokens, targets } = draw(task, train(i));
          targets.forEach((y, t) => {
            if (y === UNSCORED) return;
            scored++;
            if (solve(tokens, t, resolved) === y) right++;
          });
        }
        expect(right / scored).toBeGreaterThanOrEqual(bound);
      });

      test('the slice is made of resolved options', () => {
        expect(definition.resolve(options)).toMatchObject(task.slice);
      });
    });

    test.skipIf(repeats !== undefined)('no training example is a test example', () => {
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

    test.each(refused)('%j is refused, and each remedy mends it', (options, message) => {
      expect(() => definition.open(options)).toThrow(message);
      expect(() => definition.resolve(options)).toThrow(message);
      if (!message.startsWith('E_SIZE')) return;
      for (const remedy of message.slice(message.indexOf(': use ')).split(' or ')) {
        const change = [...remedy.matchAll(/(\w+) [≤≥] (\d+)/g)].map(([, key, value]) => [key, Number(value)] as const);
        expect(change.length).toBeGreaterThan(0);
        expect(() => definition.open({ ...options, ...Object.fromEntries(change) })).not.toThrow();
      }
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
}
