#!/usr/bin/env node
// A sweep in this one process, to be bundled into one file for a host without npm: it needs no built tree around it.
//
//     node bench/here.js sweep.json out.jsonl [--engine webgpu] [--minutes 9]
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openEngine } from '../dist/engine/index.js';
import { expandSweep, parseSweep } from '../dist/harness/sweep.js';
import { trainPoint } from '../dist/harness/train.js';
import { openStore } from '../dist/results/store.js';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { engine: { type: 'string', default: 'webgpu' }, minutes: { type: 'string', default: '60' } } });
const [file, out] = positionals;
const sweep = parseSweep(JSON.parse(readFileSync(file, 'utf8')), file);
const store = openStore(out);
const end = AbortSignal.timeout(60_000 * Number(values.minutes));
const engine = await openEngine(values.engine);
for (const { id, point } of expandSweep(sweep)) {
  if (end.aborted || store.find(id) !== undefined) continue;
  const record = await trainPoint(point, { engine, sweep: sweep.name, signal: end });
  if (record.outcome.state !== 'interrupted') store.append(record);
  const { outcome, test, tokensPerSecond, trainSeconds } = record;
  process.stdout.write(`${point.model} ${JSON.stringify(point.modelOptions)} lr ${point.lr.toPrecision(2)}: ${outcome.state} ${outcome.reason ?? ''} accuracy ${test?.accuracy.toFixed(4)} ${tokensPerSecond?.toFixed(0)} tokens/s ${trainSeconds.toFixed(0)} s\n`);
}
await engine.close();
process.exit(0);
