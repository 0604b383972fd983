/**
 * How many MQAR tokens a second one core makes, stream forks included: `npx tsc -p tsconfig.json && node bench/mqar.js`.
 * `--json` prints the numbers for machines.
 */
import Table from 'cli-table3';
import { Bench } from 'tinybench';
import { rng } from '../dist/core/random.js';
import { tasks } from '../dist/tasks/index.js';

const batch = 64; // examples per timed call, so that the clock's grain does not count
const sizes = [
  [64, 4],
  [64, 16],
  [256, 16],
  [256, 64],
  [512, 64],
  [1024, 256],
  [4096, 1024],
];

const bench = new Bench({ time: 500, warmupTime: 200 });
const cases = sizes.map(([seqLen, pairs], id) => {
  const task = tasks.mqar.open({ seqLen, pairs });
  const train = rng(0).fork('train');
  const out = { tokens: new Int32Array(seqLen), targets: new Int32Array(seqLen) };
  let next = 0;
  bench.add(`${id}`, () => {
    for (let i = 0; i < batch; i++) task.example(train.fork(next++), out);
  });
  return { seqLen, pairs };
});
await bench.run();

const rows = cases.map(({ seqLen, pairs }, id) => {
  const { result } = bench.tasks[id];
  if (result.state !== 'completed') throw new Error(`seqLen ${seqLen}, pairs ${pairs}: ${result.state}`, { cause: result.error });
  const rate = (/** @type {number} */ ms) => (batch * seqLen * 1000) / ms;
  return { seqLen, pairs, tokensPerSecond: rate(result.latency.mean), medianTokensPerSecond: rate(result.latency.p50) };
});

if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
else {
  const head = ['seqLen', 'pairs', 'million tokens/s', 'at the median', 'µs per example'];
  const table = new Table({ head, colAligns: head.map(() => 'right'), style: { head: [], border: [], compact: true } });
  for (const { seqLen, pairs, tokensPerSecond: mean, medianTokensPerSecond: median } of rows) {
    table.push([seqLen, pairs, (mean / 1e6).toFixed(1), (median / 1e6).toFixed(1), ((seqLen / mean) * 1e6).toFixed(2)]);
  }
  console.log(`mqar with random fillers on one core, ${bench.time} ms a row, Node ${process.version}`);
  console.log(table.toString());
}
