#!/usr/bin/env node
// Training speed side by side: ours (WASM engine) and PyTorch's, in turns, in one run.
//
//     node peers/compare.js --python python3 [--only attention] [--rounds 5] [--no-search] [--json out.json]
//
// For each case PyTorch first searches its thread settings (peers/torch_step.py --search; --no-search takes all cores, which is
// quicker and nearly always what is found) and stays warm; then all sides measure in turns, and the median of each side's rounds
// gives the ratios. Plain cases meet PyTorch twice: as its users run it, and with glibc's allocator tuned as well (no bar).
// Needs a built recallbench and a Python with PyTorch.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
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
    python: { type: 'string', default: 'python3' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string' },
    'no-search': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const threads = Number(values.threads);
const seconds = Number(values.seconds);

const plain = { vocab: 8192, mode: 'plain' };
const short = { ...plain, length: 64, batch: 64, pairs: 4 };
const long = { ...plain, length: 256, batch: 16, pairs: 64 };
const scored = { vocab: 256, mode: 'scored', length: 64, batch: 64, pairs: 8 };
const asIs = (bar) => [{ allocator: 'default', bar }, { allocator: 'tuned' }];
const cases = [
  { mixer: 'attention', peers: asIs(8), ...short },
  { mixer: 'mamba2', peers: asIs(8), ...short },
  { mixer: 'attention', peers: asIs(4), ...long },
  { mixer: 'mamba2', peers: asIs(4), ...long },
  // the published loop indexes its tensors, which is quadratic by accident; over unbound steps it is the same program
  { mixer: 'mamba1', peers: [{ allocator: 'default', form: 'indexed', bar: 100 }, { allocator: 'default', form: 'unbind' }, { allocator: 'tuned', form: 'unbind' }], ...long },
  { mixer: 'attention', peers: [{ allocator: 'tuned', bar: 1.3 }], ...scored },
  { mixer: 'mamba2', peers: [{ allocator: 'tuned', bar: 2 }], ...scored },
].filter((c) => values.only === undefined || `${c.mixer} ${c.mode} ${c.length}`.includes(values.only));

/** Our side: an executable that trains, and the time of its steps. */
async function ours(c) {
  const options = { vocabSize: c.vocab, seqLen: c.length, pairs: c.pairs };
  const point = parsePoint({
    task: 'mqar',
    train: [{ options, examples: c.batch }],
    test: [{ options, examples: 1 }],
    batch: c.batch,
    model: c.mixer,
    modelOptions: { mamba2: { dState: 64 }, mamba1: { dState: 16 }, attention: {} }[c.mixer],
    positions: c.mixer === 'attention',
    dModel: 64,
    lr: 1e-3,
  });
  const open = openPoint(point);
  const engine = await openWasm({ threads });
  const executable = engine.compile(trainingProgram(open.model, open.model.parameters(rng(0)), { weightDecay: 0.1 }));
  const fill = batcher(open.train[0].task, c.batch);
  let step = 0;
  const one = async () => {
    const own = rng(1).fork(step++);
    const began = performance.now();
    const batch = fill((i) => own.fork(i));
    await executable.run('train', { ...batch, hyper: adamWHyper(1e-3, step) }).read();
    return performance.now() - began;
  };
  for (let i = 0; i < 30; i++) await one();
  return {
    measure: async () => {
      const times = [];
      for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) times.push(await one());
      return { tokensPerSecond: (1000 * c.batch * c.length) / median(times), stepMs: median(times), peakBytes: executable.peakBytes() };
    },
    close: async () => {
      executable.dispose();
      await engine.close();
    },
  };
}

/** glibc's allocator told to keep its memory. */
const allocator = { MALLOC_TRIM_THRESHOLD_: '1099511627776', MALLOC_TOP_PAD_: '67108864', MALLOC_MMAP_MAX_: '0' };

/** PyTorch's side: a warm child process that measures on request. */
async function theirs(c, peer) {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'torch_step.py');
  const sizes = { mixer: c.mixer, vocab: c.vocab, length: c.length, batch: c.batch, pairs: c.pairs, mode: c.mode, form: peer.form ?? 'auto' };
  const how = values['no-search'] ? ['--threads', String(threads)] : ['--search', '--allocator', peer.allocator];
  // a step of the indexed loop takes half a minute
  const warm = peer.form === 'indexed' ? ['--warmup', '1'] : [];
  const flags = [...Object.entries(sizes).flatMap(([k, v]) => [`--${k}`, String(v)]), ...how, ...warm, '--serve'];
  const env = values['no-search'] && peer.allocator === 'tuned' ? { ...process.env, ...allocator } : process.env;
  const child = spawn(values.python, [script, ...flags], { stdio: ['pipe', 'pipe', 'inherit'], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`PyTorch ended early (${values.python} ${script})`);
    return JSON.parse(value);
  };
  const ready = await next();
  return {
    about: ready,
    measure: async () => {
      child.stdin.write(`${JSON.stringify({ seconds })}\n`);
      return next();
    },
    close: () => child.kill(),
  };
}

function median(xs) {
  const sorted = [...xs].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const results = [];
const table = new Table({ head: ['case', 'ours tok/s', 'PyTorch tok/s', 'ratio', 'bar', 'PyTorch settings'], style: { head: [], border: [], compact: true } });
/** Tokens per second of the median round. */
const middle = (rounds) => median(rounds.map((r) => r.tokensPerSecond));
for (const c of cases) {
  const name = `${c.mixer} V=${c.vocab} L=${c.length} B=${c.batch} ${c.pairs} pairs, ${c.mode}`;
  process.stderr.write(`${name} …\n`);
  const peers = [];
  for (const peer of c.peers) peers.push(await theirs(c, peer));
  const own = await ours(c);
  const mine = [];
  const others = peers.map(() => []);
  for (let r = 0; r < Number(values.rounds); r++) {
    mine.push(await own.measure());
    for (const [i, peer] of peers.entries()) others[i].push(await peer.measure());
  }
  await own.close();
  for (const peer of peers) peer.close();
  const a = middle(mine);
  c.peers.forEach(({ allocator: malloc, bar }, i) => {
    const { about } = peers[i];
    const b = middle(others[i]);
    table.push([name, a.toFixed(0), b.toFixed(0), (a / b).toFixed(2), bar === undefined ? '' : `≥ ${bar}`, `torch ${about.torch}, ${about.threads} threads, ${about.form ?? ''}, ${malloc} allocator`]);
    process.stderr.write(`  ours ${a.toFixed(0)} tokens/s, PyTorch (${malloc} allocator, ${about.form ?? ''}) ${b.toFixed(0)}: ${(a / b).toFixed(2)}\n`);
    results.push({ case: { ...c, peers: undefined }, allocator: malloc, bar, threads, oursTokensPerSecond: a, peerTokensPerSecond: b, ratio: a / b, peer: about, rounds: { ours: mine, theirs: others[i] } });
  });
}
process.stdout.write(`${table.toString()}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
process.exit(0);
