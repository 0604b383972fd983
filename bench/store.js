#!/usr/bin/env node
/**
 * How fast a large store is read and reported: made-up runs with learning curves as long as real ones, and measurements, in a file of their own that is
 * removed afterwards. `npm run build:ts && node bench/store.js [--records 100000] [--rows 200] [--json]`.
 */
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { drawFigures } from '../dist/cli/figures.js';
import { decideClaims } from '../dist/reports/claims/index.js';
import { measureId } from '../dist/results/measurement.js';
import { madeUpMeasurement, madeUpRecord } from '../dist/results/made-up.js';
import { pointId } from '../dist/results/point.js';
import { readStores } from '../dist/results/store.js';

const { values } = parseArgs({
  options: { records: { type: 'string', default: '100000' }, measurements: { type: 'string', default: '100000' }, rows: { type: 'string', default: '200' }, json: { type: 'boolean', default: false } },
});
const [records, measurements, rows] = [values.records, values.measurements, values.rows].map(Number);
const dir = mkdtempSync(join(tmpdir(), 'recallbench-store-'));

/** Lines of which each is made from its number, a few thousand at a time. */
function write(path, n, line) {
  for (let from = 0; from < n; from += 1000) {
    const lines = [];
    for (let i = from; i < Math.min(n, from + 1000); i++) lines.push(`${line(i)}\n`);
    appendFileSync(path, lines.join(''));
  }
}

const models = ['attention', 'mamba1', 'mamba2', 'gla'];
/** A sweep over mixers, widths, state sizes and learning rates with as many seeds as it takes. */
function run(i) {
  const [model, dState, dModel, lr, seed] = [models[i % 4], [8, 16, 64, 256][(i >> 2) % 4], [32, 64, 128, 256][(i >> 4) % 4], [1e-3, 3e-3, 1e-2][(i >> 6) % 3], Math.floor(i / 192)];
  return { model, modelOptions: { dState }, dModel, lr, seed };
}
const { curve, ...head } = madeUpRecord({ point: { model: 'attention' }, rows });
const curveText = JSON.stringify(curve);
const runLine = (i) => {
  const point = { ...head.point, ...run(i) };
  const accuracy = (i % 97) / 97;
  const text = JSON.stringify({ ...head, id: pointId(point), point, appearance: { ...head.appearance, label: point.model, order: i % 4 }, stateBytes: 64 * point.dModel * point.modelOptions.dState, test: { ...head.test, accuracy }, validation: { ...head.validation, accuracy } });
  return `${text.slice(0, -1)},"curve":${curveText}}`;
};

const some = madeUpMeasurement({ measure: { workload: 'ssd', options: {}, engine: 'wasm', threads: 2 }, samples: Array.from({ length: 20 }, (_, i) => 1 + i / 100) });
const measureLine = (i) => {
  const [direction, seqLen, dState, repetition, heads] = [['forward', 'forward-backward'][i % 2], 2 ** (7 + ((i >> 1) % 8)), 2 ** (2 + ((i >> 4) % 8)), (i >> 7) % 10, 1 + Math.floor(i / 1280)];
  const measure = { ...some.measure, options: { batch: 1, heads, headDim: 64, chunk: 64, form: 'chunked', direction, seqLen, dState }, repetition };
  return JSON.stringify({ ...some, id: measureId(measure), measure });
};

const results = [];
/** Times a step; the processor's time is that of a quiet machine, and with garbage collection beside it may be more than the wall's. */
async function timed(what, f) {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  const found = await f();
  const { user, system } = process.cpuUsage(cpu);
  results.push({ what, seconds: (performance.now() - wall) / 1000, processorSeconds: (user + system) / 1e6 });
  return found;
}

try {
  for (const [what, n, line] of [[`${records} runs, curves of ${rows} rows`, records, runLine], [`${measurements} measurements`, measurements, measureLine]]) {
    const path = join(dir, 'store.jsonl');
    write(path, n, line);
    const stored = await timed(`read ${what} (${(statSync(path).size / 2 ** 20).toFixed(0)} MiB)`, () => readStores([path]));
    if (stored.records.length + stored.measurements.length !== n || stored.problems.length > 0) throw new Error(`${path} was not read whole`);
    await timed(`claims from ${what}`, () => decideClaims(stored));
    await timed(`all figures of ${what} as CSV`, () => drawFigures(undefined, stored, { folder: join(dir, 'figures'), formats: ['csv'] }));
    rmSync(path);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

if (values.json) console.log(JSON.stringify(results));
else {
  const table = new Table({ head: ['what', 'seconds', 'of the processor'], colAligns: ['left', 'right', 'right'], style: { head: [], border: [], compact: true } });
  for (const { what, seconds, processorSeconds } of results) table.push([what, seconds.toFixed(2), processorSeconds.toFixed(2)]);
  console.log(table.toString());
}
