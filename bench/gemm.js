// Speed of matrix products on the WASM engine: GFLOP/s of a compiled tf.matMul, packing and thread start included.
//   node bench/gemm.js [--threads 1,2] [--ms 400] [--only TEXT]
import { parseArgs } from 'node:util';
import { tf } from '../dist/engine/tf.js';
import { openWasm } from '../dist/engine/wasm/engine.js';

const { values } = parseArgs({ options: { threads: { type: 'string', default: '1,2' }, ms: { type: 'string', default: '400' }, only: { type: 'string', default: '' } } });
const threadCounts = values.threads.split(',').map(Number);

/** What it is, M, K, N, and which operands are stored transposed ('T') or not ('N'); several products make a batch. */
const products = /** @type {const} */ ([
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

/** @param {number[]} shape */
const random = (shape) => ({ shape, data: Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, () => Math.random() - 0.5) });

process.stdout.write(`${'what'.padEnd(28)}${'M×K×N'.padEnd(20)}${threadCounts.map((t) => `${t} thread${t > 1 ? 's' : ''}: best  median`.padEnd(28)).join('')}GFLOP/s\n`);
for (const [what, m, k, n, layout, batch = 1] of products) {
  const size = `${batch > 1 ? `${batch}·` : ''}${m}×${k}×${n} ${layout}`;
  if (!`${what} ${size}`.includes(values.only)) continue;
  let row = what.padEnd(28) + size.padEnd(20);
  for (const threads of threadCounts) {
    const [ta, tb] = [layout[0] === 'T', layout[1] === 'T'];
    const lead = batch > 1 ? [batch] : [];
    const engine = await openWasm({ threads });
    const executable = engine.compile({
      state: { a: random([...lead, ...(ta ? [k, m] : [m, k])]), b: random([...lead, ...(tb ? [n, k] : [k, n])]), c: random([...lead, m, n]) },
      functions: { product: (_, { a, b }) => ({ outputs: {}, state: { c: tf.matMul((a), (b), ta, tb) } }) },
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
