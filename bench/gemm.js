// Speed of matrix products: GFLOP/s of a compiled tf.matMul. On the WASM engine packing and thread start are included; on the WebGPU
// engine it is the device's own time of all launches of the product, and a row and a column of the result are checked in float64.
//   node bench/gemm.js [--threads 1,2] [--ms 400] [--only TEXT]
//   node bench/gemm.js --engine webgpu [--precision mixed] [--without subgroupMatrices] [--runs 20] [--only TEXT]
import { parseArgs } from 'node:util';
import { tf } from '../dist/engine/tf.js';
import { openWasm } from '../dist/engine/wasm/engine.js';
import { openWebgpu } from '../dist/engine/webgpu/engine.js';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'wasm' },
    threads: { type: 'string', default: '1,2' },
    ms: { type: 'string', default: '400' },
    only: { type: 'string', default: '' },
    precision: { type: 'string', default: 'fp32' },
    without: { type: 'string', default: '' },
    runs: { type: 'string', default: '20' },
  },
});

/** @typedef {readonly [what: string, m: number, k: number, n: number, layout: string, batch?: number]} Row */

/** What it is, M, K, N, and which operands are stored transposed ('T') or not ('N'); several products make a batch. */
const small = /** @type {const} @satisfies {readonly Row[]} */ ([
  ['projection in, Mamba-2', 4096, 64, 288, 'NN'],
  ['projection in, long batch', 16384, 64, 256, 'NN'],
  ['logits', 1024, 64, 8192, 'NT'],
  ['logits', 1024, 64, 8192, 'NN'],
  ['projection', 4096, 64, 64, 'NN'],
  ['projection', 4096, 64, 128, 'NN'],
  ['projection out', 4096, 128, 64, 'NN'],
  ['gradient by input', 4096, 128, 64, 'NT'],
  ['gradient by input', 4096, 288, 64, 'NT'],
  ['gradient by weight', 64, 4096, 128, 'TN'],
  ['gradient by weight', 64, 4096, 288, 'TN'],
  ['gradient by weight', 128, 4096, 64, 'TN'],
  ['attention scores', 64, 16, 64, 'NT', 256],
  ['batched squares', 64, 64, 64, 'NN', 128],
  ['small', 64, 256, 64, 'NN'],
  ['tiny', 64, 64, 64, 'NN'],
  ['odd', 1023, 511, 257, 'NN'],
  ['square', 512, 512, 512, 'NN'],
  ['square', 1024, 1024, 1024, 'NN'],
  ['vector', 1, 64, 8192, 'NN'],
]);

/** A training step on a GPU: 1024 sequences of 256 tokens. */
const large = /** @type {const} @satisfies {readonly Row[]} */ ([
  ['projection in, Mamba-2', 262144, 64, 386, 'NN'],
  ['gradient by input', 262144, 386, 64, 'NT'],
  ['gradient by weight', 64, 262144, 386, 'TN'],
  ['projection in', 262144, 64, 256, 'NN'],
  ['gradient by input', 262144, 256, 64, 'NT'],
  ['gradient by weight', 64, 262144, 256, 'TN'],
  ['projection out', 262144, 128, 64, 'NN'],
  ['gradient by input', 262144, 64, 128, 'NT'],
  ['gradient by weight', 128, 262144, 64, 'TN'],
  ['two heads', 262144, 64, 2, 'NN'],
  ['two heads, by weight', 64, 262144, 2, 'TN'],
  ['logits', 4096, 64, 8192, 'NT'],
  ['batched squares', 64, 64, 64, 'NN', 4096],
  ['decoding', 1, 64, 8192, 'NN'],
  ['square', 1024, 1024, 1024, 'NN'],
  ['square', 2048, 2048, 2048, 'NN'],
  ['square', 4096, 4096, 4096, 'NN'],
  ['square, transposed', 4096, 4096, 4096, 'NT'],
  ['square, transposed', 4096, 4096, 4096, 'TN'],
  ['odd', 1023, 511, 257, 'NN'],
]);

const named = (/** @type {Row} */ [what, m, k, n, layout, batch = 1]) => ({ what, size: `${batch > 1 ? `${batch}·` : ''}${m}×${k}×${n} ${layout}` });
const wanted = (/** @type {readonly Row[]} */ rows) => rows.filter((r) => `${named(r).what} ${named(r).size}`.includes(values.only));

/** @param {number[]} shape */
const random = (shape) => {
  const data = new Float32Array(shape.reduce((x, y) => x * y, 1));
  // the numbers come again after a prime number of them
  const period = Math.min(data.length, 1000003);
  for (let i = 0; i < period; i++) data[i] = Math.random() - 0.5;
  for (let done = period; done < data.length; done *= 2) data.copyWithin(done, 0, done);
  return { shape, data };
};

/** @param {Row} row */
function operands([, m, k, n, layout, batch = 1]) {
  const [ta, tb] = [layout[0] === 'T', layout[1] === 'T'];
  const lead = batch > 1 ? [batch] : [];
  return { ta, tb, a: random([...lead, ...(ta ? [k, m] : [m, k])]), b: random([...lead, ...(tb ? [n, k] : [k, n])]), lead };
}

async function onWasm() {
  const threadCounts = values.threads.split(',').map(Number);
  process.stdout.write(`${'what'.padEnd(28)}${'M×K×N'.padEnd(20)}${threadCounts.map((t) => `${t} thread${t > 1 ? 's' : ''}: best  median`.padEnd(28)).join('')}GFLOP/s\n`);
  for (const product of wanted(small)) {
    const [, m, k, n, , batch = 1] = product;
    const { what, size } = named(product);
    let row = what.padEnd(28) + size.padEnd(20);
    for (const threads of threadCounts) {
      const { a, b, ta, tb, lead } = operands(product);
      const engine = await openWasm({ threads });
      const executable = engine.compile({
        state: { a, b, c: random([...lead, m, n]) },
        functions: { product: (_, s) => ({ outputs: {}, state: { c: tf.matMul(s.a, s.b, ta, tb) } }) },
      });
      const flop = 2 * batch * m * n * k;
      const repeats = Math.max(1, Math.round(2e7 / flop));
      const measure = (/** @type {number} */ ms) => {
        const rates = [];
        for (const start = performance.now(); performance.now() - start < ms;) {
          const t = performance.now();
          for (let i = 0; i < repeats; i++) executable.run('product', {});
          rates.push((flop * repeats) / (performance.now() - t) / 1e6);
        }
        return rates.sort((x, y) => x - y);
      };
      measure(Number(values.ms) / 2);
      const rates = measure(Number(values.ms));
      row += `${' '.repeat(11)}${(rates.at(-1) ?? 0).toFixed(1).padStart(6)}${(rates[rates.length >> 1] ?? 0).toFixed(1).padStart(8)}   `;
      executable.dispose();
      await engine.close();
    }
    process.stdout.write(`${row}\n`);
  }
}

async function onWebgpu() {
  /** @type {{ kernels: readonly string[], milliseconds: Float64Array } | undefined} */
  let compiled;
  const engine = await openWebgpu({
    precision: values.precision === 'mixed' ? 'mixed' : 'fp32',
    without: /** @type {('subgroups' | 'f16' | 'subgroupMatrices')[]} */ (values.without.split(',').filter(Boolean)),
    profile: (p) => (compiled = p),
  });
  const { adapter, precision, features } = engine.describe();
  if (!features.includes('timestamps')) throw new Error(`${adapter} has no timestamps`);
  process.stdout.write(`${adapter}, ${precision}, ${features.join(' ')}\n`);
  process.stdout.write(`${'what'.padEnd(26)}${'M×K×N'.padEnd(24)}${['best ms', 'median ms', 'GFLOP/s', 'GB/s', 'error'].map((x) => x.padStart(11)).join('')}  launches\n`);
  for (const product of wanted(large)) {
    const [, m, k, n, , batch = 1] = product;
    const { what, size } = named(product);
    process.stdout.write(what.padEnd(26) + size.padEnd(24));
    const { a, b, ta, tb, lead } = operands(product);
    const zeros = lead.map(() => 0);
    const executable = engine.compile({
      state: { a, b },
      functions: {
        product: (_, s) => {
          const c = tf.matMul(s.a, s.b, ta, tb);
          const one = lead.map(() => 1);
          return { outputs: { row: tf.slice(c, [...zeros, m - 1, 0], [...one, 1, n]), column: tf.slice(c, [...zeros, 0, n - 1], [...one, m, 1]) } };
        },
      },
    });
    try {
      const times = [];
      let result = await executable.run('product', {}).read();
      const p = compiled;
      if (p === undefined) throw new Error('the engine did not compile');
      const sum = () => p.milliseconds.reduce((t, ms, j) => t + (/** @type {string} */ (p.kernels[j]).startsWith('matmul') ? ms : 0), 0);
      const together = 8;
      const some = async () => {
        const runs = Array.from({ length: together }, () => executable.run('product', {}));
        for (const run of runs) result = await run.read();
      };
      // an idle GPU lowers its clock
      for (const start = performance.now(); performance.now() - start < 300; ) await some();
      for (let i = 0; i < Number(values.runs); i++) {
        p.milliseconds.fill(0);
        await some();
        // the times of a call arrive soon after its results
        for (let before = -1; sum() > before; ) {
          before = sum();
          await new Promise((go) => setTimeout(go, 2));
        }
        times.push(sum() / together);
      }
      times.sort((x, y) => x - y);
      const median = times[times.length >> 1] ?? NaN;
      const at = (/** @type {number} */ i, /** @type {number} */ j) => {
        let dot = 0;
        for (let p = 0; p < k; p++) dot += /** @type {number} */ (a.data[ta ? p * m + i : i * k + p]) * /** @type {number} */ (b.data[tb ? j * k + p : p * n + j]);
        return dot;
      };
      let [difference, norm] = [0, 0];
      const compare = (/** @type {ArrayLike<number>} */ got, /** @type {(x: number) => number} */ exact) => {
        for (let x = 0; x < got.length; x += Math.ceil(got.length / 500)) {
          difference += (/** @type {number} */ (got[x]) - exact(x)) ** 2;
          norm += exact(x) ** 2;
        }
      };
      compare(result['row']?.data ?? [], (j) => at(m - 1, j));
      compare(result['column']?.data ?? [], (i) => at(i, n - 1));
      const bytes = 4 * batch * (m * k + k * n + m * n);
      const numbers = [(times[0] ?? NaN).toFixed(4), median.toFixed(4), ((2 * batch * m * n * k) / median / 1e6).toFixed(0), (bytes / median / 1e6).toFixed(0), Math.sqrt(difference / norm).toExponential(1)];
      process.stdout.write(`${numbers.map((x) => x.padStart(11)).join('')}  ${compiled?.kernels.filter((name) => name.startsWith('matmul')).join(' + ')}\n`);
    } catch (error) {
      process.stdout.write(`  ${/** @type {Error} */ (error).message}\n`);
    }
    executable.dispose();
  }
  await engine.close();
}

if (values.engine === 'webgpu') {
  await onWebgpu();
  // Dawn keeps the process alive
  process.exit(0);
} else await onWasm();
