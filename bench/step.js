#!/usr/bin/env node
// How long a training step takes, and where the time goes: every kernel launch of the captured step, by time.
//
//     node bench/step.js --model mamba2 -V 8192 -L 64 -B 64 --pairs 4 [--engine webgpu] [--threads 2] [--graph] [--launches] [--json]
//
// First whole steps are timed as training does them, losses read some steps late; then each launch by itself.
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { rng } from '../dist/core/random.js';
import { mean, median } from '../dist/core/statistics.js';
import { openWasm } from '../dist/engine/wasm/engine.js';
import { openWebgpu } from '../dist/engine/webgpu/engine.js';
import { batches, batchThreads } from '../dist/harness/batches.js';
import { lossScaleOf, openPoint } from '../dist/harness/open-point.js';
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
    engine: { type: 'string', default: 'wasm' },
    precision: { type: 'string', default: 'fp32' },
    threads: { type: 'string', default: '2' },
    steps: { type: 'string', default: '40' },
    graph: { type: 'boolean' },
    launches: { type: 'boolean' },
    json: { type: 'boolean' },
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
    data: 'fresh',
  }),
);
const WARM = 10;
/** steps whose losses are still under way when the next step starts */
const LATE = 8;

/** Trains some steps; tells how long the later ones took on average, and how long the host was busy with each. */
async function train(profile) {
  const engine = values.engine === 'webgpu' ? await openWebgpu({ precision: values.precision, profile }) : await openWasm({ threads: Number(values.threads), profile });
  const executable = engine.compile(trainingProgram(open.model, open.model.parameters(rng(0)), { weightDecay: 0.1, lossScale: lossScaleOf(open, engine.describe()) }));
  const pending = [];
  let loss;
  const losses = async (keep) => {
    while (pending.length > keep) loss = (await pending.shift().read()).loss.data[0];
  };
  const began = performance.now();
  let [start, first, step] = [0, 0, -1];
  const hosts = [];
  // what goes on in executable.run: data is written, launches are encoded, several steps submitted at once
  const [wrote, submitted] = values.engine === 'webgpu' ? [timedCalls(globalThis.GPUQueue.prototype, 'writeBuffer'), timedCalls(globalThis.GPUQueue.prototype, 'submit')] : [];
  const names = Array.from({ length: steps + WARM }, (_, epoch) => ({ epoch, segment: 0, index: 0 }));
  for await (const { batch: data } of batches(open, names, batchThreads(values.engine))) {
    step++;
    if (step === 1) {
      await losses(0);
      first = performance.now() - began;
    }
    if (step === WARM) {
      await losses(0);
      profile?.warm();
      start = performance.now();
      hosts.length = 0;
    }
    const made = performance.now();
    for (const calls of [wrote, submitted]) if (calls !== undefined) calls.ms = 0;
    pending.push(executable.run('train', { ...data, hyper: adamWHyper(1e-3, step + 1) }));
    hosts.push({ all: performance.now() - made, write: wrote?.ms ?? 0, submit: submitted?.ms ?? 0 });
    if (profile !== undefined || values.engine !== 'webgpu') await losses(0);
    else if (pending.length >= 2 * LATE) await losses(LATE);
  }
  await losses(0);
  const ms = (performance.now() - start) / steps;
  const peakBytes = executable.peakBytes();
  const device = engine.describe();
  await engine.close();
  wrote?.end();
  submitted?.end();
  // the median step, and, since one submit is of several steps, the mean of submits
  const host = { ms: mean(hosts.map((h) => h.all)), writeMs: median(hosts.map((h) => h.write)), encodeMs: median(hosts.map((h) => h.all - h.write - h.submit)), submitMs: mean(hosts.map((h) => h.submit)) };
  return { ms, host, firstMs: first, loss, peakBytes, device };
}

/** Sums up how long a method takes. */
function timedCalls(prototype, name) {
  const method = prototype[name];
  const calls = { ms: 0, end: () => (prototype[name] = method) };
  prototype[name] = function (...args) {
    const began = performance.now();
    const result = method.apply(this, args);
    calls.ms += performance.now() - began;
    return result;
  };
  return calls;
}

const timed = await train(undefined);
let compiled;
const profile = (c) => (compiled = c);
profile.warm = () => compiled.milliseconds.fill(0);
await train(profile);
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
const { ms, host, firstMs, loss, peakBytes, device } = timed;
const tokensPerSecond = (1000 * batch * seqLen) / ms;
// a submit of several steps counts among the launches that it starts
const [encodeUs, submitUs] = [host.encodeMs, host.submitMs].map((x) => (1000 * x) / compiled.kernels.length);
if (values.json) {
  const kernels = Object.fromEntries([...rows].sort((a, b) => b[1].ms - a[1].ms));
  process.stdout.write(`${JSON.stringify({ model: values.model, state, vocabSize, seqLen, batch, pairs, steps, tokensPerSecond, ms, kernelMs: total, busy: total / ms, hostMs: host.ms, writeMs: host.writeMs, encodeUs, submitUs, firstMs, loss, launches: compiled.kernels.length, peakBytes, arenaBytes: compiled.arenaBytes, device, kernels })}\n`);
} else {
  const hosted = values.engine === 'webgpu' ? `host ${host.ms.toFixed(2)}, of which ${host.writeMs.toFixed(2)} write data; ${compiled.kernels.length} launches, each ${encodeUs.toFixed(1)} µs to encode and ${submitUs.toFixed(1)} to submit` : `${compiled.kernels.length} launches`;
  process.stdout.write(
    `${table.toString()}\nstep ${ms.toFixed(2)} ms (in kernels ${total.toFixed(2)}; ${hosted}; first step ${(firstMs / 1000).toFixed(1)} s), ` +
      `${tokensPerSecond.toFixed(0)} tokens/s, loss ${loss.toFixed(4)}, arena ${(compiled.arenaBytes / 2 ** 20).toFixed(1)} MiB, peak ${(peakBytes / 2 ** 20).toFixed(1)} MiB\n`,
  );
}
process.exit(0);
