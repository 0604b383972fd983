#!/usr/bin/env node
// Where the time of a training step goes: every kernel launch of the captured step, by time.
//
//     node bench/step.js --model mamba2 -V 8192 -L 64 -B 64 --pairs 4 [--threads 2] [--graph] [--launches]
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { rng } from '../dist/core/random.js';
import { openWasm } from '../dist/engine/wasm/engine.js';
import { batcher } from '../dist/harness/batch.js';
import { openPoint } from '../dist/harness/open-point.js';
import { adamWHyper, trainingProgram } from '../dist/models/optimizer.js';
import { parsePoint } from '../dist/results/point.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'mamba2' },
    vocab: { type: 'string', short: 'V', default: '8192' },
    length: { type: 'string', short: 'L', default: '64' },
    batch: { type: 'string', short: 'B', default: '64' },
    pairs: { type: 'string', default: '4' },
    width: { type: 'string', short: 'D', default: '64' },
    state: { type: 'string', short: 'N' },
    threads: { type: 'string', default: '2' },
    steps: { type: 'string', default: '40' },
    graph: { type: 'boolean' },
    launches: { type: 'boolean' },
  },
});
const [vocabSize, seqLen, batch, pairs, steps] = [values.vocab, values.length, values.batch, values.pairs, values.steps].map(Number);
const options = { vocabSize, seqLen, pairs };
const state = values.state ?? { mamba1: '16', mamba2: '64' }[values.model];
const open = openPoint(
  parsePoint({
    task: 'mqar',
    train: [{ options, examples: batch }],
    test: [{ options, examples: 1 }],
    batch,
    model: values.model,
    modelOptions: state === undefined ? {} : { dState: Number(state) },
    positions: values.model === 'attention',
    dModel: Number(values.width),
    lr: 1e-3,
  }),
);
let compiled;
const engine = await openWasm({ threads: Number(values.threads), profile: (c) => (compiled = c) });
const executable = engine.compile(trainingProgram(open.model, open.model.parameters(rng(0)), { weightDecay: 0.1 }));
const fill = batcher(open.train[0].task, batch);
const times = [];
for (let step = 0; step < steps + 30; step++) {
  if (step === 30) compiled.milliseconds.fill(0);
  const own = rng(1).fork(step);
  const began = performance.now();
  const data = fill((i) => own.fork(i));
  await executable.run('train', { ...data, hyper: adamWHyper(1e-3, step + 1) }).read();
  if (step >= 30) times.push(performance.now() - began);
}
if (values.graph) process.stdout.write(`${compiled.graph}\n`);
const rows = new Map();
compiled.kernels.forEach((kernel, i) => {
  const name = values.launches ? `${i} ${kernel}` : kernel;
  const row = rows.get(name) ?? { launches: 0, ms: 0 };
  rows.set(name, { launches: row.launches + 1, ms: row.ms + compiled.milliseconds[i] / steps });
});
const table = new Table({ head: ['kernel', 'launches', 'ms per step', 'share'], colAligns: ['left', 'right', 'right', 'right'], style: { head: [], border: [], compact: true } });
const total = [...rows.values()].reduce((s, r) => s + r.ms, 0);
for (const [kernel, r] of [...rows].sort((a, b) => b[1].ms - a[1].ms)) table.push([kernel, r.launches, r.ms.toFixed(3), `${((100 * r.ms) / total).toFixed(1)} %`]);
times.sort((a, b) => a - b);
const median = times[times.length >> 1];
process.stdout.write(`${table.toString()}\nmedian step ${median.toFixed(2)} ms (in kernels ${total.toFixed(2)}), ${((1000 * batch * seqLen) / median).toFixed(0)} tokens/s, arena ${(compiled.arenaBytes / 2 ** 20).toFixed(1)} MiB, peak ${(executable.peakBytes() / 2 ** 20).toFixed(1)} MiB\n`);
process.exit(0);
