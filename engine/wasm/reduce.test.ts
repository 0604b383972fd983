import { afterAll, expect, test } from 'vitest';
import { tf } from '../tf.ts';
import { openWasm } from './engine.ts';

/** Shape and axes: rows, columns, both short and long, in one launch and in several. */
const cases: [number[], number[]][] = [
  [[1], [0]], [[7], [0]], [[100003], [0]], [[3, 50001], [1]], [[9, 333], [1]], [[4096, 64], [0]], [[4097, 65], [0]], [[70001, 3], [0]],
  [[5000, 1, 7], [0]], [[333, 130], [0]], [[2, 3000, 33], [1]], [[64, 63, 5], [1]], [[63, 15], [0]], [[130, 31], [0]], [[20, 2, 7000], [1]],
  [[5, 6, 7, 8], [1, 2]], [[64, 4096], [0]], [[50, 5001], [0]], [[2, 40, 4099], [1]],
];

const kinds = {
  sum: { op: tf.sum, start: 0, add: (a: number, b: number) => a + b },
  max: { op: tf.max, start: -Infinity, add: Math.max },
  min: { op: tf.min, start: Infinity, add: Math.min },
  prod: { op: tf.prod, start: 1, add: (a: number, b: number) => a * b },
} as const;

/** The same reduction in float64. */
function reduced(kind: keyof typeof kinds, shape: readonly number[], axes: readonly number[], data: Float32Array): Float64Array {
  const kept = shape.filter((_, d) => !axes.includes(d));
  const out = new Float64Array(kept.reduce((a, b) => a * b, 1)).fill(kinds[kind].start);
  data.forEach((x, i) => {
    let rest = i;
    let to = 0;
    let stride = 1;
    for (let d = shape.length - 1; d >= 0; d--) {
      if (!axes.includes(d)) {
        to += stride * (rest % shape[d]);
        stride *= shape[d];
      }
      rest = Math.floor(rest / shape[d]);
    }
    out[to] = kinds[kind].add(out[to], x);
  });
  return out;
}

const engines = Promise.all([openWasm({ threads: 1, poison: true }), openWasm({ threads: 3, poison: true })]);
afterAll(async () => {
  for (const engine of await engines) await engine.close();
});

test.each(cases)('reductions of [%s] over [%s] are right, and the same on any number of threads', async (shape, axes) => {
  const n = shape.reduce((a, b) => a * b, 1);
  const x = { shape, data: Float32Array.from({ length: n }, (_, i) => 1 + 1e-3 * Math.sin(3.7 * i)) };
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const results = (await engines).map(async (engine) => {
    const executable = engine.compile({
      state: {},
      functions: { f: ({ x: t }) => ({ outputs: Object.fromEntries(names.map((kind) => [kind, kinds[kind].op(t, axes)])) }) },
    });
    const result = await executable.run('f', { x }).read();
    executable.dispose();
    return result;
  });
  const [one, three] = await Promise.all(results);
  for (const kind of names) {
    const exact = reduced(kind, shape, axes, x.data);
    const tolerance = kind === 'sum' ? 1e-6 : kind === 'prod' ? 1e-4 : 0;
    const wrong = exact.findIndex((e, i) => !(Math.abs(one[kind].data[i] - e) <= tolerance * Math.abs(e)));
    expect(wrong, `${kind} ${wrong}: ${one[kind].data[wrong]} for ${exact[wrong]}`).toBe(-1);
    expect(three[kind].data).toEqual(one[kind].data);
  }
});

test('arg-max gives the first of the largest of each row', async () => {
  const [engine] = await engines;
  for (const n of [1, 3, 15, 16, 17, 63, 1000]) {
    for (const at of new Set([0, n >> 1, Math.max(0, n - 2), n - 1])) {
      // rising to a peak that comes again at the end, falling, and all the same
      const rows = [(i: number) => (i === at || i === n - 1 ? n : Math.min(i, at) - n), (i: number) => -i, () => 7];
      const x = { shape: [3, n], data: Float32Array.from({ length: 3 * n }, (_, i) => rows[Math.floor(i / n)](i % n)) };
      const executable = engine.compile({ state: {}, functions: { f: ({ x: t }) => ({ outputs: { y: tf.argMax(t, 1) } }) } });
      const { y } = await executable.run('f', { x }).read();
      executable.dispose();
      expect([...y.data], `n ${n}, at ${at}`).toEqual([at, 0, 0]);
    }
  }
});
