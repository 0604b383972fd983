#!/usr/bin/env node
// The ops of a throughput sweep, ours and PyTorch's in turns, in one run and into one store.
//
//     node peers/ops.js <preset|file> --python python3 [--engine wasm] [--threads 2] [--device cpu] [--dtype fp32] [--only ssd]
//                       [--repetitions 3] [--seconds 0.3] [--out runs/peers.jsonl]
//
// Every repetition measures each op at each shape by us, then by every form that PyTorch has of it (peers/torch_ops.py); what the
// store has is not measured again.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { openEngine } from '../dist/engine/index.js';
import { fingerprint } from '../dist/harness/fingerprint.js';
import { finished } from '../dist/harness/launch.js';
import { measure, openMeasure, withoutSamples } from '../dist/harness/measure.js';
import { expandThroughput, parseThroughput } from '../dist/harness/throughput.js';
import { throughputs } from '../dist/harness/throughputs/index.js';
import { costsOf } from '../dist/results/costs.js';
import { measureId } from '../dist/results/measurement.js';
import { checkWritable, openStore } from '../dist/results/store.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    engine: { type: 'string', default: 'auto' },
    threads: { type: 'string', default: String(availableParallelism()) },
    device: { type: 'string', default: 'cpu' },
    dtype: { type: 'string', default: 'fp32' },
    precision: { type: 'string', default: 'fp32' },
    only: { type: 'string' },
    repetitions: { type: 'string' },
    seconds: { type: 'string' },
    out: { type: 'string', default: 'runs/peers.jsonl' },
  },
});
const [name = 'quick'] = positionals;
const threads = Number(values.threads);

/** The forms that PyTorch has of a workload; a loop over tokens is spared lengths at which it takes minutes. */
const LONGEST_LOOP = values.device === 'cuda' ? 2048 : 8192;
const peerForms = {
  gemm: () => ['blas'],
  copy: () => ['copy'],
  launch: () => [],
  'naive-scan': () => [],
  'causal-attention': () => ['sdpa', 'plain'],
  // the published loop indexes its tensors, which makes its gradient quadratic by accident; over unbound steps it is the same program
  'selective-scan': ({ seqLen, direction }) => [...(seqLen <= LONGEST_LOOP ? ['sequential'] : []), ...(seqLen <= 512 && direction !== 'forward' ? ['indexed'] : []), 'associative', ...(values.device === 'cuda' ? ['cuda'] : [])],
  ssd: ({ form, seqLen }) => ({ chunked: ['einsum', 'tuned', ...(values.device === 'cuda' ? ['triton'] : [])], quadratic: ['quadratic'], linear: seqLen <= LONGEST_LOOP ? ['linear'] : [] })[form],
  'long-conv': () => ['fft'],
};

/** A warm child process that measures on request. */
function serve() {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'torch_ops.py');
  const child = spawn(values.python, [script, '--device', values.device, '--threads', String(threads), '--dtype', values.dtype, '--serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`PyTorch ended early (${values.python} ${script})`);
    return JSON.parse(value);
  };
  // which PyTorch on which device: a failed measurement tells it too
  const ready = answer();
  return {
    ready,
    ask: async (request) => {
      const about = await ready;
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return { ...about, ...(await answer()) };
    },
    close: () => child.kill(),
  };
}

const raw = Object.hasOwn(throughputs, name) ? throughputs[name] : existsSync(name) ? JSON.parse(readFileSync(name, 'utf8')) : undefined;
if (raw === undefined) {
  process.stderr.write(`no preset or file "${name}"; presets: ${Object.keys(throughputs).join(', ')}\n`);
  process.exit(2);
}
const spec = parseThroughput({ ...raw, ...(values.repetitions && { repetitions: Number(values.repetitions) }), ...(values.seconds && { seconds: Number(values.seconds) }) }, name);
const open = () => openEngine(values.engine, { threads, timed: true, precision: values.precision });
let engine = await open();
const description = engine.describe();
const gpu = engine.name === 'webgpu' && !description.features.includes('software');
const place = { engine: engine.name, kind: gpu ? 'gpu' : 'cpu', ...(engine.name === 'wasm' && { threads }), ...(values.precision !== 'fp32' && { precision: values.precision }) };
const planned = expandThroughput(spec, place).filter(({ measure: m }) => Object.hasOwn(peerForms, m.workload) && (values.only === undefined || values.only.split(',').includes(m.workload)));

checkWritable(values.out);
const store = openStore(values.out);
const missing = (id) => !finished.has(store.findMeasurement(id)?.outcome.state);
const peer = serve();
// it takes seconds to load, and our first measurement is not to share the machine with that
await peer.ready;

/** One measurement of PyTorch as a record. */
async function theirs(ours, form) {
  const { options } = ours;
  const asked = { workload: ours.workload, options: { ...options, implementation: form }, engine: 'pytorch', ...(values.device === 'cpu' && { threads }), precision: values.dtype, repetition: ours.repetition };
  if (!missing(measureId(asked))) return;
  const startedAt = new Date();
  const sizes = ours.workload === 'gemm' ? { m: options.size, n: options.size, k: options.size } : options;
  const answer = await peer.ask({ op: ours.workload, direction: 'forward', ...sizes, form, seconds: spec.seconds });
  const own = withoutSamples(ours, { sweep: spec.name, outcome: { state: 'done' }, startedAt });
  const outcome = answer.error === undefined ? { state: 'done' } : { state: answer.kind === 'out-of-memory' ? 'out-of-memory' : answer.kind === 'unsupported' ? 'unsupported' : 'crashed', reason: answer.error };
  // the same work, counted once for all who do it
  const counted = store.findMeasurement(measureId(ours))?.work ?? null;
  store.append({
    ...own,
    id: measureId(asked),
    measure: asked,
    outcome,
    appearance: { ...own.appearance, label: `${own.appearance.label} — PyTorch, ${form}`, order: own.appearance.order + 0.5 },
    samples: (answer.samples ?? []).filter((ms) => ms > 0),
    clock: values.device === 'cpu' ? 'host' : 'device',
    kernels: [],
    work: counted,
    peakBytes: answer.peakBytes ?? 0,
    device: fingerprint({ engine: 'pytorch', adapter: values.device === 'cpu' ? description.adapter : answer.device, ...(values.device === 'cpu' && { threads }), precision: values.dtype, features: [], versions: { torch: answer.torch } }),
    finishedAt: new Date().toISOString(),
  });
}

for (const [i, { id, measure: ours }] of planned.entries()) {
  const { appearance } = openMeasure(ours);
  process.stderr.write(`${i + 1}/${planned.length} ${appearance.label} ${JSON.stringify(ours.options)}\n`);
  if (missing(id)) {
    const record = await measure(ours, { engine, sweep: spec.name, seconds: spec.seconds });
    store.append(record);
    if (record.outcome.state !== 'done') {
      // a device that ran out of memory is of no use to the next
      await engine.close();
      engine = await open();
    }
  }
  for (const form of peerForms[ours.workload](ours.options)) await theirs(ours, form);
}
peer.close();
await engine.close();

const costs = costsOf(store.measurements.filter((m) => m.sweep === spec.name));
const key = ({ measure: { workload, options } }) => JSON.stringify([workload, { ...options, implementation: undefined }]);
const ours = new Map(costs.filter((c) => c.measure.engine === engine.name).map((c) => [key(c), c]));
const table = new Table({ head: ['op', 'shape', 'ours ms', 'PyTorch', 'ms', 'ratio'], style: { head: [], border: [], compact: true } });
for (const cost of costs.filter((c) => c.measure.engine === 'pytorch')) {
  const own = ours.get(key(cost));
  const { implementation, ...shape } = cost.measure.options;
  const both = own?.state === 'done' && cost.state === 'done';
  table.push([cost.measure.workload, Object.entries(shape).map(([k, v]) => `${k}=${v}`).join(' '), own?.state === 'done' ? own.ms.toPrecision(4) : own?.state, implementation, cost.state === 'done' ? cost.ms.toPrecision(4) : cost.state, both ? `${(cost.ms / own.ms).toFixed(2)}×` : '—']);
}
process.stdout.write(`${table.toString()}\nin ${values.out}\n`);
process.exit(0);
