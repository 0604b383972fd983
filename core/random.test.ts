import { describe, expect, test } from 'vitest';
import { rng, type Stream } from './random.ts';

const take = <T>(n: number, draw: () => T): T[] => Array.from({ length: n }, draw);

/** Chi-square of equally likely `counts` as a standard normal score (Wilson & Hilferty 1931); 4 is p ≈ 3·10⁻⁵. */
function chiSquareScore(counts: Int32Array): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length;
  const freedom = counts.length - 1;
  const statistic = counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0);
  return (Math.cbrt(statistic / freedom) - 1 + 2 / (9 * freedom)) / Math.sqrt(2 / (9 * freedom));
}

/** Correlation of two equally long samples. */
function correlation(x: number[], y: number[]): number {
  const mean = (v: number[]) => v.reduce((a, b) => a + b) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  const cov = (u: number[], mu: number, v: number[], mv: number) => u.reduce((s, ui, i) => s + (ui - mu) * (v[i] - mv), 0);
  return cov(x, mx, y, my) / Math.sqrt(cov(x, mx, x, mx) * cov(y, my, y, my));
}

describe('golden values: a change here changes every data set and every initial weight', () => {
  test.each<[string, Stream, number[]]>([
    ['rng(0)', rng(0), [2147653709, 2933213749, 3298866614, 2490010026]],
    ["rng(0).fork('train').fork(0)", rng(0).fork('train').fork(0), [128144158, 352193292, 974717311, 2052053583]],
    ["rng(2⁴⁰+5).fork('test').fork(2³³)", rng(2 ** 40 + 5).fork('test').fork(2 ** 33), [1781236082, 273963550, 2744350841, 1855748862]],
  ])('uint32 of %s', (_, stream, values) => {
    expect(take(4, () => stream.uint32())).toEqual(values);
  });

  test.each<[string, (s: Stream) => number, number[]]>([
    ['below(8191)', (s) => s.below(8191), [6255, 1133, 7765, 3307]],
    ['below(3000000001)', (s) => s.below(3000000001), [594301081, 1734402480, 342171523, 690108572]],
    ['uniform', (s) => s.uniform(), [0.7636595368385315, 0.13837146759033203, 0.9480226635932922, 0.40382200479507446]],
    ['open', (s) => s.open(), [0.7636595666408539, 0.13837149739265442, 0.9480226933956146, 0.40382203459739685]],
    ['double', (s) => s.double(), [0.7636595825729631, 0.948022718756065, 0.72261582128088, 0.07966801643877042]],
    ['normal', (s) => s.normal(), [0.3922809791835298, -0.5380422372335875, 0.5775610182686762, -0.12398622759915919]],
  ])('%s of rng(1)', (_, draw, values) => {
    const stream = rng(1);
    expect(take(4, () => draw(stream))).toEqual(values);
  });
});

describe('uniformity', () => {
  test('every byte of uint32', () => {
    const stream = rng(11);
    const counts = take(4, () => new Int32Array(256));
    for (let i = 0; i < 200_000; i++) {
      const u = stream.uint32();
      for (let byte = 0; byte < 4; byte++) counts[byte][(u >>> (8 * byte)) & 255]++;
    }
    for (const c of counts) expect(chiSquareScore(c)).toBeLessThan(4);
  });

  test('pairs of successive uniforms fill the square', () => {
    const stream = rng(12);
    const counts = new Int32Array(32 * 32);
    for (let i = 0; i < 200_000; i++) counts[Math.floor(stream.uniform() * 32) * 32 + Math.floor(stream.uniform() * 32)]++;
    expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  test.each([1, 2, 3, 7, 97, 1000, 4095])('below(%i)', (n) => {
    const stream = rng(13);
    const counts = new Int32Array(n);
    for (let i = 0; i < 100 * n; i++) counts[stream.below(n)]++;
    if (n > 1) expect(chiSquareScore(counts)).toBeLessThan(4);
  });

  // without rejection, one third of 0 … 3·2³⁰−1 would come up twice as often as the rest
  test.each([3 * 2 ** 30, 2 ** 32 - 1, 2 ** 31 + 1, 2 ** 32, 2 ** 21 - 1, 2 ** 21, 2 ** 21 + 1])('below(%i), by thirds and by the lowest bits', (n) => {
    const stream = rng(14);
    const thirds = new Int32Array(3);
    const low = new Int32Array(16);
    for (let i = 0; i < 50_000; i++) {
      const b = stream.below(n);
      if (!(b >= 0 && b < n && Number.isInteger(b))) expect.unreachable(`below gave ${b}`);
      thirds[Math.floor((3 * b) / n)]++;
      low[b % 16]++;
    }
    expect(chiSquareScore(thirds)).toBeLessThan(4);
    expect(chiSquareScore(low)).toBeLessThan(4);
  });

  test('uniform, double and open stay inside their intervals', () => {
    const stream = rng(15);
    for (let i = 0; i < 100_000; i++) {
      const [u, d, o] = [stream.uniform(), stream.double(), stream.open()];
      if (u < 0 || u >= 1 || d < 0 || d >= 1 || o <= 0 || o >= 1) expect.unreachable(`${u} ${d} ${o}`);
    }
  });
});

test('normal has the moments and tails of a standard normal', () => {
  const stream = rng(16);
  const n = 200_000;
  const x = take(n, () => stream.normal());
  const moment = (k: number) => x.reduce((sum, v) => sum + v ** k, 0) / n;
  // four standard errors of each sample moment
  for (const [k, value, variance] of [[1, 0, 1], [2, 1, 2], [3, 0, 15], [4, 3, 96]] as const) {
    expect(Math.abs(moment(k) - value), `moment ${k}`).toBeLessThan(4 * Math.sqrt(variance / n));
  }
  const beyond = x.filter((v) => Math.abs(v) > 1.959964).length / n;
  expect(Math.abs(beyond - 0.05)).toBeLessThan(4 * Math.sqrt((0.05 * 0.95) / n));
  expect(Math.abs(correlation(x.slice(0, -1), x.slice(1)))).toBeLessThan(4 / Math.sqrt(n));
});

describe('forks', () => {
  const head = (s: Stream) => take(4, () => s.uint32()).join();

  test('forking does not disturb the parent, and does not depend on where the parent is', () => {
    const [plain, forked] = [rng(3), rng(3)];
    const early = head(forked.fork('a'));
    expect(take(8, () => forked.uint32())).toEqual(take(8, () => plain.uint32()));
    expect(head(forked.fork('a'))).toBe(early);
    expect(head(rng(3).fork('a'))).toBe(early);
  });

  test('different names give different streams', () => {
    const r = rng(4);
    const names = ['', 'a', 'b', 'ab', 'ba', '0', '1', 'train', 'test', 0, 1, -1, 2 ** 32, 2 ** 32 + 1, 2 ** 40];
    const streams = [r, rng(5), r.fork('a').fork('b'), r.fork('b').fork('a'), r.fork(0).fork(0), ...names.map((name) => r.fork(name))];
    expect(new Set(streams.map(head)).size).toBe(streams.length);
  });

  test('first words of neighbouring forks and of neighbouring seeds are uniform and uncorrelated', () => {
    const n = 50_000;
    const root = rng(6).fork('train');
    for (const draw of [(i: number) => root.fork(i), (i: number) => rng(i)]) {
      const first = Array.from({ length: n }, (_, i) => draw(i).uint32() / 2 ** 32);
      const counts = new Int32Array(256);
      for (const u of first) counts[Math.floor(u * 256)]++;
      expect(chiSquareScore(counts)).toBeLessThan(4);
      for (const lag of [1, 2, 256]) expect(Math.abs(correlation(first.slice(0, -lag), first.slice(lag)))).toBeLessThan(4 / Math.sqrt(n));
    }
  });

  test('a child is uncorrelated with its parent and with its sibling', () => {
    const n = 50_000;
    const parent = rng(7);
    const [x, y, z] = [parent.fork(0), parent.fork(1), parent].map((s) => take(n, () => s.uniform())) as [number[], number[], number[]];
    for (const [u, v] of [[x, y], [x, z], [y, z]] as const) expect(Math.abs(correlation(u, v))).toBeLessThan(4 / Math.sqrt(n));
  });
});
