import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RecallbenchError } from '#core/errors.ts';
import { rng } from '#core/random.ts';
import { madeUpRecord } from '#results/made-up.ts';
import type { Appearance, OutcomeState, RunRecord } from '#results/record.ts';
import { drawCsv } from './csv.ts';
import { drawPng, drawSvg } from './draw.ts';
import type { Figure } from './figure.ts';
import { figures } from './index.ts';
import { parseFormats, writeFigure } from './write.ts';

const appearances: Record<string, Appearance> = {
  attention: { label: 'Attention', order: 0, color: '#4c72b0', marker: 'circle' },
  mamba: { label: 'Mamba', order: 1, color: '#dd8452', marker: 'rectRot' },
  mamba2: { label: 'Mamba-2', order: 2, color: '#c44e52', marker: 'rect' },
};

/** Figure 8 of the Mamba-2 paper in small, made up: two lengths, three widths, one cell that always diverges and one never run. */
function madeUpSweep(): RunRecord[] {
  const records: RunRecord[] = [];
  for (const seqLen of [256, 512]) {
    for (const dModel of [32, 64, 128]) {
      for (const [model, dState] of [['attention'], ['mamba', 16], ['mamba2', 16], ['mamba2', 64]] as const) {
        if (model === 'mamba2' && dState === 64 && dModel === 128 && seqLen === 512) continue;
        for (const lr of [1e-3, 1e-2]) {
          for (const seed of [0, 1]) {
            const stateBytes = 8 * dModel * 2 * (dState ?? seqLen);
            const noise = rng(seed).fork(`${model} ${dState} ${seqLen} ${dModel} ${lr}`).normal();
            const accuracy = 1 / (1 + Math.exp(-1.2 * Math.log2(stateBytes / (80 * seqLen)) - 0.3 * noise)) / (model === 'mamba' ? 2 : 1);
            const state: OutcomeState = model === 'mamba' && dModel === 128 && seqLen === 512 ? 'diverged' : model === 'mamba' && lr === 1e-2 && seed === 1 ? 'crashed' : 'done';
            records.push(
              madeUpRecord({
                point: {
                  model,
                  dModel,
                  lr,
                  seed,
                  modelOptions: dState === undefined ? {} : { dState },
                  train: [{ options: { seqLen, pairs: seqLen / 4 }, examples: 1000 }],
                  test: [{ options: { seqLen, pairs: seqLen / 4 }, examples: 100 }],
                },
                appearance: appearances[model],
                accuracy,
                stateBytes,
                state,
                steps: 4 * seqLen,
                rows: 20,
                parameters: 1000 * dModel,
                sweep: 'small-figure-8',
              }),
            );
          }
        }
      }
    }
  }
  return records;
}

const records = madeUpSweep();
const built = Object.values(figures).map((kind) => [kind.name, kind.build(records)] as const);

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'recallbench-reports-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return error instanceof RecallbenchError ? error.code : `${error}`;
  }
  return 'no error';
}

const marksOf = (figure: Figure) => figure.panels.flatMap((panel) => panel.series.flatMap((series) => series.marks));

describe.each(built)('%s', (name, figure) => {
  test('is drawn as it was', async () => {
    // the caption is in the file as a description, and need not be outlines too
    await expect(drawSvg(figure, { caption: false })).toMatchFileSnapshot(`./golden/${name}.svg`);
    await expect(drawCsv(figure)).toMatchFileSnapshot(`./golden/${name}.csv`);
  });

  test('is the same file again, whatever the order of the records', () => {
    const again = figures[name].build(records.toReversed());
    expect(again).toEqual(figure);
    expect(drawSvg(again)).toBe(drawSvg(figure));
    expect(drawCsv(again)).toBe(drawCsv(figure));
  });

  test('states device, precision, seeds, budget, the choice of the learning rate and what is missing', () => {
    const words = figure.caption.join(' ');
    expect(words).toContain('no device (made-up, fp32)');
    expect(words).toMatch(/seed/);
    expect(words).toMatch(/1,024–2,048 steps a run \(4\.19–8\.39 million tokens\)/);
    expect(words).toMatch(/validation split, from 1e-3, 0\.01\./);
    expect(words).toContain('recallbench 0.0.0');
    const notes = figure.notes.join(' ');
    expect(notes).toContain('No finished run: Mamba (N=16), d=128, length 512 (diverged).');
    expect(notes).toMatch(/did not finish: 5 crashed/);
  });

  test('has a look for every series that tells it apart without colour', () => {
    const looks = new Map(figure.panels.flatMap((panel) => panel.series.map((s) => [s.name, `${s.look.marker} ${s.look.filled} ${s.look.dash.join()}`])));
    expect(looks.size).toBeGreaterThan(2);
    expect(new Set(looks.values()).size).toBe(looks.size);
  });

  test('is a PNG of the size asked for, with ink on it', async () => {
    const png = drawPng(figure, { width: 600, scale: 2 });
    expect(png.subarray(0, 8)).toEqual(Buffer.from('89504e470d0a1a0a', 'hex'));
    const image = await loadImage(png);
    const svg = drawSvg(figure, { width: 600 });
    expect(image.width).toBe(1200);
    expect(image.height).toBe(2 * Number(/height="(\d+)"/.exec(svg)![1]));
    expect(inkOf(await pixelsOf(png))).toBeGreaterThan(0.01);
    // the SVG, rasterised, is the same picture
    expect(inkOf(await pixelsOf(Buffer.from(svg)))).toBeCloseTo(inkOf(await pixelsOf(png)), 2);
  });

  test('has every mark in the CSV', () => {
    const lines = drawCsv(figure).trimEnd().split('\n');
    const failed = figure.panels.flatMap((panel) => panel.series.flatMap((series) => series.failed));
    expect(lines.length).toBe(1 + marksOf(figure).length + failed.length);
    const columns = lines[0].split(',');
    for (const column of ['panel', 'series', 'x', 'y', 'low', 'high', 'outcome', 'lr', 'dModel', 'stateBytes']) expect(columns).toContain(column);
    for (const { x, y } of marksOf(figure)) expect(drawCsv(figure)).toContain(`,${x},${y},`);
  });

  test('without records says which command makes them', () => {
    const { build } = figures[name];
    expect(() => build([])).toThrow(/E_STORE.*recallbench sweep/);
    expect(() => build(records, { task: 'copying' })).toThrow(/E_STORE.*none of 92 records is of task copying.*tasks: mqar/);
    expect(() => build(records.filter((r) => r.outcome.state === 'diverged'))).toThrow(/E_STORE.*none of 4 runs finished \(diverged\)/);
    expect(() => build(records, { slice: { seqLen: 7 } })).toThrow(/E_CONFIG.*no record has a test slice.*256/);
  });
});

async function pixelsOf(file: Buffer): Promise<Uint8ClampedArray> {
  const image = await loadImage(file);
  const canvas = createCanvas(300, 200);
  const ctx = canvas.getContext('2d');
  ctx.drawImage(image, 0, 0, 300, 200);
  return ctx.getImageData(0, 0, 300, 200).data;
}

/** The mean darkness of a picture, 0 white to 1 black: the same at any scale. */
function inkOf(pixels: Uint8ClampedArray): number {
  let ink = 0;
  for (let i = 0; i < pixels.length; i += 4) ink += 255 - (pixels[i] + pixels[i + 1] + pixels[i + 2]) / 3;
  return ink / 255 / (pixels.length / 4);
}

describe('the figures', () => {
  test('recall-vs-state joins all sizes of a mixer, best on validation where states are equal', () => {
    const figure = figures['recall-vs-state'].build(records);
    expect(figure.panels.map((p) => p.title)).toEqual(['length 256', 'length 512']);
    const [first, second] = figure.panels;
    expect(first.series.map((s) => s.name)).toEqual(['Attention', 'Mamba', 'Mamba-2']);
    const xs = first.series[2].marks.map((m) => m.x);
    expect(xs).toEqual(xs.toSorted((a, b) => a - b));
    expect(first.series[2].marks.map((m) => m.label)).toContain('N=64');
    expect(second.series[1].failed).toMatchObject([{ x: 32768, why: 'diverged' }]);
    // d=32 N=64 and d=128 N=16 carry the same state
    const rivals = first.series[2].marks.filter((m) => m.x === 32768);
    expect(rivals.map((m) => m.aside ?? false).sort()).toEqual([false, true]);
  });

  test('accuracy-vs-width has a panel a length, a line a state size, and lists what was never run', () => {
    const figure = figures['accuracy-vs-width'].build(records);
    expect(figure.panels[0].series.map((s) => s.name)).toEqual(['Attention', 'Mamba (N=16)', 'Mamba-2 (N=16)', 'Mamba-2 (N=64)']);
    expect(figure.panels[0].series[0].marks.map((m) => m.x)).toEqual([32, 64, 128]);
    expect(figure.notes.join(' ')).toContain('No records: Mamba-2 (N=64) at length 512 (d=128).');
    expect(figure.panels[1].series[1].failed).toMatchObject([{ x: 128, why: 'diverged' }]);
  });

  test('accuracy-vs-width splits a mixture of lengths into panels', () => {
    const mixed = [32, 64].map((dModel) => madeUpRecord({ point: { model: 'mamba2', dModel, test: [64, 128, 1024].map((seqLen) => ({ options: { seqLen, pairs: 4 }, examples: 10 })) }, appearance: appearances['mamba2'] }));
    const titles = (of: Figure) => of.panels.map((panel) => panel.title);
    expect(titles(figures['accuracy-vs-width'].build(mixed))).toEqual(['length 64', 'length 128', 'length 1,024']);
    expect(titles(figures['accuracy-vs-width'].build(mixed, { slice: { seqLen: 128 } }))).toEqual(['length 128']);
    expect(figures['recall-vs-state'].build(mixed, { slice: { seqLen: 128 } }).panels[0].y.label).toBe('Test accuracy at seqLen 128');
  });

  test('cells that would stand for one another get names that differ', () => {
    const two = [1, 2].flatMap((layers) => [32, 64].map((dModel) => madeUpRecord({ point: { model: 'mamba2', dModel, layers, modelOptions: { dState: 16, headDim: dModel } }, appearance: appearances['mamba2'] })));
    // headDim follows the width and needs no name
    expect(figures['accuracy-vs-width'].build(two).panels[0].series.map((s) => s.name)).toEqual(['Mamba-2 (N=16, layers=1)', 'Mamba-2 (N=16, layers=2)']);
  });

  test('learning-curves draws the runs at the chosen learning rate, accuracy above loss', () => {
    const figure = figures['learning-curves'].build(records, { models: ['mamba2', 'attention'] });
    expect(figure.panels.map((p) => [p.title, p.y.label])).toEqual([
      ['length 256', 'Validation accuracy'],
      ['length 512', 'Validation accuracy'],
      ['length 256', 'Training loss (nats)'],
      ['length 512', 'Training loss (nats)'],
    ]);
    expect(new Set(figure.panels[0].series.map((s) => s.name)).size).toBeGreaterThan(2);
    expect(marksOf(figure).every((mark) => Number.isFinite(mark.y))).toBe(true);
  });

  test('one seed has no bars and says so; text of users is drawn and escaped', () => {
    const one = records.filter((r) => r.point.seed === 0).map((r) => ({ ...r, appearance: { ...r.appearance, label: `<${r.appearance.label}> & "β, ≥"`, color: 'red' } }));
    const figure = figures['accuracy-vs-width'].build(one, { title: 'A < B & Größe' });
    expect(marksOf(figure).every((mark) => mark.low === undefined)).toBe(true);
    expect(figure.caption.join(' ')).toContain('One seed a point, so no error bars.');
    expect(drawSvg(figure)).toContain('<title>A &lt; B &amp; Größe</title>');
    expect(drawCsv(figure)).toContain('"<Mamba> & ""β, ≥"" (N=16)"');
  });
});

describe('writing', () => {
  const figure = figures['recall-vs-state'].build(records);

  test('gives the files asked for, whole, and nothing else', () => {
    const to = join(dir, 'new', 'folder');
    expect(writeFigure(figure, to, ['svg', 'csv'])).toEqual([join(to, 'recall-vs-state.svg'), join(to, 'recall-vs-state.csv')]);
    expect(readdirSync(to).sort()).toEqual(['recall-vs-state.csv', 'recall-vs-state.svg']);
    expect(readFileSync(join(to, 'recall-vs-state.svg'), 'utf8')).toBe(drawSvg(figure));
    writeFigure(figure, to, ['csv,png'], { scale: 1, caption: false });
    expect(readdirSync(to).length).toBe(3);
  });

  test('refuses a format that it does not know, and names those that it does', () => {
    expect(() => writeFigure(figure, dir, ['pdf'])).toThrow(/E_CONFIG: unknown figure format "pdf"\..*Known: png, svg, csv\./);
    expect(codeOf(() => writeFigure(figure, dir, ['svg', 'html']))).toBe('E_CONFIG');
    expect(existsSync(join(dir, 'recall-vs-state.svg'))).toBe(false);
    expect(parseFormats(['PNG, svg', 'svg'])).toEqual(['png', 'svg']);
  });

  test('says where it cannot write, and leaves nothing half-written', () => {
    const file = join(dir, 'a-file');
    writeFileSync(file, 'mine');
    expect(() => writeFigure(figure, file, ['csv'])).toThrow(/E_OUTPUT.*--out/);
    expect(codeOf(() => writeFigure(figure, '/proc/nowhere', ['csv']))).toBe('E_OUTPUT');
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(readdirSync(dir).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});
