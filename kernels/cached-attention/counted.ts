/** Attention over a full cache in counting loops. */
import { gaussian } from '../judge.ts';
import { zeros } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Outputs, type Tally } from '../tally.ts';
import { CachedAttention } from './op.ts';
import * as oracle from './oracle.ts';

interface Sizes {
  readonly B: number;
  readonly H: number;
  readonly C: number;
  readonly K: number;
}

/** Every sequence decodes its last place: that is what is counted. */
function step(m: Tally, [q, k, v, keys, values, places]: readonly CountedOperand[], { B, H, C, K }: Sizes): Outputs {
  const y = zeros(B, H, K);
  const caches = [keys, values].map(() => ({ ...zeros(B, H, C, K), written: B * H * K }));
  for (let head = 0; head < B * H; head++) {
    const place = places.at(Math.floor(head / H));
    const row = (cache: CountedOperand, own: CountedOperand, j: number) => (c: number) => (j === place ? own.at(head * K + c) : cache.at((head * C + j) * K + c));
    const s = Array.from({ length: place + 1 }, (_, j) => m.mul(m.dot(K, (c) => q.at(head * K + c), row(keys, k, j)), 1 / Math.sqrt(K)));
    const most = s.reduce((a, b) => m.max(a, b), -Infinity);
    const e = s.map((x) => m.exp(m.sub(x, most)));
    const sum = e.reduce((a, b) => m.add(a, b), 0);
    for (let c = 0; c < K; c++) y.data[head * K + c] = m.div(m.dot(place + 1, (j) => e[j], (j) => row(values, v, j)(c)), sum);
    for (const [i, [cache, own]] of ([[keys, k], [values, v]] as const).entries()) {
      for (let j = 0; j < C; j++) for (let c = 0; c < K; c++) caches[i].data[(head * C + j) * K + c] = row(cache, own, j)(c);
    }
  }
  return [y, ...caches];
}

const sizes: readonly Sizes[] = [
  { B: 1, H: 1, C: 1, K: 1 },
  { B: 2, H: 3, C: 7, K: 5 },
  { B: 3, H: 1, C: 70, K: 4 },
];

export const countedCases: readonly CountedCase[] = sizes.map((s) => {
  const { B, H, C, K } = s;
  return counted({
    name: `CachedAttention ${JSON.stringify(s)}`,
    op: CachedAttention,
    attrs: {},
    inputs: [gaussian(1, B, H, K), gaussian(2, B, H, K), gaussian(3, B, H, K), gaussian(4, B, H, C, K), gaussian(5, B, H, C, K), { shape: [B], data: new Int32Array(B).fill(C - 1) }],
    used: [true, true, true],
    loops: (m, inputs) => step(m, inputs, s),
    oracle: ([q, k, v, keys, values, places]) => {
      const { y, keys: nextKeys, values: nextValues } = oracle.cachedAttention(q, k, v, keys, values, places);
      return [y, nextKeys, nextValues];
    },
  });
});
