/** One run in full: how it ended, its learning curve, the slices of its test, how to make it again, its configuration and where it ran. */
import type { Device, Evaluation } from '#results/record.ts';
import type { Figure, Series } from '../../figure.ts';
import { formatBytes, formatNumber } from '../../ticks.ts';
import { recipeOf, type Recipe } from '../command.ts';
import type { Curve, CurvePoint } from '../curves.ts';
import type { Run } from '../packed-runs.ts';
import { copyButton, el, facts, plainTable, saveButton } from './dom.ts';
import { place } from './figures.ts';
import { count, duration, loss, moment, percent, rate } from './words.ts';

export function runTitle({ appearance, told, point }: Run): string {
  return [appearance.label, told.options, `width ${point.dModel}`, `lr ${rate(point.lr)}`, `seed ${point.seed}`].filter((w) => w !== '').join(', ');
}

/** The parts of a run; `curve` is what is known of its learning. */
export function runDetail(run: Run, curve: Curve): (Node | undefined)[] {
  const { id, point, outcome, test, validation, steps, stepsTo99, device, code } = run;
  const share = (of: Evaluation | undefined) => (of === undefined ? undefined : `${percent(of.accuracy)} %${of.sequenceAccuracy === undefined ? '' : `, whole sequences ${percent(of.sequenceAccuracy)} %`}`);
  const drawing = el('div', { class: 'drawing' });
  const figure = curveFigure(run, curve);
  if (figure !== undefined) place(drawing, figure, () => {});
  return [
    outcomeNote(outcome),
    facts([
      ['Test accuracy', share(test)],
      ['Validation accuracy', share(validation)],
      ['Test loss', test === undefined ? undefined : `${loss(test.loss)} nats`],
      ['Learning rate', rate(point.lr)],
      ['Steps', `${formatNumber(steps.run)} of ${formatNumber(steps.planned)}`],
      ['Steps to 99 % validation', stepsTo99 === null ? undefined : formatNumber(stepsTo99)],
      ['Decoding state', formatBytes(run.stateBytes)],
      ['Parameters', formatNumber(run.parameters)],
      ['Training speed', run.tokensPerSecond === null ? undefined : `${count(run.tokensPerSecond)} tokens/s`],
      ['Training, in all', `${duration(run.trainSeconds)}, ${duration(run.totalSeconds)}`],
      ['Memory', formatBytes(run.peakBytes)],
      ['Sweep', run.sweep],
    ]),
    ...run.notes.map((note) => el('p', { class: 'caption note' }, note)),
    ...(figure === undefined ? [] : [el('h3', {}, 'Learning curve'), drawing, ...(curve.rows > Math.max(curve.loss.length, curve.accuracy.length) ? [el('p', { class: 'caption' }, `Thinned from the ${formatNumber(curve.rows)} rows of the record: losses are means over the steps between their points, accuracies are some of the evaluations.`)] : [])]),
    ...slicesTable(test, validation),
    ...recipeParts(recipeOf(id, point, device)),
    ...configParts('Configuration', point),
    ...environmentParts(device, code, run.startedAt, run.finishedAt),
  ];
}

/** Why it did not finish, where it did not. */
export function outcomeNote({ state, reason }: { state: string; reason?: string | undefined }): HTMLElement | undefined {
  return state === 'done' ? undefined : el('p', { class: 'failure' }, el('strong', {}, state), reason === undefined ? '' : `: ${reason}`);
}

export function recipeParts(recipe: Recipe | undefined): HTMLElement[] {
  if (recipe === undefined) return [];
  const { train, file, command } = recipe;
  return [
    el('h3', {}, 'Make it again'),
    ...(train === undefined ? [] : [el('div', { class: 'code' }, shown(train), copyButton(() => train)), el('p', { class: 'caption' }, 'or, with the same id, by a file that holds its configuration:')]),
    el('div', { class: 'code' }, shown(command), copyButton(() => command), saveButton(`Save ${file.name}`, file.name, 'application/json', () => file.text)),
    el('details', {}, el('summary', {}, file.name), el('div', { class: 'code' }, el('pre', {}, el('code', {}, file.text.trimEnd())), copyButton(() => file.text))),
  ];
}

/** A command, broken at spaces only. */
function shown(command: string): HTMLElement {
  return el('pre', {}, el('code', {}, ...command.split(' ').flatMap((word, i) => [i === 0 ? '' : ' ', el('span', {}, word)])));
}

export function configParts(title: string, config: unknown): HTMLElement[] {
  const text = JSON.stringify(config, null, 2);
  return [el('h3', {}, title), el('div', { class: 'code' }, el('pre', { class: 'config' }, el('code', {}, text)), copyButton(() => text))];
}

export function environmentParts(device: Device, code: { version: string; commit?: string | undefined }, startedAt: string, finishedAt: string): HTMLElement[] {
  const { engine, adapter, driver, threads, precision, features, versions, host } = device;
  return [
    el('h3', {}, 'Environment'),
    facts([
      ['Engine', [engine, precision, ...(threads === undefined ? [] : [`${threads} thread${threads === 1 ? '' : 's'}`])].join(', ')],
      ['Adapter', adapter],
      ['Driver', driver],
      ['Features', features.length === 0 ? undefined : features.join(', ')],
      ['Versions', Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')],
      ['Machine', `${host.cpu}, ${host.cores} core${host.cores === 1 ? '' : 's'}, ${formatBytes(host.memoryBytes)}, ${host.os}`],
      ['Code', `recallbench ${code.version}`],
      ['Commit', code.commit],
      ['Started', moment(startedAt)],
      ['Finished', moment(finishedAt)],
    ]),
  ];
}

function slicesTable(test: Evaluation | undefined, validation: Evaluation | undefined): HTMLElement[] {
  const whole = test?.slices.some((s) => s.sequenceAccuracy !== undefined);
  const rows = [['Test', test], ['Validation', validation]].flatMap(([of, evaluation]) =>
    ((evaluation as Evaluation | undefined)?.slices ?? []).map((s) => [
      of as string,
      Object.entries(s.slice).map(([key, value]) => `${key} ${value}`).join(', '),
      percent(s.accuracy),
      ...(whole ? [percent(s.sequenceAccuracy)] : []),
      loss(s.loss),
      formatNumber(s.examples),
      formatNumber(s.scored),
    ]),
  );
  if (rows.length === 0) return [];
  const head = ['Split', 'Slice', 'Accuracy %', ...(whole ? ['Whole %'] : []), 'Loss', 'Examples', 'Scored'];
  return [
    el('h3', {}, 'Slices of the test'),
    el('div', { class: 'wide' }, plainTable(head, rows, (column) => column > 1)),
  ];
}

/** Validation accuracy and training loss against steps, as the figure of learning curves has them. */
function curveFigure({ appearance, steps }: Run, { loss: losses, accuracy }: Curve): Figure | undefined {
  const x = { label: 'Step', scale: 'linear', unit: 'count', min: 0, max: Math.max(1, steps.run) } as const;
  const series = (points: readonly CurvePoint[]): Series[] => [
    { name: appearance.label, look: { color: appearance.color, marker: points.length > 40 ? 'none' : 'circle', filled: true, dash: [] }, marks: points.map(({ step, value }) => ({ x: step, y: value, facts: {} })), failed: [] },
  ];
  const panels = [
    ...(accuracy.length === 0 ? [] : [{ title: '', x, y: { label: 'Validation accuracy', scale: 'linear', unit: 'number', min: -0.04, max: 1.04, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] } as const, series: series(accuracy) }]),
    ...(losses.length === 0 ? [] : [{ title: '', x, y: { label: 'Training loss (nats)', scale: 'linear', unit: 'number', min: 0 } as const, series: series(losses) }]),
  ].map((panel) => ({ ...panel, y: { ...panel.y, ...('ticks' in panel.y ? { ticks: [...panel.y.ticks] } : {}) } }));
  return panels.length === 0 ? undefined : { name: 'curve', title: 'Learning curve', panels: panels as Figure['panels'], caption: [], notes: [] };
}
