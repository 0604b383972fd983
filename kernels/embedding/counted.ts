/** The embedding and its gradient in counting loops, with as many different ids as there can be. */
import { gaussian } from '../judge.ts';
import { zeros, type NdArray } from '../nd-array.ts';
import { counted, type CountedCase, type CountedOperand, type Tally } from '../tally.ts';
import { Embedding, EmbeddingGradient } from './op.ts';
import * as oracle from './oracle.ts';

export interface Sizes {
  readonly V: number;
  readonly D: number;
  readonly B: number;
  readonly L: number;
}

const idsOf = ({ V, B, L }: Sizes) => ({ shape: [B, L], data: Int32Array.from({ length: B * L }, (_, i) => (V - 1 - i + V * L * B) % V) });

function forward([table, ids]: readonly CountedOperand[], { D, B, L }: Sizes): NdArray[] {
  const y = zeros(B, L, D);
  for (let i = 0; i < B * L; i++) for (let d = 0; d < D; d++) y.data[i * D + d] = table.at(ids.at(i) * D + d);
  return [y];
}

function gradient(m: Tally, [ids, dy]: readonly CountedOperand[], { V, D, B, L }: Sizes): NdArray[] {
  const sum = zeros(V, D);
  for (let i = 0; i < B * L; i++) for (let d = 0; d < D; d++) sum.data[ids.at(i) * D + d] = m.add(sum.data[ids.at(i) * D + d], dy.at(i * D + d));
  return [sum];
}

export function countedEmbedding(sizes: Sizes): CountedCase {
  return counted({
    name: `Embedding ${JSON.stringify(sizes)}`,
    op: Embedding,
    attrs: {},
    inputs: [gaussian(1, sizes.V, sizes.D), idsOf(sizes)],
    used: [true],
    loops: (_, inputs) => forward(inputs, sizes),
    oracle: ([table, ids]) => [oracle.embedding(table, ids)],
  });
}

export function countedEmbeddingGradient(sizes: Sizes): CountedCase {
  return counted({
    name: `EmbeddingGradient ${JSON.stringify(sizes)}`,
    op: EmbeddingGradient,
    attrs: { vocab: sizes.V },
    inputs: [idsOf(sizes), gaussian(2, sizes.B, sizes.L, sizes.D)],
    used: [true],
    loops: (m, inputs) => gradient(m, inputs, sizes),
    oracle: ([ids, dy]) => [oracle.embeddingGradient(ids, dy, sizes.V)],
  });
}

/** Fewer and more ids than words. */
const sizes: readonly Sizes[] = [
  { V: 1, D: 1, B: 1, L: 1 },
  { V: 23, D: 5, B: 2, L: 7 },
  { V: 5, D: 3, B: 3, L: 9 },
];

export const countedCases: readonly CountedCase[] = sizes.flatMap((s) => [countedEmbedding(s), countedEmbeddingGradient(s)]);
