/** The figures of runs over everything that there is: all tasks, all mixers, hybrids, one seed. */
import { expect, test } from 'vitest';
import { mixers } from '#models/index.ts';
import { openStack } from '#models/stack.ts';
import { madeUpRecord } from '#results/made-up.ts';
import type { RunRecord } from '#results/record.ts';
import { drawSvg } from '#reports/draw.ts';
import { figures } from '#reports/index.ts';
import { tasks } from '#tasks/index.ts';

const ofRuns = Object.values(figures).filter((kind) => kind.of === 'runs');

/** Runs of a model on a task, tested on its own slice and on one of twice the length. */
function runOf(task: keyof typeof tasks, model: string, seed = 0): RunRecord {
  const { slice, seqLen } = tasks[task].open({});
  const { appearance } = openStack(model, {}, 12);
  const test = [seqLen, 2 * seqLen].map((length) => ({ ...slice, seqLen: length })).map((options) => ({ options, examples: 10 }));
  return madeUpRecord({ point: { task, model, layers: 12, seed, train: test.slice(0, 1), test }, appearance, accuracy: 0.5 });
}

const kinds = ['mamba2', 'attention', 'mamba2*5,attention'];
const everyTask = Object.keys(tasks).flatMap((task) => kinds.map((model) => runOf(task as keyof typeof tasks, model)));
const everyMixer = [...Object.keys(mixers), 'mamba2*5,attention', 'gated-conv,attention'].map((model) => runOf('mqar', model));

test.each(ofRuns)('$name has a panel for every task', (kind) => {
  const figure = kind.build({ records: everyTask, measurements: [] });
  const titles = figure.panels.map((panel) => panel.title).join('\n');
  for (const task of Object.keys(tasks)) expect(titles).toContain(task);
  expect(figure.caption.join(' ')).toMatch(kind.name === 'learning-curves' ? /one line a seed/ : /One seed a point/);
  expect(drawSvg(figure, { mm: 180, caption: false })).toContain('</svg>');
});

test.each(ofRuns)('$name tells every mixer and hybrid apart, with colour and without', (kind) => {
  const { panels } = kind.build({ records: everyMixer, measurements: [] });
  const looks = new Map(panels.flatMap((panel) => panel.series.filter((series) => series.marks.length > 0 && series.look.marker !== 'none').map((series) => [series.name, series.look] as const)));
  const expected = kind.name === 'steps-to-recall' ? 0 : everyMixer.length;
  expect(looks.size).toBe(expected);
  expect(new Set([...looks.values()].map((look) => look.color.toLowerCase())).size).toBe(expected);
  expect(new Set([...looks.values()].map((look) => `${look.marker} ${look.filled} ${look.dash.join()}`)).size).toBe(expected);
});

test.each(ofRuns)('$name can be narrowed to a model that is a pattern', (kind) => {
  const { panels } = kind.build({ records: everyTask, measurements: [] }, { models: ['mamba2*5,attention'], task: 'mqar' });
  expect(panels.flatMap((panel) => panel.series).filter((series) => series.look.marker !== 'none').every((series) => series.name.startsWith('Mamba-2 ×5 + Attention'))).toBe(true);
});
