#!/usr/bin/env node
// Fused ops on their own at the shapes of the published GPU figures: device time of each, forward and with gradients, beside what bounds it.
//
//     node bench/ops.js [--only ssd] [--precision mixed] [--repeats 20] [--json]
//
// Bounds are of one H100 SXM: 2.9 TB/s of memory, 52 TFLOP/s fp32 in matrix products, 4.2·10¹² exponentials a second
// (132 multiprocessors × 16 a cycle × 1.98 GHz).
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { tf } from '../dist/engine/tf.js';
import { openWebgpu } from '../dist/engine/webgpu/engine.js';
import { causalAttention } from '../dist/kernels/causal-attention/op.js';
import { selectiveScan } from '../dist/kernels/selective-scan/op.js';
import { ssd } from '../dist/kernels/ssd/op.js';

const { values } = parseArgs({
  options: { only: { type: 'string' }, precision: { type: 'string', default: 'fp32' }, repeats: { type: 'string', default: '20' }, json: { type: 'boolean' } },
});
const repeats = Number(values.repeats);
const TERA = 1e12;

// one period of 4093 values again and again: what the values are does not matter to the time
const wave = (shape, scale = 1, shift = 0) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const period = Math.min(4093, data.length);
  for (let i = 0; i < period; i++) data[i] = shift + scale * Math.sin(1.7 * i);
  for (let n = period; n < data.length; n *= 2) data.copyWithin(n, 0, Math.min(n, data.length - n));
  return { shape, data };
};
const floats = (inputs) => Object.values(inputs).reduce((n, t) => n + t.data.length, 0);

function ssdCase(B, L, H, P, N, chunk) {
  const inputs = { x: wave([B, L, H, P]), dt: wave([B, L, H], 0.04, 0.05), a: wave([H], 0.5, -1), b: wave([B, L, 1, N]), c: wave([B, L, 1, N]), d: wave([H]) };
  // C·Bᵀ for the group, times X for each head, states made and read, by whole chunks
  const flops = B * L * (2 * chunk * N + H * (2 * chunk * P + 4 * N * P));
  return { name: `ssd B=${B} L=${L} H=${H} P=${P} N=${N} chunk=${chunk}`, inputs, bytes: 4 * (floats(inputs) + B * L * H * P), flops, exps: 0, f: ({ x, dt, a, b, c, d }) => ssd(x, dt, a, b, c, d, { chunk, form: 'chunked' }).y };
}

function scanCase(B, L, E, N) {
  const inputs = { x: wave([B, L, E]), delta: wave([B, L, E], 0.04, 0.05), a: wave([E, N], 0.5, -1), b: wave([B, L, N]), c: wave([B, L, N]), d: wave([E]) };
  return { name: `scan B=${B} L=${L} E=${E} N=${N}`, inputs, bytes: 4 * (floats(inputs) + B * L * E), flops: 6 * B * L * E * N, exps: B * L * E * N, f: ({ x, delta, a, b, c, d }) => selectiveScan(x, delta, a, b, c, d).y };
}

function attentionCase(B, L, H, K) {
  const inputs = { q: wave([B, L, H, K]), k: wave([B, L, H, K], 1, 0.1), v: wave([B, L, H, K], 1, 0.2) };
  return { name: `attention B=${B} L=${L} H=${H} K=${K}`, inputs, bytes: 16 * B * L * H * K, flops: 2 * B * H * L * L * K, exps: (B * H * L * L) / 2, f: ({ q, k, v }) => causalAttention(q, k, v) };
}

const cases = [ssdCase(1, 4096, 128, 64, 128, 64), ssdCase(1, 4096, 128, 64, 128, 128), ssdCase(1024, 256, 2, 64, 64, 64), scanCase(8, 4096, 2048, 16), scanCase(1024, 256, 128, 16), attentionCase(8, 4096, 16, 64), attentionCase(1024, 256, 1, 64)];
const table = new Table({ head: ['op', 'direction', 'ms', 'bound ms', 'bound by', 'share', 'TFLOP/s', 'launches'], style: { head: [], border: [], compact: true } });
const results = [];
for (const c of cases) {
  if (values.only !== undefined && !c.name.startsWith(values.only)) continue;
  const names = Object.keys(c.inputs);
  const functions = {
    forward: (t) => ({ outputs: { y: tf.sum(tf.slice(tf.reshape(c.f(t), [-1]), 0, 1)) } }),
    'with gradients': (t) => {
      const { value, grads } = tf.valueAndGrads((...xs) => tf.sum(c.f(Object.fromEntries(names.map((n, i) => [n, xs[i]])))))(names.map((n) => t[n]));
      return { outputs: { value, ...Object.fromEntries(grads.map((g, i) => [`d${i}`, tf.sum(tf.slice(tf.reshape(g, [-1]), 0, 1))])) } };
    },
  };
  for (const direction of Object.keys(functions)) {
    let compiled;
    const engine = await openWebgpu({ precision: values.precision, profile: (p) => (compiled = p) });
    try {
      // operands live in the engine: what is timed is the op
      const executable = engine.compile({ state: c.inputs, functions: { f: (_, state) => functions[direction](state) } });
      const times = [];
      const together = 4;
      const some = async () => {
        const runs = Array.from({ length: together }, () => executable.run('f', {}));
        for (const run of runs) await run.read();
      };
      await some();
      // an idle GPU lowers its clock
      for (const start = performance.now(); performance.now() - start < 300; ) await some();
      for (let i = 0; i < repeats; i++) {
        compiled.milliseconds.fill(0);
        await some();
        // the times of a call arrive soon after its results
        await new Promise((resolve) => setTimeout(resolve, 5));
        times.push(compiled.milliseconds.map((t) => t / together));
      }
      // launches of the op itself: not those that pick one element of the results
      const own = compiled.kernels.map((k, i) => [k, i]).filter(([k]) => !/^(elementwise|reduce)/.test(k));
      const sums = times.map((t) => own.reduce((s, [, i]) => s + t[i], 0)).sort((a, b) => a - b);
      const ms = sums[sums.length >> 1];
      const kernels = Object.fromEntries(own.map(([k, i]) => [`${i} ${k}`, times.map((t) => t[i]).sort((a, b) => a - b)[times.length >> 1]]));
      const bounds = { memory: c.bytes / 2.9 / TERA, products: c.flops / 52 / TERA, exponentials: c.exps / 4.2 / TERA };
      const [by, seconds] = Object.entries(bounds).sort((a, b) => b[1] - a[1])[0];
      const forward = direction === 'forward';
      results.push({ op: c.name, direction, precision: values.precision, ms, boundMs: forward ? 1000 * seconds : null, kernels, device: engine.describe() });
      table.push([c.name, direction, ms.toFixed(3), forward ? (1000 * seconds).toFixed(3) : '', forward ? by : '', forward ? `${((100 * 1000 * seconds) / ms).toFixed(0)} %` : '', forward ? (c.flops / ms / 1e9).toFixed(1) : '', own.length]);
    } catch (error) {
      table.push([c.name, direction, error.message.slice(0, 60), '', '', '', '', '']);
    }
    await engine.close();
  }
}
process.stdout.write(values.json ? `${results.map((r) => JSON.stringify(r)).join('\n')}\n` : `${table.toString()}\n`);
if (!values.json) for (const r of results) process.stdout.write(`${r.op}, ${r.direction}: ${Object.entries(r.kernels).map(([k, ms]) => `${k} ${ms.toFixed(3)}`).join(', ')}\n`);
process.exit(0);
