/**
 * How many tokens a second one core makes of each task, stream forks included: `npx tsc -p tsconfig.json && node bench/tasks.js`.
 * Every task at its defaults, and MQAR at more sizes. `--json` prints the numbers for machines.
 */
import Table from 'cli-table3';
import { Bench } from 'tinybench';
import { rng } from '../dist/core/random.js';
import { tasks } from '../dist/tasks/index.js';

const atLeast = 4096; // tokens a timed call, so that the clock's grain does not count
const mqarSizes = [
  [64, 4],
  [64, 16],
  [256, 16],
  [256, 64],
  [512, 64],
  [1024, 256],
  [4096, 1024],
].map(([seqLen, pairs]) => ({ seqLen, pairs }));

const bench = new Bench({ time: 500, warmupTime: 200 });
const cases = Object.values(tasks)
  .flatMap((definition) => [{}, ...(definition === tasks.mqar ? mqarSizes : [])].map((options) => ({ definition, options })))
  .map(({ definition, options }, id) => {
    const task = definition.open(options);
    const { seqLen } = task;
    const batch = Math.ceil(atLeast / seqLen);
    const train = rng(0).fork('train');
    const out = { tokens: new Int32Array(seqLen), targets: new Int32Array(seqLen) };
    let next = 0;
    bench.add(`${id}`, () => {
      for (let i = 0; i < batch; i++) task.example(train.fork(next++), out);
    });
    return { task: definition.name, ...task.slice, seqLen, batch };
  });
await bench.run();

const rows = cases.map(({ batch, ...row }, id) => {
  const { result } = bench.tasks[id];
  if (result.state !== 'completed') throw new Error(`${JSON.stringify(row)}: ${result.state}`, { cause: result.error });
  const rate = (/** @type {number} */ ms) => (batch * row.seqLen * 1000) / ms;
  return { ...row, tokensPerSecond: rate(result.latency.mean), medianTokensPerSecond: rate(result.latency.p50) };
});

if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
else {
  const head = ['task', 'sizes', 'million tokens/s', 'at the median', 'µs per example'];
  const table = new Table({ head, colAligns: ['left', 'left', 'right', 'right', 'right'], style: { head: [], border: [], compact: true } });
  for (const { task, tokensPerSecond: mean, medianTokensPerSecond: median, ...sizes } of rows) {
    const said = Object.entries(sizes).map(([key, value]) => `${key} ${value}`);
    table.push([task, said.join(', '), (mean / 1e6).toFixed(1), (median / 1e6).toFixed(1), ((sizes.seqLen / mean) * 1e6).toFixed(2)]);
  }
  console.log(`one core, ${bench.time} ms a row, Node ${process.version}`);
  console.log(table.toString());
}
