#!/usr/bin/env node
// How often `recallbench compare` cries wolf, and how large a slowdown it finds, at the noise of a machine.
//
//     node bench/compare.js [--reports 200] [--samples 10] [--threshold 8] [--alpha 0.05] [--pool results/published/noise/pool.json] [--json]
//     node bench/compare.js --collect s1.jsonl,s2.jsonl,… --pool pool.json [--about text]
//
// A report is simulated from real samples: baseline and candidate are repetitions of the same code, taken by different commands of
// `recallbench throughput ci`, and judged as `compare` judges stores. For power, one cell of the candidate, drawn at random, is made slower.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { rng } from '../dist/core/random.js';
import { compareStores } from '../dist/results/compare.js';
import { defaultRules } from '../dist/results/comparison.js';
import { parsePool, poolOf, Simulation } from '../dist/results/noise-pool.js';
import { readStores } from '../dist/results/store.js';

const { values } = parseArgs({
  options: {
    reports: { type: 'string', default: '200' },
    samples: { type: 'string', default: '10' },
    threshold: { type: 'string', default: `${100 * defaultRules.threshold}` },
    alpha: { type: 'string', default: `${defaultRules.alpha}` },
    seed: { type: 'string', default: '0' },
    pool: { type: 'string', default: new URL('../results/published/noise/pool.json', import.meta.url).pathname },
    collect: { type: 'string' },
    about: { type: 'string', default: '' },
    json: { type: 'boolean' },
  },
});

if (values.collect !== undefined) {
  const pool = poolOf(values.collect.split(',').map((path) => readStores([path]).measurements), values.about);
  // one line a repetition
  writeFileSync(values.pool, `${JSON.stringify({ ...pool, commands: [] }).replace(/"commands":\[\]\}$/, '')}"commands":[\n${pool.commands.map((s) => `[${s.map((r) => JSON.stringify(r)).join(',\n')}]`).join(',\n')}\n]}\n`);
  process.exit(0);
}

const pool = parsePool(readFileSync(values.pool, 'utf8'));
const simulation = new Simulation(pool, Number(values.samples));
const rules = { ...defaultRules, threshold: Number(values.threshold) / 100, alpha: Number(values.alpha) };
const reports = Number(values.reports);
const { cells } = simulation;
let [alarms, wrong] = [0, 0];
const slowdowns = [1.05, 1.1, 1.15, 1.25, 1.5].map((factor) => ({ factor, found: 0 }));
for (let i = 0; i < reports; i++) {
  const stream = rng(Number(values.seed)).fork(i);
  const same = simulation.report(stream.fork('same'));
  const { findings, counts } = compareStores(same.baseline, same.candidate, rules);
  if (findings > 0) alarms++;
  if (findings + counts.better > 0) wrong++;
  for (const slow of slowdowns) {
    const own = stream.fork(`slow ${slow.factor}`);
    const cell = cells[own.below(cells.length)];
    const { baseline, candidate } = simulation.report(own, { cell, factor: slow.factor });
    const row = compareStores(baseline, candidate, rules).rows.find((r) => r.ids.includes(simulation.idOf(cell)));
    if (row?.verdict === 'worse') slow.found++;
  }
}
const result = { reports, cells: pool.cells.length, samples: Number(values.samples), threshold: rules.threshold, alpha: rules.alpha, falseAlarms: alarms / reports, falseVerdicts: wrong / reports, power: slowdowns.map(({ factor, found }) => ({ slowdown: factor - 1, found: found / reports })) };
if (values.json) console.log(JSON.stringify(result));
else {
  const percent = (x) => `${(100 * x).toFixed(1)} %`;
  const table = new Table({ head: ['the same code twice, or one cell slower', 'reports'], colAligns: ['left', 'right'], style: { head: [], border: [], compact: true } });
  table.push(['false alarm: a finding', percent(result.falseAlarms)], ['a false finding or a false "better"', percent(result.falseVerdicts)], ...result.power.map(({ slowdown, found }) => [`slowdown of ${percent(slowdown)} found`, percent(found)]));
  console.log(pool.about);
  console.log(`${reports} reports each, ${pool.cells.length} cells × ${result.samples} samples a side, threshold ${percent(rules.threshold)}, alpha ${rules.alpha}`);
  console.log(table.toString());
}
