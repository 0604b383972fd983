import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RecallbenchError } from '#core/errors.ts';
import { rng } from '#core/random.ts';
import { madeUpMeasurement, madeUpRecord } from '#results/made-up.ts';
import type { Measurement } from '#results/measurement.ts';
import type { Appearance, OutcomeState, RunRecord } from '#results/record.ts';
import { drawCsv } from './csv.ts';
import { drawPdf, drawPng, drawSvg } from './draw.ts';
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

/** Figure 10 of the Mamba-2 paper and decoding in small, made up: three repetitions, one cell without memory, roofs and a peer. */
function madeUpCosts(): Measurement[] {
  const ops = { 'causal-attention': { label: 'Causal attention', order: 0, color: '#0072B2', marker: 'circle' }, 'selective-scan': { label: 'Selective scan', order: 10, color: '#D55E00', marker: 'triangle' }, ssd: { label: 'SSD, chunked', order: 20, color: '#009E73', marker: 'rect' } };
  const models = { attention: ops['causal-attention'], mamba2: ops.ssd };
  const all: Measurement[] = [];
  for (const repetition of [0, 1, 2]) {
    const add = (workload: string, appearance: Appearance, options: Record<string, unknown>, ms: number, more: Partial<Parameters<typeof madeUpMeasurement>[0]> = {}) =>
      all.push(madeUpMeasurement({ measure: { workload, options, engine: 'wasm', threads: 2, repetition, ...more.measure }, samples: [0.95, 1, 1.05].map((f) => f * ms * (1 + 0.1 * repetition)), appearance, tokens: 1024, ...more }));
    const grey = { label: 'roof', order: 90, color: '#777777', marker: 'rect' };
    add('gemm', grey, { size: 1024 }, 20, { work: { flops: 2 * 1024 ** 3, exps: 0, bytes: 12 * 1024 ** 2 } });
    add('copy', grey, { elements: 2 ** 24 }, 4, { work: { flops: 0, exps: 0, bytes: 2 ** 27 } });
    add('launch', grey, {}, 0.05);
    for (const direction of ['forward', 'forward-backward']) {
      const times = direction === 'forward' ? 1 : 3;
      for (const seqLen of [512, 2048, 8192]) {
        const work = { flops: 1e4 * seqLen ** 2, exps: 0, bytes: 1e4 * seqLen };
        const full = seqLen === 8192 && direction !== 'forward';
        add('causal-attention', ops['causal-attention'], { batch: 1, seqLen, heads: 4, headDim: 64, direction }, times * 4e-6 * seqLen ** 2, { work, ...(full ? { state: 'out-of-memory', reason: 'no room', samples: [] } : {}) });
        for (const dState of [16, 64]) {
          add('selective-scan', ops['selective-scan'], { batch: 1, seqLen, channels: 256, dState, direction }, times * 1e-4 * seqLen * dState, { work });
          add('ssd', ops.ssd, { batch: 1, seqLen, heads: 4, headDim: 64, dState, direction }, times * 4e-3 * seqLen * (dState / 16) ** 0.3, { work, peakBytes: 1000 * seqLen });
        }
      }
    }
    // wider than the others, so no line beside them
    add('causal-attention', ops['causal-attention'], { batch: 1, seqLen: 2048, heads: 8, headDim: 64, direction: 'forward' }, 40);
    const peer = (workload: keyof typeof ops, form: string, options: Record<string, unknown>, ms: number, more = {}) =>
      add(workload, { ...ops[workload], label: `${ops[workload].label} — PyTorch, ${form}`, order: ops[workload].order + 0.5 }, {}, ms, { adapter: 'no device', measure: { workload, options: { batch: 1, heads: 4, headDim: 64, direction: 'forward', ...options, implementation: form }, engine: 'pytorch', threads: 2, repetition }, ...more });
    for (const seqLen of [512, 2048]) {
      peer('causal-attention', 'sdpa', { seqLen }, 2e-6 * seqLen ** 2);
      peer('causal-attention', 'plain', { seqLen }, 8e-6 * seqLen ** 2);
      peer('ssd', 'triton', { seqLen, dState: 64 }, 0, { state: 'unsupported', reason: 'the package is not there', samples: [] });
    }
    for (const [model, appearance] of Object.entries(models)) {
      const stateful = { model, modelOptions: model === 'mamba2' ? { dState: 64 } : {}, dModel: 64, layers: 2 };
      const bytes = (n: number) => (model === 'attention' ? 1024 * n : 65_536);
      for (const context of [256, 1024, 4096]) add('decode', { ...appearance, label: model }, { ...stateful, batch: 1, context }, 0.2 + (model === 'attention' ? context / 4096 : 0), { stateBytes: bytes(context), tokens: 1 });
      for (const batch of [4, 16]) add('decode', { ...appearance, label: model }, { ...stateful, batch, context: 1024 }, 0.2 * batch ** 0.5, { stateBytes: bytes(1024), tokens: batch });
      for (const seqLen of [256, 1024]) add('prefill', { ...appearance, label: model }, { ...stateful, batch: 1, seqLen }, seqLen / 100, { stateBytes: bytes(seqLen), tokens: seqLen });
      for (const seqLen of [64, 256]) add('train', { ...appearance, label: model }, { ...stateful, batch: 4096 / seqLen, seqLen, pairs: 8 }, 30, { tokens: 4096 });
    }
  }
  return all;
}

const records = madeUpSweep();
const measurements = madeUpCosts();
const stored = { records, measurements };
const built = Object.values(figures).map((kind) => [kind.name, kind.build(stored, { anchors: true })] as const);
const of = (what: 'runs' | 'costs') => built.filter(([name]) => figures[name].of === what);

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
  // the caption is in the file as a description, and need not be outlines too
  const svg = drawSvg(figure, { caption: false });

  test('is drawn as it was', async () => {
    await expect(svg).toMatchFileSnapshot(`./golden/${name}.svg`);
    await expect(drawCsv(figure)).toMatchFileSnapshot(`./golden/${name}.csv`);
  });

  test('is the same file again, whatever the order of the records', () => {
    const again = figures[name].build({ records: records.toReversed(), measurements: measurements.toReversed() }, { anchors: true });
    expect(again).toEqual(figure);
    expect(drawSvg(again, { caption: false }) === svg).toBe(true);
    expect(drawCsv(again)).toBe(drawCsv(figure));
  });

  test('has a look for every series that tells it apart without colour', () => {
    const looks = new Map(figure.panels.flatMap((panel) => panel.series.map((s) => [s.name, `${s.look.marker} ${s.look.filled} ${s.look.dash.join()}`])));
    expect(looks.size).toBeGreaterThan(1);
    expect(new Set(looks.values()).size).toBe(looks.size);
  });

  test('is a PNG of the size asked for, with ink on it', async () => {
    const png = drawPng(figure, { scale: 2, caption: false });
    expect(png.subarray(0, 8)).toEqual(Buffer.from('89504e470d0a1a0a', 'hex'));
    const image = await loadImage(png);
    expect(image.width).toBe(1440);
    expect(image.height).toBe(2 * Number(/height="(\d+)"/.exec(svg)![1]));
    expect(inkOf(await pixelsOf(png))).toBeGreaterThan(0.01);
    // the SVG, rasterised, is the same picture
    expect(inkOf(await pixelsOf(Buffer.from(svg)))).toBeCloseTo(inkOf(await pixelsOf(png)), 2);
  });

  test('is the same drawing on another ground', () => {
    const dark = drawSvg(figure, { theme: 'dark', caption: false });
    const shapes = (svg: string) => svg.replace(/ +(fill|stroke)="[#a-z][^"]*"/gi, '').replaceAll('  ', ' ');
    expect(shapes(dark) === shapes(svg)).toBe(true);
    expect(dark).toContain('fill="#16181D"');
    expect(svg).not.toContain('#16181D');
  });

  test('is a PDF of vectors, the same file again, of the width asked for', () => {
    const [first, second] = [1, 2].map(() => drawPdf(figure, { mm: 85 }));
    expect(first.equals(second)).toBe(true);
    const text = first.toString('latin1');
    const [, width] = /\/MediaBox \[0 0 ([\d.]+) /.exec(text)!;
    expect((Number(width) * 25.4) / 72).toBeCloseTo(85, 0);
    expect(text).toMatch(/\/Type \/Font\b/);
    expect(text).not.toMatch(/\/Subtype \/Image/);
  });

  test('is not cut off in a column', () => {
    const column = drawSvg(figure, { mm: 85 });
    expect(Number(/<svg [^>]*width="([\d.]+)mm"/.exec(column)![1])).toBeCloseTo(85, 0);
    const [width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(column)!.slice(1).map(Number);
    for (const [, path] of column.matchAll(/<path (?![^>]*transform)[^>]*\bd="([^"]*)"/g)) {
      for (const [, x, y] of path.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)) {
        if (Number(x) < 0 || Number(x) > width || Number(y) < 0 || Number(y) > height) expect.fail(`${x} ${y} is outside of ${width} × ${height}`);
      }
    }
  });

  test('has every mark in the CSV', () => {
    const csv = drawCsv(figure);
    const lines = csv.trimEnd().split('\n');
    const failed = figure.panels.flatMap((panel) => panel.series.flatMap((series) => series.failed));
    expect(lines.length).toBe(1 + marksOf(figure).length + failed.length);
    const columns = lines[0].split(',');
    for (const column of ['panel', 'series', 'x', 'y', 'low', 'high', 'outcome']) expect(columns).toContain(column);
    for (const { x, y } of marksOf(figure)) expect(csv.includes(`,${x},${y},`), `${x},${y}`).toBe(true);
  });
});

describe.each(of('runs'))('%s', (name, figure) => {
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

  test('without records says which command makes them', () => {
    const { build } = figures[name];
    expect(() => build({ records: [], measurements: [] })).toThrow(/E_STORE.*recallbench sweep/);
    expect(() => build({ records, measurements: [] }, { task: 'copying' })).toThrow(/E_STORE.*none of 92 records is of task copying.*tasks: mqar/);
    expect(() => build({ records: records.filter((r) => r.outcome.state === 'diverged'), measurements: [] })).toThrow(/E_STORE.*none of 4 runs finished \(diverged\)/);
    expect(() => build({ records, measurements: [] }, { slice: { seqLen: 7 } })).toThrow(/E_CONFIG.*no record has a test slice.*256/);
  });
});

describe.each(of('costs'))('%s', (name, figure) => {
  test('states device, precision, threads, clock, repetitions, shapes and what is missing', () => {
    const words = figure.caption.join(' ');
    expect(words).toMatch(/no device \(wasm, fp32, 2 threads\).* by wall time: medians of 3 interleaved repetitions/);
    expect(words).toMatch(/Shapes: /);
    expect(words).toContain('recallbench 0.0.0');
    if (name === 'time-vs-length') expect(figure.notes).toEqual(['No measurement: Causal attention at 8,192, forward and backward (out-of-memory).', 'Not to be had: SSD, chunked — PyTorch, triton (the package is not there).']);
  });

  test('shows the time, the kernels and the sizes behind every mark in the CSV', () => {
    const [head, ...lines] = drawCsv(figure).trimEnd().split('\n');
    for (const column of ['workload', 'engine', 'adapter', 'precision', 'clock', 'ms', 'repetitions', 'kernels', 'peakBytes']) expect(head.split(',')).toContain(column);
    expect(lines.length).toBe(marksOf(figure).length + figure.panels.flatMap((p) => p.series.flatMap((s) => s.failed)).length);
  });

  test('without measurements says which command takes them', () => {
    const { build } = figures[name];
    expect(() => build({ records, measurements: [] })).toThrow(/E_STORE.*no measurements.*recallbench throughput/);
    expect(() => build(stored, { models: ['nobody'] })).toThrow(/E_STORE/);
    const none = measurements.map((m) => ({ ...m, samples: [], outcome: { state: 'crashed' as const } }));
    expect(() => build({ records, measurements: none })).toThrow(/E_STORE/);
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
    const figure = figures['recall-vs-state'].build({ records, measurements: [] });
    expect(figure.panels.map((p) => p.title)).toEqual(['length 256', 'length 512']);
    const [first, second] = figure.panels;
    expect(first.series.map((s) => s.name)).toEqual(['Attention', 'Mamba', 'Mamba-2', 'Pareto front']);
    // what is on the front is told at each mark, and in words
    const front = first.series[3].marks;
    expect(first.series.slice(0, 3).flatMap((s) => s.marks.filter((m) => m.facts['front'] === 'yes'))).toHaveLength(front.length);
    expect(figure.caption.join(' ')).toContain(`There, at length 256: Mamba-2 (N=16), d=32; `);
    const xs = first.series[2].marks.map((m) => m.x);
    expect(xs).toEqual(xs.toSorted((a, b) => a - b));
    expect(first.series[2].marks.map((m) => m.label)).toContain('N=64');
    expect(second.series[1].failed).toMatchObject([{ x: 32768, why: 'diverged' }]);
    // d=32 N=64 and d=128 N=16 carry the same state
    const rivals = first.series[2].marks.filter((m) => m.x === 32768);
    expect(rivals.map((m) => m.aside ?? false).sort()).toEqual([false, true]);
  });

  test('accuracy-vs-width has a panel a length, a line a state size, and lists what was never run', () => {
    const figure = figures['accuracy-vs-width'].build({ records, measurements: [] });
    expect(figure.panels[0].series.map((s) => s.name)).toEqual(['Attention', 'Mamba (N=16)', 'Mamba-2 (N=16)', 'Mamba-2 (N=64)']);
    expect(figure.panels[0].series[0].marks.map((m) => m.x)).toEqual([32, 64, 128]);
    expect(figure.notes.join(' ')).toContain('No records: Mamba-2 (N=64) at length 512 (d=128).');
    expect(figure.panels[1].series[1].failed).toMatchObject([{ x: 128, why: 'diverged' }]);
  });

  test('accuracy-vs-width splits a mixture of lengths into panels', () => {
    const mixed = [32, 64].map((dModel) => madeUpRecord({ point: { model: 'mamba2', dModel, test: [64, 128, 1024].map((seqLen) => ({ options: { seqLen, pairs: 4 }, examples: 10 })) }, appearance: appearances['mamba2'] }));
    const titles = (of: Figure) => of.panels.map((panel) => panel.title);
    expect(titles(figures['accuracy-vs-width'].build({ records: mixed, measurements: [] }))).toEqual(['length 64', 'length 128', 'length 1,024']);
    expect(titles(figures['accuracy-vs-width'].build({ records: mixed, measurements: [] }, { slice: { seqLen: 128 } }))).toEqual(['length 128']);
    expect(figures['recall-vs-state'].build({ records: mixed, measurements: [] }, { slice: { seqLen: 128 } }).panels[0].y.label).toBe('Test accuracy at seqLen 128');
  });

  test('cells that would stand for one another get names that differ', () => {
    const two = [1, 2].flatMap((layers) => [32, 64].map((dModel) => madeUpRecord({ point: { model: 'mamba2', dModel, layers, modelOptions: { dState: 16, headDim: dModel } }, appearance: appearances['mamba2'] })));
    // headDim follows the width and needs no name
    expect(figures['accuracy-vs-width'].build({ records: two, measurements: [] }).panels[0].series.map((s) => s.name)).toEqual(['Mamba-2 (N=16, layers=1)', 'Mamba-2 (N=16, layers=2)']);
  });

  test('learning-curves draws the runs at the chosen learning rate, accuracy above loss', () => {
    const figure = figures['learning-curves'].build({ records, measurements: [] }, { models: ['mamba2', 'attention'] });
    expect(figure.panels.map((p) => [p.title, p.y.label])).toEqual([
      ['length 256', 'Validation accuracy'],
      ['length 256', 'Training loss (nats)'],
      ['length 512', 'Validation accuracy'],
      ['length 512', 'Training loss (nats)'],
    ]);
    expect(new Set(figure.panels[0].series.map((s) => s.name)).size).toBeGreaterThan(2);
    expect(marksOf(figure).every((mark) => Number.isFinite(mark.y))).toBe(true);
  });

  test('one seed has no bars and says so; text of users is drawn and escaped', () => {
    const one = records.filter((r) => r.point.seed === 0).map((r) => ({ ...r, appearance: { ...r.appearance, label: `<${r.appearance.label}> & "β, ≥"`, color: 'red' } }));
    const figure = figures['accuracy-vs-width'].build({ records: one, measurements: [] }, { title: 'A < B & Größe' });
    expect(marksOf(figure).every((mark) => mark.low === undefined)).toBe(true);
    expect(figure.caption.join(' ')).toContain('One seed a point, so no error bars.');
    expect(drawSvg(figure)).toContain('<title>A &lt; B &amp; Größe</title>');
    expect(drawCsv(figure)).toContain('"<Mamba> & ""β, ≥"" (N=16)"');
  });
});

describe('the figures of costs', () => {
  const figureOf = (name: keyof typeof figures, anchors = false) => figures[name].build(stored, { anchors });
  const panelsOf = (figure: Figure) => figure.panels.map((p) => [p.title, p.y.label]);
  const seriesOf = (figure: Figure, panel: number, name: string) => figure.panels[panel].series.find((s) => s.name === name)!;

  test('time-vs-length has a line an op, its slope, and says where SSD passes attention', () => {
    const figure = figureOf('time-vs-length');
    expect(figure.panels.map((p) => p.title)).toEqual(['Forward', 'Forward and backward']);
    const attention = seriesOf(figure, 0, 'Causal attention');
    expect(attention.marks.map((m) => m.x)).toEqual([512, 2048, 8192]);
    expect(attention.marks.at(-1)).toMatchObject({ label: '2.00', facts: { slope: 2 } });
    expect(attention.marks[0]).toMatchObject({ y: 4e-6 * 512 ** 2 * 1.1, low: 4e-6 * 512 ** 2, high: 4e-6 * 512 ** 2 * 1.2 });
    expect(seriesOf(figure, 1, 'Causal attention').failed).toMatchObject([{ x: 8192, why: 'out-of-memory' }]);
    // a peer's forms look like the op, and each like itself; one that runs nowhere is a sentence
    const [own, ...peers] = ['Causal attention', 'Causal attention — PyTorch, plain', 'Causal attention — PyTorch, sdpa'].map((name) => seriesOf(figure, 0, name).look);
    expect(peers.map((look) => look.marker)).toEqual([own.marker, own.marker]);
    expect(own.dash).toEqual([]);
    expect(new Set([own, ...peers].map((look) => `${look.dash}`)).size).toBe(3);
    expect(figure.panels[0].series.some((s) => s.name.includes('triton'))).toBe(false);
    const one = figures['time-vs-length'].build({ records, measurements: measurements.filter((m) => m.measure.options['dState'] !== 64) });
    expect(one.caption.join(' ')).toContain('Forward: SSD takes less time than attention from length 2,048 on, 8.19 times less at 8,192.');
  });

  test('published numbers are drawn when asked for, as published and on their device, and relative ones on what is measured', () => {
    expect(figureOf('time-vs-length').panels.flatMap((p) => p.series).some((s) => s.name.startsWith('Published'))).toBe(false);
    const figure = figureOf('time-vs-length', true);
    const published = figure.panels[0].series.filter((s) => s.name.startsWith('Published'));
    expect(published.map((s) => s.name)).toEqual(['Published: SSD of the Mamba-2 paper (A100)', 'Published: five Triton kernels (H100)', 'Published: one Triton kernel (H100)']);
    expect(published[0].marks).toMatchObject([{ x: 2048, y: 4e-6 * 2048 ** 2 * 1.1 }]);
    expect(published[1].marks).toMatchObject([{ x: 4096, y: 0.34 }, { x: 65536, y: 5.92 }]);
    expect(figure.caption.join(' ')).toMatch(/Published, not measured here: five Triton kernels .*bf16 \(H100; .*\)/);
    expect(figure.panels[1].series.some((s) => s.name.startsWith('Published'))).toBe(false);
  });

  test('time-vs-state has a line an op over N, attention across, and the published range at N=64', () => {
    const figure = figures['time-vs-state'].build({ records, measurements: measurements.filter((m) => m.measure.options['seqLen'] === 2048) }, { anchors: true });
    expect(panelsOf(figure)).toEqual([['Forward', 'Time (ms)'], ['Forward and backward', 'Time (ms)']]);
    expect(figure.panels[0].series.map((s) => s.name)).toEqual(['Selective scan', 'SSD, chunked', 'Causal attention (no N)', 'Published: SSD of the Mamba-2 paper (A100)']);
    expect(seriesOf(figure, 0, 'Causal attention (no N)').marks).toMatchObject([16, 64].map((x) => ({ x, y: 4e-6 * 2048 ** 2 * 1.1 })));
    expect(figure.caption.join(' ')).toContain("Forward: from N=16 to 64 the scan's time grows 4 times and that of SSD 1.52 times, less than half as much, as the paper claims. At N=64 the scan takes 1.06 times as long as SSD.");
    const scan = seriesOf(figure, 0, 'Selective scan').marks[1].y;
    expect(figure.panels[0].series[3].marks).toMatchObject([{ x: 64, y: scan / 4, low: scan / 8, high: scan / 2 }]);
  });

  test('decode-latency shows context, batch and the time to first token; memory shows what is carried', () => {
    expect(panelsOf(figureOf('decode-latency'))).toEqual([['Batch 1', 'Time of a decoding step (ms)'], ['Context 1,024', 'Time of a decoding step (ms)'], ['Reading the prompt', 'Time to first token (ms)']]);
    const memory = figureOf('memory-vs-length');
    expect(panelsOf(memory).slice(0, 2)).toEqual([['Decoding', 'State of a sequence'], ['Decoding', 'Device memory']]);
    expect(seriesOf(memory, 0, 'attention').marks.map((m) => m.y)).toEqual([256, 1024, 4096].map((n) => 1024 * n));
    expect(seriesOf(memory, 0, 'mamba2 (N=64)').marks.map((m) => m.y)).toEqual([65536, 65536, 65536]);
  });

  test('tokens-per-second is tokens over time', () => {
    const figure = figureOf('tokens-per-second');
    expect(figure.panels.map((p) => p.title)).toEqual(['Training, width 64', 'Prefill, width 64', 'Decoding, width 64', 'Decoding, width 64']);
    expect(seriesOf(figure, 0, 'attention').marks[0].y).toBeCloseTo(4096 / 0.033, 6);
  });

  test('roofline stands under the roofs of its own place, and leaves out places without roofs', () => {
    const figure = figureOf('roofline');
    expect(figure.panels.map((p) => p.title)).toEqual(['wasm, fp32, 2 threads: 35.3 GB/s, 113 GFLOP/s']);
    const roof = figure.panels[0].series.at(-1)!;
    expect(Math.max(...roof.marks.map((m) => m.y))).toBeCloseTo((2 * 1024 ** 3) / 0.019, -3);
    expect(figure.panels[0].series.filter((s) => s.scattered).map((s) => s.name)).toEqual(['Causal attention', 'Selective scan', 'SSD, chunked']);
  });

  test('the same op on two engines has two lines', () => {
    const both = [...measurements, ...measurements.map((m) => ({ ...m, id: `${m.id}-gpu`, measure: { workload: m.measure.workload, options: m.measure.options, engine: 'webgpu', precision: 'mixed' as const, repetition: m.measure.repetition } }))];
    const names = figures['time-vs-length'].build({ records, measurements: both }).panels[0].series.map((s) => s.name);
    expect(names).toContain('Causal attention (wasm, 2 threads)');
    expect(names).toContain('Causal attention (webgpu, mixed)');
  });
});

describe('writing', () => {
  const figure = figures['recall-vs-state'].build({ records, measurements: [] });

  test('gives the files asked for, whole, and nothing else', () => {
    const to = join(dir, 'new', 'folder');
    expect(writeFigure(figure, to, ['svg', 'csv'])).toEqual([join(to, 'recall-vs-state.svg'), join(to, 'recall-vs-state.csv')]);
    expect(readdirSync(to).sort()).toEqual(['recall-vs-state.csv', 'recall-vs-state.svg']);
    expect(readFileSync(join(to, 'recall-vs-state.svg'), 'utf8')).toBe(drawSvg(figure));
    writeFigure(figure, to, ['csv,png'], { scale: 1, caption: false });
    expect(readdirSync(to).length).toBe(3);
  });

  test('refuses a format that it does not know, and names those that it does', () => {
    expect(() => writeFigure(figure, dir, ['pdff'])).toThrow(/E_CONFIG: unknown figure format "pdff"\. Did you mean "pdf"\? Known: png, svg, pdf, csv\./);
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
